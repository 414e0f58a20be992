import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { RedisCircuitStore } from "effect-resilience/redis"
import { Redis } from "effect/persistence"
import { eventually } from "../support/eventually.ts"
import { freePort } from "../support/redis/freePort.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"
import { all, type Member, member, memberAt, settings, trip, up } from "./outages/faults.ts"
import { assertHarmless, type Fault } from "./outages/outage.ts"

/** The store on the client of Effect's own service, which would print what it notices. */
const store = (port: number) =>
  RedisCircuitStore.layerRedis(settings).pipe(
    Layer.provide(NodeRedis.layer({ url: `redis://127.0.0.1:${port}`, disableOfflineQueue: true })),
    Layer.provide(Logger.layer([]))
  )

const memberOnNodeRedis = (port: number) => Effect.orDie(member(store(port)))

describe.concurrent("on Effect's own Redis service", () => {
  it.live("an application whose Redis refuses connections does not start: that is for NodeRedis to say", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(store(yield* freePort)))
      assert.instanceOf(error, Redis.RedisError)
    }))

  const faults: ReadonlyArray<
    readonly [name: string, (server: RedisServer.RedisServer, proxy: TcpProxy.TcpProxy) => Fault]
  > = [
    ["freezes", ({ freeze, thaw }) => ({ strikes: freeze, ends: thaw, codes: ["TIMEOUT"] })],
    ["is killed, and comes back empty", ({ kill, restart }) => ({
      strikes: kill,
      ends: restart,
      codes: ["CONNECTION", "TIMEOUT", "SILENT"]
    })],
    ["is a replica after a failover", ({ command }) => ({
      strikes: command("REPLICAOF", "127.0.0.1", 1),
      ends: command("REPLICAOF", "NO", "ONE"),
      codes: ["READONLY"]
    })],
    ["is behind a network that takes two seconds", (_, proxy) => ({
      strikes: proxy.delay(2000),
      ends: proxy.restore,
      codes: ["TIMEOUT"],
      spares: true
    })],
    ["is behind a network that is silent", (_, proxy) => ({
      strikes: proxy.silence,
      ends: proxy.restore,
      codes: ["TIMEOUT", "SILENT"],
      spares: true
    })],
    ["is behind a network that refuses connections", (_, proxy) => ({
      strikes: proxy.refuse,
      ends: proxy.restore,
      codes: ["CONNECTION"],
      spares: true
    })]
  ]

  it.live.each(faults)("a server that %s, is no outage of the breaker", ([, faulty]) =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const members = [yield* memberOnNodeRedis(proxy.port), yield* memberOnNodeRedis(server.port)] as const
      yield* assertHarmless(members, faulty(server, proxy))
    }))

  it.live("a process shares its circuits with one on ioredis", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [one, other] = [yield* memberOnNodeRedis(server.port), yield* memberAt(server.port)]
      const sees = (member: Member, key: string) =>
        eventually(Effect.map(up(member, key), (result) => result === "CircuitOpen"))
      for (const key of ["long/one", "long/other"]) yield* all([up(one, key), up(other, key)])
      yield* trip(one, "long/one")
      yield* sees(other, "long/one")
      yield* server.command("SCRIPT", "FLUSH")
      yield* trip(other, "long/other")
      yield* sees(one, "long/other")
    }))
})
