// TS2379: Argument of type 'Effect<string, CircuitBreakerError, CircuitBreaker>' is not assignable
import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitMetrics, CircuitStore } from "effect-resilience"

const Breaker = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))
const call = Effect.succeed("hello").pipe(CircuitBreaker.execute({ key: "model" }))

void Effect.runPromise(Effect.provide(call, Layer.mergeAll(Breaker, CircuitMetrics.layer)))
