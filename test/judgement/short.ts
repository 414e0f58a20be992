import { Duration } from "effect"
import type { Outcome } from "effect-resilience"

/** An outcome in short: its tag, its kind and the wait in milliseconds. */
export const short = (outcome: Outcome.Outcome) =>
  outcome._tag === "Success"
    ? "Success"
    : [
      outcome._tag,
      outcome.kind,
      ...("retryAfter" in outcome && outcome.retryAfter ? [Duration.toMillis(outcome.retryAfter)] : [])
    ].join(" ")
