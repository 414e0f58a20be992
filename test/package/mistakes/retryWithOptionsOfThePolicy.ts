// TS2353: Object literal may only specify known properties, and 'times' does not exist in type 'Options'.
import { Effect } from "effect"
import { LlmRetry } from "effect-resilience"

export const call = Effect.fail("503").pipe(Effect.retry(LlmRetry.policy({ times: 3 })))
