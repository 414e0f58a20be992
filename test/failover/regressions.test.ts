// What an attack on the router has found, and what became of it.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Stream } from "effect"
import { CircuitBreaker, type CircuitError, FailoverError, FailoverRouter, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"
import { classifyPart, provider } from "../support/streams.ts"
import { down, route, router, tag, told } from "./targets.ts"

describe("a router that was attacked", () => {
  it.effect("a call that another circuit turns away deep inside was made, and goes on to the next target", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("tool")
      const asked: Array<string> = []
      const error = yield* FailoverRouter.execute(
        "chat",
        ({ name }) =>
          Effect.suspend((): Effect.Effect<void, CircuitError.CircuitBreakerError, CircuitBreaker.CircuitBreaker> => {
            asked.push(name)
            return Effect.void.pipe(CircuitBreaker.execute({ key: "tool" }))
          })
      ).pipe(Effect.flip)
      assert.deepStrictEqual(asked, ["us", "eu", "asia"])
      assert(FailoverError.isFailoverError(error))
      assert.deepStrictEqual(error.attempts.map(({ cause, ran }) => [cause, ran]), [
        ["forced_open", true],
        ["forced_open", true],
        ["forced_open", true]
      ])
    }).pipe(Effect.provide(router())))

  it.effect("a health probe that the policy's own attemptTimeout cuts off is a time-out, and counts once", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* tag("eu"), "Closed")
      assert.deepStrictEqual((yield* told).filter((line) => line.includes("eu")), ["probe of eu: timeout"])
    }).pipe(Effect.provide(
      route({ targets: ["us", "eu"] }, { healthProbe: () => Effect.never }, {
        attemptTimeout: "1 second",
        tripPolicy: TripPolicy.consecutive(3)
      })
    )))

  it.effect("a route may name the circuit of another one, by its default key", () =>
    Effect.gen(function*() {
      yield* Effect.exit(FailoverRouter.execute("chat", () => down))
      const [, code] = yield* FailoverRouter.snapshot
      assert.strictEqual(code?.targets[0]?.circuit._tag, "Open")
    }).pipe(Effect.provide(router({
      routes: { chat: { targets: ["us"] }, code: { targets: [{ name: "us", key: "chat/us" }] } }
    }))))

  it.effect("the circuit of a last resort is nobody else's", () =>
    Effect.gen(function*() {
      const layer = route({ targets: ["us", "us/last-resort"], whenExhausted: "least_bad" })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(Layer.build(layer)))))
    }))

  it.effect("targets that serve by weight are not probed as standbys", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* told, ["probe of c: success"])
    }).pipe(Effect.provide(route({
      targets: [{ name: "a", tier: 1 }, { name: "b", tier: 1 }, { name: "c", tier: 2 }]
    }, { healthProbe: () => Effect.succeed(true) }))))

  it.effect("a list of targets with holes is no list", () =>
    Effect.gen(function*() {
      const targets = ["us"]
      targets[3] = "eu"
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(Layer.build(route({ targets }))))))
    }))

  it.effect("a classify or retry that is no function is refused at construction, as healthProbe is", () =>
    Effect.gen(function*() {
      for (const options of [{ classify: "LlmOutcome" as never }, { retry: 3 as never }]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(Layer.build(router(options))))))
      }
    }))

  it.effect("a deadline that is near leaves the first content its own limit, and not the shorter one of silence", () =>
    Effect.gen(function*() {
      const fiber = yield* FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? Stream.never : provider(["open"], 8_000, ["text"], ["finish"]),
        { classifyPart }
      ).pipe(Stream.runCollect, Effect.forkChild)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["open", "text", "finish"])
    }).pipe(Effect.provide(route({
      targets: ["us", "eu"],
      firstContentTimeout: "30 seconds",
      idleTimeout: "5 seconds",
      deadline: "40 seconds"
    }))))

  it.effect("a misspelt fence of a call is refused, and not open", () =>
    Effect.gen(function*() {
      const misspelt: object = { alow: { regions: ["eu"] } }
      for (
        const call of [
          FailoverRouter.execute("chat", () => Effect.void, misspelt),
          Stream.runDrain(FailoverRouter.stream("chat", () => Stream.make("hello"), misspelt))
        ]
      ) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(call)))
      }
    }).pipe(Effect.provide(router())))

  it.effect("an error of a router has no stack trace: in an outage of all targets every call makes one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(FailoverRouter.execute("chat", () => down))
      assert.notMatch(String(error.stack), /\n\s+at /)
    }).pipe(Effect.provide(router())))
})
