/** How the cost of a closed call grows. */
import { Effect } from "effect"
import { reference } from "../calls/ours.ts"
import { type Case, measure } from "../measure.ts"
import { type AxisName, floorName } from "./axes.ts"
import { callers } from "./callers.ts"
import { keys, ofTimers } from "./keys.ts"
import { observers } from "./observers.ts"
import { report } from "./report.ts"
import * as windows from "./windows.ts"

const plan = { rounds: 21, roundMillis: 12, warmUpMillis: 120 }

const withFloor = <R>(axis: AxisName, cases: Effect.Effect<ReadonlyArray<Case>, never, R>) =>
  [axis, Effect.map(cases, (cases) => [reference(floorName(axis)), ...cases])] as const

const groups = [
  withFloor("keys", keys),
  ["keys", ofTimers],
  withFloor("calls", windows.calls),
  withFloor("millis", windows.millis),
  withFloor("observers", observers),
  ["callers", callers]
] as const

// One after the other: a hundred thousand circuits are gone before the next.
export const growth = Effect.map(
  Effect.forEach(groups, ([axis, cases]) =>
    Effect.map(
      Effect.scoped(Effect.flatMap(cases, (cases) => measure(cases, plan))),
      (timings) => ({ axis, timings })
    )),
  report
)
