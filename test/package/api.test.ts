import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { apiReports } from "../../scripts/apiReport.ts"

const folder = new URL("../../docs/api/", import.meta.url)

describe("the API reports", () => {
  it("are what src declares: run npm run api, and review what has changed", () => {
    const reports = apiReports()
    assert.sameMembers(readdirSync(folder), Array.from(reports.keys()))
    for (const [name, report] of reports) {
      assert.strictEqual(report, readFileSync(new URL(name, folder), "utf8"), name)
    }
  })
})
