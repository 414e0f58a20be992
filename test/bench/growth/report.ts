/** From timings along an axis to what people and programs read. */
import type { Findings } from "../findings.ts"
import { type Timing, timingResult } from "../measure.ts"
import { spreading, table } from "../table.ts"
import { axes, type AxisName, floorName, pointName, subjects } from "./axes.ts"

export const report = (
  groups: ReadonlyArray<{ readonly axis: AxisName; readonly timings: ReadonlyArray<Timing> }>
): Findings => ({
  text: [...new Set(groups.map(({ axis }) => axis))].map((axis) =>
    curves(axis, groups.flatMap((group) => group.axis === axis ? group.timings : [])).join("\n")
  ).join("\n\n"),
  results: groups.flatMap(({ timings }) => timings.map((timing) => timingResult(timing, timings))),
  budgets: []
})

const curves = (axis: AxisName, timings: ReadonlyArray<Timing>) => {
  const { sizes, title } = axes[axis]
  const rows = Object.values(subjects).map((subject) => ({
    subject,
    points: sizes.map((size, index) =>
      timings.find(({ name }) =>
        name === pointName(axis, subject, size) || (index === 0 && subject === "floor" && name === floorName(axis))
      )
    )
  }))
  return table(
    [`ns by ${title}`, ...sizes.map(String)],
    rows.filter(({ points }) => points.some((point) => point !== undefined)).map(({ points, subject }) =>
      [subject as string].concat(points.map((point) => point === undefined ? "–" : spreading(point)))
    )
  )
}
