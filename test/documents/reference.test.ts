import { assert, describe, it } from "@effect/vitest"
import { LlmOutcome } from "effect-resilience"
import { readFileSync } from "node:fs"
import { generated, paths } from "../../scripts/reference.ts"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")
const readme = read("README.md")

describe("the documents", () => {
  it.each(paths)("%s has its tables as `npm run reference` writes them", (path) => {
    assert.strictEqual(read(path), generated(path))
  })
})

describe("the doc comment of LlmOutcome.RowId", () => {
  it("lists the rows, in their order", () => {
    const [, comment] = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport type RowId/.exec(read("src/LlmOutcome.ts"))!
    const listed = Array.from(comment!.matchAll(/`([\w/-]+)`/g), ([, id]) => id)
    assert.deepStrictEqual(listed.slice(1), LlmOutcome.table.map(({ id }) => id))
  })
})

describe("README", () => {
  it("says of each metric, event and alert what it means", () => {
    const rows = Array.from(
      readme.matchAll(/<!-- generated: (?!bench)\w+ -->([\s\S]*?)<!-- end/g),
      ([, table]) => table!
    )
      .flatMap((table) => table.trim().split("\n").slice(2))
    assert.isAbove(rows.length, 50)
    for (const row of rows) assert.match(row, /[\w`.] \|$/)
  })
})
