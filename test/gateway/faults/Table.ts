/** What became of every case, for the reader of a log. */
import { scale } from "./storyTime.ts"

/** `us`, `eu`: how many requests they saw. `took`: the seconds of the longest call. */
export interface Row {
  readonly name: string
  readonly got: string
  readonly us: number
  readonly eu: number
  readonly took: number
}

export const print = (title: string, rows: ReadonlyArray<Row>): void => {
  const lines = [
    [`${title}, at ${scale} times the speed`, "the caller got", "us", "eu", "seconds"],
    ...rows.map(({ eu, got, name, took, us }) => [name, got.slice(0, 60), `${us}`, `${eu}`, took.toFixed(1)])
  ]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const text = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ").trimEnd())
  console.log([text[0], widths.map((width) => "-".repeat(width)).join("-|-"), ...text.slice(1)].join("\n"))
}
