/** A count of failures, of a fleet. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { CircuitBreaker, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const fleet = Effect.gen(function*() {
  const server = SimulatedRecordStore.make()
  const process = CircuitBreaker.layer({ tripPolicy: TripPolicy.failureCount({ failures: 4, window: "10 seconds" }) })
    .pipe(
      Layer.provide(SharedCircuitStore.layer().pipe(Layer.provide(server.layer))),
      Layer.fresh,
      Layer.build,
      Effect.map(Context.get(CircuitBreaker.CircuitBreaker))
    )
  return [yield* process, yield* process] as const
})
type Breaker = CircuitBreaker.CircuitBreaker["Service"]

const key = "model"
const fail = (breaker: Breaker) => Effect.exit(Effect.fail("503").pipe(breaker.execute({ key })))
const serve = (breaker: Breaker) => Effect.exit(Effect.succeed("hello").pipe(breaker.execute({ key })))
const state = (breaker: Breaker) =>
  Effect.andThen(TestClock.adjust("1 millis"), Effect.map(breaker.state(key), ({ _tag }) => _tag))

describe("a count of failures", () => {
  it.effect("opens at the n-th of all processes, whatever succeeded in between", () =>
    Effect.gen(function*() {
      const [one, other] = yield* fleet
      for (const breaker of [one, other, one]) {
        yield* fail(breaker)
        yield* serve(one)
        yield* serve(other)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual([yield* state(one), yield* state(other)], ["Closed", "Closed"])
      yield* fail(other)
      assert.deepStrictEqual([yield* state(one), yield* state(other)], ["Open", "Open"])
    }).pipe(Effect.scoped))

  it.effect("forgets failures that have left the window", () =>
    Effect.gen(function*() {
      const [one, other] = yield* fleet
      for (const breaker of [one, other, one]) yield* fail(breaker)
      yield* TestClock.adjust("12 seconds")
      for (const breaker of [other, one, other]) yield* fail(breaker)
      assert.strictEqual(yield* state(one), "Closed")
      yield* fail(one)
      assert.strictEqual(yield* state(other), "Open")
    }).pipe(Effect.scoped))
})
