/**
 * Draws what the dashboards show of a scripted incident: their own panels, filled by their own queries from a real
 * Prometheus. A drawing in the manner of Grafana, not a picture of it.
 */
import type { Dashboard, Panel, ValueMapping } from "@grafana/grafana-foundation-sdk/dashboard"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { queriesOf } from "../../test/e2e/dashboardQueries.ts"
import { type Incident, runIncident } from "../../test/e2e/incident.ts"
import type { Prometheus, Range } from "../../test/e2e/Prometheus.ts"
import { browser } from "../../test/support/browser.ts"

const path = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url))

/** Writes docs/images/dashboard-*.png. */
export const dashboards: Effect.Effect<void> = Effect.gen(function*() {
  const incident = yield* runIncident()
  const chromium = yield* browser
  for (const name of ["circuits", "failover"]) {
    const data = yield* dataOf(name, incident)
    yield* Effect.promise(async () => {
      const page = await chromium.newPage({ viewport: { width: 1400, height: 900 } })
      await page.goto(`file://${path("scripts/screenshots/dashboard.html")}`)
      await page.addStyleTag({ path: path("node_modules/uplot/dist/uPlot.min.css") })
      await page.addScriptTag({ path: path("node_modules/uplot/dist/uPlot.iife.min.js") })
      await page.evaluate(`window.DATA = ${JSON.stringify(data)}; drawDashboard()`)
      await page.screenshot({ path: path(`docs/images/dashboard-${name}.png`), fullPage: true })
      await page.close()
    })
  }
}).pipe(Effect.scoped, Effect.orDie)

const dataOf = (name: string, { prometheus, range }: Incident) =>
  Effect.gen(function*() {
    const dashboard: Dashboard = JSON.parse(readFileSync(path(`dashboards/${name}.json`), "utf8"))
    const queries = queriesOf(name, dashboard as object, Math.ceil(range.end - range.start))
    const panels = yield* Effect.forEach(dashboard.panels ?? [], (panel) =>
      Effect.gen(function*() {
        if (panel.type === "row") return panel
        const asked = queries.filter((query) => query.panel === panel.title)
        const targets = (panel as Panel).targets as unknown as ReadonlyArray<{ readonly legendFormat: string }>
        const answers = yield* Effect.forEach(asked, ({ expr }) => prometheus.queryRange(expr, range))
        const series = answers.flatMap((answer, query) =>
          answer.map(({ metric, values }) => ({
            query,
            labels: metric,
            legend: (targets[query]?.legendFormat ?? "").replaceAll(
              /\{\{(\w+)\}\}/g,
              (_, label: string) => metric[label] ?? ""
            ),
            times: values.map(([seconds]) => seconds),
            values: values.map(([, value]) => Number(value))
          }))
        )
        return { ...looks(panel as Panel), series }
      }))
    return { title: dashboard.title, ...range, worst: yield* worst(prometheus, range), panels }
  })

/** The last moment at which most circuits were open. */
const worst = (prometheus: Prometheus, range: Range) =>
  Effect.map(prometheus.queryRange("count(max by (backend) (cb_current_state) == 2)", range), ([series]) => {
    const counts = series?.values ?? []
    const most = Math.max(...counts.map(([, count]) => Number(count)))
    return counts.findLast(([, count]) => Number(count) === most)?.[0] ?? range.end
  })

interface Override {
  readonly matcher: { readonly id: string; readonly options: string }
  readonly properties: ReadonlyArray<{ readonly id: string; readonly value: unknown }>
}

/** What a panel's options say of its looks, as far as the drawing goes. */
const looks = ({ fieldConfig, gridPos, title, type }: Panel) => {
  const defaults = fieldConfig?.defaults ?? {}
  const custom = (defaults.custom ?? {}) as {
    readonly drawStyle?: string
    readonly stacking?: { readonly mode: string }
  }
  const overrides = (fieldConfig?.overrides ?? []) as unknown as ReadonlyArray<Override>
  const property = ({ properties }: Override, id: string) => properties.find((one) => one.id === id)?.value
  const byName = overrides.filter(({ matcher }) => matcher.id === "byName")
  return {
    type,
    title,
    gridPos,
    unit: defaults.unit,
    max: defaults.max,
    noValue: defaults.noValue,
    mappings: defaults.mappings,
    steps: (defaults.thresholds?.steps ?? []).map(({ color, value }) => [value, color]),
    bars: custom.drawStyle === "bars",
    stacked: custom.stacking?.mode === "normal",
    limit: overrides.find(({ matcher }) => matcher.id === "byRegexp")?.matcher.options,
    colorOf: Object.fromEntries(
      byName.map((one) => [
        one.matcher.options,
        (property(one, "color") as { readonly fixedColor: string } | undefined)?.fixedColor
      ])
    ),
    columns: byName.map((one) => ({
      name: one.matcher.options,
      unit: property(one, "unit"),
      mappings: property(one, "mappings") as ReadonlyArray<ValueMapping> | undefined
    }))
  }
}
