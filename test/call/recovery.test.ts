import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, CircuitStore, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)

const state = CircuitBreaker.state(key)
const tag = Effect.map(state, ({ _tag }) => _tag)
const rejection = Effect.map(Effect.flip(up), ({ reason }) => reason)

const policy = (rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...rest })

/** A call that says this about its dependency. */
const says = (outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))

/** How long the circuit stays open from here. */
const openFor = Effect.map(state, (state) => state._tag === "Open" ? Duration.toMillis(state.retryAfter) : state._tag)

describe("openDuration", () => {
  it.effect("as a schedule: each opening in a row takes the next step, and the last one when it ends", () =>
    Effect.gen(function*() {
      const waits: Array<number | string> = []
      for (let opening = 1; opening <= 5; opening++) {
        yield* down
        waits.push(yield* openFor)
        yield* CircuitTest.adjustToProbe(key)
      }
      assert.deepStrictEqual(waits, [1000, 2000, 4000, 8000, 8000])
    }).pipe(
      Effect.provide(policy({ openDuration: Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(4)]) }))
    ))

  it.effect("as a schedule: starts again once the circuit has stayed closed as long as it was last open", () =>
    Effect.gen(function*() {
      const closedFor = (millis: number) =>
        Effect.gen(function*() {
          yield* down
          yield* CircuitTest.adjustToProbe(key)
          yield* down
          yield* CircuitTest.adjustToProbe(key)
          yield* up
          yield* TestClock.adjust(millis)
          yield* down
          return yield* openFor
        })
      assert.strictEqual(yield* closedFor(1999), 4000)
      yield* CircuitBreaker.reset(key)
      assert.strictEqual(yield* closedFor(2000), 1000)
    }).pipe(Effect.provide(policy({ openDuration: Schedule.exponential("1 second") }))))
})

describe("the steps of a schedule", () => {
  const exponential = policy({ openDuration: Schedule.exponential("1 second", 1.01) })

  it.effect("after a hundred openings in a row every one lasts as long as the hundredth", () =>
    Effect.gen(function*() {
      const waits: Array<number | string> = []
      for (let opening = 1; opening <= 102; opening++) {
        yield* down
        waits.push(yield* openFor)
        yield* CircuitTest.adjustToProbe(key)
      }
      assert.strictEqual(waits[99], 2679)
      assert.deepStrictEqual(waits.slice(98), [2652, 2679, 2679, 2679])
    }).pipe(Effect.provide(exponential)))

  it.effect("a schedule measures time by the openings it has given", () =>
    Effect.gen(function*() {
      const waits: Array<number | string> = []
      for (let opening = 1; opening <= 5; opening++) {
        yield* down
        waits.push(yield* openFor)
        yield* CircuitTest.adjustToProbe(key)
      }
      assert.deepStrictEqual(waits, [1000, 2000, 4000, 4000, 4000])
    }).pipe(
      Effect.provide(
        policy({ openDuration: Schedule.upTo(Schedule.exponential("1 second"), { duration: "5 seconds" }) })
      )
    ))

  it.effect.each(
    [
      [
        "the first step if the openings are long past",
        Effect.andThen(TestClock.adjust("10 minutes"), CircuitBreaker.forceOpen(key, { for: 1000 })),
        1000
      ],
      ["the next step if they are not", CircuitBreaker.forceOpen(key, { for: 1000 }), 4000],
      [
        "the first step if they did not happen",
        Effect.gen(function*() {
          yield* CircuitBreaker.disable(key)
          for (let i = 0; i < 5; i++) yield* down
          yield* CircuitBreaker.forceOpen(key, { for: 1000 })
        }),
        1000
      ]
    ] as const
  )(
    "a probe that fails after an operator's hold takes %s",
    ([, hold, expected]) =>
      Effect.gen(function*() {
        yield* down
        yield* CircuitTest.adjustToProbe(key)
        yield* down
        yield* CircuitTest.adjustToProbe(key)
        yield* up
        yield* hold
        yield* TestClock.adjust("1 second")
        yield* down
        assert.strictEqual(yield* openFor, expected)
      }).pipe(Effect.provide(policy({ openDuration: Schedule.exponential("1 second") })))
  )
})

describe("an adaptive open time", () => {
  const adaptive = policy({ tripPolicy: TripPolicy.adaptive({ failures: 1 }), openDuration: "60 seconds" })

  it.effect("I133: learns from outages and not from an operator's hold", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "4 minutes" })
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      assert.strictEqual(yield* Effect.andThen(down, openFor), 60_000)
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      // Down for half of the one opening, as far as anybody knows.
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Effect.andThen(down, openFor), 30_000)
    }).pipe(Effect.provide(adaptive)))
})

describe("a wait that the dependency asks for", () => {
  it.effect("lengthens an opening and never shortens one", () =>
    Effect.gen(function*() {
      yield* says(Outcome.failure("rate_limited", "5 minutes"))
      assert.strictEqual(yield* openFor, 300_000)
      yield* CircuitBreaker.reset(key)
      yield* says(Outcome.failure("rate_limited", "5 seconds"))
      assert.strictEqual(yield* openFor, 60_000)
    }).pipe(Effect.provide(policy())))

  it.effect("counts from the failure that brought it: the latest of a streak decides", () =>
    Effect.gen(function*() {
      yield* says(Outcome.failure("rate_limited", "5 minutes"))
      yield* TestClock.adjust("1 minute")
      yield* says(Outcome.failure("server_error"))
      assert.strictEqual(yield* openFor, 240_000)
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("is forgotten with the streak", () =>
    Effect.gen(function*() {
      yield* says(Outcome.failure("rate_limited", "5 minutes"))
      yield* up
      yield* down
      yield* down
      assert.strictEqual(yield* openFor, 60_000)
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect.each(
    [
      ["a failure", Outcome.failure("rate_limited", "2 days"), 3_600_000],
      ["a failure without end", Outcome.failure("rate_limited", Duration.infinity), 3_600_000],
      ["openNow", Outcome.openNow("quota_exhausted", "2 days"), 3_600_000]
    ] as const
  )("of %s is capped at maxOpenDuration", ([, outcome, millis]) =>
    Effect.gen(function*() {
      yield* says(outcome)
      assert.strictEqual(yield* openFor, millis)
      yield* TestClock.adjust(millis)
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))
})

describe("openNow", () => {
  it.effect.each(
    [
      ["an hour", "1 hour", 3_600_000],
      ["ten seconds", "10 seconds", 60_000],
      ["no time", undefined, 60_000]
    ] as const
  )("I13: opens at once, whatever the policy, and honours a wait of %s", ([, wait, millis]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* says(Outcome.openNow("quota_exhausted", wait)), "answer")
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && [open.reason, open.lastFailureKind], [
        "open_now",
        "quota_exhausted"
      ])
      yield* TestClock.adjust(millis - 1)
      assert.strictEqual((yield* rejection)._tag, "CircuitOpen")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* up, "hello")
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(100) }))))

  it.effect("from a probe opens again", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* says(Outcome.openNow("quota_exhausted", "10 minutes"))
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && [open.reason, open.openings], ["open_now", 2])
      assert.strictEqual(yield* openFor, 600_000)
    }).pipe(Effect.provide(policy())))
})

describe("the gate", () => {
  it.effect("turns every caller of the key away until the time has passed, and is no failure", () =>
    Effect.gen(function*() {
      yield* says(Outcome.throttled("20 seconds"))
      yield* TestClock.adjust("5 seconds")
      const call = ScriptedCall.make([ScriptedCall.succeeds("hello")])
      const callers = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.forkChild(Effect.flip(call.call.pipe(guarded)))
      )
      const errors = yield* Effect.forEach(callers, Fiber.join)
      assert.deepStrictEqual(
        errors.map(({ reason }) => reason),
        Array.from({ length: 10 }, () => ({ _tag: "CircuitThrottled" as const, key, retryAfter: Duration.seconds(15) }))
      )
      assert.strictEqual(yield* call.started, 0)
      const other = yield* Effect.succeed("other").pipe(CircuitBreaker.execute({ key: "other" }))
      assert.strictEqual(other, "other")
      const closed = yield* state
      assert.deepStrictEqual(closed._tag === "Closed" && [closed.consecutiveFailures, closed.throttledFor], [
        0,
        Duration.seconds(15)
      ])
      yield* TestClock.adjust("14999 millis")
      assert.strictEqual((yield* rejection)._tag, "CircuitThrottled")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* up, "hello")
      const after = yield* state
      assert.isUndefined(after._tag === "Closed" ? after.throttledFor : after._tag)
    }).pipe(Effect.provide(policy())))

  it.effect("keeps the longest wait that was asked for", () =>
    Effect.gen(function*() {
      const long = yield* CircuitBreaker.acquire(key)
      const short = yield* CircuitBreaker.acquire(key)
      yield* long.settle(Outcome.throttled("20 seconds"))
      yield* short.settle(Outcome.throttled("5 seconds"))
      assert.deepStrictEqual((yield* Effect.flip(up)).retryAfter, Duration.seconds(20))
    }).pipe(Effect.scoped, Effect.provide(policy())))

  it.effect("is capped at maxOpenDuration", () =>
    Effect.gen(function*() {
      yield* says(Outcome.throttled("2 days"))
      assert.deepStrictEqual((yield* Effect.flip(up)).retryAfter, Duration.minutes(2))
    }).pipe(Effect.provide(policy({ maxOpenDuration: "2 minutes" }))))

  it.effect("counts the failures of calls that were on their way", () =>
    Effect.gen(function*() {
      const permit = yield* CircuitBreaker.acquire(key)
      yield* says(Outcome.throttled("20 seconds"))
      yield* permit.settle(Outcome.failure("server_error"))
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.scoped, Effect.provide(policy())))

  it.effect("stays shut when another probe closes the circuit", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      const healthy = yield* Effect.flatMap(Effect.forkChild(CircuitBreaker.acquire(key)), Fiber.join)
      yield* says(Outcome.throttled("20 seconds"))
      yield* healthy.settle(Outcome.success)
      assert.strictEqual(yield* tag, "Closed")
      assert.deepStrictEqual(yield* rejection, { _tag: "CircuitThrottled", key, retryAfter: Duration.seconds(20) })
    }).pipe(Effect.scoped, Effect.provide(policy({ probes: 2 }))))

  it.effect("holds back the probe of an open circuit", () =>
    Effect.gen(function*() {
      const permit = yield* CircuitBreaker.acquire(key)
      yield* says(Outcome.throttled("2 minutes"))
      yield* permit.settle(Outcome.failure("server_error"))
      assert.strictEqual(yield* openFor, 120_000)
      yield* TestClock.adjust("119999 millis")
      assert.strictEqual((yield* rejection)._tag, "CircuitOpen")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.scoped, Effect.provide(policy())))
})

describe("the ramp", () => {
  const hundredCalls = Effect.gen(function*() {
    let admitted = 0
    for (let i = 0; i < 100; i++) admitted += Exit.isSuccess(yield* Effect.exit(up)) ? 1 : 0
    return admitted
  })

  it.effect("lets a growing share of the calls through after closing, then all", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      const ramping = yield* state
      assert.isTrue(ramping._tag === "Closed" && ramping.ramping)
      assert.strictEqual(yield* hundredCalls, 1)
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(yield* hundredCalls, 50)
      yield* TestClock.adjust("49999 millis")
      const last = yield* state
      assert.isTrue(last._tag === "Closed" && last.ramping)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* hundredCalls, 100)
      const closed = yield* state
      assert.isTrue(closed._tag === "Closed" && !closed.ramping)
    }).pipe(Effect.provide(policy({ ramp: "100 seconds" }))))

  it.effect("rejects as half-open, with the time until there is room again", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      yield* up
      yield* TestClock.adjust("25 seconds")
      const error = yield* Effect.flip(up)
      assert.strictEqual(error.reason._tag, "CircuitHalfOpen")
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(50))
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(yield* up, "hello")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.calls).map(({ result }) => result), [
        "failure",
        "success",
        "success",
        "rejected_half_open",
        "success"
      ])
    }).pipe(Effect.provide(policy({ ramp: "100 seconds" }))))

  it.effect("a failure opens the circuit again, and ends it", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      yield* down
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && [open.openings, open.retryAfter], [2, Duration.seconds(60)])
      yield* CircuitBreaker.reset(key)
      assert.strictEqual(yield* hundredCalls, 100)
    }).pipe(Effect.provide(policy({ ramp: "100 seconds" }))))
})

describe("the cost of an outage", () => {
  const Minute = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(5), openDuration: "60 seconds" }).pipe(
    Layer.provide(CircuitStore.layerMemory)
  )

  it.effect("I79: an hour down, a thousand callers a minute: the calls that open it and one probe a cooldown", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("503")])
      const thousandCallers = Effect.forEach(
        Array.from({ length: 1000 }),
        () => Effect.flip(call.call.pipe(guarded)),
        { concurrency: "unbounded" }
      )
      for (let minute = 0; minute <= 60; minute++) {
        const errors = yield* thousandCallers
        const rejected = errors.filter((error) => CircuitError.isCircuitBreakerError(error))
        assert.lengthOf(rejected, minute === 0 ? 995 : 999)
        yield* TestClock.adjust("60 seconds")
      }
      assert.strictEqual(yield* call.started, 65)
    }).pipe(Effect.provide(Minute)))

  it.effect("I79: and no more when the callers come at once and the dependency answers late", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([
        ...ScriptedCall.times(5, ScriptedCall.fails("503")),
        ScriptedCall.fails("503", "10 seconds")
      ])
      const caller = Effect.flip(call.call.pipe(guarded))
      const callers: Array<Fiber.Fiber<unknown, string>> = []
      for (let i = 0; i < 5; i++) yield* caller
      // A probe takes ten seconds to fail: the first starts at 60 s, and one every 70 s after it.
      for (let second = 1; second <= 3600; second++) {
        yield* TestClock.adjust("1 second")
        callers.push(yield* Effect.forkChild(caller), yield* Effect.forkChild(caller))
      }
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* call.started, 5 + 51)
      assert.lengthOf(callers.filter((fiber) => fiber.pollUnsafe() === undefined), 0)
    }).pipe(Effect.provide(Minute)))
})
