// TS2345: Argument of type 'string' is not assignable to parameter of type 'ExecuteOptions
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(CircuitBreaker.execute("model"))
