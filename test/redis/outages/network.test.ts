import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import * as TcpProxy from "../../support/redis/TcpProxy.ts"
import {
  assertOneOutage,
  down,
  inTurn,
  type Member,
  memberAt,
  memberListeningAt,
  repeated,
  stateOf,
  tells,
  up
} from "./faults.ts"
import { assertHarmless, type Fault } from "./outage.ts"

describe.concurrent("I116, I117, I118, I119, I120: a network between one process and Redis that", () => {
  const faults: ReadonlyArray<
    readonly [name: string, strikes: (proxy: TcpProxy.TcpProxy) => Effect.Effect<void>, codes: Fault["codes"]]
  > = [
    ["refuses connections", (proxy) => proxy.refuse, ["CONNECTION"]],
    ["takes two seconds", (proxy) => proxy.delay(2000), ["TIMEOUT"]],
    ["is silent, as half-open TCP is", (proxy) => proxy.silence, ["TIMEOUT", "SILENT"]]
  ]

  it.live.each(faults)("%s, is no outage of the breaker", ([, strikes, codes]) =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const members = [yield* memberAt(proxy.port), yield* memberAt(server.port)] as const
      yield* assertHarmless(members, { strikes: strikes(proxy), ends: proxy.restore, codes, spares: true })
    }))

  it.live("is silent for messages only, is no outage of the breaker", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const members = [yield* memberListeningAt(server.port, () => proxy.port), yield* memberAt(server.port)] as const
      const fault = { strikes: proxy.silence, ends: proxy.restore, codes: ["SILENT"], spares: true }
      yield* assertHarmless(members, fault)
    }))

  it.live("has forgotten the connection for messages, and never says so: the process listens anew", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      let port = proxy.port
      const one = yield* memberListeningAt(server.port, () => port)
      assert.strictEqual(yield* up(one, "key"), "hello")
      yield* proxy.silence
      port = server.port
      yield* tells(one, "store.degraded")
      yield* tells(one, "store.recovered")
      yield* assertOneOutage(one, ["SILENT"])
    }))

  it.live("is cut in the middle of a reply, costs one round trip and no failure", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const [one, other] = [yield* memberAt(proxy.port), yield* memberAt(server.port)]
      const outages = ({ recorded }: Member) =>
        Effect.map(recorded.names, (names) => names.filter((name) => name.startsWith("store.")))
      for (let round = 1; round <= 5; round++) {
        const key = `long/${round}`
        assert.strictEqual(yield* up(one, key), "hello")
        yield* proxy.cutMidReply
        assert.strictEqual(yield* down(one, key), "503")
        yield* eventually(Effect.map(outages(one), ({ length }) => length === 2 * round))
        assert.deepStrictEqual(yield* repeated(2, down(one, key)), ["503", "CircuitOpen"])
        assert.strictEqual(yield* stateOf(other, key), "Open")
      }
      assert.deepStrictEqual(yield* outages(one), inTurn(5))
    }))
})
