/** What circuits cost that nobody uses, beside those of other libraries, and whether they go when their time is over. */
import { Effect } from "effect"
import * as others from "./others.ts"
import * as ours from "./ours.ts"
import { report } from "./report.ts"

const circuits = 100_000

export const memory = Effect.gen(function*() {
  const measured = [...yield* ours.idleCircuits(circuits), ...yield* others.idleCircuits]
  return report(measured, { circuits, left: yield* ours.leftAfterTheirTime(circuits) })
})
