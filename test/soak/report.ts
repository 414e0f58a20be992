/** What is reported of a run: a line in between, and a table at its end. */
import type { Findings } from "./Findings.ts"
import type { Series } from "./Measurements.ts"
import type { Phase } from "./phases.ts"

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, count) => all + count, 0)

const of = (phase: Phase, name: string) =>
  phase.members.reduce((all, { recorder }) => all + (recorder.events.get(name) ?? 0), 0)

const callsOf = (phase: Phase) => phase.members.reduce((all, { results }) => all + sum(results), 0)

export const progress = (
  seconds: number,
  phases: ReadonlyArray<Phase>,
  series: ReadonlyArray<Series>,
  findings: Findings
) =>
  [
    `${seconds.toFixed(0).padStart(4)} s`,
    ...phases.map((phase) =>
      `${phase.name}: ${callsOf(phase)} calls, ${of(phase, "circuit.opened")} openings, ${sum(phase.faults)} faults`
    ),
    series.map(({ name, values }) => `${name} ${shown(values.at(-1) ?? 0)}`).join(", "),
    `${findings.count} violations`
  ].join(" | ")

export const summary = (phases: ReadonlyArray<Phase>, series: ReadonlyArray<Series>, findings: Findings): string =>
  [
    ...phases.flatMap((phase) => [...phaseTable(phase), ""]),
    table([
      ["measured at rest", "first", "last", "verdict"],
      ...series.map(({ name, trend: { first, last, verdict } }) => [name, shown(first), shown(last), verdict])
    ]),
    "",
    `violations: ${findings.count}`,
    ...[...findings.byRule].map(([rule, count]) => `    ${rule}: ${count}`),
    `steps that a process of the fleet did not see, excused: ${findings.excused}`
  ].join("\n")

const phaseTable = (phase: Phase): ReadonlyArray<string> => {
  const results = new Map<string, Map<string, number>>()
  for (const { results: counts } of phase.members) {
    for (const [name, count] of counts) {
      const [form = "", result = ""] = name.split(": ")
      const ofForm = results.get(form) ?? new Map<string, number>()
      results.set(form, ofForm.set(result, (ofForm.get(result) ?? 0) + count))
    }
  }
  const longest = Math.max(...phase.members.map(({ longestAdded }) => longestAdded))
  return [
    table([
      [`calls, ${phase.name} store`, "number", "how they ended"],
      ...[...results].map(([form, counts]) => [form, `${sum(counts)}`, list(counts)])
    ]),
    `  openings ${of(phase, "circuit.opened")}, closings ${of(phase, "circuit.closed")}, probes ${
      of(phase, "circuit.probe")
    }, held or steered ${
      ["forced", "reset", "disabled", "enabled"].reduce((all, name) => all + of(phase, `circuit.${name}`), 0)
    }, late outcomes ${of(phase, "circuit.late_outcome")}, circuits forgotten ${of(phase, "forgotten")}`,
    `  failovers ${of(phase, "failover.switched")}, store degraded ${of(phase, "store.degraded")}, recovered ${
      of(phase, "store.recovered")
    }, most time added to a call ${longest.toFixed(0)} ms`,
    `  faults: ${list(phase.faults)}`
  ]
}

const list = (counts: ReadonlyMap<string, number>) =>
  [...counts].toSorted(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", ")

const shown = (value: number) => Number.isInteger(value) ? `${value}` : `${value.toFixed(2)}`

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!)).join("  ")
  ).join("\n")
}
