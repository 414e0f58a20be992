/** Errors of this library as the one error that the services of `effect/ai` promise. */
import { AiError } from "effect/ai"

/** An `AiError` whose reason has the message of an error, and the error as its `cause`. */
export const fromError = (
  error: Error,
  reason: AiError.AiErrorReason,
  module: string,
  method: string
): AiError.AiError =>
  AiError.make({
    module,
    method,
    reason: Object.defineProperties(reason, { message: { value: error.message }, cause: { value: error } })
  })

/** Makes errors without stack traces, because a trace costs ten times the rest of a rejection. */
export const withoutTrace = <A>(make: () => A): A => {
  const limit = stack.stackTraceLimit
  stack.stackTraceLimit = 0
  const made = make()
  stack.stackTraceLimit = limit
  return made
}

// A property of V8, which other engines ignore.
const stack = Error as ErrorConstructor & { stackTraceLimit?: number | undefined }
