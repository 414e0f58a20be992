// TS2345: Argument of type '"Open"' is not assignable to parameter of type
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(
  CircuitBreaker.execute({ key: "model" }),
  Effect.catchReason("CircuitBreakerError", "Open", () => Effect.succeed("later"))
)
