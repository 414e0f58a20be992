import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Fiber, Latch, Layer } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, CircuitStore, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)

const state = CircuitBreaker.state(key)
const tag = Effect.map(state, ({ _tag }) => _tag)

/** What a failed call failed with: the reason's name if it was the breaker, the error itself if it was the call. */
const failure = <A, E, R>(self: Effect.Effect<A, E | CircuitError.CircuitBreakerError, R>) =>
  Effect.map(
    Effect.flip(self),
    (error) => CircuitError.isCircuitBreakerError(error) ? error.reason._tag : error
  )

const policy = (failures: number, rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(failures), ...rest })

/** A call on its way, that ends when its test says. */
const inFlight = Effect.gen(function*() {
  const answer = yield* Deferred.make<string, string>()
  const fiber = yield* Effect.forkChild(Deferred.await(answer).pipe(guarded), { startImmediately: true })
  const end = (exit: Effect.Effect<string, string>) =>
    Effect.andThen(Deferred.completeWith(answer, exit), Fiber.await(fiber))
  return { fiber, succeeds: end(Effect.succeed("late")), fails: end(Effect.fail("late")) }
})

describe("CircuitBreaker, closed", () => {
  it.effect("I1: a circuit that was never used is closed, without failures, and reading it creates nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* state, {
        _tag: "Closed",
        key,
        generation: 0,
        reason: "initial",
        consecutiveFailures: 0,
        failureThreshold: undefined,
        failureRate: undefined,
        lastFailureKind: undefined,
        throttledFor: undefined,
        ramping: false
      })
      yield* CircuitBreaker.reset(key)
      yield* CircuitBreaker.enable(key)
      assert.deepStrictEqual(yield* CircuitBreaker.states, [])
    }).pipe(Effect.provide(policy(3))))

  it.effect("I3: opens exactly at the threshold", () =>
    Effect.gen(function*() {
      yield* down
      yield* down
      const before = yield* state
      assert.strictEqual(before._tag, "Closed")
      assert.strictEqual(before._tag === "Closed" && before.consecutiveFailures, 2)
      assert.strictEqual(before._tag === "Closed" && before.failureThreshold, 3)
      assert.strictEqual(yield* down, "503")
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy(3))))

  it.effect("I4: a success starts the count of failures again", () =>
    Effect.gen(function*() {
      yield* down
      yield* down
      yield* up
      yield* down
      yield* down
      assert.strictEqual(yield* tag, "Closed")
      yield* down
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy(3))))

  it.effect("keeps keys apart", () =>
    Effect.gen(function*() {
      yield* down
      const other = yield* Effect.succeed("other").pipe(CircuitBreaker.execute({ key: "other" }))
      assert.strictEqual(other, "other")
      assert.strictEqual(yield* failure(up), "CircuitOpen")
      const states = yield* CircuitBreaker.states
      assert.deepStrictEqual(states.map(({ _tag, key }) => [key, _tag]).sort(), [["model", "Open"], [
        "other",
        "Closed"
      ]])
    }).pipe(Effect.provide(policy(1))))

  it.effect("gives each key the policy that a function of the key chooses", () => {
    const strict = { tripPolicy: TripPolicy.consecutive(1) }
    const patient = { tripPolicy: TripPolicy.consecutive(2) }
    const fail = (key: string) => failure(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
    return Effect.gen(function*() {
      assert.deepStrictEqual([yield* fail("strict"), yield* fail("strict")], ["503", "CircuitOpen"])
      assert.deepStrictEqual(
        [yield* fail("patient"), yield* fail("patient"), yield* fail("patient")],
        ["503", "503", "CircuitOpen"]
      )
    }).pipe(Effect.provide(CircuitTest.layer((key) => key === "strict" ? strict : patient)))
  })

  it.effect("measures a call by the policy of its circuit, also for a breaker that has another one on the same store", () =>
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
})

describe("CircuitBreaker, open", () => {
  it.effect("I5: rejects with all it knows, without running the call", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("5 seconds")
      yield* down
      yield* TestClock.adjust("10 seconds")
      const call = ScriptedCall.make([ScriptedCall.succeeds("hello")])
      const error = yield* Effect.flip(call.call.pipe(guarded))
      assert.strictEqual(yield* call.started, 0)
      assert.instanceOf(error, CircuitError.CircuitBreakerError)
      const open = yield* state
      assert.deepStrictEqual(error.reason, {
        _tag: "CircuitOpen",
        key,
        retryAfter: Duration.seconds(50),
        openedAt: 5000,
        lastFailureKind: "unknown",
        outageId: open._tag === "Open" ? open.outageId : "not open"
      })
      assert.isTrue(error.isRejection)
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(50))
    }).pipe(Effect.provide(policy(1))))

  it.effect("I6: admits at the deadline and not a millisecond before", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("59999 millis")
      const rejected = yield* Effect.flip(up)
      assert.deepStrictEqual(rejected.retryAfter, Duration.millis(1))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy(1))))

  it.effect("I7: becomes half-open by the first call after the deadline, not by time or by being read", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("2 minutes")
      const open = yield* state
      assert.strictEqual(open._tag, "Open")
      assert.deepStrictEqual(open._tag === "Open" && open.retryAfter, Duration.zero)
      const probe = yield* inFlight
      assert.strictEqual(yield* tag, "HalfOpen")
      yield* probe.succeeds
    }).pipe(Effect.provide(policy(1))))

  it.effect("I7: of fifty callers at the deadline admits one and rejects forty-nine", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      const done = yield* Latch.make()
      let running = 0
      const call = Effect.andThen(Effect.sync(() => running++), done.await).pipe(guarded)
      const callers = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(failure(call)))
      // Every caller but the probe is rejected while the probe still runs.
      yield* Effect.yieldNow
      const ended = callers.flatMap((fiber) => fiber.pollUnsafe() ?? [])
      assert.lengthOf(ended, 49)
      assert.strictEqual(running, 1)
      yield* done.open
      const exits = yield* Fiber.awaitAll(callers)
      assert.lengthOf(exits.filter((exit) => exit._tag === "Success" && exit.value === "CircuitHalfOpen"), 49)
      assert.strictEqual(running, 1)
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy(1))))

  it.effect("I11: a thousand failures that come in open the circuit once and do not move its deadline", () =>
    Effect.gen(function*() {
      const fail = yield* Latch.make()
      const call = Effect.andThen(fail.await, Effect.fail("503")).pipe(guarded)
      const callers = yield* Effect.forEach(Array.from({ length: 1000 }), () => Effect.forkChild(Effect.flip(call)))
      yield* Effect.yieldNow
      yield* fail.open
      const exits = yield* Fiber.awaitAll(callers)
      assert.lengthOf(exits.filter((exit) => exit._tag === "Success" && exit.value === "503"), 1000)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.lengthOf(yield* recorded.of("circuit.opened"), 1)
      assert.lengthOf(yield* recorded.of("circuit.failure"), 4)
      assert.lengthOf(yield* recorded.of("circuit.late_outcome"), 995)
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && [open.retryAfter, open.openings], [Duration.seconds(60), 1])
    }).pipe(Effect.provide(policy(5))))

  it.effect("I15: a success that comes in while the circuit is open does not close it", () =>
    Effect.gen(function*() {
      const call = yield* inFlight
      yield* down
      yield* call.succeeds
      assert.strictEqual(yield* failure(up), "CircuitOpen")
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy(1))))

  it.effect("I19: a failure from before the trip changes no deadline, no count of skips, and opens nothing", () =>
    Effect.gen(function*() {
      const call = yield* inFlight
      yield* down
      yield* TestClock.adjust("20 seconds")
      yield* Effect.flip(up)
      yield* Effect.flip(up)
      const before = yield* state
      yield* call.fails
      assert.deepStrictEqual(yield* state, before)
      assert.strictEqual(before._tag === "Open" && before.skips, 2)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.lengthOf(yield* recorded.of("circuit.opened"), 1)
      assert.deepStrictEqual((yield* recorded.of("circuit.late_outcome")).map(({ outcome }) => outcome), ["failure"])
    }).pipe(Effect.provide(policy(1))))
})

describe("CircuitBreaker, half-open", () => {
  it.effect("I8: a probe that succeeds closes the circuit without a failure left", () =>
    Effect.gen(function*() {
      yield* down
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      assert.strictEqual(yield* up, "hello")
      const closed = yield* state
      assert.strictEqual(closed._tag, "Closed")
      assert.strictEqual(closed.reason, "probe_succeeded")
      assert.strictEqual(closed._tag === "Closed" && closed.consecutiveFailures, 0)
      yield* down
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy(2))))

  it.effect("I9: a probe that fails opens the circuit for a full period, whatever the threshold", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 5; i++) yield* down
      yield* CircuitTest.adjustToProbe(key)
      assert.strictEqual(yield* down, "503")
      const open = yield* state
      assert.strictEqual(open.reason, "probe_failed")
      assert.deepStrictEqual(open._tag === "Open" && open.retryAfter, Duration.seconds(60))
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(yield* failure(up), "CircuitOpen")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy(5))))

  it.effect("I10: a slot that became free goes to the next caller without another transition", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      const recorded = yield* RecordedEvents.RecordedEvents
      const ignore = () => Outcome.ignored("caller_error")
      yield* Effect.succeed("neutral").pipe(CircuitBreaker.execute({ key, classify: ignore }))
      const { generation } = yield* state
      yield* recorded.clear
      const probe = yield* inFlight
      assert.deepStrictEqual(yield* recorded.all, [])
      assert.strictEqual((yield* state).generation, generation)
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* probe.succeeds
    }).pipe(Effect.provide(policy(1))))

  it.effect("admits as many probes at once as the policy says, and closes after as many successes as it asks", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      const probes = [yield* inFlight, yield* inFlight, yield* inFlight] as const
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* probes[0].succeeds
      const first = yield* state
      assert.deepStrictEqual(first._tag === "HalfOpen" && [first.probing, first.successes], [2, 1])
      yield* probes[2].succeeds
      assert.strictEqual(yield* tag, "Closed")
      yield* probes[1].fails
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy(1, { probes: 3, successesToClose: 2 }))))

  it.effect("opens again at the first of several probes that fails; the others change nothing", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      const probes = [yield* inFlight, yield* inFlight, yield* inFlight] as const
      yield* probes[1].fails
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && open.openings, 2)
      yield* probes[0].succeeds
      yield* probes[2].fails
      assert.deepStrictEqual(yield* state, open)
    }).pipe(Effect.provide(policy(1, { probes: 3 }))))
})

describe("CircuitBreaker, time", () => {
  const sixtySecondsOfElapsedTime = Effect.gen(function*() {
    yield* TestClock.adjust("59999 millis")
    const rejected = yield* Effect.flip(up)
    assert.deepStrictEqual(rejected.retryAfter, Duration.millis(1))
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(yield* up, "hello")
  })

  it.effect("I17: a wall clock set back does not lengthen an opening", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("2 hours")
      yield* down
      yield* TestClock.setTime(Duration.toMillis("1 hour"))
      yield* sixtySecondsOfElapsedTime
    }).pipe(Effect.provide(policy(1))))

  // TestClock moves both clocks forward together, so the wall clock is skewed on top of it.
  it.effect.each([-3_600_000, 3_600_000])(
    "I17: a wall clock that jumps by %i ms does not move a deadline",
    (jump) =>
      Effect.gen(function*() {
        const clock = yield* Clock.Clock
        yield* TestClock.adjust("2 hours")
        yield* down
        const skewed = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + jump }
        yield* Effect.provideService(sixtySecondsOfElapsedTime, Clock.Clock, skewed)
      }).pipe(Effect.provide(policy(1)))
  )
})
