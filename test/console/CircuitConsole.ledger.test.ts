// What the console remembers, and for how long.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"
import { Ledger } from "../../src/console/internal/ledger.ts"

const make = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker.CircuitBreaker
  const ledger = new Ledger(yield* Clock.Clock, 10, () => undefined)
  yield* breaker.observe(ledger)
  return { breaker, ledger }
})

const breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(100) }).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

const sum = (counts: ReadonlyArray<number>) => counts.reduce((total, count) => total + count, 0)

describe("the console's ledger", () => {
  it.effect("counts calls for a minute, and their kinds and trend for five", () =>
    Effect.gen(function*() {
      const { breaker, ledger } = yield* make
      const seen = () => {
        const { calls, failure_kinds, trend } = ledger.tally("model")
        return [calls.failure, failure_kinds.length, sum(trend.failed)]
      }
      yield* Effect.ignore(Effect.fail("503").pipe(breaker.execute({ key: "model" })))
      assert.deepStrictEqual(seen(), [1, 1, 1])
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(seen(), [1, 1, 1])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen(), [0, 1, 1])
      yield* TestClock.adjust("239 seconds")
      assert.deepStrictEqual(seen(), [0, 1, 1])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen(), [0, 0, 0])
    }).pipe(Effect.provide(breaker)))

  it.effect("gives the median of what calls took, without those that did not run to their end", () =>
    Effect.gen(function*() {
      const { breaker, ledger } = yield* make
      for (const millis of [10, 20, 900]) {
        const call = yield* Effect.forkChild(Effect.sleep(millis).pipe(breaker.execute({ key: "model" })))
        yield* TestClock.adjust(millis)
        assert.isDefined(call.pollUnsafe())
      }
      yield* breaker.forceOpen("model")
      const rejected = Effect.ignore(Effect.void.pipe(breaker.execute({ key: "model" })))
      yield* Effect.repeat(rejected, { times: 4 })
      assert.strictEqual(ledger.tally("model").median_ms, 20)
    }).pipe(Effect.provide(breaker)))

  it.effect("keeps the changes of an hour and the one before, and never more than 32", () =>
    Effect.gen(function*() {
      const { breaker, ledger } = yield* make
      const states = () => ledger.timeline("model").map(({ state }) => state)
      yield* breaker.disable("model")
      yield* breaker.enable("model")
      yield* breaker.disable("model")
      yield* TestClock.adjust("61 minutes")
      assert.deepStrictEqual(states(), ["disabled"])
      yield* breaker.forceOpen("model")
      assert.deepStrictEqual(states(), ["disabled", "forced_open"])
      for (let n = 0; n < 20; n++) {
        yield* breaker.reset("model")
        yield* breaker.forceOpen("model")
      }
      assert.strictEqual(states().length, 32)
    }).pipe(Effect.provide(breaker)))

  it.effect("forgets a circuit with the store", () =>
    Effect.gen(function*() {
      const { breaker, ledger } = yield* make
      yield* Effect.void.pipe(breaker.execute({ key: "model" }))
      yield* breaker.forceOpen("model")
      yield* breaker.reset("model")
      assert.deepStrictEqual([ledger.tally("model").calls.success, ledger.timeline("model").length], [1, 2])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* breaker.states, [])
      assert.deepStrictEqual(ledger.timeline("model"), [])
    }).pipe(Effect.provide(breaker)))

  it.effect("follows ten thousand circuits, and another when one is forgotten", () =>
    Effect.gen(function*() {
      const ledger = new Ledger(yield* Clock.Clock, 10, () => undefined)
      const first = ledger.onCircuit("0")
      for (let n = 1; n < 10_000; n++) assert.isDefined(ledger.onCircuit(`${n}`))
      assert.strictEqual(ledger.onCircuit("0"), first)
      assert.isUndefined(ledger.onCircuit("one more"))
      first!.onForgotten()
      assert.isDefined(ledger.onCircuit("one more"))
    }))
})
