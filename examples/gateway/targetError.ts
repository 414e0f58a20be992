// A target that says no: its status, its headers and its body, from which `LlmOutcome` reads what is wrong.
import { Data } from "effect"

/** The status is 200 if the error was in a body that began as an answer. */
export class TargetError extends Data.TaggedError("TargetError")<{
  readonly status: number
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  readonly body: unknown
}> {}
