/** Every query of every dashboard, with values in place of Grafana's variables. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export interface Query {
  readonly dashboard: string
  readonly panel: string
  readonly expr: string
}

interface Target {
  readonly expr?: string
}

interface Panel {
  readonly title?: string
  readonly targets?: ReadonlyArray<Target>
  readonly panels?: ReadonlyArray<Panel>
}

interface Annotation extends Target {
  readonly name?: string
  readonly target?: Target
}

interface Variable {
  readonly name: string
  readonly type: string
}

export interface Dashboard {
  readonly panels?: ReadonlyArray<Panel>
  readonly annotations?: { readonly list?: ReadonlyArray<Annotation> }
  readonly templating?: { readonly list?: ReadonlyArray<Variable> }
}

const folder = fileURLToPath(new URL("../../dashboards", import.meta.url))

/** The queries of every dashboard, over a range of so many seconds that was scraped every second. */
export const queries = (rangeSeconds: number): ReadonlyArray<Query> =>
  readdirSync(folder).filter((file) => file.endsWith(".json")).flatMap((file) =>
    queriesOf(file, JSON.parse(readFileSync(join(folder, file), "utf8")), rangeSeconds)
  )

export const queriesOf = (name: string, dashboard: Dashboard, rangeSeconds: number): ReadonlyArray<Query> => {
  const variables = (dashboard.templating?.list ?? []).filter(({ type }) => type !== "datasource")
  const query = (panel: string, expr: string | undefined): ReadonlyArray<Query> =>
    expr === undefined
      ? []
      : [{ dashboard: name, panel, expr: fill(expr, rangeSeconds, variables.map((variable) => variable.name)) }]
  const panels = (dashboard.panels ?? []).flatMap(flat).flatMap(({ targets = [], title = "untitled" }) =>
    targets.flatMap(({ expr }) => query(title, expr))
  )
  const annotations = (dashboard.annotations?.list ?? []).flatMap(({ expr, name = "unnamed", target }) =>
    query(`annotation ${name}`, expr ?? target?.expr)
  )
  return panels.concat(annotations)
}

const flat = (panel: Panel): ReadonlyArray<Panel> => [panel, ...(panel.panels ?? []).flatMap(flat)]

// Grafana's rate interval is four scrapes. Every variable stands for "all", as a dashboard opens.
const fill = (expr: string, rangeSeconds: number, variables: ReadonlyArray<string>): string => {
  const values: Record<string, string> = {
    __rate_interval: "4s",
    __interval: "4s",
    __range: `${rangeSeconds}s`,
    __range_s: `${rangeSeconds}`,
    ...Object.fromEntries(variables.map((name) => [name, ".*"]))
  }
  return expr.replace(/\$\{(\w+)(?::\w+)?\}|\$([A-Za-z_]\w*)/g, (found, braced?: string, bare?: string) => {
    const value = values[braced ?? bare ?? ""]
    if (value === undefined) throw new Error(`no value for ${found} in ${expr}`)
    return value
  })
}
