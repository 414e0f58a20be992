// Why the gateway does not start, for the operator who starts it.
import { Data, Runtime } from "effect"

export class ConfigurationError extends Data.TaggedError("ConfigurationError")<{ readonly message: string }> {
  /** Its message tells all, and was printed. */
  override readonly [Runtime.errorReported] = false
}
