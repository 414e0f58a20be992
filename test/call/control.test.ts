import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { CircuitBreaker, CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)

const state = CircuitBreaker.state(key)
const tag = Effect.map(state, ({ _tag }) => _tag)
const transitions = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ all }) => all),
  (events) => events.flatMap((event) => "from" in event ? [`${event.event} from ${event.from}`] : [])
)

const rejection = Effect.map(Effect.flip(up), ({ reason }) => reason)

/** A call that makes the dependency ask for a wait, or say that it is no use to try before one has passed. */
const says = (outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))

/** A call on its way, that ends when its test says. */
const inFlight = Effect.gen(function*() {
  const answer = yield* Deferred.make<string, string>()
  const fiber = yield* Effect.forkChild(Deferred.await(answer).pipe(guarded), { startImmediately: true })
  const end = (exit: Effect.Effect<string, string>) =>
    Effect.andThen(Deferred.completeWith(answer, exit), Fiber.await(fiber))
  return { succeeds: end(Effect.succeed("late")), fails: end(Effect.fail("late")) }
})

const policy = (rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...rest })

const halfOpen = Effect.gen(function*() {
  yield* down
  yield* CircuitTest.adjustToProbe(key)
  return yield* inFlight
})

/** The program that brings a circuit into a state, and the state. */
const starts = [
  ["closed", up],
  ["open", down],
  ["half_open", halfOpen],
  ["forced_open", CircuitBreaker.forceOpen(key)],
  ["disabled", CircuitBreaker.disable(key)]
] as const

describe("forceOpen", () => {
  it.effect("rejects every call until a reset, and says who holds the circuit and why", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { reason: "provider incident", actor: "ops" })
      yield* TestClock.adjust("300 days")
      assert.deepStrictEqual(yield* rejection, {
        _tag: "CircuitForcedOpen",
        key,
        note: "provider incident",
        until: undefined,
        retryAfter: undefined
      })
      const forced = yield* state
      assert.deepStrictEqual(
        forced._tag === "ForcedOpen" && [forced.note, forced.actor, forced.retryAfter, forced.reason],
        ["provider incident", "ops", undefined, "forced"]
      )
      assert.deepStrictEqual(yield* CircuitTest.adjustToProbe(key), Duration.zero)
      yield* CircuitBreaker.reset(key)
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect("for a time: rejects until it has passed, then lets a probe decide", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "10 minutes", reason: "provider incident" })
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(yield* rejection, {
        _tag: "CircuitForcedOpen",
        key,
        note: "provider incident",
        until: Duration.toMillis("10 minutes"),
        retryAfter: Duration.minutes(6)
      })
      assert.deepStrictEqual(yield* CircuitTest.adjustToProbe(key), Duration.minutes(6))
      yield* down
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && [open.reason, open.retryAfter], [
        "probe_failed",
        Duration.seconds(60)
      ])
      yield* CircuitTest.adjustToProbe(key)
      assert.strictEqual(yield* up, "hello")
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy())))

  it.effect("I12: does not shorten an opening that lasts longer", () =>
    Effect.gen(function*() {
      yield* says(Outcome.openNow("quota_exhausted", "300 seconds"))
      yield* CircuitBreaker.forceOpen(key, { for: "5 seconds" })
      yield* TestClock.adjust("299999 millis")
      assert.strictEqual((yield* rejection)._tag, "CircuitForcedOpen")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect("I12: a second, shorter hold does not shorten the first; a longer one lengthens it", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 hour", reason: "first" })
      yield* CircuitBreaker.forceOpen(key, { for: "5 seconds", reason: "second" })
      const shorter = yield* state
      assert.deepStrictEqual(shorter._tag === "ForcedOpen" && [shorter.retryAfter, shorter.note], [
        Duration.hours(1),
        "second"
      ])
      yield* CircuitBreaker.forceOpen(key, { for: "2 hours" })
      const longer = yield* state
      assert.deepStrictEqual(longer._tag === "ForcedOpen" && longer.retryAfter, Duration.hours(2))
    }).pipe(Effect.provide(policy())))

  it.effect.each(starts)(
    "I14: from %s tells of one transition, with its true origin",
    ([from, start]) =>
      Effect.gen(function*() {
        yield* start
        const before = yield* transitions
        const { generation } = yield* state
        yield* CircuitBreaker.forceOpen(key, { for: "5 minutes" })
        assert.strictEqual((yield* state).generation, from === "forced_open" ? generation : generation + 1)
        const told = (yield* transitions).slice(before.length)
        assert.deepStrictEqual(told, from === "forced_open" ? [] : [`circuit.forced from ${from}`])
        assert.strictEqual(yield* tag, "ForcedOpen")
      }).pipe(Effect.provide(policy()))
  )

  it.effect("I14: takes the slot from a running probe: after the hold another one is admitted", () =>
    Effect.gen(function*() {
      const probe = yield* halfOpen
      yield* CircuitBreaker.forceOpen(key, { for: "5 minutes" })
      yield* TestClock.adjust("5 minutes")
      const next = yield* inFlight
      const probing = yield* state
      assert.strictEqual(probing._tag === "HalfOpen" && probing.probing, 1)
      yield* probe.fails
      assert.strictEqual(yield* tag, "HalfOpen")
      yield* next.succeeds
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy())))

  it.effect("I15: survives a success of a call that was admitted before", () =>
    Effect.gen(function*() {
      const call = yield* inFlight
      yield* CircuitBreaker.forceOpen(key)
      yield* call.succeeds
      assert.strictEqual(yield* tag, "ForcedOpen")
    }).pipe(Effect.provide(policy())))

  it.effect.each(
    [
      ["a reset", CircuitBreaker.reset(key)],
      ["a probe that closed the circuit", Effect.andThen(TestClock.adjust("1 hour"), up)]
    ] as const
  )("I18: a long hold leaves nothing behind for a later, shorter one after %s", ([, close]) =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 hour" })
      yield* close
      assert.strictEqual(yield* tag, "Closed")
      yield* CircuitBreaker.forceOpen(key, { for: "5 seconds" })
      const forced = yield* state
      assert.deepStrictEqual(forced._tag === "ForcedOpen" && [forced.retryAfter, forced.note], [
        Duration.seconds(5),
        undefined
      ])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect.each([0, -1, Number.NaN, Infinity, "never"])(
    "refuses to hold for %s",
    (duration) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(CircuitBreaker.forceOpen(key, { for: duration as Duration.Input }))
        const defect = Exit.findDefect(exit)
        const error = defect._tag === "Success" ? defect.success : undefined
        assert.instanceOf(error, CircuitPolicy.InvalidOptions)
        assert.strictEqual(error.field, "forceOpen.for")
        assert.deepStrictEqual(yield* CircuitBreaker.states, [])
      }).pipe(Effect.provide(policy()))
  )
})

describe("reset", () => {
  it.effect.each(starts)("I16: from %s closes the circuit, without a past", ([from, start]) =>
    Effect.gen(function*() {
      yield* start
      const before = yield* transitions
      const { generation } = yield* state
      yield* CircuitBreaker.reset(key)
      const told = (yield* transitions).slice(before.length)
      assert.deepStrictEqual(told, from === "closed" ? [] : [`circuit.reset from ${from}`])
      const closed = yield* state
      assert.strictEqual(closed.reason, "reset")
      assert.isAbove(closed.generation, generation)
      assert.deepStrictEqual(closed._tag === "Closed" && [closed.consecutiveFailures, closed.lastFailureKind], [
        0,
        undefined
      ])
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect("forgets the streak of failures and the steps of the open schedule", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitBreaker.reset(key)
      yield* down
      assert.strictEqual(yield* tag, "Closed")
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* down
      yield* CircuitBreaker.reset(key)
      yield* down
      yield* down
      const open = yield* state
      assert.strictEqual(open._tag === "Open" && open.openings, 1)
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("opens the gate that the dependency asked for", () =>
    Effect.gen(function*() {
      yield* says(Outcome.throttled("10 minutes"))
      assert.strictEqual((yield* rejection)._tag, "CircuitThrottled")
      yield* CircuitBreaker.reset(key)
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect.each(["succeeds", "fails"] as const)(
    "a call on its way that %s no longer counts",
    (end) =>
      Effect.gen(function*() {
        const call = yield* inFlight
        yield* CircuitBreaker.reset(key)
        const closed = yield* state
        yield* call[end]
        assert.deepStrictEqual(yield* state, closed)
      }).pipe(Effect.provide(policy()))
  )

  it.effect("I16: a probe on its way neither closes nor opens the circuit that was reset", () =>
    Effect.gen(function*() {
      const probe = yield* halfOpen
      yield* CircuitBreaker.reset(key)
      yield* probe.fails
      assert.strictEqual(yield* tag, "Closed")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))
})

describe("disable", () => {
  it.effect("I2: lets every call pass, whatever it says, and only counts what would have been", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.disable(key, { reason: "load test", actor: "ops" })
      let ran = 0
      const call = Effect.andThen(Effect.sync(() => ran++), Effect.fail("503")).pipe(guarded)
      for (let i = 0; i < 100; i++) assert.strictEqual(yield* Effect.flip(call), "503")
      yield* says(Outcome.openNow("quota_exhausted", "1 hour"))
      yield* says(Outcome.throttled("1 hour"))
      assert.strictEqual(yield* up, "hello")
      assert.strictEqual(ran, 100)
      const disabled = yield* state
      assert.strictEqual(disabled._tag === "Disabled" && disabled.wouldHaveOpened, 21)
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(5) }))))

  it.effect.each(
    [
      ["enable", CircuitBreaker.enable(key), "circuit.enabled"],
      ["reset", CircuitBreaker.reset(key), "circuit.reset"]
    ] as const
  )("I2: ends with %s, in a closed circuit without a past", ([, end, event]) =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitBreaker.disable(key)
      yield* down
      yield* end
      assert.deepStrictEqual((yield* transitions).slice(1), [
        "circuit.disabled from open",
        `${event} from disabled`
      ])
      const closed = yield* state
      assert.deepStrictEqual(closed._tag === "Closed" && closed.consecutiveFailures, 0)
      yield* down
      const open = yield* state
      assert.deepStrictEqual(open._tag === "Open" && [open.openings, open.retryAfter], [1, Duration.seconds(60)])
    }).pipe(Effect.provide(policy())))

  it.effect("twice changes nothing the second time, and a probe from before counts no more", () =>
    Effect.gen(function*() {
      const probe = yield* halfOpen
      yield* CircuitBreaker.disable(key)
      yield* down
      const disabled = yield* state
      yield* CircuitBreaker.disable(key)
      yield* probe.fails
      assert.deepStrictEqual(yield* state, disabled)
    }).pipe(Effect.provide(policy())))

  it.effect.each(starts.slice(0, 4))(
    "enable does nothing to a circuit that is %s",
    ([, start]) =>
      Effect.gen(function*() {
        yield* start
        const before = yield* state
        yield* CircuitBreaker.enable(key)
        assert.deepStrictEqual(yield* state, before)
      }).pipe(Effect.provide(policy()))
  )
})

describe("layerNoop", () => {
  it.effect("I2: runs every call as it is, counts nothing, and every circuit reads as closed", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 100; i++) assert.strictEqual(yield* down, "503")
      assert.strictEqual(yield* up, "hello")
      yield* CircuitBreaker.forceOpen(key)
      yield* CircuitBreaker.disable(key)
      yield* CircuitBreaker.reset(key)
      yield* CircuitBreaker.enable(key)
      const permit = yield* CircuitBreaker.acquire(key)
      yield* permit.settle(Outcome.failure("unknown"))
      assert.deepStrictEqual([permit.key, permit.probe], [key, false])
      assert.strictEqual(yield* up, "hello")
      const closed = yield* state
      assert.deepStrictEqual(closed._tag === "Closed" && [closed.reason, closed.consecutiveFailures], ["initial", 0])
      assert.deepStrictEqual(yield* CircuitBreaker.states, [])
    }).pipe(Effect.scoped, Effect.provide(CircuitBreaker.layerNoop)))

  it.effect("keeps its hands off classifiers", () =>
    Effect.gen(function*() {
      let asked = 0
      const classify = () => {
        asked++
        return Outcome.openNow("quota_exhausted")
      }
      yield* Effect.void.pipe(CircuitBreaker.execute({ key, classify }))
      assert.strictEqual(asked, 0)
    }).pipe(Effect.provide(CircuitBreaker.layerNoop)))
})
