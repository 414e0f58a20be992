// A streamed answer on its way to the caller. Its parts go through as they are; what this adds is the end: `[DONE]`
// once if the answer is complete, and one error if it is not.
import { Effect, Stream } from "effect"
import { LlmStream } from "effect-resilience"
import { type Failure, toError } from "./failures.ts"
import type { OpenAiError } from "./openAiError.ts"
import * as ServerSentEvents from "./serverSentEvents.ts"
import type { Part } from "./target.ts"
import { TargetError } from "./targetError.ts"

/** Events for the caller. `choices` is how many answers were asked for; `onError` gets the error at the end. */
export const write = <E extends Failure, R>(
  parts: Stream.Stream<Part, E, R>,
  { choices, onError }: { readonly choices: number; readonly onError: (error: OpenAiError) => void }
): Stream.Stream<string, never, R> =>
  Stream.suspend(() => {
    const progress = new Progress(choices)
    const end = (failure: Failure) => {
      // An error after the finish changes nothing.
      if (progress.isComplete) return ServerSentEvents.writeData("[DONE]")
      const error = toError(failure)
      onError(error)
      return ServerSentEvents.writeData(JSON.stringify({ error }))
    }
    return parts.pipe(
      Stream.mapEffect((part) => Effect.as(failedIn(part), part)),
      Stream.tap((part) => Effect.sync(() => progress.add(part))),
      Stream.filter(({ value }) => value !== undefined),
      Stream.map(ServerSentEvents.write),
      Stream.concat(Stream.fail(cut)),
      Stream.catch((failure) => Stream.sync(() => end(failure)))
    )
  })

/** Fails with the error that a part reports. */
export const failedIn = (part: Part): Effect.Effect<void, TargetError> =>
  LlmStream.openAi(part)._tag === "Failed"
    ? Effect.fail(new TargetError({ status: 200, body: part.value }))
    : Effect.void

const cut = new TargetError({
  status: 502,
  body: {
    error: {
      message: "The answer of the target ended before it was complete.",
      type: "upstream_error",
      code: "stream_cut"
    }
  }
})

/** How far the answer is: of several choices each has its own end. */
class Progress {
  private readonly choices: number
  private readonly begun = new Set<unknown>()
  private readonly finished = new Set<unknown>()
  private done = false

  constructor(choices: number) {
    this.choices = choices
  }

  add({ value }: Part): void {
    this.done ||= value === undefined
    const { choices } = Object(value) as { readonly choices?: unknown }
    for (const choice of Array.isArray(choices) ? choices : []) {
      const { finish_reason, index } = Object(choice) as { readonly finish_reason?: unknown; readonly index?: unknown }
      this.begun.add(index)
      if (typeof finish_reason === "string" && finish_reason !== "") this.finished.add(index)
    }
  }

  get isComplete(): boolean {
    const { begun, finished } = this
    return finished.size > 0 && finished.size === begun.size && (this.done || finished.size >= this.choices)
  }
}
