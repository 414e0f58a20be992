// What it came to.
import { Effect } from "effect"
import { paint } from "./paint.ts"
import { Story } from "./story.ts"
import { failures, type Tally } from "./tally.ts"

type Row = readonly [name: string, value: string]

export const printSummary = Effect.gen(function*() {
  const { answerMillis, rejectionMicros, seconds, tallies } = yield* Story
  const sum = (count: (tally: Tally) => number) => tallies.reduce((total, tally) => total + count(tally), 0)
  const answered = sum((tally) => tally.answered)
  const failed = sum(failures)
  const skipped = sum((tally) => tally.skipped)
  const succeeded = sum((tally) => tally.probesSucceeded)
  const refuted = sum((tally) => tally.probesFailed)
  const probes = succeeded + refuted + sum((tally) => tally.probesUndecided)
  const rows: ReadonlyArray<Row> = [
    ["calls", `${answered + failed + skipped}: ${answered} answered, ${failed} failed, ${skipped} skipped`],
    ...tallies.map((tally): Row => [`  ${tally.key}`, ended(tally)]),
    ["provider calls", `${sum((tally) => tally.made)} made, ${sum((tally) => tally.saved)} saved by the circuits`],
    ...median("a skipped call", rejectionMicros, "µs"),
    ...median("an answered call", answerMillis, "ms"),
    ["outages", tallies.flatMap(outages).join(", ") || "none"],
    ["probes", `${probes} sent: ${succeeded} succeeded, ${refuted} failed`],
    ["throttling", `${sum((tally) => tally.throttles)} times asked to wait, and waited`]
  ]
  console.log(`\n${paint("bold", `In ${(yield* seconds).toFixed(1)} seconds`)}\n`)
  for (const [name, value] of rows) console.log(`  ${name.padEnd(18)}${value}`)
})

const ended = (tally: Tally) => {
  const kinds = [...tally.failed].map(([kind, n]) => `${n} ${kind}`).join(", ")
  const failed = `${failures(tally)} failed${kinds === "" ? "" : ` (${kinds})`}`
  return `${tally.answered} answered, ${failed}, ${tally.skipped} skipped`
}

const outages = ({ down, key, outages }: Tally) => [
  ...outages.map((seconds) => `${key} ${seconds.toFixed(1)} s`),
  ...(down ? [`${key} is still down`] : [])
]

const median = (name: string, values: ReadonlyArray<number>, unit: string): ReadonlyArray<Row> => {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
  return middle === undefined ? [] : [[name, `took ${middle.toFixed(0)} ${unit} (median)`]]
}
