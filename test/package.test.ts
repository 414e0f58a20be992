import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))

describe("the package", () => {
  it("I66: brings the dashboards, the alerts and their runbook", () => {
    const [{ files }] = JSON.parse(
      execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" })
    ) as [{ readonly files: ReadonlyArray<{ readonly path: string }> }]
    const paths = files.map(({ path }) => path).filter((path) => path.startsWith("dashboards/"))
    assert.sameMembers(paths, [
      "dashboards/RUNBOOK.md",
      "dashboards/alerts.yml",
      "dashboards/circuits.json",
      "dashboards/failover.json"
    ])
  })
})
