/** PromQL over the metrics of this library: a metric or a label that does not exist is a type error. */
import { definitions } from "../../src/MetricDefinition.ts"

type Definitions = typeof definitions
export type Name = keyof Definitions
export type Label<N extends Name> = Definitions[N]["labels"][number]
/** What scraping adds to every series. */
export type Scraped = "job" | "instance"
type By<N extends Name> = ReadonlyArray<Label<N> | Scraped>
type Matchers<N extends Name> = { readonly [L in Label<N>]?: string }

type Of<Type extends string> = { [N in Name]: Definitions[N]["type"] extends Type ? N : never }[Name]
type Counter = Of<"counter">
type Histogram = Of<"histogram">

/** The labels that a variable of the dashboards filters. */
const variables: ReadonlyArray<string> = ["backend", "route"]

const selector = (name: Name, matchers: object, suffix = ""): string => {
  const labels: ReadonlyArray<string> = definitions[name].labels
  const filters = ["job", "instance", ...variables.filter((label) => labels.includes(label))]
    .map((label) => `${label}=~"$${label}"`)
  const given = Object.entries<string>(matchers as Record<string, string>).map(([label, pattern]) =>
    `${label}=~"${pattern}"`
  )
  return `${definitions[name].name}${suffix}{${[...filters, ...given].join(", ")}}`
}

const window = "[$__rate_interval]"

/** The series of a metric, as they were scraped. A matcher is a regular expression. */
export const series = <N extends Name>(name: N, matchers: Matchers<N> = {}): string => selector(name, matchers)

/** The largest over instances, for what each of them knows of something they share. */
export const max = <N extends Name>(name: N, by: By<N>, matchers: Matchers<N> = {}): string =>
  `max by (${by.join(", ")}) (${selector(name, matchers)})`

/** Counts a second, over all instances. */
export const rate = <N extends Counter>(name: N, by: By<N>, matchers: Matchers<N> = {}): string =>
  `sum by (${by.join(", ")}) (rate(${selector(name, matchers)}${window}))`

export interface CountOptions<N extends Name> {
  /** Over all instances, or the most that one of them saw. Default: `sum`. */
  readonly over?: "sum" | "max"
  readonly matchers?: Matchers<N>
  /** Default: the step between two points. */
  readonly within?: string
}

/**
 * How many more than at the point before. `increase` would miss the first of a counter that was not there before, and
 * tell of every other at several points, because its windows overlap. The last value within an hour bridges failed
 * scrapes: without it, the whole counter would seem to be new after one.
 */
export const counted = <N extends Counter>(
  name: N,
  by: By<N>,
  { matchers = {}, over = "sum", within = "$__interval" }: CountOptions<N> = {}
): string => {
  const counter = selector(name, matchers)
  const before = `last_over_time(${counter}[1h] offset ${within})`
  return `${over} by (${by.join(", ")}) (${counter} - ${before} >= 0 or ${counter})`
}

/** Nothing where there is nothing to divide by. */
export const ratio = (part: string, whole: string): string => `${part} / (${whole} > 0)`

/** A quantile over all instances. */
export const quantile = <N extends Histogram>(
  q: number,
  name: N,
  by: ReadonlyArray<Label<N>>,
  range = window
): string =>
  `histogram_quantile(${q}, sum by (${[...by, "le"].join(", ")}) (rate(${selector(name, {}, "_bucket")}${range})))`

/** The buckets of a histogram a second, for a heatmap. */
export const buckets = <N extends Histogram>(name: N): string =>
  `sum by (le) (rate(${selector(name, {}, "_bucket")}${window}))`

/** The mean of a histogram over the whole range of the dashboard. */
export const mean = <N extends Histogram>(name: N, by: ReadonlyArray<Label<N>>): string => {
  const over = (suffix: string) => `sum by (${by.join(", ")}) (increase(${selector(name, {}, suffix)}[$__range]))`
  return ratio(over("_sum"), over("_count"))
}
