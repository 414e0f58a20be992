/** The series of one circuit, or of all that share the label of those beyond the cap. */
import type { Context } from "effect"
import type { State } from "../../Circuit.ts"
import type { CircuitEvent, Failure, Transition } from "../../CircuitEvent.ts"
import { definitions, stateValues } from "../../MetricDefinition.ts"
import type { Kind } from "../../Outcome.ts"
import { type CallResult, callResults } from "../observers/callResults.ts"
import { SeriesSet, type Update } from "./metricSeries.ts"

export class CircuitSeries {
  private readonly set: SeriesSet
  private readonly requests: Record<CallResult, Update>
  private readonly latency: Update
  private readonly failures: (kind: string) => Update
  private readonly firstContent: Update
  private readonly streamGap: Update
  private readonly transitions: (edge: string) => Update
  private readonly outages: Update
  private readonly probes: (result: string) => Update
  private readonly throttles: (kind: string) => Update
  private readonly lateOutcomes: Update
  private readonly gauges: Gauges | undefined

  /** `state` is undefined for those beyond the cap: they have counters in common, but no state. */
  constructor(backend: string, state: State | undefined, wallMillis: number, context: Context.Context<never>) {
    const set = this.set = new SeriesSet(context)
    const requests = set.by(definitions.requests, (outcome) => ({ backend, outcome }))
    this.requests = Object.fromEntries(callResults.map((outcome) => [outcome, requests(outcome)])) as Record<
      CallResult,
      Update
    >
    this.latency = set.one(definitions.requestLatency, { backend })
    this.failures = set.by(definitions.failures, (kind) => ({ backend, kind }))
    this.firstContent = set.one(definitions.firstContent, { backend })
    this.streamGap = set.one(definitions.streamGap, { backend })
    this.transitions = set.by(definitions.stateTransitions, (edge) => {
      const [from_state = "", to_state = ""] = edge.split(" ")
      return { backend, from_state, to_state }
    })
    this.outages = set.one(definitions.outage, { backend })
    this.probes = set.by(definitions.probes, (result) => ({ backend, result }))
    this.throttles = set.by(definitions.throttles, (kind) => ({ backend, kind }))
    this.lateOutcomes = set.one(definitions.lateOutcomes, { backend })
    this.gauges = state === undefined ? undefined : new Gauges(backend, state, wallMillis, set)
    // A counter that appears with its first count hides that from every rate.
    for (const outcome of callResults) this.requests[outcome](0)
    for (const edge of edges) this.transitions(edge)(0)
    for (const result of ["success", "failure"]) this.probes(result)(0)
  }

  onCall(result: CallResult, durationMillis: number, kind: Kind | undefined): void {
    this.requests[result](1)
    switch (result) {
      case "success":
        this.gauges?.succeeded()
        break
      case "failure":
        this.failures(kind ?? "unknown")(1)
        break
      case "ignored":
      case "interrupted":
        break
      default:
        return
    }
    this.latency(durationMillis / 1000)
  }

  onStreamWait(phase: "first_content" | "idle", durationMillis: number): void {
    const observe = phase === "first_content" ? this.firstContent : this.streamGap
    observe(durationMillis / 1000)
  }

  onEvent(event: CircuitEvent): void {
    if ("to" in event) this.moved(event)
    switch (event.event) {
      case "circuit.opened":
        return this.gauges?.streak(event.consecutive_failures)
      case "circuit.closed":
      case "circuit.reset":
        if (event.outage_id !== undefined) this.outages(event.open_ms / 1000)
        return this.gauges?.streak(0)
      case "circuit.enabled":
        return this.gauges?.streak(0)
      case "circuit.failure":
        return this.gauges?.failed(event)
      case "circuit.probe":
        return this.probes(event.result)(1)
      case "circuit.throttled":
        return this.throttles(event.kind)(1)
      case "circuit.late_outcome":
        return this.lateOutcomes(1)
    }
  }

  remove(): void {
    this.set.remove()
  }

  private moved({ at, from, to }: Transition): void {
    this.transitions(`${from} ${to}`)(1)
    this.gauges?.moved(to, at)
  }
}

/** What is true of one circuit at a moment. */
class Gauges {
  private readonly state: Update
  private readonly lastTransition: Update
  private readonly consecutiveFailures: Update
  private readonly failureThreshold: Update
  private readonly failureRateThreshold: Update
  private failures = -1
  private closed = false

  constructor(backend: string, state: State, wallMillis: number, set: SeriesSet) {
    this.state = set.one(definitions.currentState, { backend })
    this.lastTransition = set.one(definitions.lastTransition, { backend })
    this.consecutiveFailures = set.one(definitions.consecutiveFailures, { backend })
    this.failureThreshold = set.one(definitions.failureThreshold, { backend })
    this.failureRateThreshold = set.one(definitions.failureRateThreshold, { backend })
    this.moved(state, wallMillis)
    this.streak(0)
  }

  moved(state: State, wallMillis: number): void {
    this.closed = state === "closed"
    this.state(stateValues[state])
    this.lastTransition(wallMillis / 1000)
  }

  /** A success that comes when the circuit is open ends no streak. */
  succeeded(): void {
    if (this.closed) this.streak(0)
  }

  // Most calls succeed after a success.
  streak(failures: number): void {
    if (this.failures === failures) return
    this.failures = failures
    this.consecutiveFailures(failures)
  }

  failed(event: Failure): void {
    this.streak(event.consecutive_failures)
    if (event.failure_threshold !== undefined) this.failureThreshold(event.failure_threshold)
    if (event.failure_rate_threshold !== undefined) this.failureRateThreshold(event.failure_rate_threshold)
  }
}

// The transitions that happen without an operator: their series exist, with zero, from the start.
const edges: ReadonlyArray<`${State} ${State}`> = [
  "closed open",
  "open half_open",
  "half_open closed",
  "half_open open"
]
