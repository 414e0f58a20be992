/**
 * What the Redis store asks of its server and of those who call, beside Effect's own store on the same server in the
 * same run. The server is the benchmark's own, and counts.
 */
import { Effect } from "effect"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import * as TcpProxy from "../../support/redis/TcpProxy.ts"
import { closed, reference } from "../calls/ours.ts"
import { measure } from "../measure.ts"
import { idleCircuits } from "../memory/ours.ts"
import { crossings } from "./crossing.ts"
import { stayHealthy } from "./healthy.ts"
import { effects, type Library, ours, ourStore } from "./libraries.ts"
import { recordBytes } from "./records.ts"
import { report } from "./report.ts"
import { callsPerSecond } from "./speed.ts"
import { liveThrough } from "./stages.ts"

const circuits = 200
const delayMillis = 100
const stageRounds = [0, 1, 2]
const waitRounds = [0, 1, 2]
const speedRounds = 7
const trips = 300

export const redis = Effect.gen(function*() {
  const server = yield* RedisServer.make()
  const proxy = yield* TcpProxy.make(server.port)
  yield* proxy.delay(delayMillis)

  const counts = Effect.fnUntraced(function*(library: Library) {
    return {
      stages: yield* Effect.forEach(
        stageRounds,
        (round) => Effect.scoped(liveThrough(library, server, server.url, circuits, round))
      ),
      waits: yield* Effect.forEach(
        waitRounds,
        (round) => Effect.scoped(liveThrough(library, server, `redis://127.0.0.1:${proxy.port}`, 4, round))
      ),
      delayMillis,
      healthy: {
        closed: yield* Effect.scoped(stayHealthy(library, server, 5)),
        windowed: yield* Effect.scoped(stayHealthy(library, server, "rate"))
      },
      crossings: yield* Effect.scoped(crossings(library, server.url, trips)),
      records: yield* Effect.scoped(recordBytes(library, server))
    }
  })
  // First of all: what else was made here would still be on its way out of the heap.
  const memory = yield* idleCircuits(
    10_000,
    "redis, ",
    (kind) => ourStore({ url: server.url, prefix: kind.replaceAll(/\W+/g, "-"), quiet: true })
  )
  const [ourCounts, theirCounts] = [yield* counts(ours), yield* counts(effects)]
  const [ourSpeed, theirSpeed] = yield* Effect.scoped(speeds(server.url))
  const timings = yield* Effect.scoped(inProcess(server.url))
  return report({ ...ourCounts, perSecond: ourSpeed }, { ...theirCounts, perSecond: theirSpeed }, { timings, memory })
})

const speeds = Effect.fnUntraced(function*(url: string) {
  const runs = []
  for (const library of [ours, effects]) {
    const call = yield* library.breaker({ url, prefix: `speed-${library.name}`, trip: 5 })
    runs.push({ call, many: new Array<number>(), one: new Array<number>() })
  }
  for (let round = 0; round <= speedRounds; round++) {
    for (const { call, many, one } of runs) {
      const perSecond = [yield* callsPerSecond(call, 64, 200), yield* callsPerSecond(call, 1, 200)] as const
      // The first round is for the compiler.
      if (round === 0) continue
      many.push(perSecond[0])
      one.push(perSecond[1])
    }
  }
  return runs as [typeof runs[number], typeof runs[number]]
})

const inProcess = Effect.fnUntraced(function*(url: string) {
  const cases = [reference("redis, floor"), ...yield* closed(ourStore({ url, prefix: "closed" }), "redis, ")]
  return yield* measure(cases, { rounds: 21, roundMillis: 20, warmUpMillis: 200 })
})
