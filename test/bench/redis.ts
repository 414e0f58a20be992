/**
 * What the Redis store asks of its server and of those who call, beside Effect's own store on the same server in the
 * same run. The server is the benchmark's own, and counts.
 *
 * Run `npm run bench:redis`. `--json <path>` writes the numbers to a file, `--strict` makes a missed budget an error; a
 * call that does not end as it should always is one.
 */
import { Effect } from "effect"
import { CircuitStore } from "effect-resilience"
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import * as RedisServer from "../redis/servers/RedisServer.ts"
import * as TcpProxy from "../redis/servers/TcpProxy.ts"
import { measure } from "./measure.ts"
import { measureMemory } from "./memory.ts"
import { closed, references } from "./ours.ts"
import { crossings } from "./redis/crossing.ts"
import { stayHealthy } from "./redis/healthy.ts"
import { effects, type Library, ours, ourStore } from "./redis/libraries.ts"
import { recordBytes } from "./redis/records.ts"
import { report } from "./redis/report.ts"
import { callsPerSecond } from "./redis/speed.ts"
import { liveThrough } from "./redis/stages.ts"

const { values: options } = parseArgs({ options: { json: { type: "string" }, strict: { type: "boolean" } } })

const circuits = 200
const delayMillis = 100
const stageRounds = [0, 1, 2]
const speedRounds = 7
const trips = 300

const bench = Effect.gen(function*() {
  const server = yield* RedisServer.make()
  const proxy = yield* TcpProxy.make(server.port)
  yield* proxy.delay(delayMillis)

  const counts = Effect.fnUntraced(function*(library: Library) {
    return {
      stages: yield* Effect.forEach(
        stageRounds,
        (round) => Effect.scoped(liveThrough(library, server, server.url, circuits, round))
      ),
      waits: yield* Effect.scoped(liveThrough(library, server, `redis://127.0.0.1:${proxy.port}`, 4)),
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
  const memory = yield* measureMemory(10_000, ourStore({ url: server.url, prefix: "memory", quiet: true }))
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
  const inMemory = yield* closed(CircuitStore.layerMemory, ", memory store")
  const onRedis = yield* closed(ourStore({ url, prefix: "closed" }))
  return yield* measure([...references, ...inMemory, ...onRedis], { rounds: 21, roundMillis: 20, warmUpMillis: 200 })
})

console.log(`node ${process.version}, ${process.platform} ${process.arch}, ${cpus()[0]?.model ?? "unknown processor"}`)
console.log(
  `commands and scripts a call, by the server's count: closed calls at 1,000 a second with all that goes on in the
background, others what they cause themselves; awaited: round trips that a call waits for, by a server ${delayMillis} ms away
`
)

const { missed, results, text } = await Effect.runPromise(Effect.scoped(bench))
console.log(text)

if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`)

if (missed > 0) {
  console.log(`\n${missed} ${missed === 1 ? "budget" : "budgets"} missed`)
  if (options.strict) process.exitCode = 1
}
