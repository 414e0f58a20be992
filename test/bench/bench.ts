/**
 * What a guarded call costs on this machine, as ratios measured in one run, beside the budgets the library keeps.
 *
 * Run `npm run bench`. `--json <path>` writes the numbers to a file, `--strict` makes a missed budget an error; a call
 * that does not behave as it should always is one.
 */
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { measure, type Plan } from "./measure.ts"
import { measureMemory } from "./memory.ts"
import * as others from "./others.ts"
import * as ours from "./ours.ts"
import { report } from "./report.ts"

const { values: options } = parseArgs({ options: { json: { type: "string" }, strict: { type: "boolean" } } })

const plan: Plan = { rounds: 31, roundMillis: 25, warmUpMillis: 300 }

const bench = Effect.gen(function*() {
  const timings = yield* measure([...ours.references, ...yield* ours.cases, ...yield* others.cases], plan)
  return report(timings, yield* measureMemory(100_000))
})

console.log(`node ${process.version}, ${process.platform} ${process.arch}, ${cpus()[0]?.model ?? "unknown processor"}`)
console.log(
  `ns of processor time per call: median of ${plan.rounds} rounds of ${plan.roundMillis} ms, in which all take turns;
± half the interquartile range; ratios round by round, then their median
`
)

const { missed, results, text } = await Effect.runPromise(Effect.scoped(bench))
console.log(text)

if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`)

if (missed > 0) {
  console.log(`\n${missed} ${missed === 1 ? "budget" : "budgets"} missed`)
  if (options.strict) process.exitCode = 1
}
