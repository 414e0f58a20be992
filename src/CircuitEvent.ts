/**
 * Every observable fact about circuits, in the form in which it is logged, streamed and sent: snake_case fields, whole
 * milliseconds, nothing of a prompt, a header or a credential.
 *
 * The events of one outage, from its first opening until the circuit is closed, share an `outage_id`, which no other
 * outage of the same key has. `at` is wall time (epoch milliseconds), for people; every duration is measured by a clock
 * that never goes back.
 *
 * @since 0.1.0
 */
import { type Effect, Schema } from "effect"
import { reasons } from "./Circuit.ts"
import * as FailoverEvent from "./FailoverEvent.ts"
import { kinds } from "./Outcome.ts"

const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const State = Schema.Literals(["closed", "open", "half_open", "forced_open", "disabled"])
const Reason = Schema.Literals(reasons)
const Kind = Schema.Literals(kinds)

const circuit = <const Name extends string, Fields extends Schema.Struct.Fields>(event: Name, fields: Fields) =>
  Schema.Struct({
    event: Schema.Literal(event),
    key: Schema.String,
    at: Schema.Int,
    generation: Schema.Int,
    ...fields
  })

const outage = { outage_id: Schema.String } as const
const transition = { from: State, reason: Reason } as const
const operator = { note: Schema.optionalKey(Schema.String), actor: Schema.optionalKey(Schema.String) } as const

/**
 * The circuit opened for `open_for_ms`. `consecutive_failures` counts the failures in a row that led here and
 * `latency_tripped` tells that slowness did, not failure. `openings` is the step of the open schedule.
 *
 * @category events
 * @since 0.1.0
 */
export const Opened = circuit("circuit.opened", {
  ...transition,
  ...outage,
  open_for_ms: Natural,
  openings: Natural,
  consecutive_failures: Natural,
  failure_kind: Schema.optionalKey(Kind),
  latency_tripped: Schema.Boolean
})

/**
 * The circuit admits probes.
 *
 * @category events
 * @since 0.1.0
 */
export const HalfOpen = circuit("circuit.half_open", { ...transition, ...outage })

/**
 * A probe closed the circuit. `open_ms` spans the whole outage, failed probes included: the time to recover.
 * `window_ms` is its last opening alone.
 *
 * @category events
 * @since 0.1.0
 */
export const Closed = circuit("circuit.closed", { ...transition, ...outage, open_ms: Natural, window_ms: Natural })

/**
 * A call was turned away. `open_ms` is the age of the outage; `skips_since_opened` starts again at each opening, and
 * is 0 for a call turned away by the gate or the ramp of a closed circuit.
 *
 * @category events
 * @since 0.1.0
 */
export const Skipped = circuit("circuit.skipped", {
  outage_id: Schema.optionalKey(Schema.String),
  rejected_by: Schema.Literals(["open", "half_open", "throttled", "forced_open"]),
  open_ms: Natural,
  skips_since_opened: Natural,
  retry_after_ms: Schema.optionalKey(Natural)
})

/**
 * A counted failure that did not open the circuit: the warning before the trip. `failure_threshold` is present where
 * the trip policy counts failures in a row, `failure_rate` where it keeps a rate and knows it, and
 * `failure_rate_threshold` where a rate opens the circuit. `not_counted` is present where the failure did not count,
 * because it tells nothing new of the dependency; see `Evidence`.
 *
 * @category events
 * @since 0.1.0
 */
export const Failure = circuit("circuit.failure", {
  kind: Kind,
  consecutive_failures: Natural,
  failure_threshold: Schema.optionalKey(Natural),
  failure_rate: Schema.optionalKey(Share),
  failure_rate_threshold: Schema.optionalKey(Share),
  not_counted: Schema.optionalKey(Schema.Literals(["repeat", "same_call", "same_walk", "one_source"]))
})

/**
 * A call took longer than the trip policy likes; its value was returned all the same.
 *
 * @category events
 * @since 0.1.0
 */
export const SlowCall = circuit("circuit.slow_call", { duration_ms: Natural, slower_than_ms: Natural })

/**
 * The dependency asked everybody to wait: the gate of this key is shut for `retry_after_ms`.
 *
 * @category events
 * @since 0.1.0
 */
export const Throttled = circuit("circuit.throttled", { kind: Kind, retry_after_ms: Natural })

/**
 * A probe ended.
 *
 * @category events
 * @since 0.1.0
 */
export const Probe = circuit("circuit.probe", {
  ...outage,
  result: Schema.Literals(["success", "failure", "ignored", "interrupted"]),
  kind: Schema.optionalKey(Kind)
})

/**
 * A call ended whose circuit had moved on: it changed nothing.
 *
 * @category events
 * @since 0.1.0
 */
export const LateOutcome = circuit("circuit.late_outcome", {
  outcome: Schema.Literals(["success", "failure", "ignored", "throttled", "open_now"]),
  kind: Schema.optionalKey(Kind)
})

/**
 * A disabled circuit would have opened now.
 *
 * @category events
 * @since 0.1.0
 */
export const WouldOpen = circuit("circuit.would_open", { failure_kind: Schema.optionalKey(Kind), openings: Natural })

/**
 * An operator holds the circuit open, for `open_for_ms` or until a reset.
 *
 * @category events
 * @since 0.1.0
 */
export const Forced = circuit("circuit.forced", {
  ...transition,
  ...outage,
  ...operator,
  open_for_ms: Schema.optionalKey(Natural)
})

/**
 * An operator closed the circuit.
 *
 * @category events
 * @since 0.1.0
 */
export const Reset = circuit("circuit.reset", {
  ...transition,
  ...operator,
  outage_id: Schema.optionalKey(Schema.String),
  open_ms: Natural
})

/**
 * An operator lets every call pass; the circuit only watches.
 *
 * @category events
 * @since 0.1.0
 */
export const Disabled = circuit("circuit.disabled", {
  ...transition,
  ...operator,
  outage_id: Schema.optionalKey(Schema.String)
})

/**
 * An operator put the circuit back to work.
 *
 * @category events
 * @since 0.1.0
 */
export const Enabled = circuit("circuit.enabled", { ...transition, ...operator })

/**
 * A classifier threw. The call kept its result and counted as ignored. `failures` counts such faults so far,
 * of all keys, and the event comes at its powers of two. `error` is the name of what was thrown, never its text.
 *
 * @category events
 * @since 0.1.0
 */
export const ClassifyFailed = Schema.Struct({
  event: Schema.Literal("classify.failed"),
  key: Schema.String,
  at: Schema.Int,
  error: Schema.String,
  failures: Natural
})

/**
 * An observer threw. Nobody else noticed; the other observers are told, at the powers of two of `failures`.
 *
 * @category events
 * @since 0.1.0
 */
export const ObserverFailed = Schema.Struct({
  event: Schema.Literal("observer.failed"),
  observer: Schema.String,
  at: Schema.Int,
  error: Schema.String,
  failures: Natural
})

/**
 * Two breakers use one key with different policies; the circuit keeps the first.
 *
 * @category events
 * @since 0.1.0
 */
export const PolicyMismatch = Schema.Struct({
  event: Schema.Literal("store.policy_mismatch"),
  key: Schema.String,
  at: Schema.Int
})

/**
 * The store does not answer, or does not push what other processes do: `operation` is what failed first, and `error`
 * the code of its failure, such as `TIMEOUT`, `CONNECTION` or the first word of the server's error. Until
 * `store.recovered` this process decides by itself where it has to. Told once, however much fails.
 *
 * @category events
 * @since 0.1.0
 */
export const StoreDegraded = Schema.Struct({
  event: Schema.Literal("store.degraded"),
  at: Schema.Int,
  operation: Schema.String,
  error: Schema.String
})

/**
 * The store works again, after `degraded_ms`.
 *
 * @category events
 * @since 0.1.0
 */
export const StoreRecovered = Schema.Struct({
  event: Schema.Literal("store.recovered"),
  at: Schema.Int,
  degraded_ms: Natural
})

/**
 * What the store holds for a key is not a circuit as this library writes it. Unreadable fields took their defaults, and
 * the next write heals them; a value of another type or of a newer version of this library is left alone, and this
 * process decides for itself.
 *
 * @category events
 * @since 0.1.0
 */
export const StoreCorrupt = Schema.Struct({
  event: Schema.Literal("store.corrupt"),
  key: Schema.String,
  at: Schema.Int,
  problem: Schema.Literals(["unreadable_fields", "wrong_type", "newer_version"])
})

/**
 * The store holds `max_circuits` circuits, all of them in use. Until there is room, calls of new keys run without a
 * circuit, and nothing is recorded of these keys. Reported at the first such call, and again only after a minute
 * without one.
 *
 * @category events
 * @since 0.1.0
 */
export const StoreFull = Schema.Struct({
  event: Schema.Literal("store.full"),
  at: Schema.Int,
  max_circuits: Natural
})

/**
 * Every event, told apart by `event`.
 *
 * @category models
 * @since 0.1.0
 */
export const CircuitEvent = Schema.Union([
  Opened,
  HalfOpen,
  Closed,
  Skipped,
  Failure,
  SlowCall,
  Throttled,
  Probe,
  LateOutcome,
  WouldOpen,
  Forced,
  Reset,
  Disabled,
  Enabled,
  ClassifyFailed,
  ObserverFailed,
  PolicyMismatch,
  StoreDegraded,
  StoreRecovered,
  StoreCorrupt,
  StoreFull,
  FailoverEvent.Switched,
  FailoverEvent.Recovered,
  FailoverEvent.Exhausted,
  FailoverEvent.Probe
])

/**
 * Every event, told apart by `event`.
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitEvent = typeof CircuitEvent.Type

/**
 * Reads an event that came over a wire. Strict: a field too many, too few or of another form is an error.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode: (input: unknown) => Effect.Effect<CircuitEvent, Schema.SchemaError> = Schema.decodeUnknownEffect(
  CircuitEvent,
  { onExcessProperty: "error" }
)
