// What an attack on the router has found, and what became of it: memory, nesting, circuits that routes share, no breaker.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Stream } from "effect"
import { CircuitBreaker, CircuitStore, FailoverRouter, Outcome, StreamSignal, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"
import * as v8 from "node:v8"
import * as vm from "node:vm"

const router = (options: FailoverRouter.Options) =>
  FailoverRouter.layer(options).pipe(
    Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2) })),
    Layer.provideMerge(CircuitStore.layerMemory)
  )

describe("a router under attack", () => {
  it.effect("a stream with rescue that falls silent after its first content is let go at the deadline", () =>
    Effect.gen(function*() {
      const answer = FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? Stream.concat(Stream.make("Hel"), Stream.never) : Stream.make("Good", " day"),
        { rescue: 3, deadline: "20 seconds" }
      )
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runHead(answer)))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed(Exit.succeed(Option.some("Hel"))))
    }).pipe(Effect.provide(router({ routes: { chat: { targets: ["us", "eu"] } } }))))

  for (
    const [what, options] of [
      ["whose fence leaves nobody", { allow: { regions: ["mars"] } }],
      ["to a route that is not there", undefined]
    ] as const
  ) {
    it.effect(`calls ${what}, inside of another route, say nothing about the target around them`, () =>
      Effect.gen(function*() {
        const healthy = () => Effect.succeed("hello")
        const inner = FailoverRouter.execute(options === undefined ? "nowhere" : "inner", healthy, options)
        for (let call = 0; call < 2; call++) {
          yield* Effect.exit(FailoverRouter.execute("outer", () => inner))
        }
        const breaker = yield* CircuitBreaker.CircuitBreaker
        assert.strictEqual((yield* breaker.state("outer/inner"))._tag, "Closed")
      }).pipe(Effect.provide(router({
        routes: { outer: { targets: ["inner"] }, inner: { targets: [{ name: "a", region: "eu" }] } }
      }))))
  }

  it.live("held parts are not kept in memory once they are let go", () =>
    Effect.gen(function*() {
      const more = yield* Deferred.make<void>()
      const parts: Array<WeakRef<object>> = []
      const source = Stream.range(1, 60).pipe(
        Stream.rechunk(1),
        Stream.map((number) => {
          const part = { number }
          parts.push(new WeakRef(part))
          return part
        }),
        Stream.concat(Stream.drain(Stream.fromEffect(Deferred.await(more))))
      )
      const kept = (
        stream: Stream.Stream<unknown, unknown, FailoverRouter.FailoverRouter | CircuitBreaker.CircuitBreaker>
      ) =>
        Effect.gen(function*() {
          parts.length = 0
          const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
          yield* Effect.sleep("100 millis")
          assert.strictEqual(parts.length, 60)
          collect()
          yield* Effect.sleep("20 millis")
          collect()
          yield* Fiber.interrupt(fiber)
          return parts.filter((part) => part.deref() !== undefined).length
        })
      assert.isAtMost(yield* kept(CircuitBreaker.stream(source, { key: "control" })), 2)
      assert.isAtMost(yield* kept(FailoverRouter.stream("chat", () => source, { rescue: 50 })), 2)
    }).pipe(Effect.provide(router({ routes: { chat: { targets: ["us"] } } }))))

  describe("with CircuitBreaker.layerNoop", () => {
    const off = FailoverRouter.layer({
      routes: { chat: { targets: ["us", "eu"], firstContentTimeout: "10 seconds", idleTimeout: "10 seconds" } }
    }).pipe(Layer.provide(CircuitBreaker.layerNoop))

    it.effect("a stream that is cut before its first content is no answer either", () =>
      Effect.gen(function*() {
        const answer = FailoverRouter.stream(
          "chat",
          ({ name }) => name === "us" ? Stream.make("open") : Stream.make("open", "hello", "finish"),
          {
            classifyPart: (part) =>
              part === "open"
                ? StreamSignal.alive
                : part === "finish"
                ? StreamSignal.finish(Outcome.success)
                : StreamSignal.content
          }
        )
        const exit = yield* Effect.exit(Stream.runCollect(answer))
        assert.notStrictEqual(String(exit), String(Exit.succeed(["open"])))
      }).pipe(Effect.provide(off)))
  })

  it.live("a provider that ten routes share is probed once at a time", () =>
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const healthProbe = () =>
        Effect.gen(function*() {
          most = Math.max(most, ++running)
          yield* Effect.sleep("50 millis")
          running--
          return true
        })
      const targets = [{ name: "us", key: "us" }, { name: "eu", key: "eu" }]
      const routes = Object.fromEntries(Array.from({ length: 10 }, (_, route) => [`route-${route}`, { targets }]))
      yield* Effect.sleep("200 millis").pipe(Effect.provide(router({ routes, healthProbe })))
      assert.strictEqual(most, 1)
    }))
})

v8.setFlagsFromString("--expose-gc")
const collect: () => void = vm.runInNewContext("gc")
