import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { generated } from "../../scripts/reference.ts"

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")

describe("README", () => {
  it("has its tables of metrics, events, alerts and costs as `npm run reference` writes them", () => {
    assert.strictEqual(readme, generated(readme))
  })

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
