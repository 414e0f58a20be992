/** From bytes to what people and programs read. */
import { type Findings, type Result, result } from "../findings.ts"
import { table } from "../table.ts"
import type { Memory } from "./bytes.ts"

export interface Left {
  readonly circuits: number
  readonly left: number
}

export const report = (memory: ReadonlyArray<Memory>, { circuits, left }: Left): Findings => {
  const forgotten = `circuits left of ${circuits} that nobody used for 2 hours`
  return {
    text: memoryTable(memory),
    results: [...memoryResults(memory), result(forgotten, left, "circuits")],
    budgets: [
      // Those of others are compared with ours, and ours with nothing.
      ...memory.filter(({ comparedWith }) => comparedWith === undefined).map(({ bytes, name }) =>
        ({ name, of: "bytes", measured: bytes, rule: "at most", limit: 512 }) as const
      ),
      { name: forgotten, of: "circuits", measured: left, rule: "exactly", limit: 0 }
    ]
  }
}

export const memoryTable = (memory: ReadonlyArray<Memory>): string =>
  table(
    ["memory, without the key", "bytes", "circuits"],
    memory.map(({ bytes, circuits, name }) => [name, bytes.toFixed(0), String(circuits)])
  ).join("\n")

export const memoryResults = (memory: ReadonlyArray<Memory>): ReadonlyArray<Result> =>
  memory.map(({ bytes, comparedWith, name }) => {
    const other = memory.find(({ name }) => name === comparedWith)
    return other === undefined
      ? result(name, bytes, "bytes/circuit")
      : result(name, bytes, "bytes/circuit", other.name, bytes / other.bytes)
  })
