/** What a part of the benchmark hands over: tables for people, rows for programs, and the budgets it can speak for. */
import { mark, table } from "./table.ts"

/** One line of `bench.json`. `ratio` is the value over that of `ratio_of`. */
export interface Result {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly ratio_of: string | null
  readonly ratio: number | null
}

/** What the library promises: `measured` is in terms of `of`. */
export interface Budget {
  readonly name: string
  readonly of: string
  readonly measured: number
  readonly rule: "at most" | "at least" | "exactly"
  readonly limit: number
}

export interface Findings {
  readonly text: string
  readonly results: ReadonlyArray<Result>
  readonly budgets: ReadonlyArray<Budget>
}

export const result = (
  name: string,
  value: number,
  unit: string,
  ratio_of: string | null = null,
  ratio: number | null = null
): Result => ({ name, value: rounded(value), unit, ratio_of, ratio: ratio === null ? null : rounded(ratio) })

const rounded = (value: number) => Number(value.toPrecision(4))

export const isKept = ({ limit, measured, rule }: Budget): boolean => {
  switch (rule) {
    case "at most":
      return measured <= limit
    case "at least":
      return measured >= limit
    case "exactly":
      return measured === limit
  }
}

export const budgetTable = (budgets: ReadonlyArray<Budget>): string =>
  table(
    ["budget", "of", "measured", "limit", ""],
    budgets.map((budget) => [
      budget.name,
      budget.of,
      shown(budget.measured),
      `${budget.rule} ${shown(budget.limit)}`,
      mark(isKept(budget))
    ])
  ).join("\n")

/** One row a line, so that two runs can be compared by `diff`. */
export const json = (results: ReadonlyArray<Result>): string =>
  `[\n${results.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]\n`

/** A number as people want to read it. */
export const shown = (value: number) =>
  String(
    value < 1
      ? Number(value.toFixed(3))
      : value < 10
      ? Number(value.toFixed(2))
      : value < 100
      ? Number(value.toFixed(1))
      : Math.round(value)
  )
