/** The error of a router as the one error that the services of `effect/ai` promise. */
import { AiError } from "effect/ai"
import type { FailoverError } from "../../FailoverError.ts"
import type { Cause } from "../../FailoverEvent.ts"
import { fromError, withoutTrace } from "./aiError.ts"

export const toAiError = (error: FailoverError, module: string, method: string): AiError.AiError =>
  withoutTrace(() => fromError(error, reasonOf(error), module, method))

const reasonOf = ({ message, reason, retryAfter }: FailoverError): AiError.AiErrorReason => {
  switch (reason._tag) {
    case "NoTargetAvailable":
      if (retryAfter !== undefined) return new AiError.RateLimitError({ retryAfter })
      if (reason.attempts.every(({ cause }) => lasting.has(cause))) break
      return reason.attempts.some(({ ran }) => ran)
        ? new AiError.InternalProviderError({ description: message })
        : new AiError.RateLimitError({})
    case "DeadlineExceeded":
      return new AiError.InternalProviderError({ description: message })
  }
  return new AiError.UnknownError({ description: message })
}

/** What no later attempt would change. */
const lasting = new Set<typeof Cause.Type>([
  "forced_open",
  "auth",
  "quota_exhausted",
  "content_policy",
  "context_length",
  "invalid_request",
  "caller_error",
  "cancelled"
])
