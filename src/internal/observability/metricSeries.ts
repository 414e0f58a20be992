/** Series of the defined metrics, ready to be updated without a lookup by label. */
import { type Context, Metric } from "effect"
import type { MetricDefinition } from "../../MetricDefinition.ts"

/** The values of a definition's labels. */
export type Labels<D extends MetricDefinition> = { readonly [Name in D["labels"][number]]: string }

/** Adds to a counter, sets a gauge, or observes a value. */
export type Update = (value: number) => void

/** Labels longer than this are cut: a series should be readable. */
const longestLabel = 200

/** Series in the registry of a context, which come when they are first updated and go together. */
export class SeriesSet {
  private readonly metrics: Array<Metric.Metric<number, unknown>> = []
  private readonly context: Context.Context<never>

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  one<D extends MetricDefinition>(definition: D, labels: Labels<D>): Update {
    const metric = make(definition, labels)
    this.metrics.push(metric)
    return (value) => metric.updateUnsafe(value, this.context)
  }

  /** The series of one definition by a value that their labels follow from. */
  by<D extends MetricDefinition>(definition: D, labelsOf: (value: string) => Labels<D>): (value: string) => Update {
    const known = new Map<string, Update>()
    return (value) => {
      let found = known.get(value)
      if (found === undefined) {
        found = this.one(definition, labelsOf(value))
        known.set(value, found)
      }
      return found
    }
  }

  remove(): void {
    for (const metric of this.metrics) Metric.removeUnsafe(metric, this.context)
  }
}

const make = (
  definition: MetricDefinition,
  labels: Readonly<Record<string, string>>
): Metric.Metric<number, unknown> => {
  const options = {
    description: definition.description,
    attributes: Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, shortened(value)]))
  }
  switch (definition.type) {
    case "counter":
      return Metric.counter(definition.name, { ...options, incremental: true })
    case "gauge":
      return Metric.gauge(definition.name, options)
    case "histogram":
      return Metric.histogram(definition.name, { ...options, boundaries: definition.buckets ?? [] })
  }
}

// Half a character at the end would be no text.
const shortened = (value: string) =>
  value.length <= longestLabel ? value : value.slice(0, longestLabel).replace(/[\uD800-\uDBFF]$/, "")
