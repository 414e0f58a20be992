/** What happened to a circuit, as events. */
import { type Admission, type Circuit, never } from "../../Circuit.ts"
import type * as CircuitEvent from "../../CircuitEvent.ts"
import type { Operator } from "../../CircuitStore.ts"
import { kindOf, type Outcome, outcomes } from "../../Outcome.ts"
import { resultOf } from "../observers/callResults.ts"
import { failureKind, outageId, type Scene, share } from "./describe.ts"

/** What a call said, beside the states before and after it. */
export interface Settled {
  readonly before: Circuit
  readonly after: Circuit
  readonly probe: boolean
  readonly outcome: Outcome
  readonly interrupted: boolean
  readonly slowMillis: number | undefined
  readonly slowerThanMillis: number
  readonly failureThreshold: number
  readonly failureRatePpm: number | undefined
  readonly failureRateThresholdPpm: number | undefined
  readonly latencyTripped: boolean
}

export const skipped = (
  circuit: Circuit,
  scene: Scene,
  { by, retryAfterMillis }: Admission & { readonly _tag: "Rejected" }
): CircuitEvent.CircuitEvent => ({
  event: "circuit.skipped",
  ...base(circuit, scene),
  ...outage(circuit),
  rejected_by: by,
  open_ms: age(circuit, scene),
  skips_since_opened: scene.skips,
  ...optional("retry_after_ms", retryAfterMillis)
})

export const lateOutcome = (circuit: Circuit, scene: Scene, outcome: Outcome): CircuitEvent.CircuitEvent => ({
  event: "circuit.late_outcome",
  ...base(circuit, scene),
  outcome: outcomes[outcome._tag],
  ...optional("kind", kindOf(outcome))
})

/** A failure that does not count, because another process has counted one of the same request. */
export const repeat = (circuit: Circuit, scene: Scene, outcome: Outcome): CircuitEvent.CircuitEvent => ({
  event: "circuit.failure",
  ...base(circuit, scene),
  kind: kindOf(outcome) ?? "unknown",
  consecutive_failures: circuit.failures,
  not_counted: "repeat"
})

/** What the call said, in the order in which a reader would tell it; the transition it led to comes after. */
export const settled = (scene: Scene, call: Settled): ReadonlyArray<CircuitEvent.CircuitEvent> => {
  const { after, before, outcome } = call
  const events: Array<CircuitEvent.CircuitEvent> = []
  const moved = after.generation !== before.generation
  if (call.slowMillis !== undefined) {
    events.push({
      event: "circuit.slow_call",
      ...base(after, scene),
      duration_ms: Math.round(call.slowMillis),
      slower_than_ms: call.slowerThanMillis
    })
  }
  if (call.probe) {
    events.push({
      event: "circuit.probe",
      ...base(before, scene),
      outage_id: outageId(before),
      result: call.interrupted ? "interrupted" : call.latencyTripped ? "failure" : resultOf[outcome._tag],
      ...optional("kind", call.latencyTripped ? "slow" : kindOf(outcome))
    })
  }
  if (after.gateUntil > before.gateUntil && outcome._tag === "Throttled") {
    events.push({
      event: "circuit.throttled",
      ...base(after, scene),
      kind: outcome.kind,
      retry_after_ms: after.gateUntil - scene.now
    })
  }
  if (outcome._tag === "Failure" && !call.probe && !moved && after.failures > 0) {
    events.push({
      event: "circuit.failure",
      ...base(after, scene),
      kind: outcome.kind,
      consecutive_failures: after.failures,
      ...optional("failure_threshold", call.failureThreshold || undefined),
      ...optional("failure_rate", share(call.failureRatePpm)),
      ...optional("failure_rate_threshold", share(call.failureRateThresholdPpm))
    })
  }
  if (after.state === "disabled" && after.openings > before.openings) {
    events.push({
      event: "circuit.would_open",
      ...base(after, scene),
      ...optional("failure_kind", kindOf(outcome)),
      openings: after.openings
    })
  }
  return events
}

export const transition = (
  before: Circuit,
  after: Circuit,
  scene: Scene,
  latencyTripped: boolean,
  operator: Operator
): CircuitEvent.Transition => {
  const moved = <Event extends CircuitEvent.Transition>(to: Event["to"]) => ({
    ...base(after, scene),
    from: before.state,
    to,
    // The edges of the machine: the state follows from the reason.
    reason: after.reason as Event["reason"]
  })
  const who = { ...optional("note", operator.reason), ...optional("actor", operator.actor) }
  switch (after.state) {
    case "open":
      return {
        event: "circuit.opened",
        ...moved<CircuitEvent.Opened>("open"),
        outage_id: outageId(after),
        open_for_ms: openFor(after, scene),
        openings: after.openings,
        consecutive_failures: after.failures,
        ...optional("failure_kind", failureKind(after)),
        latency_tripped: latencyTripped
      }
    case "half_open":
      return { event: "circuit.half_open", ...moved<CircuitEvent.HalfOpen>("half_open"), outage_id: outageId(after) }
    case "forced_open":
      return {
        event: "circuit.forced",
        ...moved<CircuitEvent.Forced>("forced_open"),
        ...who,
        outage_id: outageId(after),
        ...optional("open_for_ms", after.openUntil === never ? undefined : openFor(after, scene))
      }
    case "disabled":
      return {
        event: "circuit.disabled",
        ...moved<CircuitEvent.Disabled>("disabled"),
        ...who,
        ...outage(before)
      }
    case "closed":
      switch (after.reason) {
        case "reset":
          return {
            event: "circuit.reset",
            ...moved<CircuitEvent.Reset>("closed"),
            ...who,
            ...outage(before),
            open_ms: age(before, scene)
          }
        case "enabled":
          return { event: "circuit.enabled", ...moved<CircuitEvent.Enabled>("closed"), ...who }
        default:
          return {
            event: "circuit.closed",
            ...moved<CircuitEvent.Closed>("closed"),
            outage_id: outageId(before),
            open_ms: age(before, scene),
            window_ms: Math.max(0, scene.now - before.openedAt)
          }
      }
  }
}

// A circuit that is steered need not be in an outage.
const outage = (circuit: Circuit) => circuit.outage === 0 ? {} : { outage_id: outageId(circuit) }

const base = (circuit: Circuit, scene: Scene) => ({
  key: scene.key,
  at: scene.wallMillis,
  generation: circuit.generation
})

// A process may hear of an opening after its end.
const openFor = (circuit: Circuit, scene: Scene) => Math.max(0, circuit.openUntil - scene.now)

const age = (circuit: Circuit, scene: Scene) => circuit.outage === 0 ? 0 : Math.max(0, scene.now - circuit.outageAt)

// Absent, not undefined: events are compared, encoded and decoded strictly.
const optional = <Name extends string, A>(name: Name, value: A | undefined): { readonly [K in Name]?: A } =>
  value === undefined ? {} : { [name]: value } as { readonly [K in Name]: A }
