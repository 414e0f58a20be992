/**
 * What a guarded call costs on this machine, as ratios measured in one run beside other breakers, how that grows, and
 * the budgets that the library keeps.
 *
 * Run `npm run bench`, or some of its parts: `npm run bench -- calls redis`. With `--json <path>` it writes its results
 * there, and a whole run with `--write` into `docs/bench.json`, from which `npm run reference` makes the README's table;
 * `--strict` makes a missed budget an error. A call that does not behave as it should always is one.
 */
import { fork } from "node:child_process"
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { type Budget, budgetTable, type Findings, isKept, json, type Result } from "./findings.ts"
import { isPart, type Part, parts } from "./parts.ts"

const { positionals: asked, values: options } = parseArgs({
  options: { json: { type: "string" }, strict: { type: "boolean" }, write: { type: "boolean" } },
  allowPositionals: true
})
const unknown = asked.filter((name) => !isPart(name))
if (unknown.length > 0) throw new Error(`no part is called ${unknown.join(" or ")}: ${parts.join(", ")}`)
if (options.write && asked.length > 0) throw new Error("only a whole run has what docs/bench.json holds")

const runPart = (part: Part) =>
  new Promise<Findings>((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("part.ts", import.meta.url)), [part], { execArgv: ["--expose-gc"] })
    child.once("message", (findings) => resolve(findings as Findings))
    child.once("exit", (code) => reject(new Error(`the part "${part}" ended with ${code}`)))
  })

console.log(`node ${process.version}, ${process.platform} ${process.arch}, ${cpus()[0]?.model ?? "unknown processor"}
ns: processor time of the thread per call, the median of rounds in which all take turns ± half the interquartile range.
Ratios are those of each round, and then their median. What says "wall" is time on the wall, others' work included.`)

const start = performance.now()
const results: Array<Result> = []
const budgets: Array<Budget> = []
for (const part of parts.filter((part) => asked.length === 0 || asked.includes(part))) {
  const findings = await runPart(part)
  console.log(`\n${findings.text}`)
  results.push(...findings.results)
  budgets.push(...findings.budgets)
}

if (budgets.length > 0) console.log(`\n${budgetTable(budgets)}`)
console.log(`\n${Math.round((performance.now() - start) / 1000)} s`)

if (options.json !== undefined) writeFileSync(options.json, json(results))
if (options.write) writeFileSync(new URL("../../docs/bench.json", import.meta.url), json(results))

const missed = budgets.filter((budget) => !isKept(budget)).length
if (missed > 0) {
  console.log(`${missed} ${missed === 1 ? "budget" : "budgets"} missed`)
  if (options.strict) process.exitCode = 1
}
