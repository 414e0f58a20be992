/**
 * Minutes of mixed load over the memory store and over a fleet on Redis, with random faults of all that can fail. Work
 * goes in shifts; between two of them nobody calls, and what is left of heap, handles, fibers and records is measured.
 *
 * Run `npm run soak`. `--minutes <n>` (default 4) says how long, `--seed <text>` which faults and calls. Exits with 1
 * if an invariant did not hold or something grew, and tells the seed, the time and the events that led there.
 */
import { Effect, Latch, type Scope } from "effect"
import { parseArgs } from "node:util"
import { check, rested } from "./afterwards.ts"
import { Dice } from "./Dice.ts"
import { Findings } from "./Findings.ts"
import { LateMachine } from "./LateMachine.ts"
import type { Shift } from "./load.ts"
import {
  background,
  equal,
  handles,
  heap,
  heapLimits,
  least,
  LiveFibers,
  records,
  Series,
  timers,
  timeSeries
} from "./Measurements.ts"
import { silentLogger } from "./Member.ts"
import { memory, type Phase, redis } from "./phases.ts"
import { progress, summary } from "./report.ts"

const { values: options } = parseArgs({
  options: { minutes: { type: "string", default: "4" }, seed: { type: "string", default: `${Date.now() % 1_000_000}` } }
})
const minutes = Number(options.minutes)
if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error("--minutes has to be a number above 0, up to a day")

const shiftMillis = 8000
const lineMillis = 15_000
/** Whatever happens, it is over by then. */
const patienceMillis = minutes * 60_000 + 90_000

const startedAt = performance.now()
const elapsed = () => performance.now() - startedAt
const findings = new Findings(options.seed, (line) => console.error(line))
const fibers = new LiveFibers()
const shift: Shift = { open: Latch.makeUnsafe(false), late: new LateMachine(), inFlight: 0, over: false }

const soak = Effect.gen(function*() {
  const dice = new Dice(options.seed)
  const phases = [yield* memory(findings, shift, dice), yield* redis(findings, shift, dice)]
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(
    Effect.sleep("500 millis"),
    Effect.sync(() => {
      for (const { judge } of phases) judge()
    })
  )))
  const measured = measurements(phases)
  let reportedAt = 0
  while (elapsed() < minutes * 60_000) {
    yield* shift.open.open
    yield* Effect.sleep(Math.min(shiftMillis, Math.max(1000, minutes * 60_000 - elapsed())))
    yield* shift.open.close
    yield* rested(shift, phases, findings)
    for (const { measure, series } of measured) series.values.push(yield* measure)
    if (elapsed() - reportedAt < lineMillis) continue
    reportedAt = elapsed()
    console.log(progress(reportedAt / 1000, phases, measured.map(({ series }) => series), findings))
  }
  yield* check(phases, findings)
  shift.over = true
  const series = measured.map(({ series }) => series)
  for (const { name, trend: { first, last, verdict } } of series) {
    if (verdict !== "grows") continue
    findings.add(
      "all",
      { rule: "nothing grows", key: "", what: `${name}: from ${first} to ${last}`, excusable: false },
      () => []
    )
  }
  console.log(`\n${summary(phases, series, findings)}`)
})

/** What is measured, and what of it may grow. */
const measurements = (phases: ReadonlyArray<Phase>) => {
  const one = (name: string, limits: typeof equal, measure: Effect.Effect<number>) => ({
    series: new Series(name, limits),
    measure
  })
  const circuits = phases.map(({ members, name }) =>
    one(
      `circuits in ${name}`,
      records,
      Effect.map(Effect.forEach(members, ({ breaker }) => breaker.states), (states) => states.flat().length)
    )
  )
  const series = phases.map(({ members, name }) =>
    one(`metrics of ${name}`, timeSeries, Effect.sync(() => members.reduce((all, { series }) => all + series(), 0)))
  )
  const counts = phases.flatMap(({ counts }) =>
    Object.entries(counts).map(([name, count]) => one(name, name.endsWith("keys") ? records : equal, count))
  )
  return [
    one("fibers", background, least(() => fibers.count)),
    one("handles", equal, least(handles)),
    one("timers", background, least(timers)),
    ...circuits,
    ...series,
    ...counts,
    one("heap (MB)", heapLimits, Effect.sync(heap))
  ]
}

const watchdog = setTimeout(() => {
  console.error(`after ${(elapsed() / 1000).toFixed(0)} s it is still not over, seed ${options.seed}`)
  process.exit(1)
}, patienceMillis)

console.log(`node ${process.version}, seed ${options.seed}, ${minutes} minutes`)
const program: Effect.Effect<void, never, Scope.Scope> = soak
await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(silentLogger(() => {})), Effect.provideContext(fibers.context))
)
shift.late.stop()
clearTimeout(watchdog)
console.log(`\nover after ${(elapsed() / 1000).toFixed(0)} s, ${fibers.count} fibers left`)
if (findings.count > 0) process.exitCode = 1
