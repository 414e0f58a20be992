/** How the cost of a closed call grows, drawn from docs/bench.json: `npm run bench -- --write` renews it. */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Result } from "../../test/bench/findings.ts"
import { axes, type AxisName, floorName, pointName, type Subject, subjects } from "../../test/bench/growth/axes.ts"
import { browser } from "../../test/support/browser.ts"

const path = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url))

const libraries: ReadonlyArray<readonly [subject: Subject, name: string, color: string]> = [
  [subjects.ours, "effect-resilience", "#0969da"],
  [subjects.persistence, "effect/persistence", "#bc4c00"],
  [subjects.cockatiel, "cockatiel (promises)", "#1a7f37"],
  [subjects.opossum, "opossum (promises)", "#8250df"],
  [subjects.floor, "floor: the least a guard does", "#57606a"]
]

const charts: ReadonlyArray<{ readonly title: string; readonly axis: AxisName; readonly dashed?: AxisName }> = [
  { title: "keys", axis: "keys" },
  { title: "size of the window: calls, or milliseconds (dashed)", axis: "calls", dashed: "millis" },
  { title: "observers of every call", axis: "observers" },
  { title: "callers at once", axis: "callers" }
]

/** Writes docs/images/growth.png. */
export const bench: Effect.Effect<void> = Effect.gen(function*() {
  const results: ReadonlyArray<Result> = JSON.parse(readFileSync(path("docs/bench.json"), "utf8"))
  const valueOf = (name: string) => results.find((result) => result.name === name)?.value ?? null

  const lines = (axis: AxisName, dashed: boolean) =>
    libraries.map(([subject, , color]) => ({
      color,
      dashed,
      floor: subject === subjects.floor,
      values: axes[axis].sizes.map((size) =>
        valueOf(subject === subjects.floor && axis !== "callers" ? floorName(axis) : pointName(axis, subject, size))
      )
    })).filter(({ values }) => values.some((value) => value !== null))

  const data = {
    legend: libraries.map(([, name, color]) => ({ name, color })),
    charts: charts.map(({ axis, dashed, title }) => ({
      title,
      sizes: axes[axis].sizes,
      logarithmic: axis !== "observers",
      lines: [...lines(axis, false), ...dashed === undefined ? [] : lines(dashed, true).filter(({ floor }) => !floor)]
    }))
  }

  const chromium = yield* browser
  yield* Effect.promise(async () => {
    const page = await chromium.newPage({ viewport: { width: 1000, height: 600 }, deviceScaleFactor: 2 })
    await page.goto(`file://${path("scripts/screenshots/bench.html")}`)
    await page.addStyleTag({ path: path("node_modules/uplot/dist/uPlot.min.css") })
    await page.addScriptTag({ path: path("node_modules/uplot/dist/uPlot.iife.min.js") })
    await page.evaluate(`draw(${JSON.stringify(data)})`)
    await page.screenshot({ path: path("docs/images/growth.png"), fullPage: true })
  })
}).pipe(Effect.scoped, Effect.orDie)
