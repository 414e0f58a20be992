/** The records of a fleet, as an outsider reads them when they are announced, in order. */
import { Effect, type Scope } from "effect"
import type { Circuit } from "effect-resilience"
import { connectTo } from "../support/redis/connectTo.ts"

/** `now` and the deadlines are in the server's time. */
export interface Published {
  readonly now: number
  readonly state: Circuit.State
  readonly reason: Circuit.Reason
  readonly generation: number
  readonly issued: number
  readonly openedAt: number
  readonly openUntil: number
  readonly probes: ReadonlyArray<{ readonly id: number; readonly leaseUntil: number }>
}

export const listen = (port: number, prefix: string): Effect.Effect<ReadonlyArray<Published>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const [redis, reader] = [yield* connectTo({ port }), yield* connectTo({ port })]
    const heard: Array<Published> = []
    redis.on("message", (_, message: string) => {
      const [id] = JSON.parse(message) as readonly [string, number, string]
      if (id === "") return
      const asked = reader.multi().hmget(`${prefix}:records:{${id}}`, "g", "s").time().exec()
      asked.then((replies) => heard.push(...read(replies)), () => {})
    })
    yield* Effect.promise(() => redis.subscribe(`${prefix}:changes`))
    return heard
  })

const read = (replies: ReadonlyArray<readonly [Error | null, unknown]> | null): ReadonlyArray<Published> => {
  const [[, fields] = [], [, time] = []] = replies ?? []
  const [generation, text] = fields as readonly [string | null, string | null]
  const [seconds, micros] = time as readonly [string, string]
  if (generation === null || text === null) return []
  const { issued, openedAt, openUntil, probes, reason, state } = JSON.parse(text) as Omit<Published, "probes"> & {
    readonly probes: ReadonlyArray<readonly [id: number, leaseUntil: number, process: string]>
  }
  return [{
    now: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    state,
    reason,
    generation: Number(generation),
    issued,
    openedAt,
    openUntil,
    probes: probes.map(([id, leaseUntil]) => ({ id, leaseUntil }))
  }]
}

/** The first record of each generation: the transitions themselves. Generation 0 is that of a key without a past. */
export const transitions = (heard: ReadonlyArray<Published>): ReadonlyArray<Published> =>
  heard.filter(({ generation }, index) => generation !== (heard[index - 1]?.generation ?? 0))
