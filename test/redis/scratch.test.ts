import { it } from "@effect/vitest"
import { Effect } from "effect"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"
import { memberAt, stateOf, tells, trip, up, down } from "./outages/faults.ts"
it.live("x", () => Effect.gen(function*() {
  const server = yield* RedisServer.make()
  const proxy = yield* TcpProxy.make(server.port)
  const one = yield* memberAt(proxy.port)
  const other = yield* memberAt(server.port)
  for (const [n, m] of [["one", one], ["other", other]] as const) yield* m.breaker.observe({ name: "x", onEvent: (e) => console.log(n, JSON.stringify(e)), onStoreOperation: (o, d, e) => { if (o !== "pulse" || e) console.log(n, o, d, e) } })
  for (const m of [one, other]) yield* up(m, "long/contested")
  yield* proxy.refuse
  yield* down(one, "x")
  yield* tells(one, "store.degraded")
  console.log("trip")
  yield* trip(other, "long/contested")
  yield* proxy.restore
  yield* tells(one, "store.recovered")
  console.log(yield* server.command("HGETALL", "effect-resilience:{long/contested}"))
  console.log(yield* stateOf(one, "long/contested"), yield* stateOf(other, "long/contested"))
}), 9000)
