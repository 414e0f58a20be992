// One test for each fault that a review found, named after what broke.
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { CircuitBreaker, type CircuitPolicy, CircuitStore, LlmRetry, Outcome, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"

const breaker = (policy: CircuitPolicy.CircuitPolicy, store = CircuitStore.layerMemory) =>
  RecordedEvents.layer.pipe(
    Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), gateJitter: 0, ...policy })),
    Layer.provide(store)
  )

describe("regressions", () => {
  it.effect("a reset did not fence a probe of a stream that settles at first content", () =>
    Effect.gen(function*() {
      yield* Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
      yield* TestClock.adjust("61 seconds")
      const go = yield* Deferred.make<void>()
      const probe = yield* Effect.forkChild(Effect.exit(
        Stream.fromEffect(Deferred.await(go)).pipe(
          Stream.concat(Stream.fail("cut")),
          CircuitBreaker.stream({ key, settleProbeAt: "first_content" }),
          Stream.runDrain
        )
      ))
      yield* TestClock.adjust("1 millis")
      yield* CircuitBreaker.reset(key)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(probe)
      assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Closed")
    }).pipe(Effect.provide(breaker({}))))

  it.effect("calls were measured by the caller's policy, not by that of the circuit", () =>
    Effect.gen(function*() {
      const store = yield* Layer.build(CircuitStore.layerMemory)
      const build = (policy: CircuitPolicy.CircuitPolicy) =>
        Effect.map(
          Effect.provide(Layer.build(CircuitBreaker.layer(policy)), store),
          Context.get(CircuitBreaker.CircuitBreaker)
        )
      const slow = TripPolicy.slowCallRate({ threshold: 1, slowerThan: "1 second", minimumCalls: 1, window: 1 })
      const first = yield* build({ tripPolicy: slow })
      const second = yield* build({})
      yield* first.execute(Effect.void, { key })
      const call = yield* Effect.forkChild(second.execute(Effect.delay(Effect.void, "10 seconds"), { key }))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(call)
      assert.strictEqual((yield* first.state(key))._tag, "Open")
    }))

  it.effect("a healthy outer circuit made the retry forget that the inner one had opened", () =>
    Effect.gen(function*() {
      const error = { status: 503 }
      const ask = Effect.fail(error).pipe(
        CircuitBreaker.execute({ key: "inner" }),
        CircuitBreaker.execute({ key: "outer", classify: () => Outcome.ignored("caller_error") }),
        Effect.retry(LlmRetry.policy())
      )
      const caller = yield* Effect.forkChild(Effect.exit(ask))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(caller), Exit.fail(error))
    }).pipe(Effect.provide(breaker({}))))

  it.effect("the state of an open circuit promised a probe that its gate held back", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const failing = Effect.andThen(Deferred.await(go), Effect.fail("503")).pipe(CircuitBreaker.execute({ key }))
      const call = yield* Effect.forkChild(Effect.exit(failing), { startImmediately: true })
      yield* Effect.void.pipe(CircuitBreaker.execute({ key, classify: () => Outcome.throttled("5 minutes") }))
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(call)
      const state = yield* CircuitBreaker.state(key)
      assert.deepStrictEqual(state._tag === "Open" && state.retryAfter, Duration.minutes(5))
    }).pipe(Effect.provide(breaker({}))))

  it.effect("a dropped circuit with a call on its way and its successor shared an outage id", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const failing = Effect.andThen(Deferred.await(go), Effect.fail("503")).pipe(CircuitBreaker.execute({ key }))
      const call = yield* Effect.forkChild(Effect.exit(failing), { startImmediately: true })
      yield* Effect.void.pipe(CircuitBreaker.execute({ key: "other" }))
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(call)
      yield* Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
      const opened = yield* (yield* RecordedEvents.RecordedEvents).of("circuit.opened")
      assert.strictEqual(new Set(opened.map(({ outage_id }) => outage_id)).size, opened.length)
      assert.strictEqual(opened.length, 2)
    }).pipe(Effect.provide(breaker({}, CircuitStore.layerMemoryWith({ maxCircuits: 1 })))))
})
