import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { CircuitBreaker, Outcome, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

describe("a last resort that is served", () => {
  it.effect("is the probe of the whole fleet", () =>
    Effect.gen(function*() {
      const server = SimulatedRecordStore.make()
      const store = SharedCircuitStore.layer().pipe(Layer.provide(server.layer))
      const process = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) }).pipe(
        Layer.provide(Layer.fresh(store)),
        Layer.build,
        Effect.map(Context.get(CircuitBreaker.CircuitBreaker))
      )
      const [one, other] = [yield* process, yield* process]
      const key = "model"
      for (const { execute } of [one, other]) yield* Effect.succeed("hello").pipe(execute({ key }))
      const fails = () => Outcome.failure("server_error")
      yield* Effect.succeed("500").pipe(one.execute({ key, classify: fails }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* other.state(key))._tag, "Open")

      assert.strictEqual(yield* Effect.succeed("hello").pipe(other.execute({ key, lastResort: true })), "hello")
      yield* TestClock.adjust("1 second")
      for (const { state } of [one, other]) assert.strictEqual((yield* state(key))._tag, "Closed")
    }))
})
