import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { CircuitBreaker, CircuitEvent, type CircuitPolicy, CircuitStore, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)
const skip = Effect.flip(up)

/** A call that says this about its dependency. */
const says = (outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))

const policy = (rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second", ...rest })

const { RecordedEvents: Recorded } = RecordedEvents
const all = Effect.flatMap(Recorded, ({ all }) => all)
const names = Effect.flatMap(Recorded, ({ names }) => names)
const of = <Name extends CircuitEvent.CircuitEvent["event"]>(name: Name) =>
  Effect.flatMap(Recorded, (recorded) => recorded.of(name))

describe("the life of a circuit", () => {
  it.effect("I62, I69, I72: is announced in order, each transition once and with its reason", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      yield* down
      yield* down
      yield* TestClock.adjust("400 millis")
      yield* skip
      yield* TestClock.adjust("600 millis")
      yield* down
      yield* TestClock.adjust("1 second")
      yield* up
      const told = yield* all
      const outage_id = yield* Effect.map(of("circuit.opened"), ([opened]) => opened?.outage_id ?? "none")
      assert.deepStrictEqual(told.map(({ at, event }) => `${at} ${event}`), [
        "60000 circuit.failure",
        "60000 circuit.opened",
        "60400 circuit.skipped",
        "61000 circuit.half_open",
        "61000 circuit.probe",
        "61000 circuit.opened",
        "62000 circuit.half_open",
        "62000 circuit.probe",
        "62000 circuit.closed"
      ])
      const facts = told.map((event) => Object.assign({}, event, { at: 0, generation: 0 }))
      const common = { key, at: 0, generation: 0 }
      assert.deepStrictEqual(facts, [
        { ...common, event: "circuit.failure", kind: "unknown", consecutive_failures: 1, failure_threshold: 2 },
        {
          ...common,
          event: "circuit.opened",
          from: "closed",
          to: "open",
          reason: "threshold",
          outage_id,
          open_for_ms: 1000,
          openings: 1,
          consecutive_failures: 2,
          failure_kind: "unknown",
          latency_tripped: false
        },
        {
          ...common,
          event: "circuit.skipped",
          outage_id,
          rejected_by: "open",
          open_ms: 400,
          skips_since_opened: 1,
          retry_after_ms: 600
        },
        { ...common, event: "circuit.half_open", from: "open", to: "half_open", reason: "cooldown_elapsed", outage_id },
        { ...common, event: "circuit.probe", outage_id, result: "failure", kind: "unknown" },
        {
          ...common,
          event: "circuit.opened",
          from: "half_open",
          to: "open",
          reason: "probe_failed",
          outage_id,
          open_for_ms: 1000,
          openings: 2,
          consecutive_failures: 2,
          failure_kind: "unknown",
          latency_tripped: false
        },
        { ...common, event: "circuit.half_open", from: "open", to: "half_open", reason: "cooldown_elapsed", outage_id },
        { ...common, event: "circuit.probe", outage_id, result: "success" },
        {
          ...common,
          event: "circuit.closed",
          from: "half_open",
          to: "closed",
          reason: "probe_succeeded",
          outage_id,
          open_ms: 2000,
          window_ms: 1000
        }
      ])
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("generations rise with every transition", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      yield* CircuitBreaker.forceOpen(key)
      yield* CircuitBreaker.disable(key)
      yield* CircuitBreaker.enable(key)
      const transitions = (yield* all).flatMap((event) => "from" in event ? [event.generation] : [])
      assert.lengthOf(transitions, 6)
      const [first = 0] = transitions
      assert.deepStrictEqual(transitions, [0, 1, 2, 3, 4, 5].map((n) => first + n))
    }).pipe(Effect.provide(policy())))

  it.effect("I68: each failure before the trip warns with its count and the threshold; the last one opens", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 5; i++) yield* down
      assert.deepStrictEqual(
        (yield* of("circuit.failure")).map((event) => [event.consecutive_failures, event.failure_threshold]),
        [[1, 5], [2, 5], [3, 5], [4, 5]]
      )
      assert.deepStrictEqual((yield* of("circuit.opened")).map((event) => event.consecutive_failures), [5])
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(5) }))))

  it.effect("I65: warnings carry the threshold in force, not the one that was configured", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 5; i++) yield* down
      assert.deepStrictEqual((yield* of("circuit.failure")).map((event) => event.failure_threshold), [5, 5, 5, 5])
      assert.deepStrictEqual((yield* of("circuit.opened")).map((event) => event.consecutive_failures), [5])
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.adaptive({ failures: 10, alpha: 1, minimumSamples: 1 }) }))))

  it.effect("warnings carry the failure rate where the policy keeps one and knows it", () =>
    Effect.gen(function*() {
      yield* down
      yield* up
      yield* up
      yield* down
      assert.deepStrictEqual(
        (yield* of("circuit.failure")).map((event) => [event.failure_rate, event.failure_threshold]),
        [[undefined, undefined], [0.5, undefined]]
      )
    }).pipe(
      Effect.provide(policy({ tripPolicy: TripPolicy.failureRate({ threshold: 0.6, minimumCalls: 4, window: 10 }) }))
    ))
})

describe("an outage", () => {
  it.effect("I67: counts its skips, and starts again with each opening", () =>
    Effect.gen(function*() {
      yield* down
      yield* skip
      yield* skip
      yield* skip
      yield* TestClock.adjust("1 second")
      yield* down
      yield* skip
      assert.deepStrictEqual((yield* of("circuit.skipped")).map((event) => event.skips_since_opened), [1, 2, 3, 1])
    }).pipe(Effect.provide(policy())))

  it.effect("I67: goes on counting while a probe runs", () =>
    Effect.gen(function*() {
      yield* down
      yield* skip
      yield* TestClock.adjust("1 second")
      const permit = yield* Effect.flatMap(Effect.forkChild(CircuitBreaker.acquire(key)), Fiber.join)
      yield* skip
      yield* permit.settle(Outcome.success)
      assert.deepStrictEqual(
        (yield* of("circuit.skipped")).map((
          event
        ) => [event.rejected_by, event.skips_since_opened, event.retry_after_ms]),
        [["open", 1, 1000], ["half_open", 2, undefined]]
      )
    }).pipe(Effect.scoped, Effect.provide(policy())))

  it.effect("I75: lasts from its first opening to the close, failed probes included", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("1 second")
      yield* down
      yield* TestClock.adjust("500 millis")
      yield* skip
      yield* TestClock.adjust("500 millis")
      const open = yield* CircuitBreaker.state(key)
      assert.deepStrictEqual(open._tag === "Open" && [open.openedAt, open.openFor], [1000, Duration.seconds(2)])
      yield* up
      assert.deepStrictEqual((yield* of("circuit.skipped")).map((event) => event.open_ms), [1500])
      assert.deepStrictEqual((yield* of("circuit.closed")).map((event) => [event.open_ms, event.window_ms]), [
        [2000, 1000]
      ])
    }).pipe(Effect.provide(policy())))

  it.effect("I76: has no negative age when the wall clock is set back", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 seconds")
      yield* down
      yield* TestClock.adjust("500 millis")
      yield* TestClock.setTime(6500)
      yield* skip
      yield* TestClock.adjust("500 millis")
      yield* up
      const skipped = yield* of("circuit.skipped")
      assert.deepStrictEqual(skipped.map((event) => [event.at, event.open_ms]), [[6500, 500]])
      const closed = yield* of("circuit.closed")
      assert.deepStrictEqual(closed.map((event) => [event.open_ms, event.window_ms]), [[1000, 1000]])
      for (const event of yield* all) yield* CircuitEvent.decode(event)
    }).pipe(Effect.provide(policy())))

  const ids = Effect.map(all, (events) => events.flatMap((event) => "outage_id" in event ? [event.outage_id] : []))

  it.effect("I77: has one id from its first opening to its end, and the next one has another", () =>
    Effect.gen(function*() {
      const outage = Effect.gen(function*() {
        yield* down
        yield* skip
        yield* TestClock.adjust("1 second")
        yield* down
        yield* skip
        yield* CircuitBreaker.forceOpen(key, { for: "5 seconds" })
        yield* skip
        yield* TestClock.adjust("5 seconds")
        yield* up
      })
      yield* outage
      const first = yield* ids
      assert.lengthOf(first, 11)
      assert.strictEqual(new Set(first).size, 1)
      yield* outage
      assert.strictEqual(new Set(yield* ids).size, 2)
      const opened = yield* Effect.flip(Effect.andThen(down, up))
      const state = yield* CircuitBreaker.state(key)
      const id = state._tag === "Open" ? state.outageId : "none"
      assert.strictEqual(opened.reason._tag === "CircuitOpen" && opened.reason.outageId, id)
      assert.strictEqual((yield* ids).at(-1), id)
    }).pipe(Effect.provide(policy())))

  it.effect("I77: has an id of its own also when the circuit was forgotten since the last one", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("1 second")
      yield* up
      yield* TestClock.adjust("2 hours")
      yield* down
      const outages = (yield* of("circuit.opened")).map(({ outage_id }) => outage_id)
      assert.lengthOf(outages, 2)
      assert.lengthOf(new Set(outages), 2)
    }).pipe(Effect.provide(policy())))

  it.effect("I77: has an id of its own also beside that of another key which opens in the same moment", () =>
    Effect.gen(function*() {
      yield* down
      yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "other" })))
      assert.lengthOf(new Set((yield* of("circuit.opened")).map(({ generation }) => generation)), 1)
      assert.lengthOf(new Set(yield* ids), 2)
      yield* TestClock.adjust("1 second")
      yield* up
      const [opened] = yield* of("circuit.opened")
      assert.deepStrictEqual((yield* of("circuit.closed")).map(({ outage_id }) => outage_id), [opened?.outage_id])
    }).pipe(Effect.provide(policy())))

  it.effect("I77: has an id of its own also beside those of other processes with stores of their own", () =>
    Effect.gen(function*() {
      const process = Effect.provide(Effect.andThen(down, ids), policy(), { local: true })
      const seen = yield* Effect.all([process, process])
      assert.lengthOf(new Set(seen.flat()), 2)
    }))

  it.effect("I61: hears of an interrupted probe once, as a slot that became free, not as a transition", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("1 second")
      const fiber = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual((yield* names).slice(1), ["circuit.half_open", "circuit.probe"])
      assert.deepStrictEqual((yield* of("circuit.probe")).map(({ kind, result }) => [result, kind]), [
        ["interrupted", "cancelled"]
      ])
    }).pipe(Effect.provide(policy())))

  it.effect.each(
    [
      ["Success", Outcome.success, "success", undefined],
      ["Failure", Outcome.failure("overloaded"), "failure", "overloaded"],
      ["OpenNow", Outcome.openNow("quota_exhausted"), "failure", "quota_exhausted"],
      ["Ignored", Outcome.ignored("auth"), "ignored", "auth"],
      ["Throttled", Outcome.throttled("1 second"), "ignored", "rate_limited"]
    ] as const
  )("a probe that said %s is announced as such", ([, outcome, result, kind]) =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("1 second")
      yield* says(outcome)
      assert.deepStrictEqual((yield* of("circuit.probe")).map((event) => [event.result, event.kind]), [[result, kind]])
    }).pipe(Effect.provide(policy())))

  it.effect("I77: has an id of its own also where a dropped circuit with a call on its way opens, and then its successor", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const failing = Effect.andThen(Deferred.await(go), Effect.fail("503")).pipe(guarded)
      const call = yield* Effect.forkChild(Effect.exit(failing), { startImmediately: true })
      yield* Effect.void.pipe(CircuitBreaker.execute({ key: "other" }))
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(call)
      yield* down
      const outages = (yield* of("circuit.opened")).map(({ outage_id }) => outage_id)
      assert.lengthOf(outages, 2)
      assert.lengthOf(new Set(outages), 2)
    }).pipe(
      Effect.provide(
        RecordedEvents.layer.pipe(
          Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
          Layer.provide(CircuitStore.layerMemoryWith({ maxCircuits: 1 }))
        )
      )
    ))
})

describe("events beside transitions", () => {
  it.effect("a shut gate is announced once, with the wait that is left; a shorter wait asked for later is not", () =>
    Effect.gen(function*() {
      const permit = yield* CircuitBreaker.acquire(key)
      yield* says(Outcome.throttled("20 seconds", "overloaded"))
      yield* permit.settle(Outcome.throttled("5 seconds"))
      yield* skip
      assert.deepStrictEqual((yield* of("circuit.throttled")).map((event) => [event.kind, event.retry_after_ms]), [
        ["overloaded", 20_000]
      ])
      assert.deepStrictEqual(
        (yield* of("circuit.skipped")).map(({ open_ms, outage_id, rejected_by, skips_since_opened }) => [
          rejected_by,
          open_ms,
          skips_since_opened,
          outage_id
        ]),
        [["throttled", 0, 0, undefined]]
      )
    }).pipe(Effect.scoped, Effect.provide(policy())))

  it.effect.each(
    [
      ["Success", Outcome.success, "success", undefined],
      ["Failure", Outcome.failure("connection"), "failure", "connection"],
      ["Ignored", Outcome.ignored("auth"), "ignored", "auth"],
      ["Throttled", Outcome.throttled("1 second"), "throttled", "rate_limited"],
      ["OpenNow", Outcome.openNow("quota_exhausted"), "open_now", "quota_exhausted"]
    ] as const
  )(
    "%s that comes late is announced as such and changes nothing",
    ([, outcome, wire, kind]) =>
      Effect.gen(function*() {
        const permit = yield* CircuitBreaker.acquire(key)
        yield* CircuitBreaker.reset(key)
        const before = yield* CircuitBreaker.state(key)
        yield* permit.settle(outcome)
        assert.deepStrictEqual(yield* CircuitBreaker.state(key), before)
        assert.deepStrictEqual((yield* of("circuit.late_outcome")).map((event) => [event.outcome, event.kind]), [
          [wire, kind]
        ])
      }).pipe(Effect.scoped, Effect.provide(policy()))
  )

  it.effect("steering is announced with who did it and why, and what it ended", () =>
    Effect.gen(function*() {
      const who = { reason: "provider incident", actor: "ops" }
      yield* CircuitBreaker.forceOpen(key, { for: "10 seconds", ...who })
      yield* TestClock.adjust("4 seconds")
      yield* CircuitBreaker.reset(key, who)
      yield* CircuitBreaker.forceOpen(key)
      yield* CircuitBreaker.disable(key, who)
      yield* says(Outcome.openNow("quota_exhausted"))
      yield* CircuitBreaker.enable(key, who)
      const [first, second] = yield* of("circuit.forced")
      assert.deepStrictEqual([first?.open_for_ms, second?.open_for_ms], [10_000, undefined])
      const [reset] = yield* of("circuit.reset")
      assert.deepStrictEqual([reset?.open_ms, reset?.outage_id], [4000, first?.outage_id])
      const [disabled] = yield* of("circuit.disabled")
      assert.strictEqual(disabled?.outage_id, second?.outage_id)
      assert.deepStrictEqual((yield* of("circuit.would_open")).map((event) => [event.failure_kind, event.openings]), [
        ["quota_exhausted", 1]
      ])
      const said = (yield* all).flatMap((event) => "note" in event ? [[event.event, event.note, event.actor]] : [])
      assert.deepStrictEqual(said, [
        ["circuit.forced", who.reason, who.actor],
        ["circuit.reset", who.reason, who.actor],
        ["circuit.disabled", who.reason, who.actor],
        ["circuit.enabled", who.reason, who.actor]
      ])
    }).pipe(Effect.provide(policy())))
})
