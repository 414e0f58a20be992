import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { RecordedEvents } from "effect-resilience/testing"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { keys } from "./keys.ts"

const policy = { tripPolicy: TripPolicy.consecutive(1) } as const

describe("a hostile key", () => {
  it.live("is one key of its own in Redis, under the prefix and with one hash tag, and no pattern", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const breaker = (prefix: string) =>
        CircuitBreaker.layer(policy).pipe(
          Layer.provide(
            Layer.fresh(RedisCircuitStore.layer({ url: server.url, prefix, operationTimeout: "5 seconds" }))
          )
        )
      const trip = Effect.forEach(keys, (key) => Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key }))))
      yield* Effect.provide(trip, breaker("one"))
      const stored = (yield* server.command("KEYS", "*")) as ReadonlyArray<string>
      const circuits = stored.filter((key) => !key.endsWith(":processes"))
      assert.lengthOf(circuits, keys.length)
      for (const key of circuits) assert.match(key, /^one:records:\{[\w.~/@+=:%-]+\}$/)
      // Who has another prefix knows nothing of them, also where that and a key could be mistaken for one of these.
      for (const prefix of ["two", "on", "one:", "one:records"]) {
        const states = yield* Effect.provide(Effect.forEach(keys, (key) => CircuitBreaker.state(key)), breaker(prefix))
        assert.deepStrictEqual(new Set(states.map(({ _tag }) => _tag)), new Set(["Closed"]), prefix)
      }
      const again = yield* Effect.provide(Effect.forEach(keys, (key) => CircuitBreaker.state(key)), breaker("one"))
      assert.deepStrictEqual(new Set(again.map(({ _tag }) => _tag)), new Set(["Open"]))
    }).pipe(Effect.orDie))
})

describe("a process on a shared store", () => {
  it.live("has no more circuits than it may, however many keys there are", () =>
    Effect.gen(function*() {
      const { url } = yield* RedisServer.make()
      const layer = CircuitBreaker.layer().pipe(Layer.provide(RedisCircuitStore.layer({ url, maxCircuits: 10 })))
      yield* Effect.gen(function*() {
        for (let index = 0; index < 100; index++) {
          yield* Effect.succeed("hello").pipe(CircuitBreaker.execute({ key: `key ${index}` }))
          assert.isAtMost((yield* CircuitBreaker.states).length, 10)
        }
      }).pipe(Effect.provide(layer))
    }))

  it.live("runs calls to new keys unguarded while all of its circuits are in use, and says so once", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const layer = RecordedEvents.layer.pipe(
        Layer.provideMerge(CircuitBreaker.layer(policy)),
        Layer.provide(RedisCircuitStore.layer({ url: server.url, maxCircuits: 1 }))
      )
      const down = (key: string) => Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
      yield* Effect.gen(function*() {
        const recorded = yield* RecordedEvents.RecordedEvents
        yield* down("open")
        for (let index = 0; index < 3; index++) assert.strictEqual(yield* down("new"), "503")
        assert.deepStrictEqual(yield* recorded.names, ["circuit.opened", "store.full"])
        assert.lengthOf((yield* server.command("KEYS", "*{new}")) as ReadonlyArray<string>, 0)
      }).pipe(Effect.provide(layer))
    }))
})
