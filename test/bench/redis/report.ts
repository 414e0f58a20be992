/** From what was measured to what people and programs read. */
import { type Budget, type Findings, type Result, result, shown } from "../findings.ts"
import { quantile, ratio, type Timing, timingResult } from "../measure.ts"
import type { Memory } from "../memory/bytes.ts"
import { memoryResults, memoryTable } from "../memory/report.ts"
import { spreading, table } from "../table.ts"
import type { Healthy } from "./healthy.ts"
import type { Stage, Stages } from "./stages.ts"

/** What one library took. `waits` are stages with a server that is `delayMillis` away. */
export interface Measured {
  readonly stages: ReadonlyArray<Stages>
  readonly waits: ReadonlyArray<Stages>
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

export const report = (ours: Measured, effects: Measured, { memory, timings }: InProcess): Findings => {
  const asked = kinds.map(([name, kind]) => ({ name, ours: asks(ours, kind), effects: asks(effects, kind) }))
  const compared = [...speeds(ours, effects), ...sizes(ours, effects)]
  const timed = (name: string) => timings.find((timing) => timing.name === name)!
  const overFloor = (name: string) => ratio(timed(name), timed("redis, floor"))

  const faster = ours.perSecond.many.map((calls, round) => calls / effects.perSecond.many[round]!)
  const budgets = [
    ...kinds.flatMap(([name, kind], i) =>
      Object.entries(limits[kind] ?? {}).map(([of, [rule, limit]]) =>
        budget(name, of, asked[i]!.ours[of as keyof Asked], rule, limit)
      )
    ),
    budget("trip seen elsewhere, p99", "ms, wall", quantile(ours.crossings, 0.99), "at most", 50),
    budget("closed, 64 callers", "× the calls/s of effect/persistence redis, wall", median(faster), "at least", 20),
    budget("closed", "× the cost of the floor", overFloor("redis, closed"), "at most", 1.5),
    budget("closed, window of 100", "× the cost of the floor", overFloor("redis, closed, window of 100"), "at most", 2),
    ...memory.slice(0, 1).map(({ bytes }) => budget("idle circuit", "bytes", bytes, "at most", 512))
  ]

  const text = [
    `redis: commands and scripts by the server's count, of closed calls at 1,000 a second with all that goes on in the
background, of others what they cause themselves; awaited: round trips that a call waits for, by a server ${ours.delayMillis} ms away,
the least of ${ours.waits.length} rounds`,
    "",
    ...table(
      ["redis, call", "commands", "Effect's", "scripts", "Effect's", "awaited", "Effect's"],
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
      ["redis, side by side", "unit", "ours", "Effect's"],
      compared.map(({ effects, name, ours, unit }) => [name, unit, shown(ours), shown(effects)])
    ),
    "",
    ...table(
      ["redis, in this process", "ns", "× floor"],
      timings.map((timing) => [timing.name, spreading(timing), overFloor(timing.name).toFixed(2)])
    ),
    "",
    memoryTable(memory)
  ].join("\n")

  const results = [
    ...asked.flatMap(({ effects, name, ours }) =>
      (["commands", "scripts", "awaited"] as const).flatMap((unit) =>
        pair(`${name}: ${unit}`, `${unit}/call`, ours[unit], effects[unit])
      )
    ),
    ...compared.flatMap(({ effects, name, ours, unit }) => pair(name, unit, ours, effects)),
    ...timings.map((timing) => timingResult(timing, timings)),
    ...memoryResults(memory)
  ]
  return { text, results, budgets }
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

const limits: {
  readonly [K in keyof Stages]?: { readonly [A in keyof Asked]?: readonly [rule: Budget["rule"], limit: number] }
} = {
  closed: { commands: ["at most", 0.05], awaited: ["exactly", 0] },
  windowed: { commands: ["at most", 0.05], awaited: ["exactly", 0] },
  // A store that nothing reaches would ask for less.
  counted: { scripts: ["exactly", 1], awaited: ["exactly", 1] },
  open: { commands: ["exactly", 0], awaited: ["exactly", 0] },
  halfOpen: { commands: ["exactly", 0], awaited: ["exactly", 0] }
}

const budget = (name: string, of: string, measured: number, rule: Budget["rule"], limit: number): Budget => ({
  name: `redis, ${name}`,
  of,
  measured,
  rule,
  limit
})

/** What a call of a kind asks of the server, and how often it waits for that. */
const asks = ({ delayMillis, healthy, stages, waits }: Measured, kind: keyof Stages): Asked => {
  // The least of the rounds: a busy machine makes waits longer, and nothing makes them shorter.
  const roundTrips = (step: "begin" | "end") =>
    Math.min(...waits.map((stages) => Math.round(stages[kind][step].millis / delayMillis)))
  const awaited = roundTrips("begin") + roundTrips("end")
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
    both("closed, 64 callers", "calls/s, wall", ({ perSecond }) => median(perSecond.many)),
    both("closed, one caller", "µs/call, wall", ({ perSecond }) => 1_000_000 / median(perSecond.one)),
    both("trip seen elsewhere, p50", "ms, wall", ({ crossings }) => median(crossings)),
    both("trip seen elsewhere, p99", "ms, wall", ({ crossings }) => quantile(crossings, 0.99)),
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
  const other = `effect/persistence redis, ${name}`
  return [
    result(`redis, ${name}`, ours, unit, other, effects === 0 ? null : ours / effects),
    result(other, effects, unit)
  ]
}

const median = (values: ReadonlyArray<number>) => quantile(values, 0.5)
