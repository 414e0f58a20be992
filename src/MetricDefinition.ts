/**
 * The metrics of this library, as data: what `CircuitMetrics` records, and what dashboards and alerts may ask for.
 * Names, labels and buckets are part of the public interface.
 *
 * @since 0.1.0
 */
import type { State } from "./Circuit.ts"

/**
 * One metric. Seconds are seconds; states are numbers, see `stateValues`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricDefinition {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly labels: ReadonlyArray<string>
  readonly description: string
  /** Upper bounds of the buckets of a histogram, but for the last, which has none. */
  readonly buckets?: ReadonlyArray<number>
}

/**
 * The states of circuits as `cb_current_state` numbers them.
 *
 * @category models
 * @since 0.1.0
 */
export const stateValues = {
  closed: 0,
  half_open: 1,
  open: 2,
  forced_open: 3,
  disabled: 4
} as const satisfies Record<State, number>

const latency = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600] as const
const wait = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120] as const
const operation = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] as const
const outage = [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14_400] as const

/**
 * Every metric. `backend` is the key of a circuit.
 *
 * @category definitions
 * @since 0.1.0
 */
export const definitions = {
  stateTransitions: {
    name: "cb_state_transitions_total",
    type: "counter",
    labels: ["backend", "from_state", "to_state"],
    description: "Transitions of circuits, as this process saw them; with a shared store every process sees each."
  },
  requests: {
    name: "cb_requests_total",
    type: "counter",
    labels: ["backend", "outcome"],
    description: "Calls by how they ended: success, failure, ignored, interrupted, or rejected and why."
  },
  requestLatency: {
    name: "cb_request_latency_seconds",
    type: "histogram",
    labels: ["backend"],
    buckets: latency,
    description: "How long calls took that ran; calls that were rejected are not in it."
  },
  currentState: {
    name: "cb_current_state",
    type: "gauge",
    labels: ["backend"],
    description: "State of the circuit: 0 closed, 1 half-open, 2 open, 3 forced open, 4 disabled."
  },
  lastTransition: {
    name: "cb_last_transition_timestamp_seconds",
    type: "gauge",
    labels: ["backend"],
    description: "When the circuit last changed its state or was first used, in seconds since 1970."
  },
  failures: {
    name: "cb_failures_total",
    type: "counter",
    labels: ["backend", "kind"],
    description: "Calls that failed in the sense of the circuit, by kind."
  },
  consecutiveFailures: {
    name: "cb_consecutive_failures",
    type: "gauge",
    labels: ["backend"],
    description: "Counted failures in a row."
  },
  failureThreshold: {
    name: "cb_failure_threshold",
    type: "gauge",
    labels: ["backend"],
    description: "Failures in a row that open the circuit at present; known from its first failure on."
  },
  failureRateThreshold: {
    name: "cb_failure_rate_threshold",
    type: "gauge",
    labels: ["backend"],
    description: "Share of failures that opens the circuit, from 0 to 1; known from its first failure on."
  },
  outage: {
    name: "cb_outage_seconds",
    type: "histogram",
    labels: ["backend"],
    buckets: outage,
    description: "Time to recover: from the first opening until the circuit was closed, failed probes included."
  },
  probes: {
    name: "cb_probes_total",
    type: "counter",
    labels: ["backend", "result"],
    description: "Probes by how they ended: success, failure, ignored, interrupted."
  },
  throttles: {
    name: "cb_throttles_total",
    type: "counter",
    labels: ["backend", "kind"],
    description: "How often a provider asked everybody to wait, which shut the gate of its circuit."
  },
  firstContent: {
    name: "cb_first_content_seconds",
    type: "histogram",
    labels: ["backend"],
    buckets: wait,
    description: "How long streams took to their first content, or were waited for in vain."
  },
  streamGap: {
    name: "cb_stream_gap_seconds",
    type: "histogram",
    labels: ["backend"],
    buckets: wait,
    description: "Waits for progress of streams after their first content."
  },
  lateOutcomes: {
    name: "cb_late_outcomes_total",
    type: "counter",
    labels: ["backend"],
    description: "Calls that ended when their circuit had moved on, and changed nothing."
  },
  observerErrors: {
    name: "cb_observer_errors_total",
    type: "counter",
    labels: ["observer"],
    description: "Throws of observers, this one included."
  },
  classifierErrors: {
    name: "cb_classifier_errors_total",
    type: "counter",
    labels: [],
    description: "Throws of classifiers; their calls counted as ignored."
  },
  storeOperation: {
    name: "cb_store_operation_seconds",
    type: "histogram",
    labels: ["operation"],
    buckets: operation,
    description: "How long operations of a shared store took, whether they succeeded or not."
  },
  storeErrors: {
    name: "cb_store_errors_total",
    type: "counter",
    labels: ["operation", "error"],
    description: "Operations of a shared store that failed, by the code of their error."
  },
  storeDegraded: {
    name: "cb_store_degraded",
    type: "gauge",
    labels: [],
    description: "1 while this process decides by itself because the shared store does not answer or does not push."
  },
  unguardedCalls: {
    name: "cb_unguarded_calls_total",
    type: "counter",
    labels: [],
    description: "Calls of new keys that ran without a circuit, because the store holds as many as it may."
  },
  activeTarget: {
    name: "failover_active_target",
    type: "gauge",
    labels: ["route", "target"],
    description: "1 for the target that serves the route, 0 for the others."
  },
  failedOver: {
    name: "failover_failed_over",
    type: "gauge",
    labels: ["route"],
    description: "1 while another target than its primary serves the route, 0 otherwise."
  },
  switches: {
    name: "failover_switches_total",
    type: "counter",
    labels: ["route", "from_target", "to_target", "cause"],
    description: "Changes of the target that serves a route; the cause of a return to a better one is recovered."
  },
  attempts: {
    name: "failover_attempts_total",
    type: "counter",
    labels: ["route", "target", "cause"],
    description: "Attempts of calls at targets that did not serve them, by cause."
  },
  served: {
    name: "failover_served_total",
    type: "counter",
    labels: ["route", "target"],
    description: "Calls by the target whose answer they got."
  },
  refusals: {
    name: "failover_refusals_total",
    type: "counter",
    labels: ["route", "target", "kind"],
    description: "Calls that a target refused for its account or its place; counted once a minute."
  },
  exhausted: {
    name: "failover_exhausted_total",
    type: "counter",
    labels: ["route"],
    description: "Calls that found no target of their route that served them."
  }
} as const satisfies Record<string, MetricDefinition>
