/** Reads metrics as an exporter would. */
import { Context, Effect, Layer, Metric } from "effect"
import { CircuitBreaker, CircuitMetrics, type CircuitObserver } from "effect-resilience"

type Labels = Readonly<Record<string, string>>

/** The series of a metric in a registry of one's own: labels and value; a histogram's value is its count. */
export interface Reading {
  readonly labels: Labels
  readonly value: number
  readonly sum: number | undefined
}

/** A registry that only one test writes to. */
export const makeRegistry = () => {
  const registry: Metric.MetricRegistry = new Map()
  const context = Context.make(Metric.MetricRegistry, registry)
  const all = (name: string): ReadonlyArray<Reading> =>
    Metric.snapshotUnsafe(context).flatMap((metric): ReadonlyArray<Reading> => {
      if (metric.id !== name) return []
      const labels = (metric.attributes ?? {}) as Labels
      switch (metric.type) {
        case "Counter":
          return [{ labels, value: Number(metric.state.count), sum: undefined }]
        case "Gauge":
          return [{ labels, value: Number(metric.state.value), sum: undefined }]
        case "Histogram":
          return [{ labels, value: metric.state.count, sum: metric.state.sum }]
        default:
          return []
      }
    })
  const find = (name: string, labels: Labels = {}) =>
    all(name).find((reading) => Object.entries(labels).every(([label, value]) => reading.labels[label] === value))
  return {
    registry,
    names: () => new Set(Metric.snapshotUnsafe(context).map(({ id }) => id)),
    all,
    /** The value of the first series with these labels, undefined if there is none. */
    value: (name: string, labels: Labels = {}) => find(name, labels)?.value,
    sum: (name: string, labels: Labels = {}) => find(name, labels)?.sum,
    provide: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.provideService(self, Metric.MetricRegistry, registry)
  }
}

/** The observer that `CircuitMetrics` attaches, for a test that calls it as a store or a router would. */
export const metricsObserver = Effect.fnUntraced(function*(options: CircuitMetrics.Options = {}) {
  const attached: Array<CircuitObserver.CircuitObserver> = []
  const noop = yield* Effect.provide(CircuitBreaker.CircuitBreaker, CircuitBreaker.layerNoop)
  const observe = (observer: CircuitObserver.CircuitObserver) => Effect.sync(() => void attached.push(observer))
  yield* Layer.build(CircuitMetrics.layerWith(options)).pipe(
    Effect.provideService(CircuitBreaker.CircuitBreaker, { ...noop, observe })
  )
  return attached[0]!
})
