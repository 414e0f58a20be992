/** Errors of this library as the one error that the services of `effect/ai` promise. */
import { AiError } from "effect/ai"

/** An `AiError` that tells in its reason what an error says, and has it as the `cause` of that. */
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

/** Makes errors without their traces: a trace costs ten times the rest of a rejection. */
export const withoutTrace = <A>(make: () => A): A => {
  const limit = stack.stackTraceLimit
  stack.stackTraceLimit = 0
  const made = make()
  stack.stackTraceLimit = limit
  return made
}

// Not part of the language: V8's, and harmless elsewhere.
const stack = Error as ErrorConstructor & { stackTraceLimit?: number | undefined }
