/** The alert rules, as they are and in a hurry. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parse, stringify } from "yaml"

export interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

interface Rules {
  readonly groups: ReadonlyArray<{ readonly name: string; readonly rules: ReadonlyArray<Rule> }>
}

export const file = fileURLToPath(new URL("../../dashboards/alerts.yml", import.meta.url))

const { groups }: Rules = parse(readFileSync(file, "utf8"))

export const rules: ReadonlyArray<Rule> = groups.flatMap(({ rules }) => rules)

/** The one place where time is scaled: windows, offsets and `for` pass sixty times as fast, and a hold's hours as seconds. */
const scaled = (rule: Rule): Rule => ({
  ...rule,
  for: inSeconds(rule.for),
  expr: rule.expr
    .replace(/\[(\w+)\]/g, (_, window) => `[${inSeconds(window)}]`)
    .replace(/offset (\w+)/g, (_, offset) => `offset ${inSeconds(offset)}`)
    .replace("4 * 60 * 60", "4")
})

const inSeconds = (duration: string) => duration.replace(/^(\d+)m$/, "$1s").replace(/^1h$/, "1m")

export const scaledRules: ReadonlyArray<Rule> = rules.map(scaled)

/** The label that tells an alert of the scaled rules from one of the rules as they are. */
export const hurried = { hurried: "true" }

const marked = (rule: Rule): Rule => ({ ...rule, labels: { ...rule.labels, ...hurried } })

export const scaledFile = stringify({ groups: [{ name: "in a hurry", rules: scaledRules.map(marked) }] })
