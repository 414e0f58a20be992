// What it came to.
import { Effect } from "effect"
import { paint } from "./paint.ts"
import { Story } from "./story.ts"
import { type Absence, type Calls, failures, type Tally } from "./tally.ts"

type Row = readonly [name: string, value: string]
type Rows = ReadonlyArray<Row>

export const printSummary = Effect.gen(function*() {
  const story = yield* Story
  const rows = rowsOf(story)
  const width = Math.max(...rows.map(([{ length }]) => length)) + 2
  console.log(`\n${paint("bold", `In ${(yield* story.seconds).toFixed(1)} seconds`)}\n`)
  for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}${value}`)
})

export const rowsOf = ({ absences, callers, tallies, unrouted }: Story["Service"]): Rows => {
  const [primary, standby] = tallies
  const whileAway = absences.reduce((sum, { answered }) => sum + answered, 0)
  const notSent = primary.skipped + standby.skipped
  return [
    ["calls", ended(callers)],
    ...times("  an answer", callers.answeredMillis),
    [`  by ${primary.region}`, `${primary.answered}`],
    [`  by ${standby.region}`, standIn(standby.answered, whileAway, primary)],
    [
      "attempts",
      `${sent(primary) + sent(standby)} for ${total(callers)} calls, ${notSent} more turned away by circuits`
    ],
    ...tallies.map((tally): Row => [`  at ${tally.region}`, ends(tally)]),
    ...(primary.openings === 0 ? [] : [outages(primary, whileAway)]),
    ...absences.map((absence, i): Row => [i === 0 ? "the route" : "", journey(absence, primary)]),
    ...(total(unrouted) === 0 ? [] : comparison(unrouted, primary))
  ]
}

const total = ({ answeredMillis, failedMillis }: Calls) => answeredMillis.length + failedMillis.length

const ended = (calls: Calls) =>
  `${total(calls)}: ${calls.answeredMillis.length} answered, ${calls.failedMillis.length} failed`

const standIn = (answered: number, whileAway: number, { region }: Tally) =>
  answered === 0
    ? "0"
    : `${answered}: ${whileAway} while it served, ${answered - whileAway} that ${region} did not answer`

const times = (name: string, millis: ReadonlyArray<number>, more = ""): Rows => {
  const sorted = millis.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]
  return median === undefined
    ? []
    : [[name, `took ${median.toFixed(0)} ms (median), ${sorted.at(-1)!.toFixed(0)} ms at most${more}`]]
}

const sent = (tally: Tally) => tally.answered + failures(tally) + tally.throttled

const ends = ({ answered, failed, throttled }: Tally) =>
  [["answered", answered] as const, ...failed, ["throttled", throttled] as const]
    .flatMap(([end, n]) => n === 0 ? [] : [`${n} ${end}`])
    .join(", ") || "none"

const outages = (tally: Tally, answered: number): Row => [
  `${tally.region} while out`,
  `${failures(tally)} attempts (${failures(tally) - tally.probesFailed} at first, ${tally.probesFailed} to probe)` +
  ` in place of ${answered} calls`
]

const journey = ({ beganAt, cause, endedAt }: Absence, { region }: Tally) =>
  `left ${region} at ${beganAt.toFixed(1)} s (${cause}), ${
    endedAt === undefined ? "and is still away" : `home at ${endedAt.toFixed(1)} s`
  }`

const comparison = (unrouted: Calls, { region }: Tally): Rows => {
  const lostMillis = unrouted.failedMillis.reduce((sum, millis) => sum + millis, 0)
  return [
    ["without a route", `${ended(unrouted)} (one caller of ${region}, with retries)`],
    ...times("  an answer", unrouted.answeredMillis),
    ...times("  an error", unrouted.failedMillis, `, ${(lostMillis / 1000).toFixed(1)} s in all`),
    ["  attempts", `${unrouted.attempts} for ${total(unrouted)} calls`]
  ]
}
