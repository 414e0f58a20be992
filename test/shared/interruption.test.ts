import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { CircuitBreaker, RecordStore, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

describe("a store whose operations take long to be interrupted", () => {
  it.effect("holds up no call for longer than operationTimeout", () =>
    Effect.gen(function*() {
      const server = SimulatedRecordStore.make()
      const stubborn = Layer.effect(
        RecordStore.RecordStore,
        Effect.map(RecordStore.RecordStore, (records) => ({
          ...records,
          // As a client that waits until the server has cancelled a query.
          update: () => Effect.onInterrupt(Effect.never, () => Effect.sleep("1 hour"))
        }))
      ).pipe(Layer.provide(server.layer))
      const breaker = yield* CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) }).pipe(
        Layer.provide(SharedCircuitStore.layer().pipe(Layer.provide(stubborn))),
        Layer.build,
        Effect.map(Context.get(CircuitBreaker.CircuitBreaker))
      )
      const call = yield* Effect.forkChild(Effect.flip(Effect.fail("503").pipe(breaker.execute({ key: "model" }))))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* Fiber.join(call), "503")
      assert.strictEqual((yield* breaker.state("model"))._tag, "Open")
    }))
})
