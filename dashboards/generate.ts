/** Writes the dashboards for Grafana. `npm run dashboards`; a test fails while the files say something else. */
import { writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { circuits } from "./source/circuits.ts"
import { failover } from "./source/failover.ts"

/** The files of this folder that are made, by name. */
export const generated = (): ReadonlyMap<string, string> =>
  new Map(
    Object.entries({ "circuits.json": circuits(), "failover.json": failover() })
      .map(([name, dashboard]) => [name, `${JSON.stringify(dashboard, undefined, 2)}\n`])
  )

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [name, text] of generated()) writeFileSync(new URL(name, import.meta.url), text)
}
