// TS2741 or TS2345: Property 'key' is missing in type '{ classify: Classify; }' but required in type 'ExecuteOptions
import { Effect } from "effect"
import { CircuitBreaker, LlmOutcome } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(CircuitBreaker.execute({ classify: LlmOutcome.classify }))
