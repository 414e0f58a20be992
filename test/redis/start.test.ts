import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { RecordStore } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { eventually } from "../support/eventually.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"
import { assertOneOutage, down, memberAt, repeated, settings, stateOf, tells, trip, up } from "./outages/faults.ts"

describe.concurrent("an application that starts while Redis", () => {
  it.live("refuses connections, starts all the same, protects itself, and joins the fleet later", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      yield* proxy.refuse
      const one = yield* memberAt(proxy.port)
      assert.deepStrictEqual(yield* one.recorded.names, [], "nobody calls yet")

      assert.strictEqual(yield* up(one, "first"), "hello")
      assert.deepStrictEqual(yield* one.recorded.names, ["store.degraded"])
      assert.deepStrictEqual(yield* repeated(3, down(one, "long/opened")), ["503", "503", "CircuitOpen"])
      yield* one.breaker.forceOpen("long/held")

      const other = yield* memberAt(server.port)
      yield* trip(other, "long/other")
      yield* proxy.restore
      yield* tells(one, "store.recovered")
      yield* assertOneOutage(one, ["CONNECTION"])
      assert.strictEqual(yield* stateOf(other, "long/opened"), "Open")
      assert.strictEqual(yield* stateOf(other, "long/held"), "ForcedOpen")
      assert.strictEqual(yield* up(one, "long/other"), "CircuitOpen")
    }))

  it.live("is frozen, starts after its patience, and finds it when it thaws", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      yield* server.freeze
      const one = yield* memberAt(server.port)
      assert.deepStrictEqual(yield* repeated(20, up(one, "key")), Array(20).fill("hello"))
      assert.strictEqual(yield* one.failed, 0)
      yield* server.thaw
      yield* tells(one, "store.recovered")
      yield* assertOneOutage(one, ["CONNECTION", "TIMEOUT"])
    }))

  it.live("is there, does not wait for its time to connect to pass, and tells of nothing", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const one = yield* memberAt(server.port, { connectTimeout: "1 hour" })
      assert.strictEqual(yield* down(one, "key"), "503")
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(yield* one.recorded.names, ["circuit.failure"])
    }))
})

describe.concurrent("an application that requires Redis", () => {
  const faults: ReadonlyArray<
    readonly [name: string, strikes: (server: RedisServer.RedisServer) => Effect.Effect<unknown, unknown>, code: string]
  > = [
    ["is gone", ({ kill }) => kill, "CONNECTION"],
    ["is frozen", ({ freeze }) => freeze, "CONNECTION"],
    ["is a replica", ({ command }) => command("REPLICAOF", "127.0.0.1", 1), "READONLY"],
    ["denies scripts", ({ command }) => command("ACL", "SETUSER", "default", "-evalsha", "-eval"), "NOPERM"],
    ["denies the channels", ({ command }) => command("ACL", "SETUSER", "default", "resetchannels"), "NOPERM"]
  ]
  const store = (url: string) => RedisCircuitStore.layer({ url, ...settings, requireConnection: true })

  it.live.each(faults)("does not start if it %s", ([, strikes, code]) =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      yield* strikes(server)
      const error = yield* Effect.flip(Layer.build(store(server.url)))
      assert.instanceOf(error, RecordStore.StoreUnavailable)
      assert.strictEqual(error.error, code)
      assert.include(error.message, code)
    }))

  it.live("starts if it comes in time", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      yield* proxy.refuse
      yield* Effect.forkChild(Effect.delay(proxy.restore, "200 millis"))
      yield* Layer.build(store(`redis://127.0.0.1:${proxy.port}`))
      yield* eventually(
        Effect.map(server.command("PUBSUB", "CHANNELS"), (channels) => (channels as Array<unknown>).length === 1)
      )
    }))
})
