/**
 * `npm run simulate -- --seeds 10000 --from 1`, `--seed 17` for one with everything that happened, or `--false-trips`
 * for how often chance opens circuits.
 */
import { parseArgs } from "node:util"
import { falseTrips, shown } from "./falseTrips.ts"
import { planOf } from "./plan.ts"
import { shrink } from "./shrink.ts"
import { simulate, type Violation } from "./simulation.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    shrunk: { type: "boolean", default: true },
    "false-trips": { type: "boolean", default: false }
  },
  allowNegative: true
})

const show = (seed: number, violation: Violation) => {
  console.log(
    `seed ${seed}: ${violation.promise}: ${violation.detail} (step ${violation.step}, ${violation.atMillis} ms)`
  )
  if (!values.shrunk) return
  const shrunk = shrink(planOf(seed), violation)
  console.log(`  shrunk to ${shrunk.plan.steps.length} steps: ${shrunk.violation.detail}`)
  for (const [index, process] of shrunk.plan.processes.entries()) console.log(`  p${index} ${JSON.stringify(process)}`)
  simulate(shrunk.plan, { log: (line) => console.log(`  ${line}`) })
}

if (values["false-trips"]) {
  for (const share of [0.05, 0.01]) {
    for (const processes of [2, 4, 8]) {
      for (const rate of [800, 2000]) {
        const trips = falseTrips(processes, rate, share, 100, share < 0.05 ? 20_000 : 2_000)
        console.log(`${processes} processes, ${rate} calls/s, ${share * 100} % failures: ${shown(trips)}`)
      }
    }
  }
  process.exit()
}

const one = values.seed === undefined ? undefined : Number(values.seed)
const from = one ?? Number(values.from)
const seeds = one === undefined ? Number(values.seeds) : 1
const started = process.cpuUsage()
const found = new Map<string, { readonly seed: number; readonly violation: Violation; times: number }>()
for (let seed = from; seed < from + seeds; seed++) {
  const { violation } = simulate(planOf(seed))
  if (violation === undefined) continue
  process.exitCode = 1
  const known = found.get(violation.promise)
  if (known === undefined) found.set(violation.promise, { seed, violation, times: 1 })
  else known.times++
}
const { system, user } = process.cpuUsage(started)
const seconds = (system + user) / 1_000_000
for (const { seed, times, violation } of found.values()) {
  console.log(`${violation.promise}: ${times} of ${seeds} seeds`)
  show(seed, violation)
}
console.log(`${seeds} seeds, ${(seeds / seconds).toFixed(1)} per second of the processor`)
