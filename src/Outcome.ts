/**
 * What the end of one call says about its dependency.
 *
 * A classifier turns the exit of a call into an `Outcome`, and the circuit acts on it. Only `Failure` and `OpenNow`
 * count against health. Every outcome frees the slot of a probe.
 *
 * @since 0.1.0
 */
import { Duration } from "effect"

/**
 * The reason of an outcome: one of a closed set of words, which is small enough for a label of metrics.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = typeof kinds[number]

/**
 * Every `Kind`, in the order of the documentation.
 *
 * @category models
 * @since 0.1.0
 */
export const kinds = [
  "rate_limited",
  "quota_exhausted",
  "overloaded",
  "server_error",
  "timeout",
  "connection",
  "stream_cut",
  "stream_stalled",
  "slow_first_content",
  "content_policy",
  "context_length",
  "auth",
  "invalid_request",
  "malformed_response",
  "model_output",
  "cancelled",
  "caller_error",
  "slow",
  "unknown"
] as const

/**
 * The dependency served the call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Success {
  readonly _tag: "Success"
}

/**
 * The dependency failed the call: counts against its health. `retryAfter` is the wait it asked for, if any; it can
 * lengthen an opening, never shorten one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly _tag: "Failure"
  readonly kind: Kind
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * The call says nothing about the dependency's health: the caller's mistake, the caller's cancellation, a refusal.
 * `elsewhere` tells that another target may serve the call all the same, because only this one lacks what it asks for:
 * a route goes on then, and otherwise as its `failOverOn` says.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ignored {
  readonly _tag: "Ignored"
  readonly kind: Kind
  readonly elsewhere?: boolean | undefined
}

/**
 * The dependency asked all callers to wait: neutral for health, but no call to this key is admitted before
 * `retryAfter` has passed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Throttled {
  readonly _tag: "Throttled"
  readonly kind: Kind
  readonly retryAfter: Duration.Duration
}

/**
 * Further calls are pointless for now, whatever the trip policy says: the circuit opens at once, for at least
 * `retryAfter`.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenNow {
  readonly _tag: "OpenNow"
  readonly kind: Kind
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * What the end of one call says about its dependency; `_tag` says which.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = Success | Failure | Ignored | Throttled | OpenNow

/**
 * Every outcome, with its word in events, logs and spans.
 *
 * @category models
 * @since 0.1.0
 */
export const outcomes = {
  Success: "success",
  Failure: "failure",
  Ignored: "ignored",
  Throttled: "throttled",
  OpenNow: "open_now"
} as const satisfies Record<Outcome["_tag"], string>

/**
 * The dependency served the call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const success: Outcome = { _tag: "Success" }

/**
 * The dependency failed the call, and may have asked for a wait.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failure = (kind: Kind, retryAfter?: Duration.Input | undefined): Outcome => ({
  _tag: "Failure",
  kind,
  retryAfter: retryAfter === undefined ? undefined : Duration.fromInputUnsafe(retryAfter)
})

/**
 * The call says nothing about the dependency's health. With `elsewhere`, another target may serve it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ignored = (kind: Kind, options?: { readonly elsewhere?: boolean | undefined }): Outcome =>
  options?.elsewhere === true ? { _tag: "Ignored", kind, elsewhere: true } : { _tag: "Ignored", kind }

/**
 * The dependency asked all callers to wait for `retryAfter`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const throttled = (retryAfter: Duration.Input, kind: Kind = "rate_limited"): Outcome => ({
  _tag: "Throttled",
  kind,
  retryAfter: Duration.fromInputUnsafe(retryAfter)
})

/**
 * Further calls are pointless, for `retryAfter` at least if it is given.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openNow = (kind: Kind, retryAfter?: Duration.Input | undefined): Outcome => ({
  _tag: "OpenNow",
  kind,
  retryAfter: retryAfter === undefined ? undefined : Duration.fromInputUnsafe(retryAfter)
})

/**
 * The reason of an outcome; a success has none.
 *
 * @category getters
 * @since 0.1.0
 */
export const kindOf = (outcome: Outcome): Kind | undefined => outcome._tag === "Success" ? undefined : outcome.kind
