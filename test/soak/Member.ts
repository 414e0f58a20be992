/** One process of the fleet, or the only one: a breaker and a router on a store, and all that hears of them. */
import { Context, Effect, Layer, Logger, Metric, type Scope, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitLogger,
  CircuitMetrics,
  CircuitObserver,
  type CircuitStore,
  FailoverRouter
} from "effect-resilience"
import type { Agreement } from "./Agreement.ts"
import type { Dependency } from "./Dependency.ts"
import type { Findings } from "./Findings.ts"
import { Recorder } from "./Recorder.ts"
import { policyOf, routes } from "./targets.ts"

export interface Member {
  readonly name: string
  readonly breaker: CircuitBreaker.CircuitBreaker["Service"]
  readonly router: FailoverRouter.FailoverRouter["Service"]
  readonly context: Context.Context<CircuitBreaker.CircuitBreaker | FailoverRouter.FailoverRouter>
  readonly recorder: Recorder
  readonly dependency: Dependency
  /** What the breaker may add to the time of a call, on a machine that is never late. */
  readonly addedMillis: number
  /** Probes on their way, as far as the process knows. */
  readonly probing: Effect.Effect<number>
  /** Time series that its metrics hold. */
  readonly series: () => number
  /** How a call ended, by kind of call. */
  readonly results: Map<string, number>
  /** The longest time that the breaker added, the machine's lateness taken off. */
  longestAdded: number
}

export interface Options {
  readonly name: string
  readonly store: Layer.Layer<CircuitStore.CircuitStore>
  readonly dependency: Dependency
  readonly findings: Findings
  readonly agreement?: Agreement | undefined
  readonly addedMillis: number
}

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Member, never, Scope.Scope> {
  const { addedMillis, agreement, dependency, findings, name, store } = options
  const recorder = new Recorder(name, findings, agreement)
  const registry: Metric.MetricRegistry = new Map()
  const observers = Layer.mergeAll(
    CircuitMetrics.layer,
    CircuitLogger.layer,
    CircuitObserver.layer(throwing),
    CircuitObserver.layer(recorder)
  )
  const router = FailoverRouter.layer({
    routes,
    healthProbe: ({ key }) =>
      Effect.sync(() => {
        recorder.callsOf(key).ran++
        return dependency.isWell(key)
      }),
    healthProbeTimeout: "200 millis",
    healthProbeInterval: "1 second"
  })
  const context = yield* router.pipe(
    Layer.provideMerge(observers),
    Layer.provideMerge(CircuitBreaker.layer(policyOf)),
    Layer.provide(store),
    Layer.build,
    Effect.provideService(Metric.MetricRegistry, registry)
  )
  const breaker = Context.get(context, CircuitBreaker.CircuitBreaker)
  // Always far behind: it misses the oldest events, and nobody else notices.
  yield* Effect.forkScoped(Stream.runForEach(breaker.events, () => Effect.sleep("20 millis")))
  return {
    name,
    breaker,
    router: Context.get(context, FailoverRouter.FailoverRouter),
    context,
    recorder,
    dependency,
    addedMillis,
    probing: Effect.map(
      breaker.states,
      (states) => states.reduce((all, state) => state._tag === "HalfOpen" ? all + state.probing : all, 0)
    ),
    series: () => registry.size,
    results: new Map(),
    longestAdded: 0
  }
})

/** Throws at every third event that it hears. */
const throwing: CircuitObserver.CircuitObserver = (() => {
  let heard = 0
  const hear = () => {
    if (++heard % 3 === 0) throw new Error("an observer that is broken")
  }
  return { name: "throwing", onEvent: hear, onCircuit: () => ({ onCall: hear, onForgotten: hear }), onRoute: hear }
})()

/** A place for the lines of the logger, which are written but not shown. */
export const silentLogger = (count: () => void) => Logger.layer([Logger.make(count)])
