/** What the script publishes, as an outsider hears it: every record but those of mere counting, in order. */
import { Effect, type Scope } from "effect"
import type { Circuit } from "effect-resilience"
import { numbers, texts } from "../../src/redis/internal/luaRecord.ts"
import { connectTo } from "../support/redis/connectTo.ts"

/** `now` and the deadlines are in the server's time. */
export interface Published {
  readonly now: number
  readonly state: Circuit.State
  readonly reason: Circuit.Reason
  readonly generation: number
  readonly issued: number
  readonly openUntil: number
  readonly probes: ReadonlyArray<{ readonly id: number; readonly leaseUntil: number }>
}

export const listen = (port: number, prefix: string): Effect.Effect<ReadonlyArray<Published>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const redis = yield* connectTo({ port })
    const heard: Array<Published> = []
    redis.on("message", (_, message: string) => heard.push(read(message)))
    yield* Effect.promise(() => redis.subscribe(`${prefix}:transitions`))
    return heard
  })

const read = (message: string): Published => {
  const [, , now, ...record] = JSON.parse(message) as ReadonlyArray<string>
  const fields = new Map([...texts, ...numbers].map((name, index) => [name as string, record[index]!]))
  const number = (name: typeof numbers[number]) => Number(fields.get(name))
  return {
    now: Number(now),
    state: fields.get("state") as Circuit.State,
    reason: fields.get("reason") as Circuit.Reason,
    generation: number("generation"),
    issued: number("issued"),
    openUntil: number("openUntil"),
    probes: Array.from(fields.get("probes")!.matchAll(/(\d+):(\d+):\w+;/g), ([, id, leaseUntil]) => ({
      id: Number(id),
      leaseUntil: Number(leaseUntil)
    }))
  }
}

/** The first record of each generation: the transitions themselves. Generation 0 is that of a key without a past. */
export const transitions = (heard: ReadonlyArray<Published>): ReadonlyArray<Published> =>
  heard.filter(({ generation }, index) => generation !== (heard[index - 1]?.generation ?? 0))
