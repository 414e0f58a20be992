// Keys that try to be more than keys, in everything that is read line by line or by pattern. That they are circuits of
// their own in both stores is tested with the stores.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CircuitBreaker, FailoverError, FailoverRoute, FailoverRouter, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { keys } from "./keys.ts"
import { inSpan, listening, type Written } from "./secrets/sinks.ts"

const policy = { tripPolicy: TripPolicy.consecutive(1) } as const

describe("a hostile key", () => {
  it.effect("stays within its line in logs and metrics, and within its text in events", () => {
    const { layer, written } = listening(policy)
    return Effect.gen(function*() {
      for (const key of keys) yield* inSpan(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
      const recorded = yield* RecordedEvents.RecordedEvents
      const events = yield* recorded.of("circuit.opened")
      assert.deepStrictEqual(events.map(({ key }) => key), keys)
      const shown: Written = yield* written("plain")
      const lines = (name: string) => shown[name]!.trimEnd().split("\n")
      const told = (yield* recorded.all).length
      assert.lengthOf(lines("the log as json"), told)
      for (const line of lines("the log as json")) assert.property(JSON.parse(line), "message")
      // Effect's simple format breaks a line where a key does; this one does not.
      assert.lengthOf(lines("the log as logfmt"), told)
      for (const line of lines("metrics")) {
        assert.match(line, /^(?:# .*|[a-z_]+(?:\{.*\})? [\d.e+-]+|)$/s)
        assert.notMatch(line, /^cb_requests_total\{backend="forged"/)
      }
    }).pipe(Effect.provide(layer))
  })
})

describe("a name that every object has", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"]

  it.effect("is no route unless it is one", () =>
    Effect.gen(function*() {
      for (const route of names) {
        const error = yield* Effect.flip(FailoverRouter.execute(route, () => Effect.succeed("hello")))
        assert.isTrue(FailoverError.isFailoverError(error) && error.reason._tag === "UnknownRoute", route)
      }
    }).pipe(Effect.provide(
      FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us"] })] }).pipe(
        Layer.provide(listening(policy).layer)
      )
    )))

  it.effect("is a route and a target like any other", () =>
    Effect.gen(function*() {
      for (const route of names) {
        assert.strictEqual(yield* FailoverRouter.execute(route, ({ name }) => Effect.succeed(name)), names[0])
        const fence = { allow: { targets: ["constructor"] } }
        assert.strictEqual(
          yield* FailoverRouter.execute(route, ({ name }) => Effect.succeed(name), fence),
          "constructor"
        )
      }
    }).pipe(Effect.provide(
      FailoverRouter.layer({ routes: names.map((route) => FailoverRoute.make(route, { targets: names })) }).pipe(
        Layer.provide(listening(policy).layer)
      )
    )))
})
