/**
 * Everything that happens to circuits, in the form in which it is logged, streamed and sent: snake_case fields, whole
 * milliseconds, and nothing of a prompt, a header or a credential.
 *
 * The events of one outage, from its first opening until the circuit is closed, share an `outage_id`, which no other
 * outage has, whatever its key and its process. `at` is wall time (epoch milliseconds), for people; every duration is
 * measured by a clock that never goes back.
 *
 * @since 0.1.0
 */
import { type Effect, Schema } from "effect"
import { rejectedBy, type State } from "./Circuit.ts"
import * as FailoverEvent from "./FailoverEvent.ts"
import { ran } from "./internal/observers/callResults.ts"
import { Kind, Natural, operator, Share, transition } from "./internal/observers/fields.ts"
import { outcomes } from "./Outcome.ts"
import * as StoreEvent from "./StoreEvent.ts"

const circuit = <const Name extends string, Fields extends Schema.Struct.Fields>(event: Name, fields: Fields) =>
  Schema.Struct({
    event: Schema.Literal(event),
    key: Schema.String,
    at: Schema.Int,
    generation: Schema.Int,
    ...fields
  })

const outage = { outage_id: Schema.String } as const

/**
 * The circuit opened for `open_for_ms`. `consecutive_failures` counts the failures in a row before it;
 * `latency_tripped` is true if slow calls opened it, and not failures. `openings` is the step of the open schedule.
 *
 * @category events
 * @since 0.1.0
 */
export const Opened = circuit("circuit.opened", {
  ...transition("threshold", "open_now", "probe_failed"),
  ...outage,
  open_for_ms: Natural,
  openings: Natural,
  consecutive_failures: Natural,
  failure_kind: Schema.optionalKey(Kind),
  latency_tripped: Schema.Boolean
})

/**
 * The fields of `circuit.opened`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Opened extends Schema.Schema.Type<typeof Opened> {}

/**
 * The circuit admits probes.
 *
 * @category events
 * @since 0.1.0
 */
export const HalfOpen = circuit("circuit.half_open", { ...transition("cooldown_elapsed", "last_resort"), ...outage })

/**
 * The fields of `circuit.half_open`.
 *
 * @category events
 * @since 0.1.0
 */
export interface HalfOpen extends Schema.Schema.Type<typeof HalfOpen> {}

/**
 * A probe closed the circuit. `open_ms` spans the whole outage, failed probes included: the time to recover.
 * `window_ms` is only its last opening.
 *
 * @category events
 * @since 0.1.0
 */
export const Closed = circuit("circuit.closed", {
  ...transition("probe_succeeded", "initial"),
  ...outage,
  open_ms: Natural,
  window_ms: Natural
})

/**
 * The fields of `circuit.closed`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Closed extends Schema.Schema.Type<typeof Closed> {}

/**
 * A call was turned away. `open_ms` is the age of the outage; `skips_since_opened` starts again at each opening, and
 * is 0 for a call turned away by the gate or the ramp of a closed circuit.
 *
 * @category events
 * @since 0.1.0
 */
export const Skipped = circuit("circuit.skipped", {
  outage_id: Schema.optionalKey(Schema.String),
  rejected_by: Schema.Literals(rejectedBy),
  open_ms: Natural,
  skips_since_opened: Natural,
  retry_after_ms: Schema.optionalKey(Natural)
})

/**
 * The fields of `circuit.skipped`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Skipped extends Schema.Schema.Type<typeof Skipped> {}

/**
 * A failure that did not open the circuit: the warning before the trip. `failure_threshold` is present if the trip
 * policy counts failures in a row, `failure_rate` if it has a rate that is known, and `failure_rate_threshold` if a
 * rate opens the circuit. `not_counted` is present if the failure did not count, because it says nothing new about the
 * dependency; see `Evidence`.
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
 * The fields of `circuit.failure`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Failure extends Schema.Schema.Type<typeof Failure> {}

/**
 * A call was slower than the trip policy allows; its value was returned all the same.
 *
 * @category events
 * @since 0.1.0
 */
export const SlowCall = circuit("circuit.slow_call", { duration_ms: Natural, slower_than_ms: Natural })

/**
 * The fields of `circuit.slow_call`.
 *
 * @category events
 * @since 0.1.0
 */
export interface SlowCall extends Schema.Schema.Type<typeof SlowCall> {}

/**
 * The dependency asked all callers to wait: the gate of this key is shut for `retry_after_ms`.
 *
 * @category events
 * @since 0.1.0
 */
export const Throttled = circuit("circuit.throttled", { kind: Kind, retry_after_ms: Natural })

/**
 * The fields of `circuit.throttled`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Throttled extends Schema.Schema.Type<typeof Throttled> {}

/**
 * A probe ended.
 *
 * @category events
 * @since 0.1.0
 */
export const Probe = circuit("circuit.probe", {
  ...outage,
  result: Schema.Literals(ran),
  kind: Schema.optionalKey(Kind)
})

/**
 * The fields of `circuit.probe`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Probe extends Schema.Schema.Type<typeof Probe> {}

/**
 * A probe failed because a call of its own circuit that it made across a promise, where no context says that it is a
 * part of the probe, was turned away by the circuit. That says nothing of the dependency, and does not count. The next
 * probe lets a call pass, and each after it twice as many: `rejections` is how many probes in a row ended like this.
 *
 * @category events
 * @since 0.1.0
 */
export const SelfRejection = circuit("circuit.self_rejection", { ...outage, rejections: Natural })

/**
 * What a `circuit.self_rejection` event says.
 *
 * @category events
 * @since 0.1.0
 */
export interface SelfRejection extends Schema.Schema.Type<typeof SelfRejection> {}

/**
 * A call ended after its circuit had moved to another generation: it changed nothing.
 *
 * @category events
 * @since 0.1.0
 */
export const LateOutcome = circuit("circuit.late_outcome", {
  outcome: Schema.Literals(Object.values(outcomes)),
  kind: Schema.optionalKey(Kind)
})

/**
 * The fields of `circuit.late_outcome`.
 *
 * @category events
 * @since 0.1.0
 */
export interface LateOutcome extends Schema.Schema.Type<typeof LateOutcome> {}

/**
 * A disabled circuit would have opened now.
 *
 * @category events
 * @since 0.1.0
 */
export const WouldOpen = circuit("circuit.would_open", { failure_kind: Schema.optionalKey(Kind), openings: Natural })

/**
 * The fields of `circuit.would_open`.
 *
 * @category events
 * @since 0.1.0
 */
export interface WouldOpen extends Schema.Schema.Type<typeof WouldOpen> {}

/**
 * An operator holds the circuit open, for `open_for_ms` or until a reset.
 *
 * @category events
 * @since 0.1.0
 */
export const Forced = circuit("circuit.forced", {
  ...transition("forced"),
  ...outage,
  ...operator,
  open_for_ms: Schema.optionalKey(Natural)
})

/**
 * The fields of `circuit.forced`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Forced extends Schema.Schema.Type<typeof Forced> {}

/**
 * An operator closed the circuit.
 *
 * @category events
 * @since 0.1.0
 */
export const Reset = circuit("circuit.reset", {
  ...transition("reset"),
  ...operator,
  outage_id: Schema.optionalKey(Schema.String),
  open_ms: Natural
})

/**
 * The fields of `circuit.reset`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Reset extends Schema.Schema.Type<typeof Reset> {}

/**
 * An operator lets every call pass; the circuit only counts.
 *
 * @category events
 * @since 0.1.0
 */
export const Disabled = circuit("circuit.disabled", {
  ...transition("disabled"),
  ...operator,
  outage_id: Schema.optionalKey(Schema.String)
})

/**
 * The fields of `circuit.disabled`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Disabled extends Schema.Schema.Type<typeof Disabled> {}

/**
 * An operator put the circuit back to work.
 *
 * @category events
 * @since 0.1.0
 */
export const Enabled = circuit("circuit.enabled", { ...transition("enabled"), ...operator })

/**
 * The fields of `circuit.enabled`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Enabled extends Schema.Schema.Type<typeof Enabled> {}

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
 * The fields of `classify.failed`.
 *
 * @category events
 * @since 0.1.0
 */
export interface ClassifyFailed extends Schema.Schema.Type<typeof ClassifyFailed> {}

/**
 * An observer threw. The call and the other observers were not affected; these get this event, at the powers of two of
 * `failures`.
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
 * The fields of `observer.failed`.
 *
 * @category events
 * @since 0.1.0
 */
export interface ObserverFailed extends Schema.Schema.Type<typeof ObserverFailed> {}

/**
 * Every event; `event` says which.
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
  SelfRejection,
  LateOutcome,
  WouldOpen,
  Forced,
  Reset,
  Disabled,
  Enabled,
  ClassifyFailed,
  ObserverFailed,
  StoreEvent.PolicyMismatch,
  StoreEvent.Degraded,
  StoreEvent.Recovered,
  StoreEvent.Corrupt,
  StoreEvent.Full,
  FailoverEvent.Switched,
  FailoverEvent.Recovered,
  FailoverEvent.Exhausted,
  FailoverEvent.Moved,
  FailoverEvent.Refused,
  FailoverEvent.Probe
])

/**
 * Every event; `event` says which.
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitEvent =
  | Opened
  | HalfOpen
  | Closed
  | Skipped
  | Failure
  | SlowCall
  | Throttled
  | Probe
  | SelfRejection
  | LateOutcome
  | WouldOpen
  | Forced
  | Reset
  | Disabled
  | Enabled
  | ClassifyFailed
  | ObserverFailed
  | StoreEvent.PolicyMismatch
  | StoreEvent.Degraded
  | StoreEvent.Recovered
  | StoreEvent.Corrupt
  | StoreEvent.Full
  | FailoverEvent.Switched
  | FailoverEvent.Recovered
  | FailoverEvent.Exhausted
  | FailoverEvent.Moved
  | FailoverEvent.Refused
  | FailoverEvent.Probe

/**
 * The events of circuits that changed their state: those with `from`, `to` and `reason`.
 *
 * @category models
 * @since 0.1.0
 */
export type Transition = Extract<CircuitEvent, { readonly to: State }>

/**
 * Reads an event that was sent as JSON. A field that is unknown, missing or of another form is an error.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode: (input: unknown) => Effect.Effect<CircuitEvent, Schema.SchemaError> = Schema.decodeUnknownEffect(
  CircuitEvent,
  { onExcessProperty: "error" }
)
