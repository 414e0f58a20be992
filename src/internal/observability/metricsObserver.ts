/** The observer that records metrics: finds the series of what it hears, within the cap of labels. */
import type { Clock, Context } from "effect"
import type { State } from "../../Circuit.ts"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import type { Cause } from "../../FailoverEvent.ts"
import { definitions, type MetricDefinition } from "../../MetricDefinition.ts"
import { wallMillis } from "../clock/time.ts"
import type { CircuitListener, CircuitObserver } from "../observers/observer.ts"
import { accountKinds } from "../options/accountKinds.ts"
import { CircuitSeries } from "./circuitSeries.ts"
import { type Labels, SeriesSet, type Update } from "./metricSeries.ts"

const overflow = "other"

export class MetricsObserver implements CircuitObserver {
  readonly name = "metrics"
  private readonly circuits = new Map<string, CircuitSeries>()
  private others: CircuitSeries | undefined
  /** By route and target, because one is updated at every routed call. */
  private readonly served = new Map<string, Map<string, Update>>()
  private readonly rest: CappedSeries
  private storeSeen = false
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly max: number

  constructor(context: Context.Context<never>, clock: Clock.Clock, max: number) {
    this.context = context
    this.clock = clock
    this.max = max
    this.rest = new CappedSeries(context, max)
    this.rest.of(definitions.unguardedCalls, {})(0)
  }

  readonly onCircuit = (key: string, state: State): CircuitListener => {
    let circuit: CircuitSeries | undefined = this.circuit(key, state)
    // A call that ends after its circuit was forgotten counts as `other`: nothing would remove its series again.
    const series = () => circuit ?? this.beyond
    return {
      onCall: (result, durationMillis, kind) => series().onCall(result, durationMillis, kind),
      onStreamWait: (phase, durationMillis) => series().onStreamWait(phase, durationMillis),
      onForgotten: () => {
        this.forget(key)
        circuit = undefined
      }
    }
  }

  readonly onEvent = (event: CircuitEvent): void => {
    switch (event.event) {
      case "store.degraded":
        return this.degraded(1)
      case "store.recovered":
        return this.degraded(0)
      case "failover.switched":
        return this.switched(event.route, event.from_target, event.to_target, event.cause, 1)
      case "failover.recovered":
        return this.switched(event.route, event.from_target, event.to_target, "recovered", 0)
      case "failover.refused": {
        const { calls, kind, route, target } = event
        return this.rest.of(definitions.refusals, { route, target, kind })(calls)
      }
      case "failover.exhausted":
        return this.rest.of(definitions.exhausted, { route: event.route })(1)
      // Comes before `onCircuit`, which brings the state of the circuit. The call is counted by its listener.
      case "circuit.skipped":
        return
      default:
        if ("generation" in event) this.seriesFor(event).onEvent(event)
    }
  }

  readonly onStoreOperation = (operation: string, durationMillis: number, error: string | undefined): void => {
    if (!this.storeSeen && error === undefined) this.degraded(0)
    this.rest.of(definitions.storeOperation, { operation })(durationMillis / 1000)
    if (error !== undefined) this.rest.of(definitions.storeErrors, { operation, error })(1)
  }

  readonly onUnguarded = (): void => this.rest.of(definitions.unguardedCalls, {})(1)

  /** Every series of a route begins here, because one that appeared with its first count would hide it from a rate. */
  readonly onRoute = (route: string, targets: ReadonlyArray<string>, active: string): void => {
    const served = new Map(targets.map((target) => [target, this.rest.of(definitions.served, { route, target })]))
    this.served.set(route, served)
    for (const target of targets) {
      this.rest.of(definitions.activeTarget, { route, target })(target === active ? 1 : 0)
      served.get(target)!(0)
      for (const kind of accountKinds) this.rest.of(definitions.refusals, { route, target, kind })(0)
    }
    this.rest.of(definitions.failedOver, { route })(active === targets[0] ? 0 : 1)
    this.rest.of(definitions.exhausted, { route })(0)
  }

  readonly onAttempt = (route: string, target: string, cause: Cause | undefined): void => {
    if (cause === undefined) {
      ;(this.served.get(route)?.get(target) ?? this.rest.of(definitions.served, { route, target }))(1)
    } else this.rest.of(definitions.attempts, { route, target, cause })(1)
  }

  readonly onFault = (part: "observer" | "classifier", name: string): void => {
    if (part === "observer") this.rest.of(definitions.observerErrors, { observer: name })(1)
    else this.rest.of(definitions.classifierErrors, {})(1)
  }

  private circuit(key: string, state: State): CircuitSeries {
    const known = this.circuits.get(key)
    if (known !== undefined) return known
    if (this.circuits.size >= this.max) return this.beyond
    const circuit = new CircuitSeries(key, state, wallMillis(this.clock), this.context)
    this.circuits.set(key, circuit)
    return circuit
  }

  // Of a circuit that `onCircuit` has not named yet, only a transition says the state.
  private seriesFor(event: Extract<CircuitEvent, { readonly generation: number }>): CircuitSeries {
    return this.circuits.get(event.key) ?? ("from" in event ? this.circuit(event.key, event.from) : this.beyond)
  }

  private get beyond(): CircuitSeries {
    return this.others ??= new CircuitSeries(overflow, undefined, 0, this.context)
  }

  private forget(key: string): void {
    this.circuits.get(key)?.remove()
    this.circuits.delete(key)
  }

  private degraded(value: 0 | 1): void {
    this.storeSeen = true
    this.rest.of(definitions.storeDegraded, {})(value)
  }

  private switched(route: string, from_target: string, to_target: string, cause: string, failedOver: 0 | 1): void {
    this.rest.of(definitions.switches, { route, from_target, to_target, cause })(1)
    this.rest.of(definitions.activeTarget, { route, target: from_target })(0)
    this.rest.of(definitions.activeTarget, { route, target: to_target })(1)
    this.rest.of(definitions.failedOver, { route })(failedOver)
  }
}

/** Series that are seldom updated, with so many values of each label and no more. */
class CappedSeries {
  private readonly set: SeriesSet
  private readonly known = new Map<string, Update>()
  private readonly values = new Map<string, Set<string>>()
  private readonly max: number

  constructor(context: Context.Context<never>, max: number) {
    this.set = new SeriesSet(context)
    this.max = max
  }

  of<D extends MetricDefinition>(definition: D, labels: Labels<D>): Update {
    const capped = Object.fromEntries(
      Object.entries<string>(labels).map(([label, value]) => [label, this.capped(label, value)])
    ) as Labels<D>
    const id = JSON.stringify([definition.name, capped])
    let update = this.known.get(id)
    if (update === undefined) {
      update = this.set.one(definition, capped)
      this.known.set(id, update)
    }
    return update
  }

  private capped(label: string, value: string): string {
    const values = this.values.get(label) ?? new Set()
    this.values.set(label, values)
    if (values.size < this.max) values.add(value)
    return values.has(value) ? value : overflow
  }
}
