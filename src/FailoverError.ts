/**
 * How a call through a router can fail other than by its own error: one error class, one `reason` per way to fail.
 *
 * The error holds every attempt in order, and its `cause` is the error of the first target that was really asked: what
 * a later target said never hides it.
 *
 * @since 0.1.0
 */
import { Data, Duration } from "effect"
import type { Cause } from "./FailoverEvent.ts"
import { property } from "./internal/untrusted/values.ts"

/**
 * One attempt at one target.
 *
 * - `cause`: how its circuit turned the call away, or the kind of its failure.
 * - `ran`: whether the target was asked at all.
 * - `afterMillis`: when the attempt began, from the beginning of the call. `durationMillis`: how long it took.
 * - `error`: what it failed with; for a target that answered with a failure, the answer. May quote the request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  readonly target: string
  readonly cause: Cause
  readonly ran: boolean
  readonly afterMillis: number
  readonly durationMillis: number
  readonly error: unknown
}

/**
 * No target served the call. `retryAfter` is the time until the first of their circuits takes calls again, and absent
 * if one of them does already.
 *
 * @category reasons
 * @since 0.1.0
 */
export interface NoTargetAvailable {
  readonly _tag: "NoTargetAvailable"
  readonly route: string
  readonly attempts: ReadonlyArray<Attempt>
  readonly retryAfter: Duration.Duration | undefined
}

/**
 * The `deadline` of the route or of the call passed before a target had served.
 *
 * @category reasons
 * @since 0.1.0
 */
export interface DeadlineExceeded {
  readonly _tag: "DeadlineExceeded"
  readonly route: string
  readonly attempts: ReadonlyArray<Attempt>
  readonly deadline: Duration.Duration
}

/**
 * The router has no route of this name.
 *
 * @category reasons
 * @since 0.1.0
 */
export interface UnknownRoute {
  readonly _tag: "UnknownRoute"
  readonly route: string
}

/**
 * The fence of the call leaves no target of the route.
 *
 * @category reasons
 * @since 0.1.0
 */
export interface NoTargetAllowed {
  readonly _tag: "NoTargetAllowed"
  readonly route: string
}

/**
 * Every way in which a router makes a call fail; `_tag` says which.
 *
 * @category reasons
 * @since 0.1.0
 */
export type Reason = NoTargetAvailable | DeadlineExceeded | UnknownRoute | NoTargetAllowed

/**
 * The error a router adds to a call.
 *
 * @category errors
 * @since 0.1.0
 */
export class FailoverError extends Data.TaggedError("FailoverError")<{
  readonly reason: Reason
  readonly cause?: unknown
}> {
  override get message(): string {
    const { reason } = this
    switch (reason._tag) {
      case "NoTargetAvailable":
        return `no target of route "${reason.route}" served the call (${trail(reason.attempts)})${
          reason.retryAfter === undefined ? "" : `, retry after ${Duration.format(reason.retryAfter)}`
        }`
      case "DeadlineExceeded":
        return `route "${reason.route}" did not serve the call within ${Duration.format(reason.deadline)} (${
          trail(reason.attempts)
        })`
      case "UnknownRoute":
        return `this router has no route "${reason.route}", or one of that name that is another value`
      case "NoTargetAllowed":
        return `no target of route "${reason.route}" is allowed for the call`
    }
  }

  /** Without what the attempts failed with, which may quote anything: that is in `attempts` and `cause`. */
  override toJSON(): unknown {
    const { _tag, message, reason } = this
    const attempts = this.attempts.map((attempt) => ({ ...attempt, error: undefined }))
    return { _tag, message, reason: "attempts" in reason ? { ...reason, attempts } : reason }
  }

  /** Every attempt, in order. */
  get attempts(): ReadonlyArray<Attempt> {
    return "attempts" in this.reason ? this.reason.attempts : []
  }

  /** Whether a later call may go better: a target will take calls again, or failed with what passes. */
  get isRetryable(): boolean {
    const { reason } = this
    switch (reason._tag) {
      case "NoTargetAvailable":
        return reason.retryAfter !== undefined || reason.attempts.some(({ cause }) => !lasting.has(cause))
      case "DeadlineExceeded":
        return true
      default:
        return false
    }
  }

  /** The wait this error suggests, if it knows one. */
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }
}

/**
 * Makes the error for a reason, without a stack trace: where all targets are away it is made for every call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: Reason, cause?: unknown): FailoverError => {
  const limit = stack.stackTraceLimit
  stack.stackTraceLimit = 0
  const error = new FailoverError(cause === undefined ? { reason } : { reason, cause })
  stack.stackTraceLimit = limit
  return error
}

// Not part of the language: V8's, and harmless elsewhere.
const stack = Error as ErrorConstructor & { stackTraceLimit?: number | undefined }

/** What no later attempt would change. */
const lasting = new Set<Attempt["cause"]>([
  "forced_open",
  "auth",
  "quota_exhausted",
  "content_policy",
  "context_length",
  "invalid_request",
  "caller_error",
  "cancelled"
])

/**
 * Whether a value is the error of a router.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFailoverError = (u: unknown): u is FailoverError => u instanceof FailoverError

/**
 * The error of a router that an error is or was made from: the first along its causes, eight of them at most. So it is
 * still known when a service has turned it into the error it promises.
 *
 * @category guards
 * @since 0.1.0
 */
export const find = (error: unknown): FailoverError | undefined => {
  let found = error
  for (let depth = 0; depth < 8 && !isFailoverError(found); depth++) found = property(found, "cause")
  return isFailoverError(found) ? found : undefined
}

const trail = (attempts: ReadonlyArray<Attempt>) =>
  attempts.map(({ cause, target }) => `${target}: ${cause}`).join(", ") || "nothing was tried"
