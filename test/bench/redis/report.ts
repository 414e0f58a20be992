/** From what was measured to what people and programs read. */
import { quantile, ratio, type Timing } from "../measure.ts"
import type { Memory } from "../memory.ts"
import { mark, table } from "../table.ts"
import type { Healthy } from "./healthy.ts"
import type { Stage, Stages } from "./stages.ts"

/** What one library took. `waits` are stages with a server that is `delayMillis` away. */
export interface Measured {
  readonly stages: ReadonlyArray<Stages>
  readonly waits: Stages
  readonly delayMillis: number
  readonly healthy: { readonly closed: Healthy; readonly windowed: Healthy }
  readonly perSecond: { readonly many: ReadonlyArray<number>; readonly one: ReadonlyArray<number> }
  readonly crossings: ReadonlyArray<number>
  readonly records: Readonly<Record<string, number>>
}

export interface InProcess {
  readonly timings: ReadonlyArray<Timing>
  readonly memory: ReadonlyArray<Memory>
}

/** One number: `ratio` is the value over that of `ratio_of`. */
export interface Result {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly ratio_of: string | null
  readonly ratio: number | null
}

export const report = (ours: Measured, effects: Measured, { memory, timings }: InProcess) => {
  const asked = kinds.map(([name, kind]) => ({ name, ours: asks(ours, kind), effects: asks(effects, kind) }))
  const compared = [...speeds(ours, effects), ...sizes(ours, effects)]
  const floor = timings.find(({ name }) => name === "floor")!
  const overFloor = (name: string) => ratio(timings.find((timing) => timing.name === name)!, floor)

  const faster = ours.perSecond.many.map((calls, round) => calls / effects.perSecond.many[round]!)
  const budgets = [
    ...kinds.flatMap(([name, kind], i) =>
      Object.entries(limits[kind] ?? {}).map(([of, [rule, limit]]) =>
        budget(name, of, asked[i]!.ours[of as keyof Asked], rule, limit)
      )
    ),
    budget("trip seen elsewhere, p99", "ms", quantile(ours.crossings, 0.99), "at most", 50),
    budget("closed, 64 callers", "times the calls of Effect's", median(faster), "at least", 20),
    budget("closed", "times the floor", overFloor("closed"), "at most", 1.5),
    budget("closed, window of 100", "times the floor", overFloor("closed, window of 100"), "at most", 2),
    ...memory.slice(0, 1).map(({ bytes, name }) => budget(name, "bytes in this process", bytes, "at most", 512))
  ]

  const text = [
    ...table(
      ["call", "commands", "Effect's", "scripts", "Effect's", "awaited", "Effect's"],
      asked.map(({ effects, name, ours }) => [
        name,
        shown(ours.commands),
        shown(effects.commands),
        shown(ours.scripts),
        shown(effects.scripts),
        shown(ours.awaited),
        shown(effects.awaited)
      ])
    ),
    "",
    ...table(
      ["side by side", "unit", "ours", "Effect's"],
      compared.map(({ effects, name, ours, unit }) => [name, unit, shown(ours), shown(effects)])
    ),
    "",
    ...table(
      ["in this process", "ns", "±", "× floor"],
      timings.map(({ median, name, spread }) => [
        name,
        median.toFixed(0),
        `${(spread * 100).toFixed(0)} %`,
        overFloor(name).toFixed(2)
      ])
    ),
    "",
    ...memory.length === 0
      ? ["memory: not measured, run node with --expose-gc"]
      : table(["in this process", "bytes"], memory.map(({ bytes, name }) => [name, bytes.toFixed(0)])),
    "",
    ...table(
      ["budget", "of", "measured", "limit", ""],
      budgets.map((
        { limit, measured, name, of, ok, rule }
      ) => [name, of, shown(measured), `${rule} ${limit}`, mark(ok)])
    )
  ].join("\n")

  const results: ReadonlyArray<Result> = [
    ...asked.flatMap(({ effects, name, ours }) =>
      (["commands", "scripts", "awaited"] as const).flatMap((unit) =>
        pair(name, `${unit}/call`, ours[unit], effects[unit])
      )
    ),
    ...compared.flatMap(({ effects, name, ours, unit }) => pair(name, unit, ours, effects)),
    ...timings.map(({ median, name }) => result(name, "ns/call", median, "floor", overFloor(name))),
    ...memory.map(({ bytes, name }) => result(name, "bytes/circuit", bytes))
  ]
  return { text, results, missed: budgets.filter(({ ok }) => !ok).length }
}

const kinds = [
  ["closed", "closed"],
  ["closed, window of 100", "windowed"],
  ["first call of a key", "first"],
  ["failure that counts", "counted"],
  ["failure that trips", "tripped"],
  ["rejected, open", "open"],
  ["probe that closes", "probe"],
  ["rejected, half-open", "halfOpen"]
] as const

interface Asked {
  readonly commands: number
  readonly scripts: number
  readonly awaited: number
}

type Rule = "at most" | "at least" | "exactly"

const limits: {
  readonly [K in keyof Stages]?: { readonly [A in keyof Asked]?: readonly [rule: Rule, limit: number] }
} = {
  closed: { commands: ["at most", 0.05], awaited: ["exactly", 0] },
  windowed: { commands: ["at most", 0.05], awaited: ["exactly", 0] },
  // A store that nothing reaches would ask for less.
  counted: { scripts: ["exactly", 1], awaited: ["exactly", 1] },
  open: { commands: ["exactly", 0], awaited: ["exactly", 0] },
  halfOpen: { commands: ["exactly", 0], awaited: ["exactly", 0] }
}

const budget = (name: string, of: string, measured: number, rule: Rule, limit: number) => {
  const ok = rule === "at most" ? measured <= limit : rule === "at least" ? measured >= limit : measured === limit
  return { name, of, measured, rule, limit, ok }
}

/** What a call of a kind asks of the server, and how often it waits for that. */
const asks = ({ delayMillis, healthy, stages, waits }: Measured, kind: keyof Stages): Asked => {
  const { begin, end } = waits[kind]
  const awaited = Math.round(begin.millis / delayMillis) + Math.round(end.millis / delayMillis)
  if (kind === "closed" || kind === "windowed") {
    const { calls, work } = healthy[kind]
    return { commands: work.commands / calls, scripts: work.scripts / calls, awaited }
  }
  const perCall = (of: "commands" | "scripts") =>
    median(stages.map((stages) => stages[kind]).map(({ begin, calls, end }) => (begin.work[of] + end.work[of]) / calls))
  return { commands: perCall("commands"), scripts: perCall("scripts"), awaited }
}

interface Compared {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly effects: number
}

const speeds = (ours: Measured, effects: Measured): ReadonlyArray<Compared> => {
  const both = (name: string, unit: string, measure: (measured: Measured) => number): Compared => ({
    name,
    unit,
    ours: measure(ours),
    effects: measure(effects)
  })
  // The best round: the server counts the time during which others had the processor, too.
  const script = (name: string, kind: keyof Stages, step: "begin" | "end") =>
    both(`script: ${name}`, "µs", ({ stages }) => Math.min(...stages.map((stages) => scriptMicros(stages[kind], step))))
  return [
    both("closed, 64 callers", "calls/s", ({ perSecond }) => median(perSecond.many)),
    both("closed, one caller", "µs/call", ({ perSecond }) => 1_000_000 / median(perSecond.one)),
    both("trip seen elsewhere, p50", "ms", ({ crossings }) => median(crossings)),
    both("trip seen elsewhere, p99", "ms", ({ crossings }) => quantile(crossings, 0.99)),
    script("failure that counts", "counted", "end"),
    script("failure that trips", "tripped", "end"),
    script("claim of a probe", "probe", "begin"),
    script("verdict of a probe", "probe", "end")
  ]
}

const scriptMicros = (stage: Stage, step: "begin" | "end") => stage[step].work.scriptMicros / stage[step].work.scripts

const sizes = (ours: Measured, effects: Measured): ReadonlyArray<Compared> =>
  Object.entries(ours.records).map(([name, bytes]) => ({
    name,
    unit: "bytes",
    ours: bytes,
    effects: effects.records[name]!
  }))

const pair = (name: string, unit: string, ours: number, effects: number): ReadonlyArray<Result> => {
  const other = `effect/persistence, ${name}`
  return [result(name, unit, ours, other, effects === 0 ? null : ours / effects), result(other, unit, effects)]
}

const result = (
  name: string,
  unit: string,
  value: number,
  ratio_of: string | null = null,
  ratio: number | null = null
): Result => ({ name, value: rounded(value), unit, ratio_of, ratio: ratio === null ? null : rounded(ratio) })

const rounded = (value: number) => Number(value.toPrecision(4))

const shown = (value: number) =>
  String(value < 1 ? Number(value.toFixed(3)) : value < 100 ? Number(value.toFixed(1)) : Math.round(value))

const median = (values: ReadonlyArray<number>) => quantile(values, 0.5)
