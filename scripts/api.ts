// Writes the API reports into docs/api/. With --check it writes nothing, and fails if they are not what src declares.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { apiReports } from "./apiReport.ts"

const folder = new URL("../docs/api/", import.meta.url)
mkdirSync(folder, { recursive: true })

const reports = apiReports()
const committed = readdirSync(folder)

if (process.argv.includes("--check")) {
  const differing = Array.from(new Set([...committed, ...reports.keys()])).filter((name) =>
    !committed.includes(name) || reports.get(name) !== readFileSync(new URL(name, folder), "utf8")
  )
  if (differing.length > 0) {
    console.error(`${differing.join(", ")}: not what src declares. Run npm run api, and review what has changed.`)
    process.exitCode = 1
  }
} else {
  for (const name of committed) rmSync(new URL(name, folder))
  for (const [name, text] of reports) writeFileSync(new URL(name, folder), text)
}
