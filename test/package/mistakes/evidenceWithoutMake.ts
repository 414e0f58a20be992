// TS2353: Object literal may only specify known properties, and 'request' does not exist in type 'Evidence'.
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const call = Effect.succeed("hello").pipe(
  CircuitBreaker.execute({ key: "model", evidence: { request: "hello" } })
)
