/** The kinds of panel that the dashboards are made of, each with a title, a description and where to read on. */
import type * as cog from "@grafana/grafana-foundation-sdk/cog"
import * as common from "@grafana/grafana-foundation-sdk/common"
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard"
import * as heatmaps from "@grafana/grafana-foundation-sdk/heatmap"
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus"
import * as stats from "@grafana/grafana-foundation-sdk/stat"
import * as timelines from "@grafana/grafana-foundation-sdk/statetimeline"
import * as tables from "@grafana/grafana-foundation-sdk/table"
import * as lines from "@grafana/grafana-foundation-sdk/timeseries"

export const source: common.DataSourceRef = { type: "prometheus", uid: "${datasource}" }

/**
 * - `alerts`: the headings of the runbook to read on.
 * - `unit`: as Grafana names it: `reqps`, `s`, `percentunit`, `short`, `dateTimeFromNow`.
 */
export interface About {
  readonly title: string
  readonly description: string
  readonly unit: string
  readonly alerts?: ReadonlyArray<string>
}

/** An expression, and what its series are called. */
export type Query = readonly [expr: string, legend: string]

export type Panel = cog.Builder<dashboard.Panel> & {
  readonly id: (id: number) => Panel
  readonly gridPos: (position: dashboard.GridPos) => Panel
}

interface Common<P> {
  readonly title: (title: string) => P
  readonly description: (description: string) => P
  readonly unit: (unit: string) => P
  readonly datasource: (source: common.DataSourceRef) => P
  readonly links: (links: Array<cog.Builder<dashboard.DashboardLink>>) => P
}

const describe = <P extends Common<P>>(panel: P, { alerts = [], description, title, unit }: About): P =>
  panel.title(title).description(description).unit(unit).datasource(source).links(
    alerts.map((alert) =>
      new dashboard.DashboardLinkBuilder(`Runbook: ${alert}`).type(dashboard.DashboardLinkType.Link)
        .url(`\${runbook}#${alert.toLowerCase()}`).targetBlank(true)
    )
  )

const query = ([expr, legend]: Query, index: number) =>
  new DataqueryBuilder().datasource(source).refId(String.fromCharCode(65 + index)).expr(expr).legendFormat(legend)

export interface LineOptions {
  readonly stacked?: boolean
  readonly bars?: boolean
  /** The colour of each series by its name. */
  readonly colors?: Readonly<Record<string, string>>
  readonly max?: number
  /** A series with this name is a limit: dashed and red. */
  readonly limit?: string
}

export const timeseries = (about: About, queries: ReadonlyArray<Query>, options: LineOptions = {}): Panel => {
  const { bars = false, colors = {}, limit, max, stacked = false } = options
  const panel = describe(new lines.PanelBuilder(), about).min(0).lineWidth(bars ? 0 : 1)
    .drawStyle(bars ? common.GraphDrawStyle.Bars : common.GraphDrawStyle.Line)
    .fillOpacity(bars ? 80 : stacked ? 40 : 8).showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending)
    )
  if (max !== undefined) panel.max(max)
  // Instances are scraped one after the other: in short steps, what all of them saw would be counted twice.
  if (bars) panel.interval("1m")
  if (stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"))
  for (const [series, color] of Object.entries(colors)) {
    panel.overrideByName(series, [{ id: "color", value: { mode: "fixed", fixedColor: color } }])
  }
  if (limit !== undefined) {
    panel.overrideByRegexp(limit, [
      { id: "color", value: { mode: "fixed", fixedColor: "red" } },
      { id: "custom.lineStyle", value: { fill: "dash", dash: [8, 8] } },
      { id: "custom.fillOpacity", value: 0 }
    ])
  }
  queries.forEach((one, index) => panel.withTarget(query(one, index)))
  return panel
}

/** Steps of colour by value, from the lowest. */
export type Steps = ReadonlyArray<readonly [from: number | null, color: string]>

const thresholds = (steps: Steps) =>
  new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute)
    .steps(steps.map(([value, color]) => ({ value, color })))

export const stat = (about: About, expr: string, steps: Steps, nothing: string): Panel =>
  describe(new stats.PanelBuilder(), about).noValue(nothing).thresholds(thresholds(steps))
    .graphMode(common.BigValueGraphMode.Area).colorMode(common.BigValueColorMode.Value)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
    .withTarget(query([expr, ""], 0))

/** A word and a colour for each value. */
export type Words = Readonly<Record<string, readonly [text: string, color: string]>>

const words = (values: Words): Array<dashboard.ValueMapping> => [{
  type: dashboard.MappingType.ValueToText,
  options: Object.fromEntries(
    Object.entries(values).map(([value, [text, color]], index) => [value, { text, color, index }])
  )
}]

export const timeline = (about: About, queries: ReadonlyArray<Query>, values: Words): Panel => {
  const panel = describe(new timelines.PanelBuilder(), about).mappings(words(values)).mergeValues(true)
    .showValue(common.VisibilityMode.Auto).fillOpacity(80).lineWidth(0).rowHeight(0.85)
  queries.forEach((one, index) => panel.withTarget(query(one, index)))
  return panel
}

/** A column: what is asked for, what it is called, its unit, and words for its values. */
export interface Column {
  readonly name: string
  readonly expr: string
  readonly unit: string
  readonly words?: Words
}

/** One row for each combination of labels, which all expressions keep alike, and one column for each expression. */
export const table = (about: About, columns: ReadonlyArray<Column>): Panel => {
  // Grafana numbers the values only if there are several.
  const value = (index: number) => columns.length === 1 ? "Value" : `Value #${String.fromCharCode(65 + index)}`
  const panel = describe(new tables.PanelBuilder(), about).noValue("–").filterable(true)
    .transformations([
      { id: "merge", options: {} },
      {
        id: "organize",
        options: {
          excludeByName: { Time: true },
          renameByName: Object.fromEntries(columns.map(({ name }, index) => [value(index), name]))
        }
      }
    ])
  columns.forEach(({ expr, name, unit, words: mapped }, index) => {
    panel.withTarget(query([expr, ""], index).instant().format(PromQueryFormat.Table))
    panel.overrideByName(name, [
      { id: "unit", value: unit },
      ...(mapped === undefined ? [] : [
        { id: "mappings", value: words(mapped) },
        { id: "custom.cellOptions", value: { type: "color-text" } }
      ])
    ])
  })
  return panel
}

export const heatmap = (about: About, expr: string): Panel =>
  describe(new heatmaps.PanelBuilder(), about).calculate(false)
    .yAxis(new heatmaps.YAxisConfigBuilder().unit(about.unit))
    .withTarget(query([expr, "{{le}}"], 0).format(PromQueryFormat.Heatmap))
