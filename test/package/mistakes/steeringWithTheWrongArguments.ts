// TS2559: Type '"5 minutes"' has no properties in common with type 'ForceOpenOptions'.
// TS2345: Argument of type '{ key: string; }' is not assignable to parameter of type 'string'.
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const held = CircuitBreaker.forceOpen("model", "5 minutes")
export const program = Effect.andThen(held, CircuitBreaker.reset({ key: "model" }))
