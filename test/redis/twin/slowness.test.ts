import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { RecordedEvents } from "effect-resilience/testing"
import { sharedServer } from "../../support/redis/sharedServer.ts"

const { url } = await sharedServer()

const policy = { tripPolicy: TripPolicy.slowCallRate({ threshold: 1, slowerThan: 10, minimumCalls: 1, window: 10 }) }

const stores = {
  memory: CircuitStore.layerMemory,
  Redis: RedisCircuitStore.layer({ url, operationTimeout: "5 seconds" })
}

describe("slowness that opens a circuit is told", () => {
  for (const [name, store] of Object.entries(stores)) {
    for (const [how, end] of Object.entries({ success: Effect.void, failure: Effect.fail("down") })) {
      it.live(`by the ${name} store, if the slow call is a ${how}`, () =>
        Effect.gen(function*() {
          const { of } = yield* RecordedEvents.RecordedEvents
          yield* Effect.ignore(CircuitBreaker.execute(Effect.andThen(Effect.sleep(30), end), { key: how }))
          const [opened] = yield* of("circuit.opened")
          assert.isTrue(opened?.latency_tripped)
        }).pipe(
          Effect.provide(RecordedEvents.layer.pipe(
            Layer.provideMerge(CircuitBreaker.layer(policy)),
            Layer.provide(Layer.fresh(store))
          ))
        ))
    }
  }
})
