/** The error of a router as the one error that the services of `effect/ai` promise. */
import { AiError } from "effect/ai"
import type { FailoverError } from "../../FailoverError.ts"
import { fromError, withoutTrace } from "./aiError.ts"

export const toAiError = (error: FailoverError, module: string, method: string): AiError.AiError =>
  withoutTrace(() => fromError(error, reasonOf(error), module, method))

const reasonOf = ({ attempts, isRetryable, message, retryAfter }: FailoverError): AiError.AiErrorReason => {
  if (!isRetryable) return new AiError.UnknownError({ description: message })
  // `RateLimitError`, because no other reason can carry a wait.
  return retryAfter !== undefined || attempts.every(({ ran }) => !ran)
    ? new AiError.RateLimitError({ retryAfter })
    : new AiError.InternalProviderError({ description: message })
}
