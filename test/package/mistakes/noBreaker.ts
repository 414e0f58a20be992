// TS2379: Argument of type 'Effect<string, CircuitBreakerError, CircuitBreaker>' is not assignable
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

void Effect.runPromise(Effect.succeed("hello").pipe(CircuitBreaker.execute({ key: "model" })))
