/** What a guarded call costs, beside the least that any guard could cost and beside other breakers. */
import { Effect } from "effect"
import { measure } from "../measure.ts"
import * as others from "./others.ts"
import * as ours from "./ours.ts"
import { report } from "./report.ts"

const plan = { rounds: 31, roundMillis: 25, warmUpMillis: 300 }

export const calls = Effect.gen(function*() {
  return report(yield* measure([...yield* ours.cases, ...yield* others.cases], plan))
})
