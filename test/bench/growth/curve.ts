/** One curve: the same call at every size, compared with the first, and that with the floor. */
import { Effect } from "effect"
import { type Case, comparedWith } from "../measure.ts"
import { axes, type AxisName, floorName, pointName, type Subject } from "./axes.ts"

export const curve = <R>(
  axis: AxisName,
  subject: Subject,
  make: (size: number, name: string) => Effect.Effect<Case, never, R>,
  upTo = Number.POSITIVE_INFINITY
): Effect.Effect<ReadonlyArray<Case>, never, R> => {
  const sizes = axes[axis].sizes.filter((size) => size <= upTo)
  const first = pointName(axis, subject, sizes[0]!)
  return Effect.forEach(
    sizes,
    (size) =>
      Effect.map(
        make(size, pointName(axis, subject, size)),
        comparedWith(size === sizes[0] ? floorName(axis) : first)
      )
  )
}
