/**
 * Writes the tables of metrics, events and alerts into the README, from their definitions, and that of costs, from
 * `docs/bench.json`; the rows of the judgement into `docs/judgement.md`; and the files of tests into
 * `docs/promises.md`. `npm run reference`; tests fail while a document says something else.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { parse } from "yaml"
import * as CircuitEvent from "../src/CircuitEvent.ts"
import { levels } from "../src/CircuitLogger.ts"
import * as FailoverEvent from "../src/FailoverEvent.ts"
import * as LlmOutcome from "../src/LlmOutcome.ts"
import { definitions, type MetricDefinition } from "../src/MetricDefinition.ts"
import * as StoreEvent from "../src/StoreEvent.ts"
import { costs, type Measured } from "./costs.ts"
import { withFiles } from "./promises.ts"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

const code = (text: string) => `\`${text}\``
const list = (names: ReadonlyArray<string>) => names.length === 0 ? "–" : names.map(code).join(", ")

const metrics = () =>
  table(
    ["metric", "type", "labels", "meaning"],
    Object.values<MetricDefinition>(definitions).map(({ description, labels, name, type }) => [
      code(name),
      type,
      list(labels),
      description
    ])
  )

/** What the doc comments of a module say of its exports, by their values. */
const docsOf = (path: string, exports: object): ReadonlyArray<readonly [unknown, string]> =>
  Array.from(
    read(path).matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport const (\w+) = /g),
    ([, comment, name]) => [(exports as Record<string, unknown>)[name!], firstSentence(comment!)]
  )

const events = () => {
  const docs = new Map([
    ...docsOf("src/CircuitEvent.ts", CircuitEvent),
    ...docsOf("src/FailoverEvent.ts", FailoverEvent),
    ...docsOf("src/StoreEvent.ts", StoreEvent)
  ])
  return table(
    ["event", "level", "fields beside `at`", "meaning"],
    CircuitEvent.CircuitEvent.members.map((schema) => {
      const { literal } = schema.fields.event
      const fields = Object.keys(schema.fields).filter((field) => field !== "event" && field !== "at")
      return [code(literal), levels[literal].toLowerCase(), list(fields), docs.get(schema) ?? ""]
    })
  )
}

const firstSentence = (comment: string): string =>
  /^(.*?[.:])(?:\s|$)/.exec(comment.replaceAll(/^\s*\*? ?/gm, "").replaceAll("\n", " ").trim())?.[1]?.replace(
    /:$/,
    "."
  ) ??
    ""

interface Rule {
  readonly alert: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string }
}

const alerts = () => {
  const { groups } = parse(read("dashboards/alerts.yml")) as {
    readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
  }
  return table(
    ["alert", "severity", "after", "says"],
    groups.flatMap(({ rules }) => rules).map(({ alert, annotations, for: pending = "at once", labels }) => [
      `[${alert}](dashboards/RUNBOOK.md#${alert.toLowerCase()})`,
      labels.severity,
      pending,
      annotations.summary.replaceAll(/\{\{\s*\$labels\.(\w+)\s*\}\}/g, "`$1`").trim()
    ])
  )
}

const bench = () =>
  table(["what", "costs", "compared"], costs(JSON.parse(read("docs/bench.json")) as ReadonlyArray<Measured>))

const rows = () =>
  table(
    ["row", "asks for", "kind", "outcome"],
    LlmOutcome.table.map(({ elsewhere, id, kind, match, outcome }: LlmOutcome.Row) => [
      code(id),
      asksFor(match) || "nothing",
      code(kind),
      (typeof outcome === "string"
        ? outcome
        : `${outcome.short}, ${outcome.long} if the wait is long, ${outcome.none} without one`) +
      (elsewhere === true ? ", served elsewhere" : "")
    ])
  )

const asksFor = ({ code: codes = [], message = [], origin = [], status = [] }: LlmOutcome.Match): string =>
  [
    ...origin.length === 0 ? [] : [`an exit of the kind ${origin.join(" or ")}`],
    ...status.length === 0 ? [] : [`status ${status.map(statusText).join(", ")}`],
    ...codes.length === 0 ? [] : [`code ${codes.slice(0, 3).map(named).join(", ")}${codes.length > 3 ? " …" : ""}`],
    ...message.length === 0 ? [] : ["words"]
  ].join("; ")

const statusText = (status: number | string | readonly [number, number]) =>
  typeof status === "object" ? status.join("–") : String(status)

const named = (name: string | RegExp) => typeof name === "string" ? code(name) : "by a pattern"

const documents = { "README.md": { metrics, events, alerts, bench }, "docs/judgement.md": { rows } }

/** A document with its tables as the definitions have them. */
export const generated = (path: keyof typeof documents): string =>
  Object.entries(documents[path]).reduce((text, [name, make]) => {
    const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`]
    const from = text.indexOf(begin)
    const to = text.indexOf(end)
    if (from === -1 || to === -1) throw new Error(`${path} has no place for ${name}`)
    return `${text.slice(0, from + begin.length)}\n\n${make()}\n\n${text.slice(to)}`
  }, read(path))

/** The documents that have such tables. */
export const paths = Object.keys(documents) as ReadonlyArray<keyof typeof documents>

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const path of paths) writeFileSync(new URL(`../${path}`, import.meta.url), generated(path))
  writeFileSync(new URL("../docs/promises.md", import.meta.url), withFiles(read("docs/promises.md")))
}
