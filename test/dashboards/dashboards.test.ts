import { assert, describe, it } from "@effect/vitest"
import type { Dashboard, Panel } from "@grafana/grafana-foundation-sdk/dashboard"
import { MetricDefinition } from "effect-resilience"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parse, stringify } from "yaml"
import { generated } from "../../dashboards/generate.ts"
import { counted } from "../../dashboards/source/query.ts"
import { findProgram } from "../support/programs/findProgram.ts"
import { promtool } from "../support/programs/programs.ts"

interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat: string
  readonly datasource: { readonly uid: string }
}

const definitions: ReadonlyArray<MetricDefinition.MetricDefinition> = Object.values(MetricDefinition.definitions)
const scraped = ["job", "instance", "le"]

const files = Array.from(generated(), ([name, text]) => ({ name, text, dashboard: JSON.parse(text) as Dashboard }))
const panelsOf = ({ panels = [] }: Dashboard) => panels.filter((panel): panel is Panel => panel.type !== "row")
const targetsOf = ({ targets = [] }: Panel) => targets as unknown as ReadonlyArray<Target>
const expressionsOf = (dashboard: Dashboard) => [
  ...panelsOf(dashboard).flatMap(targetsOf).map(({ expr }) => expr),
  ...(dashboard.annotations?.list ?? []).map(({ expr }) => expr ?? "")
]

/** Every metric that an expression selects, with the labels it is filtered by. */
const selected = (expr: string) =>
  Array.from(expr.matchAll(/([a-z_]+)\{([^}]*)\}/g), ([, metric, filters]) => ({
    metric: metric!,
    labels: Array.from(filters!.matchAll(/([a-z_]+)\s*=~?/g), ([, label]) => label!)
  }))

const definitionOf = (metric: string) =>
  definitions.find(({ name, type }) =>
    type === "histogram" ? ["_bucket", "_sum", "_count"].some((suffix) => metric === name + suffix) : metric === name
  )

const labelsOf = (expr: string) =>
  new Set([...scraped, ...selected(expr).flatMap(({ metric }) => definitionOf(metric)?.labels ?? [])])

/** The labels that the series of an expression keep. */
const keptBy = (expr: string) => /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(", ") ?? [...labelsOf(expr)]

const linked = (panels: ReadonlyArray<Panel>) =>
  panels.flatMap(({ links = [] }) => links).map(({ url }) => url?.split("#")[1] ?? "")

/** An expression as Prometheus gets it, every minute, with all of everything chosen. */
const filled = (expr: string) =>
  expr.replaceAll(/\$__(?:rate_)?interval/g, "1m").replaceAll("$__range", "1h").replaceAll(/\$\w+/g, ".*")

const runPromtool = (command: string, content: unknown) => {
  const folder = mkdtempSync(join(tmpdir(), "promtool-"))
  try {
    const file = join(folder, "file.yml")
    writeFileSync(file, stringify(content))
    const { status, stderr, stdout } = spawnSync(findProgram(promtool), [command, "rules", file], { encoding: "utf8" })
    assert.strictEqual(status, 0, `${stdout}${stderr}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe.each(files)("dashboards/$name", ({ dashboard, name, text }) => {
  const panels = panelsOf(dashboard)

  it("is what `npm run dashboards` writes", () => {
    assert.strictEqual(readFileSync(new URL(`../../dashboards/${name}`, import.meta.url), "utf8"), text)
  })

  it("I66: asks for metrics and labels that exist, and for none without a choice of instances", () => {
    for (const expr of expressionsOf(dashboard)) {
      const metrics = selected(expr)
      assert.isAbove(metrics.length, 0, expr)
      for (const { labels, metric } of metrics) {
        const definition = definitionOf(metric)
        assert.isDefined(definition, `${metric} in ${expr}`)
        assert.includeMembers([...definition!.labels, ...scraped], labels, expr)
        assert.includeMembers(labels, ["job", "instance"], expr)
      }
      for (const [, by] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
        for (const label of by!.split(", ").filter((label) => label !== "")) assert.include([...labelsOf(expr)], label)
      }
    }
  })

  it("calls its series by labels that they have", () => {
    for (const panel of panels) {
      for (const { expr, legendFormat } of targetsOf(panel)) {
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          assert.include(keptBy(expr), label, `${panel.title}: ${legendFormat}`)
        }
      }
    }
    for (const { expr = "", titleFormat = "" } of dashboard.annotations?.list ?? []) {
      for (const [, label] of titleFormat.matchAll(/\{\{(\w+)\}\}/g)) assert.include(keptBy(expr), label, titleFormat)
    }
  })

  it("names the columns of its tables as Grafana numbers them", () => {
    const tables = panels.filter(({ type }) => type === "table")
    assert.isNotEmpty(tables)
    for (const panel of tables) {
      const { fieldConfig, title, transformations = [] } = panel
      const { options } = transformations.find(({ id }) => id === "organize")!
      const { renameByName } = options as { readonly renameByName: Readonly<Record<string, string>> }
      const ids = targetsOf(panel).map(({ refId }) => refId)
      const values = ids.length === 1 ? ["Value"] : ids.map((id) => `Value #${id}`)
      assert.deepStrictEqual(Object.keys(renameByName), values, title)
      const overridden = fieldConfig?.overrides.map(({ matcher }) => matcher.options)
      assert.deepStrictEqual(overridden, Object.values(renameByName), title)
    }
  })

  it("tells of every panel what it shows, in which unit, from the chosen source", () => {
    for (const panel of panels) {
      assert.isNotEmpty(panel.title)
      assert.match(panel.description ?? "", /\w.{20,}[.]$/, panel.title)
      assert.isNotEmpty(panel.fieldConfig?.defaults.unit, panel.title)
      assert.strictEqual(panel.datasource?.uid, "${datasource}", panel.title)
      for (const { datasource } of targetsOf(panel)) assert.strictEqual(datasource.uid, "${datasource}", panel.title)
    }
    const titles = panels.map(({ title }) => title)
    assert.strictEqual(new Set(titles).size, titles.length)
  })

  it("fills its grid without an overlap, and has an id for every panel", () => {
    const cells = new Set<string>()
    let area = 0
    let bottom = 0
    for (const { gridPos } of dashboard.panels ?? []) {
      const { h, w, x, y } = gridPos!
      area += w * h
      bottom = Math.max(bottom, y + h)
      for (let row = y; row < y + h; row++) for (let column = x; column < x + w; column++) cells.add(`${row} ${column}`)
    }
    assert.strictEqual(cells.size, area)
    assert.strictEqual(area, 24 * bottom)
    const ids = (dashboard.panels ?? []).map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it("uses the variables it has, and no others but Grafana's", () => {
    const has = (dashboard.templating?.list ?? []).map((variable) => variable.name)
    const used = Array.from(text.matchAll(/\$\{?(\w+)/g), ([, variable]) => variable!)
    assert.includeMembers([...has, "__interval", "__rate_interval", "__range", "__all"], used)
    assert.includeMembers(used, has.filter((variable) => variable !== "datasource"))
    for (const variable of dashboard.templating?.list ?? []) {
      if (variable.type !== "query") continue
      assert.isTrue(variable.multi, variable.name)
      const [, metric = "", label = ""] = /^label_values\((\w+).*, (\w+)\)$/.exec(String(variable.query)) ?? []
      assert.strictEqual(label, variable.name)
      assert.isDefined(definitionOf(metric), metric)
      assert.include([...definitionOf(metric)!.labels, "job", "instance"], label, metric)
    }
  })

  it("links to headings that the runbook has", () => {
    const runbook = readFileSync(new URL("../../dashboards/RUNBOOK.md", import.meta.url), "utf8")
    const anchors = Array.from(runbook.matchAll(/^#+ (.+)$/gm), ([, heading]) => heading!.toLowerCase())
    assert.isNotEmpty(linked(panels))
    assert.includeMembers(anchors, linked(panels))
  })

  it("has expressions that Prometheus reads", () => {
    const rules = expressionsOf(dashboard).map((expr, index) => ({ record: `checked:${index}`, expr: filled(expr) }))
    runPromtool("check", { groups: [{ name: "dashboard", rules }] })
  })
})

describe("dashboards", () => {
  it("show every metric there is", () => {
    const shown = files.flatMap(({ dashboard }) => expressionsOf(dashboard)).flatMap(selected)
      .map(({ metric }) => definitionOf(metric)?.name)
    assert.sameMembers([...new Set(shown)], definitions.map(({ name }) => name))
  })

  it("lead from some panel to every alert", () => {
    const { groups } = parse(readFileSync(new URL("../../dashboards/alerts.yml", import.meta.url), "utf8")) as {
      readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly alert: string }> }>
    }
    const alerts = groups.flatMap(({ rules }) => rules).map(({ alert }) => alert.toLowerCase())
    assert.sameMembers([...new Set(files.flatMap(({ dashboard }) => linked(panelsOf(dashboard))))], alerts)
  })

  it("count what is rare once: the first too, across failed scrapes and restarts", () => {
    const expr = filled(counted("exhausted", ["route"]))
    const minutes = (values: string, ...counts: ReadonlyArray<number | undefined>) => ({
      interval: "15s",
      input_series: [{ series: "failover_exhausted_total{job=\"api\", instance=\"a\", route=\"chat\"}", values }],
      promql_expr_test: counts.map((value, minute) => ({
        expr,
        eval_time: `${minute}m`,
        exp_samples: value === undefined ? [] : [{ labels: "{route=\"chat\"}", value }]
      }))
    })
    runPromtool("test", {
      rule_files: [],
      tests: [
        minutes("_x5 2x20", undefined, undefined, 2, 0, 0),
        minutes("7x5 10x20", 7, 0, 3, 0, 0),
        minutes("7x3 stale _x3 9x20", 7, undefined, 2, 0, 0),
        minutes("7x5 3x20", 7, 0, 3, 0, 0)
      ]
    })
  })
})
