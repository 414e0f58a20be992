import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import {
  Circuit,
  CircuitBreaker,
  CircuitEvent,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.exit(Effect.fail("503").pipe(guarded))
const up = Effect.exit(Effect.succeed("hello").pipe(guarded))

const says = (outcome: Outcome.Outcome) =>
  Effect.exit(Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome })))

const broken = () => {
  throw new Error("broken")
}

const policy: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(2),
    TripPolicy.failureRate({ threshold: 0.9, minimumCalls: 1, window: 3 }),
    TripPolicy.slowCallRate({ threshold: 1, slowerThan: "100 millis", window: 10 })
  ),
  openDuration: "1 second"
}

/** Two breakers with two policies on one store, a broken observer and a recorder. */
const World = Layer.mergeAll(RecordedEvents.layer, CircuitObserver.layer({ name: "broken", onEvent: broken })).pipe(
  Layer.provideMerge(CircuitBreaker.layer(policy)),
  Layer.provideMerge(CircuitStore.layerMemory)
)

const otherBreaker = (policy: CircuitPolicy.CircuitPolicy) => Layer.build(CircuitBreaker.layer(policy))

/** Makes every event there is happen, in every shape it has. */
const everything = Effect.gen(function*() {
  yield* up
  yield* up
  yield* down
  yield* down
  yield* up
  yield* TestClock.adjust("1 second")
  const probe = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
  yield* up
  yield* Fiber.interrupt(probe)
  yield* says(Outcome.throttled("1 second"))
  yield* up
  yield* TestClock.adjust("1 second")
  yield* says(Outcome.openNow("quota_exhausted", "2 seconds"))
  yield* TestClock.adjust("2 seconds")
  yield* up
  const slow = yield* Effect.forkChild(Effect.sleep("150 millis").pipe(guarded), { startImmediately: true })
  yield* TestClock.adjust("150 millis")
  yield* Fiber.join(slow)
  yield* TestClock.adjust("850 millis")
  const late = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
  yield* CircuitBreaker.forceOpen(key, { for: "1 second", reason: "incident", actor: "ops" })
  yield* Fiber.interrupt(late)
  yield* CircuitBreaker.reset(key, { reason: "over", actor: "ops" })
  yield* CircuitBreaker.forceOpen(key)
  yield* up
  yield* CircuitBreaker.disable(key)
  yield* says(Outcome.openNow("overloaded"))
  yield* CircuitBreaker.enable(key)
  yield* Effect.succeed("kept").pipe(CircuitBreaker.execute({ key, classify: broken }))
  const other = yield* otherBreaker({ tripPolicy: TripPolicy.consecutive(7) })
  yield* up.pipe(Effect.provide(other))
  return yield* Effect.flatMap(RecordedEvents.RecordedEvents, ({ all }) => all)
})

const names = [
  "circuit.closed",
  "circuit.disabled",
  "circuit.enabled",
  "circuit.failure",
  "circuit.forced",
  "circuit.half_open",
  "circuit.late_outcome",
  "circuit.opened",
  "circuit.probe",
  "circuit.reset",
  "circuit.skipped",
  "circuit.slow_call",
  "circuit.throttled",
  "circuit.would_open",
  "classify.failed",
  "observer.failed",
  "store.policy_mismatch"
]

const decodes = (input: unknown) => Effect.map(Effect.exit(CircuitEvent.decode(input)), Exit.isSuccess)

describe("CircuitEvent", () => {
  it.effect("I71: every event that happens decodes strictly to itself, also after a trip through JSON", () =>
    Effect.gen(function*() {
      const events = yield* everything
      assert.deepStrictEqual([...new Set(events.map(({ event }) => event))].sort(), names)
      for (const event of events) {
        assert.deepStrictEqual(yield* CircuitEvent.decode(JSON.parse(JSON.stringify(event))), event)
      }
    }).pipe(Effect.scoped, Effect.provide(World)))

  it.effect("I71: an event with a field too many, too few, in camelCase or of another form is refused", () =>
    Effect.gen(function*() {
      for (const event of yield* everything) {
        const refused = (change: Record<string, unknown>, why: string) =>
          Effect.map(decodes({ ...event, ...change }), (decoded) => {
            assert.isFalse(decoded, `${event.event}: ${why}`)
          })
        yield* refused({ prompt: "hello" }, "unknown field")
        yield* refused({ outageId: "1" }, "camelCase")
        yield* refused({ event: "circuit.exploded" }, "unknown event")
        yield* refused({ at: 0.5 }, "fractional time")
        for (const [name, value] of Object.entries(event)) {
          yield* refused({ [name]: null }, `${name} null`)
          yield* refused({ [name]: undefined }, `${name} undefined`)
          yield* refused({ [name]: { nested: true } }, `${name} of another type`)
          if (typeof value !== "number" || name === "at" || name === "generation") continue
          yield* refused({ [name]: -1 }, `${name} negative`)
          yield* refused({ [name]: Number.NaN }, `${name} NaN`)
          yield* refused({ [name]: String(value) }, `${name} as text`)
          if (name !== "failure_rate") yield* refused({ [name]: value + 0.5 }, `${name} fractional`)
        }
        for (
          const name of ["reason", "from", "to", "kind", "failure_kind", "result", "rejected_by", "outcome"] as const
        ) {
          if (name in event) yield* refused({ [name]: "sideways" }, `${name} not of its set`)
        }
        for (
          const name of ["event", "at", "key", "generation", "from", "to", "reason", "skips_since_opened"] as const
        ) {
          if (!(name in event)) continue
          const { [name]: _gone, ...rest } = event as Record<string, unknown>
          assert.isFalse(yield* decodes(rest), `${event.event} without ${name}`)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(World)))

  it.effect("a transition to a state that its reason does not lead to is refused", () =>
    Effect.gen(function*() {
      for (const event of yield* everything) {
        if (!("to" in event)) continue
        assert.strictEqual(event.to, Circuit.edges[event.reason].to)
        for (const reason of Circuit.reasons) {
          if (Circuit.edges[reason].to !== event.to) assert.isFalse(yield* decodes({ ...event, reason }), reason)
        }
        for (const to of Circuit.states) {
          if (to !== event.to) assert.isFalse(yield* decodes({ ...event, to }), to)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(World)))

  it("says where it leads wherever it says where it comes from, for every reason there is", () => {
    const fields: ReadonlyArray<Record<string, unknown>> = CircuitEvent.CircuitEvent.members.map(({ fields }) => fields)
    for (const one of fields) {
      assert.strictEqual("to" in one, "from" in one)
      assert.strictEqual("to_target" in one, "from_target" in one)
    }
    const reasons = CircuitEvent.CircuitEvent.members.flatMap(({ fields }) =>
      "to" in fields ? fields.reason.literals : []
    )
    assert.sameMembers(reasons, [...Circuit.reasons])
  })

  it.effect("I71: anything that is not an event is refused", () =>
    Effect.gen(function*() {
      for (const input of [undefined, null, "circuit.opened", 7, [], {}]) assert.isFalse(yield* decodes(input))
    }))

  it.effect("times are whole milliseconds, also where the clock's are not", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("0.5 millis")
      yield* says(Outcome.openNow("overloaded"))
      const recorded = yield* RecordedEvents.RecordedEvents
      for (const event of yield* recorded.all) yield* CircuitEvent.decode(event)
    }).pipe(Effect.provide(World)))

  it.effect("names a kind of the closed set also when a classifier returns another", () =>
    Effect.gen(function*() {
      yield* says({ _tag: "Failure", kind: "sk-secret" as never })
      yield* says({ _tag: "OpenNow", kind: "sk-secret" as never })
      const recorded = yield* RecordedEvents.RecordedEvents
      for (const event of yield* recorded.all) yield* CircuitEvent.decode(event)
      assert.notInclude(JSON.stringify([yield* recorded.all, yield* recorded.calls]), "sk-secret")
    }).pipe(Effect.provide(World)))
})
