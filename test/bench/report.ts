/** From timings to what people and programs read. */
import { ratio, type Timing } from "./measure.ts"
import type { Memory } from "./memory.ts"
import { mark, table } from "./table.ts"

/** How a case must compare with another: at most, or at least, `limit` times. */
interface Budget {
  readonly name: string
  readonly comparedWith: string
  readonly rule: "at most" | "at least"
  readonly limit: number
}

const budgets: ReadonlyArray<Budget> = [
  { name: "closed", comparedWith: "floor", rule: "at most", limit: 1.5 },
  { name: "closed, window of 100", comparedWith: "floor", rule: "at most", limit: 2 },
  { name: "closed, observer", comparedWith: "floor", rule: "at most", limit: 2.5 },
  { name: "closed, metrics", comparedWith: "floor", rule: "at most", limit: 2.5 },
  { name: "closed", comparedWith: "effect/persistence closed", rule: "at least", limit: 8 },
  { name: "rejected, open", comparedWith: "effect/persistence rejected", rule: "at least", limit: 15 },
  { name: "rejected, forced open", comparedWith: "effect/persistence rejected", rule: "at least", limit: 15 },
  { name: "rejected, open", comparedWith: "cockatiel rejected", rule: "at most", limit: 3 },
  { name: "rejected, forced open", comparedWith: "cockatiel rejected", rule: "at most", limit: 3 }
]

const bytesPerCircuit = 512

/** One line of `bench.json`. `ratio` is the value over that of `ratio_of`. */
export interface Result {
  readonly name: string
  readonly value: number
  readonly unit: "ns/call" | "bytes/circuit"
  readonly ratio_of: string | null
  readonly ratio: number | null
}

export interface Report {
  readonly text: string
  readonly results: ReadonlyArray<Result>
  readonly missed: number
}

export const report = (timings: ReadonlyArray<Timing>, memory: ReadonlyArray<Memory>): Report => {
  const named = (name: string) => timings.find((timing) => timing.name === name)!
  const over = (name: string, other: string) => ratio(named(name), named(other))
  const kept = budgets.map((budget) => {
    const measured = over(budget.name, budget.comparedWith)
    return budget.rule === "at most"
      ? { ...budget, measured, ok: measured <= budget.limit, said: "times the cost" }
      : { ...budget, measured: 1 / measured, ok: 1 / measured >= budget.limit, said: "times faster" }
  })
  const text = [
    ...table(
      ["call", "ns", "±", "× floor"],
      timings.map(({ median, name, spread }) => [
        name,
        median.toFixed(0),
        `${(spread * 100).toFixed(0)} %`,
        over(name, "floor").toFixed(2)
      ])
    ),
    "",
    ...table(
      ["budget", "compared with", "measured", "limit", ""],
      kept.map(({ comparedWith, limit, measured, name, ok, rule, said }) => [
        name,
        comparedWith,
        `${measured.toFixed(2)} ${said}`,
        `${rule} ${limit}`,
        mark(ok)
      ])
    ),
    "",
    ...(memory.length === 0
      ? ["memory: not measured, run node with --expose-gc"]
      : table(
        ["memory", "bytes", "limit", ""],
        memory.map((
          { bytes, name }
        ) => [name, bytes.toFixed(0), `at most ${bytesPerCircuit}`, mark(bytes <= bytesPerCircuit)])
      ))
  ].join("\n")
  return {
    text,
    results: [
      ...timings.map(({ median, name }) => result(name, median, "ns/call", "floor", over(name, "floor"))),
      ...budgets.filter(({ comparedWith }) => comparedWith !== "floor").map(({ comparedWith, name }) =>
        result(name, named(name).median, "ns/call", comparedWith, over(name, comparedWith))
      ),
      ...memory.map(({ bytes, name }) => result(name, bytes, "bytes/circuit", null, null))
    ],
    missed: kept.filter(({ ok }) => !ok).length + memory.filter(({ bytes }) => bytes > bytesPerCircuit).length
  }
}

const result = (
  name: string,
  value: number,
  unit: Result["unit"],
  ratio_of: string | null,
  ratio: number | null
): Result => ({ name, value: rounded(value), unit, ratio_of, ratio: ratio === null ? null : rounded(ratio) })

const rounded = (value: number) => Number(value.toPrecision(4))
