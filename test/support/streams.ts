/** A provider that streams what a script says, and what became of it, for the tests of guarded streams. */
import { Data, Effect, Exit, Stream } from "effect"
import { type CircuitError, Outcome, StreamSignal } from "effect-resilience"
import type { RecordedEvents } from "effect-resilience/testing"

export class ProviderFailed extends Data.TaggedError("ProviderFailed") {}

/**
 * Parts that come together, milliseconds of silence, or an effect for an end of its own. A part says what it is:
 * `text`, `tool`, `finish`, `refusal`, `failed <kind>`; any other is proof of life.
 */
export type Step = ReadonlyArray<string> | number | Effect.Effect<never, ProviderFailed>

export const provider = (...script: ReadonlyArray<Step>): Stream.Stream<string, ProviderFailed> =>
  Stream.fromIterable(script).pipe(
    Stream.flatMap((step) =>
      Effect.isEffect(step)
        ? Stream.fromEffect(step)
        : typeof step === "number"
        ? Stream.fromEffectDrain(Effect.sleep(step))
        : Stream.fromArray(step)
    )
  )

export const classifyPart = (part: string): StreamSignal.StreamSignal => {
  const [signal, kind] = part.split(" ")
  switch (signal) {
    case "text":
      return StreamSignal.content
    case "tool":
      return StreamSignal.waiting
    case "finish":
      return StreamSignal.finish(Outcome.success)
    case "refusal":
      return StreamSignal.finish(Outcome.ignored("content_policy"))
    case "failed":
      return StreamSignal.failed(Outcome.failure(Outcome.kinds.find((known) => known === kind) ?? "unknown"))
    default:
      return StreamSignal.alive
  }
}

/** What an exit tells the consumer: the reason of the breaker, the provider's error or defect, or nothing. */
export const told = (exit: Exit.Exit<unknown, unknown>): unknown => {
  if (Exit.isSuccess(exit)) return undefined
  const [reason] = exit.cause.reasons
  const error = reason?._tag === "Fail" ? reason.error : reason?._tag === "Die" ? reason.defect : reason?._tag
  return isBreakerError(error) ? error.reason._tag : error
}

const isBreakerError = (error: unknown): error is CircuitError.CircuitBreakerError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "CircuitBreakerError"

/** A call in short: its result, and its kind if it has one. */
export const called = ({ kind, result }: RecordedEvents.RecordedCall) =>
  kind === undefined ? result : `${result} ${kind}`
