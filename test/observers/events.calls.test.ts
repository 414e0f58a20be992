import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { CircuitBreaker, type CircuitEvent, type CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)
const skip = Effect.flip(up)

/** A call that says this about its dependency. */
const says = (outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))

const takes = (millis: number) => ScriptedCall.make([ScriptedCall.succeeds("answer", millis)]).call.pipe(guarded)

const policy = (rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second", ...rest })

const { RecordedEvents: Recorded } = RecordedEvents
const names = Effect.flatMap(Recorded, ({ names }) => names)
const of = <Name extends CircuitEvent.CircuitEvent["event"]>(name: Name) =>
  Effect.flatMap(Recorded, (recorded) => recorded.of(name))

const run = <A, E, R>(self: Effect.Effect<A, E, R>, millis: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    yield* TestClock.adjust(millis)
    return yield* Fiber.join(fiber)
  })

describe("slowness", () => {
  const slow = policy({
    tripPolicy: TripPolicy.slowCallRate({ threshold: 1, minimumCalls: 2, slowerThan: "100 millis", window: 2 })
  })

  it.effect("I70: of calls opens the circuit, is announced as what it is, and the values are returned", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* run(takes(100), 100), "answer")
      assert.deepStrictEqual(yield* names, [])
      assert.strictEqual(yield* run(takes(250), 250), "answer")
      assert.strictEqual(yield* run(takes(101), 101), "answer")
      assert.deepStrictEqual(
        (yield* of("circuit.slow_call")).map((event) => [event.duration_ms, event.slower_than_ms]),
        [
          [250, 100],
          [101, 100]
        ]
      )
      assert.deepStrictEqual(
        (yield* of("circuit.opened")).map((event) => [event.latency_tripped, event.failure_kind, event.reason]),
        [[true, "slow", "threshold"]]
      )
    }).pipe(Effect.provide(slow)))

  it.effect("I70: of a probe counts as its failure, and its value is returned", () =>
    Effect.gen(function*() {
      yield* says(Outcome.openNow("overloaded"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* run(takes(250), 250), "answer")
      assert.deepStrictEqual((yield* of("circuit.probe")).map(({ kind, result }) => [result, kind]), [[
        "failure",
        "slow"
      ]])
      assert.deepStrictEqual((yield* of("circuit.opened")).map((event) => [event.latency_tripped, event.reason]), [
        [false, "open_now"],
        [true, "probe_failed"]
      ])
    }).pipe(Effect.provide(slow)))
})

describe("what is announced of calls", () => {
  it.effect("I73, I78: every way for a call to end has a result of its own", () =>
    Effect.gen(function*() {
      yield* run(takes(250), 250)
      yield* says(Outcome.ignored("auth"))
      const fiber = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
      yield* TestClock.adjust("30 millis")
      yield* Fiber.interrupt(fiber)
      yield* says(Outcome.throttled("1 second"))
      yield* skip
      yield* TestClock.adjust("1 second")
      yield* down
      yield* skip
      yield* TestClock.adjust("1 second")
      const permit = yield* Effect.flatMap(Effect.forkChild(CircuitBreaker.acquire(key)), Fiber.join)
      yield* skip
      yield* TestClock.adjust("10 millis")
      yield* permit.settle(Outcome.openNow("quota_exhausted"))
      yield* CircuitBreaker.forceOpen(key)
      yield* skip
      const calls = yield* Effect.flatMap(Recorded, ({ calls }) => calls)
      assert.deepStrictEqual(
        calls.map(({ durationMillis, key, kind, result }) => [key, result, kind, durationMillis]),
        [
          [key, "success", undefined, 250],
          [key, "ignored", "auth", 0],
          [key, "interrupted", "cancelled", 30],
          [key, "ignored", "rate_limited", 0],
          [key, "rejected_throttled", undefined, 0],
          [key, "failure", "unknown", 0],
          [key, "rejected_open", undefined, 0],
          [key, "rejected_half_open", undefined, 0],
          [key, "failure", "quota_exhausted", 10],
          [key, "rejected_forced_open", undefined, 0]
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(policy())))
})
