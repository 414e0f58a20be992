// Takes the pictures of the documentation with a real browser.
// Run it: npm run screenshots -- bench, or console, or dashboards
import { Effect } from "effect"
import { bench } from "./screenshots/bench.ts"
import { console as ofConsole } from "./screenshots/console.ts"
import { dashboards } from "./screenshots/dashboards.ts"

const pictures: Record<string, Effect.Effect<void>> = { bench, console: ofConsole, dashboards }

const name = process.argv[2]
if (name === undefined || !Object.hasOwn(pictures, name)) {
  console.error(`say which: ${Object.keys(pictures).join(", ")}`)
  process.exitCode = 1
} else await Effect.runPromise(pictures[name]!)
