/** What the dashboards have in common: variables, links, and rows of panels that fill the grid. */
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard"
import { definitions } from "../../src/MetricDefinition.ts"
import { type Panel, source } from "./panels.ts"
import type { Label, Name, Scraped } from "./query.ts"

/** Panels side by side, each with its share of the 24 columns, of one height. */
export interface Band {
  readonly height: number
  readonly panels: ReadonlyArray<readonly [width: number, panel: Panel]>
}

export interface Row {
  readonly title: string
  readonly bands: ReadonlyArray<Band>
}

/** Puts the rows below each other. Ids follow the order, so that they stay when a panel changes. */
export const layOut = (builder: dashboard.DashboardBuilder, rows: ReadonlyArray<Row>): dashboard.DashboardBuilder => {
  let id = 1
  let y = 0
  for (const { bands, title } of rows) {
    builder.withRow(new dashboard.RowBuilder(title).id(id++).gridPos({ x: 0, y, w: 24, h: 1 }))
    y++
    for (const { height, panels } of bands) {
      let x = 0
      for (const [width, panel] of panels) {
        builder.withPanel(panel.id(id++).gridPos({ x, y, w: width, h: height }))
        x += width
      }
      y += height
    }
  }
  return builder
}

const all = { selected: true, text: "All", value: "$__all" }

/** A choice of values of a label, all of them at first. */
export const choice = <N extends Name>(label: Label<N> | Scraped, title: string, metric: N, within = "") =>
  new dashboard.QueryVariableBuilder(label).label(title).datasource(source).multi(true).includeAll(true).allValue(".*")
    .query(`label_values(${definitions[metric].name}${within}, ${label})`)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged).sort(dashboard.VariableSort.AlphabeticalAsc).current(all)

export const start = (title: string, uid: string, description: string): dashboard.DashboardBuilder =>
  new dashboard.DashboardBuilder(title).uid(uid).description(description)
    .tags(["circuit-breaker", "llm"]).refresh("30s").time({ from: "now-1h", to: "now" }).timezone("browser")
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .withVariable(new dashboard.DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"))
    .withVariable(choice("job", "Job", "requests"))
    .withVariable(choice("instance", "Instance", "requests", "{job=~\"$job\"}"))

/** Where the runbook is. Grafana does not know, so its reader may say. */
export const runbook = new dashboard.TextBoxVariableBuilder("runbook").label("Runbook")
  .description("The address of your copy of RUNBOOK.md: the links of the panels lead there.")
  .defaultValue("RUNBOOK.md").current({ selected: true, text: "RUNBOOK.md", value: "RUNBOOK.md" })

export const annotation = (name: string, color: string, expr: string, title: string) =>
  new dashboard.AnnotationQueryBuilder().name(name).datasource(source).enable(true).iconColor(color).expr(expr)
    .step("30s").titleFormat(title)
