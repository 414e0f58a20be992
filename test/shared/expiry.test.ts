/** For how long records are kept. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { CircuitBreaker, type CircuitPolicy, Outcome, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const idle = Duration.toMillis("1 hour")

const process = (policy: CircuitPolicy.CircuitPolicy) =>
  Effect.gen(function*() {
    const server = SimulatedRecordStore.make()
    const store = SharedCircuitStore.layer({ idleTimeToLive: idle, lease: "10 seconds" })
    const breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), gateJitter: 0, ...policy }).pipe(
      Layer.provide(store.pipe(Layer.provide(server.layer)))
    )
    const { execute } = Context.get(yield* Layer.build(breaker), CircuitBreaker.CircuitBreaker)
    const kept = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const { expiresAtMillis } = server.records.get("key")!
      return expiresAtMillis - 1_700_000_000_000 - now
    })
    return { execute, kept }
  })

describe("a record", () => {
  it.effect("of an open circuit outlives its deadline (I93)", () =>
    Effect.gen(function*() {
      const { execute, kept } = yield* process({ openDuration: "3 hours" })
      yield* Effect.exit(Effect.fail("503").pipe(execute({ key: "key" })))
      assert.strictEqual(yield* kept, Duration.toMillis("3 hours") + idle)
    }))

  it.effect("of a half-open circuit outlives the lease of its probes (I94)", () =>
    Effect.gen(function*() {
      const { execute, kept } = yield* process({ openDuration: "1 minute" })
      yield* Effect.exit(Effect.fail("503").pipe(execute({ key: "key" })))
      yield* TestClock.adjust("1 minute")
      yield* Effect.forkChild(Effect.never.pipe(execute({ key: "key" })), { startImmediately: true })
      yield* TestClock.adjust("1 millis")
      assert.isAtLeast(yield* kept, Duration.toMillis("9 seconds") + idle)
    }))

  it.effect("of a closed circuit outlives its gate (I95)", () =>
    Effect.gen(function*() {
      const { execute, kept } = yield* process({ maxOpenDuration: "4 hours" })
      yield* Effect.succeed("").pipe(execute({ key: "key", classify: () => Outcome.throttled("2 hours") }))
      assert.strictEqual(yield* kept, Duration.toMillis("2 hours") + idle)
    }))

  it.effect("that an operator holds open without an end is kept for good", () =>
    Effect.gen(function*() {
      const server = SimulatedRecordStore.make()
      const breaker = CircuitBreaker.layer({}).pipe(
        Layer.provide(SharedCircuitStore.layer().pipe(Layer.provide(server.layer)))
      )
      const { forceOpen, reset } = Context.get(yield* Layer.build(breaker), CircuitBreaker.CircuitBreaker)
      yield* forceOpen("key")
      assert.strictEqual(server.records.get("key")!.expiresAtMillis, Infinity)
      yield* reset("key")
      assert.isBelow(server.records.get("key")!.expiresAtMillis, Infinity)
    }))
})
