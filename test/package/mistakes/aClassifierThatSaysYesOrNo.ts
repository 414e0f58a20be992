// TS2322: Type 'boolean' is not assignable to type 'Outcome'.
import { Effect, Exit } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(
  CircuitBreaker.execute({ key: "model", classify: (exit) => Exit.isSuccess(exit) })
)
