/** From timings to what people and programs read. */
import { type Budget, type Findings } from "../findings.ts"
import { ratio, type Timing, timingResult } from "../measure.ts"
import { table } from "../table.ts"

/** How a case must compare with another: at most so many times its cost, or at least so many times faster. */
type Rule = readonly [name: string, comparedWith: string, rule: "at most" | "at least", limit: number]

const rules: ReadonlyArray<Rule> = [
  ["closed", "floor", "at most", 1.25],
  ["closed, window of 100", "floor", "at most", 1.5],
  ["closed, observer", "floor", "at most", 2.5],
  ["closed, metrics", "floor", "at most", 2.5],
  ["routed, first of two targets", "floor", "at most", 4],
  ["closed", "effect/persistence closed", "at least", 8],
  ["rejected, open", "effect/persistence rejected", "at least", 15],
  ["rejected, forced open", "effect/persistence rejected", "at least", 15],
  ["rejected, open", "cockatiel rejected", "at most", 3],
  ["rejected, forced open", "cockatiel rejected", "at most", 3]
]

export const report = (timings: ReadonlyArray<Timing>): Findings => {
  const named = (name: string) => timings.find((timing) => timing.name === name)!
  const over = (name: string, other: string) => ratio(named(name), named(other))
  const budgets = rules.map(([name, other, rule, limit]): Budget =>
    rule === "at most"
      ? { name, of: `× the cost of ${other}`, measured: over(name, other), rule, limit }
      : { name, of: `× faster than ${other}`, measured: over(other, name), rule, limit }
  )
  const text = table(
    ["call", "ns", "±", "× floor", "×", "of"],
    timings.map(({ comparedWith, median, name, spread }) => [
      name,
      median.toFixed(0),
      `${(spread * 100).toFixed(0)} %`,
      over(name, "floor").toFixed(2),
      comparedWith === undefined || comparedWith === "floor" ? "" : over(name, comparedWith).toFixed(2),
      comparedWith === undefined || comparedWith === "floor" ? "" : comparedWith
    ])
  ).join("\n")
  return { text, results: timings.map((timing) => timingResult(timing, timings)), budgets }
}
