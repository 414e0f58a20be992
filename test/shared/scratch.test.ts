import { it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { CircuitBreaker, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
it.effect("x", () => Effect.gen(function*() {
  const server = SimulatedRecordStore.make()
  const b = yield* CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) }).pipe(
    Layer.provide(SharedCircuitStore.layer().pipe(Layer.provide(server.layer))), Layer.build,
    Effect.map(Context.get(CircuitBreaker.CircuitBreaker)))
  console.log("built", server.operations)
  console.log(yield* Effect.exit(Effect.succeed("x").pipe(b.execute({ key: "k" }))), server.operations)
  console.log(yield* Effect.exit(Effect.fail("x").pipe(b.execute({ key: "k" }))), server.operations)
  console.log(yield* b.state("k"))
}).pipe(Effect.scoped), 3000)
