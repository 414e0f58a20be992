/** What must not keep a process from coming back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { eventually } from "../../support/eventually.ts"
import { failuresIn, stateIn } from "../../support/redis/records.ts"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import * as TcpProxy from "../../support/redis/TcpProxy.ts"
import { all, call, cooldown, crowd, down, memberAt, settings, stateOf, tells, trip, up } from "./faults.ts"

const recordOf = (id: string) => `effect-resilience:records:{${id}}`

describe.concurrent("a process that lost Redis", () => {
  it.live("comes back, although an operator's words were cut within a character", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const away = yield* memberAt(proxy.port)
      const home = yield* memberAt(server.port)
      yield* up(away, "held")
      yield* proxy.refuse
      yield* up(away, "another")
      yield* tells(away, "store.degraded")
      yield* away.breaker.forceOpen("held", { for: "1 hour", reason: "🔥".slice(0, 1), actor: "🔥".slice(1) })
      yield* proxy.restore
      yield* tells(away, "store.recovered")
      assert.strictEqual(yield* stateOf(home, "held"), "ForcedOpen")
    }))

  it.live("keeps what an operator holds open while the same circuit is being merged", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const away = yield* memberAt(proxy.port, { operationTimeout: "2 seconds" })
      yield* up(away, "long/held")
      yield* proxy.refuse
      yield* trip(away, "long/held")
      yield* tells(away, "store.degraded")
      yield* proxy.restore
      yield* proxy.delay(500)
      // The server has merged it, and the answer is on its way.
      yield* eventually(
        Effect.map(stateIn(server, recordOf("long/held")), ({ state }) => state === "open")
      )
      yield* away.breaker.forceOpen("long/held", { for: "1 hour", reason: "maintenance" })
      assert.strictEqual((yield* away.recorded.of("store.recovered")).length, 0, "still alone")
      yield* proxy.delay(0)
      yield* tells(away, "store.recovered")
      assert.strictEqual(yield* stateOf(away, "long/held"), "ForcedOpen")
    }))

  it.live("comes back at once, however many of its records are of a newer version", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const away = yield* memberAt(proxy.port)
      const ids = Array.from({ length: 40 }, (_, index) => `long/${index}`)
      yield* all(ids.map((id) => up(away, id)))
      yield* proxy.refuse
      yield* all(ids.map((id) => trip(away, id)))
      yield* tells(away, "store.degraded")
      yield* Effect.forEach(ids, (id) => server.command("HSET", recordOf(id), "s", "{\"v\":2}"))
      yield* server.resetStats
      yield* proxy.restore
      yield* tells(away, "store.recovered")
      const { zadd: beats = 0 } = yield* server.commandstats
      assert.isAtLeast(beats, 1)
      assert.isBelow(beats, 10)
    }))

  it.live("still lets one call go of a circuit that it was trying when Redis came back (I120)", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const away = yield* memberAt(proxy.port)
      yield* up(away, "tried")
      yield* proxy.refuse
      yield* trip(away, "tried")
      yield* tells(away, "store.degraded")
      yield* cooldown
      const probe = yield* Effect.forkChild(call(away, "tried", Effect.never))
      yield* eventually(Effect.map(stateOf(away, "tried"), (state) => state === "HalfOpen"))
      yield* proxy.restore
      yield* tells(away, "store.recovered")
      // The provider has not answered since it failed: who may try is one at a time, and not everybody.
      const ran = yield* crowd([away], "tried")
      yield* Fiber.interrupt(probe)
      assert.isAtMost(ran, 1)
    }))

  it.live("waits for no more than one operation where the record is lost (I119)", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const member = yield* memberAt(proxy.port, {
        operationTimeout: 600,
        maxStaleness: "10 seconds",
        lease: "1 minute"
      })
      yield* up(member, "lost")
      // From now on it has a generation to miss.
      yield* member.breaker.forceOpen("lost")
      yield* member.breaker.reset("lost")
      yield* server.command("FLUSHALL")
      yield* proxy.delay(400)
      assert.strictEqual(yield* down(member, "lost"), "503")
      // Each of its operations would have come in time, but not all of them together.
      assert.include(yield* member.recorded.names, "store.degraded")
    }))

  it.live("comes back under load, and lets one more probe go of each circuit", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const away = yield* memberAt(proxy.port, { lease: "1 minute", operationTimeout: "5 seconds" })
      const keys = Array.from({ length: 50 }, (_, index) => `hanging/${index}`)
      yield* all(keys.map((key) => Effect.andThen(up(away, key), trip(away, key))))
      yield* cooldown
      yield* proxy.refuse
      yield* up(away, "another")
      yield* tells(away, "store.degraded")

      let probes = 0
      const hanging = Effect.andThen(Effect.sync(() => void probes++), Effect.never)
      const caller = (key: string) =>
        Effect.repeat(Effect.forkChild(call(away, key, hanging)), { schedule: Schedule.spaced("20 millis") })
      const load = yield* Effect.forkChild(all(keys.map(caller)))
      yield* eventually(Effect.sync(() => probes === keys.length))
      yield* proxy.restore
      yield* proxy.delay(5)
      yield* Effect.race(tells(away, "store.recovered"), Effect.sleep("5 seconds"))
      yield* Effect.sleep("500 millis")
      const recovered = yield* away.recorded.of("store.recovered")
      yield* Fiber.interrupt(load)
      assert.strictEqual(recovered.length, 1)
      assert.isAtMost(probes, 2 * keys.length)
    }))

  it.live("loses no call to a server that has forgotten the script", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const one = yield* memberAt(server.port, { operationTimeout: "5 seconds" })
      yield* down(one, "known")
      yield* server.command("SCRIPT", "FLUSH")
      const keys = Array.from({ length: 300 }, (_, index) => `first/${index}`)
      assert.deepStrictEqual(new Set(yield* all(keys.map((key) => down(one, key)))), new Set(["503"]))
      const streaks = yield* Effect.forEach(keys, (key) => failuresIn(server, recordOf(key)))
      assert.deepStrictEqual(new Set(streaks), new Set([1]))
    }))

  it.live("has reported every success that counts for a rate, when its layer closes", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const store = RedisCircuitStore.layer({ url: server.url, ...settings, flushInterval: "1 minute" })
      const rate = TripPolicy.failureRate({ threshold: 0.9, window: 100, minimumCalls: 20 })
      const World = CircuitBreaker.layer({ tripPolicy: rate }).pipe(Layer.provide(Layer.fresh(store)))
      const run = Effect.gen(function*() {
        const guarded = CircuitBreaker.execute({ key: "rated" })
        yield* Effect.exit(Effect.fail("503").pipe(guarded))
        for (let call = 0; call < 10; call++) yield* Effect.succeed("hello").pipe(guarded)
      })
      yield* Effect.provide(run, World)
      const fields = (yield* server.command("HGETALL", recordOf("rated"))) as ReadonlyArray<string>
      // The slots of one second.
      const slots = fields.flatMap((name, index) => name.startsWith("cf.1:") ? [Number(fields[index + 1])] : [])
      const calls = slots.reduce((sum, slot) => sum + slot % 2 ** 26, 0)
      const failures = slots.reduce((sum, slot) => sum + Math.floor(slot / 2 ** 26), 0)
      assert.deepStrictEqual({ calls, failures }, { calls: 11, failures: 1 })
    }))
})
