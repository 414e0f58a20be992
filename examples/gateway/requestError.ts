// What is wrong with a request itself: no target is asked.
import { Data } from "effect"

export class RequestError extends Data.TaggedError("RequestError")<{
  readonly status: number
  readonly code: string | null
  readonly message: string
}> {
  static malformed(message: string): RequestError {
    return new RequestError({ status: 400, code: null, message })
  }
}
