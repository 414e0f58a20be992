// TS2345: Argument of type '"CircuitOpen"' is not assignable to parameter of type '"CircuitBreakerError"
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(
  CircuitBreaker.execute({ key: "model" }),
  Effect.catchTag("CircuitOpen", () => Effect.succeed("later"))
)
