/** How long calls and streams may keep their consumer waiting. An infinite duration is no limit. */
import { Duration } from "effect"

export interface StreamLimits {
  readonly firstContentTimeout: Duration.Duration
  readonly idleTimeout: Duration.Duration
}

// Long enough for models that think before they answer, also with an answer in one piece.
const firstContentTimeout = "2 minutes"
const idleTimeout = "2 minutes"
const attemptTimeout = "10 minutes"

const longestToContent = /* @__PURE__ */ Duration.fromInputUnsafe(firstContentTimeout)
const longestSilence = /* @__PURE__ */ Duration.fromInputUnsafe(idleTimeout)

/** The longest that an answer in one piece may take. */
export const longestAttempt = /* @__PURE__ */ Duration.fromInputUnsafe(attemptTimeout)

/** Completes limits that have been checked. */
export const streamLimits = (
  given: { readonly [Limit in keyof StreamLimits]: Duration.Duration | undefined },
  longest = longestToContent
): StreamLimits => ({
  // Who gives one limit means the first content too, if that is the stricter one.
  firstContentTimeout: given.firstContentTimeout ?? Duration.min(longest, given.idleTimeout ?? Duration.infinity),
  idleTimeout: given.idleTimeout ?? longestSilence
})
