// TS2322: Type 'number' is not assignable to type 'string'.
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(CircuitBreaker.execute({ key: 7 }))
