// TS2379: Argument of type 'Effect<string, CircuitBreakerError, CircuitStore>' is not assignable
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

const call = Effect.succeed("hello").pipe(CircuitBreaker.execute({ key: "model" }))

void Effect.runPromise(Effect.provide(call, CircuitBreaker.layer()))
