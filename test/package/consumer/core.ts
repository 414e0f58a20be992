import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"

const down = Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" }))

// @ts-expect-error the types are those of the package
CircuitBreaker.execute({ key: 1 })

const program = Effect.gen(function*() {
  yield* Effect.flip(down)
  yield* Effect.flip(down)
  return yield* down.pipe(
    Effect.catchReason("CircuitBreakerError", "CircuitOpen", ({ key }) => Effect.succeed(`${key} is open`))
  )
}).pipe(
  Effect.provide(
    CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2) }).pipe(Layer.provide(CircuitStore.layerMemory))
  )
)

console.log(await Effect.runPromise(program))
