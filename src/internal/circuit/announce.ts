/** What happened to a circuit, as events. */
import { type Admission, type Circuit, never } from "../../Circuit.ts"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import type { Operator } from "../../CircuitStore.ts"
import { kindOf, type Outcome } from "../../Outcome.ts"
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
): CircuitEvent => ({
  event: "circuit.skipped",
  ...base(circuit, scene),
  ...outage(circuit),
  rejected_by: by,
  open_ms: age(circuit, scene),
  skips_since_opened: scene.skips,
  ...optional("retry_after_ms", retryAfterMillis)
})

export const lateOutcome = (circuit: Circuit, scene: Scene, outcome: Outcome): CircuitEvent => ({
  event: "circuit.late_outcome",
  ...base(circuit, scene),
  outcome: wireOutcomes[outcome._tag],
  ...optional("kind", kindOf(outcome))
})

/** What the call said, in the order in which a reader would tell it; the transition it led to comes after. */
export const settled = (scene: Scene, call: Settled): ReadonlyArray<CircuitEvent> => {
  const { after, before, outcome } = call
  const events: Array<CircuitEvent> = []
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
      result: call.interrupted ? "interrupted" : call.latencyTripped ? "failure" : results[outcome._tag],
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
): CircuitEvent => {
  const common = { ...base(after, scene), from: before.state, reason: after.reason }
  const who = { ...optional("note", operator.reason), ...optional("actor", operator.actor) }
  switch (after.state) {
    case "open":
      return {
        event: "circuit.opened",
        ...common,
        outage_id: outageId(after),
        open_for_ms: openFor(after, scene),
        openings: after.openings,
        consecutive_failures: after.failures,
        ...optional("failure_kind", failureKind(after)),
        latency_tripped: latencyTripped
      }
    case "half_open":
      return { event: "circuit.half_open", ...common, outage_id: outageId(after) }
    case "forced_open":
      return {
        event: "circuit.forced",
        ...common,
        ...who,
        outage_id: outageId(after),
        ...optional("open_for_ms", after.openUntil === never ? undefined : openFor(after, scene))
      }
    case "disabled":
      return {
        event: "circuit.disabled",
        ...common,
        ...who,
        ...outage(before)
      }
    case "closed":
      switch (after.reason) {
        case "reset":
          return {
            event: "circuit.reset",
            ...common,
            ...who,
            ...outage(before),
            open_ms: age(before, scene)
          }
        case "enabled":
          return { event: "circuit.enabled", ...common, ...who }
        default:
          return {
            event: "circuit.closed",
            ...common,
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

/** Outcomes in the words of events. */
export const wireOutcomes = {
  Success: "success",
  Failure: "failure",
  Ignored: "ignored",
  Throttled: "throttled",
  OpenNow: "open_now"
} as const

/** What a call came to, as it is counted. */
export const results = {
  Success: "success",
  Failure: "failure",
  Ignored: "ignored",
  Throttled: "ignored",
  OpenNow: "failure"
} as const

// Absent, not undefined: events are compared, encoded and decoded strictly.
const optional = <Name extends string, A>(name: Name, value: A | undefined): { readonly [K in Name]?: A } =>
  value === undefined ? {} : { [name]: value } as { readonly [K in Name]: A }
