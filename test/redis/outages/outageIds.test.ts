import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { RecordedEvents } from "effect-resilience/testing"
import { eventually } from "../../support/eventually.ts"
import { stateIn } from "../../support/redis/records.ts"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import * as TcpProxy from "../../support/redis/TcpProxy.ts"
import { memberAt, settings, tells, up } from "./faults.ts"

const key = "model"

const outage = Effect.gen(function*() {
  yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
  const recorded = yield* RecordedEvents.RecordedEvents
  return (yield* recorded.of("circuit.opened")).map(({ outage_id }) => outage_id)
})

// Nothing listens there.
const nowhere = RedisCircuitStore.layer({
  url: "redis://127.0.0.1:1",
  connectTimeout: "50 millis",
  idleTimeToLive: "100 millis"
})

const Process = RecordedEvents.layer.pipe(
  Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "10 millis" })),
  Layer.provide(Layer.fresh(nowhere))
)

describe("while Redis is away", () => {
  it.live("outages that two processes see have ids of their own", () =>
    Effect.gen(function*() {
      const [first] = yield* Effect.provide(outage, Process, { local: true })
      const [second] = yield* Effect.provide(outage, Process, { local: true })
      assert.notStrictEqual(first, second)
    }))

  it.live("outages have ids of their own also in processes that have followed the same record", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const one = yield* memberAt(proxy.port, settings)
      const other = yield* memberAt(proxy.port, settings)
      const members = [one, other]
      // A record that has moved, so that both count from its generation.
      yield* one.breaker.forceOpen(key, { for: "1 minute" })
      yield* one.breaker.reset(key)
      for (const member of members) yield* up(member, key)
      yield* proxy.silence
      for (const member of members) yield* Effect.exit(member.breaker.forceOpen(key))
      const opened = []
      for (const { recorded } of members) opened.push((yield* recorded.of("circuit.forced")).at(-1))
      assert.lengthOf(new Set(opened.map((event) => event?.generation)), 1)
      assert.lengthOf(new Set(opened.map((event) => event?.outage_id)), 2)
    }))

  it.live("outages of a circuit that was forgotten in between have ids of their own", () =>
    Effect.gen(function*() {
      yield* outage
      yield* Effect.sleep("300 millis")
      const ids = yield* outage
      assert.strictEqual(new Set(ids).size, 2)
    }).pipe(Effect.provide(Process, { local: true })))
})

describe("while Redis comes back", () => {
  it.live("a hold that its operator takes back does not come again", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const member = yield* memberAt(proxy.port, settings)
      yield* up(member, key)
      yield* proxy.silence
      yield* Effect.exit(member.breaker.forceOpen(key))
      yield* tells(member, "store.degraded")
      yield* proxy.restore
      // The hold is brought in before this process knows that the store is back.
      yield* proxy.delay(80)
      const states = Effect.gen(function*() {
        const found: Array<unknown> = []
        for (const name of (yield* server.command("KEYS", "*:{*}")) as ReadonlyArray<string>) {
          found.push((yield* stateIn(server, name)).state)
        }
        return found
      })
      yield* eventually(Effect.map(states, (found) => found.includes("forced_open")))
      yield* member.breaker.reset(key)
      yield* tells(member, "store.recovered")
      yield* eventually(Effect.map(states, (found) => found.includes("closed")))
      assert.strictEqual((yield* member.breaker.state(key))._tag, "Closed")
    }))
})
