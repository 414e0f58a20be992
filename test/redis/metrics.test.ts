/** What the metrics of a process say of a store that all share. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer } from "effect"
import { CircuitBreaker, CircuitMetrics } from "effect-resilience"
import { eventually } from "../support/eventually.ts"
import { makeRegistry } from "../support/metrics.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { call, type Member, memberAt, stateOf, tells, trip, up } from "./outages/faults.ts"

const measuredAt = (port: number) => {
  const metrics = makeRegistry()
  return Effect.gen(function*() {
    const member = yield* memberAt(port)
    yield* measure(member, metrics)
    return [member, metrics] as const
  })
}

const measure = ({ breaker }: Member, metrics: ReturnType<typeof makeRegistry>) =>
  Layer.build(CircuitMetrics.layer).pipe(
    Effect.provideService(CircuitBreaker.CircuitBreaker, breaker),
    metrics.provide
  )

const state = (metrics: ReturnType<typeof makeRegistry>, backend: string) =>
  metrics.value("cb_current_state", { backend })

describe.concurrent("metrics of a shared store", () => {
  it.live("W25: the gauge follows what another process does", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [here, metrics] = yield* measuredAt(server.port)
      const there = yield* memberAt(server.port)
      yield* up(here, "long/key")
      assert.strictEqual(state(metrics, "long/key"), 0)
      yield* trip(there, "long/key")
      yield* eventually(Effect.sync(() => state(metrics, "long/key") === 2))
      yield* there.breaker.reset("long/key")
      yield* eventually(Effect.sync(() => state(metrics, "long/key") === 0))
      assert.strictEqual(
        metrics.value("cb_state_transitions_total", { from_state: "closed", to_state: "open" }),
        1
      )
      assert.strictEqual(metrics.value("cb_requests_total", { backend: "long/key", outcome: "failure" }), 0)
    }))

  it.live("W25: a process that comes later reads an open circuit as open at its first use", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const there = yield* memberAt(server.port)
      yield* trip(there, "long/key")
      const [here, metrics] = yield* measuredAt(server.port)
      assert.strictEqual(yield* up(here, "long/key"), "CircuitOpen")
      assert.strictEqual(state(metrics, "long/key"), 2)
      assert.strictEqual(metrics.value("cb_state_transitions_total", { from_state: "closed" }), 0)
    }))

  it.live("an observer that is attached while the store is away hears so, and one attached afterwards does not", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const here = yield* memberAt(server.port)
      yield* up(here, "long/key")
      yield* server.freeze
      yield* tells(here, "store.degraded")
      const metrics = makeRegistry()
      yield* measure(here, metrics)
      assert.strictEqual(metrics.value("cb_store_degraded"), 1)
      yield* server.thaw
      yield* tells(here, "store.recovered")
      assert.strictEqual(metrics.value("cb_store_degraded"), 0)
      const after = makeRegistry()
      yield* measure(here, after)
      assert.isUndefined(after.value("cb_store_degraded"))
    }))

  it.live("a call that is no probe is none, although it had to ask the store", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [one, other] = [yield* memberAt(server.port), yield* memberAt(server.port)]
      const tripped = Latch.makeUnsafe()
      const session = Effect.andThen(tripped.await, call(one, "long/key", Effect.succeed("slipped through")))
      const outer = yield* Effect.forkChild(call(one, "long/key", session), { startImmediately: true })
      yield* eventually(Effect.map(one.breaker.states, ({ length }) => length === 1))
      yield* trip(other, "long/key")
      yield* eventually(Effect.map(one.breaker.states, ([state]) => state?._tag === "Open"))
      yield* tripped.open
      assert.strictEqual(yield* Fiber.join(outer), "CircuitOpen")
    }))

  it.live("W27: operations are timed and failed ones counted by their error; degraded while the store is away", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [here, metrics] = yield* measuredAt(server.port)
      yield* up(here, "long/key")
      yield* trip(here, "long/key")
      assert.strictEqual(metrics.value("cb_store_degraded"), 0)
      assert.isAtLeast(metrics.value("cb_store_operation_seconds", { operation: "report" }) ?? 0, 2)
      assert.isUndefined(metrics.value("cb_store_errors_total"))
      yield* server.freeze
      yield* tells(here, "store.degraded")
      assert.strictEqual(metrics.value("cb_store_degraded"), 1)
      const [error] = metrics.all("cb_store_errors_total")
      assert.strictEqual(error?.labels["error"], "TIMEOUT")
      yield* server.thaw
      yield* tells(here, "store.recovered")
      assert.strictEqual(metrics.value("cb_store_degraded"), 0)
      assert.strictEqual(yield* stateOf(here, "long/key"), "Open")
      assert.isUndefined(metrics.value("cb_observer_errors_total"))
    }))
})
