/**
 * How a guarded call can fail other than by its own error: one error class, one `reason` per way to fail.
 *
 * Recover by reason and keep the rest typed:
 * `Effect.catchReason("CircuitBreakerError", "CircuitOpen", (reason) => …)`.
 *
 * Rejections are made in volume while a dependency is down, so they carry no stack trace.
 *
 * @since 0.1.0
 */
import { Duration, Schema } from "effect"
import type { RejectedBy } from "./Circuit.ts"
import { property } from "./internal/untrusted/values.ts"
import { kinds } from "./Outcome.ts"

/**
 * The circuit is open: the call did not run. `retryAfter` is the time left until a probe is admitted, `openedAt` the
 * wall-clock time (epoch milliseconds) at which the present opening began, `outageId` what the events of this outage
 * share.
 *
 * @category reasons
 * @since 0.1.0
 */
export const CircuitOpen = Schema.TaggedStruct("CircuitOpen", {
  key: Schema.String,
  retryAfter: Schema.DurationFromMillis,
  openedAt: Schema.Int,
  lastFailureKind: Schema.optional(Schema.Literals(kinds)),
  outageId: Schema.String
})

/**
 * What a rejection by an open circuit tells.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitOpen = typeof CircuitOpen.Type

/**
 * The circuit is testing its dependency: every probe slot is taken, or the ramp after closing has no room yet. The
 * call did not run. `retryAfter` is known while ramping only: nobody knows how long a probe will take.
 *
 * `selfRejection` is true once a probe has failed with this error: the call was made by the probe that held the slot,
 * across a promise, so that no context said so. Run the inner effect in the fiber of the outer one, or guard only one
 * of them.
 *
 * @category reasons
 * @since 0.1.0
 */
export const CircuitHalfOpen = Schema.TaggedStruct("CircuitHalfOpen", {
  key: Schema.String,
  retryAfter: Schema.optional(Schema.DurationFromMillis),
  selfRejection: Schema.optional(Schema.Boolean)
})

/**
 * What a rejection by a half-open or ramping circuit tells.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitHalfOpen = typeof CircuitHalfOpen.Type

/**
 * The dependency is healthy but asked everybody to wait: the call did not run.
 *
 * @category reasons
 * @since 0.1.0
 */
export const CircuitThrottled = Schema.TaggedStruct("CircuitThrottled", {
  key: Schema.String,
  retryAfter: Schema.DurationFromMillis
})

/**
 * What a rejection by a shut gate tells.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitThrottled = typeof CircuitThrottled.Type

/**
 * An operator holds the circuit open: the call did not run. `until` (wall clock, epoch milliseconds) and `retryAfter`
 * tell when the hold ends, and are absent when it lasts until a reset; `note` is the operator's reason.
 *
 * @category reasons
 * @since 0.1.0
 */
export const CircuitForcedOpen = Schema.TaggedStruct("CircuitForcedOpen", {
  key: Schema.String,
  note: Schema.optional(Schema.String),
  until: Schema.optional(Schema.Int),
  retryAfter: Schema.optional(Schema.DurationFromMillis)
})

/**
 * What a rejection by a circuit that an operator holds open tells.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitForcedOpen = typeof CircuitForcedOpen.Type

/**
 * The call ran and was cut off by a limit of the breaker. Counts as a failure of the dependency.
 *
 * @category reasons
 * @since 0.1.0
 */
export const AttemptTimedOut = Schema.TaggedStruct("AttemptTimedOut", {
  key: Schema.String,
  phase: Schema.Literals(["attempt", "first_content", "idle"]),
  limit: Schema.DurationFromMillis
})

/**
 * Which limit cut the call off.
 *
 * @category reasons
 * @since 0.1.0
 */
export type AttemptTimedOut = typeof AttemptTimedOut.Type

/**
 * The stream ended without its finish: whatever came before is not the whole answer. Counts as a failure of the
 * dependency.
 *
 * @category reasons
 * @since 0.1.0
 */
export const StreamCut = Schema.TaggedStruct("StreamCut", { key: Schema.String })

/**
 * Which circuit's stream was cut short.
 *
 * @category reasons
 * @since 0.1.0
 */
export type StreamCut = typeof StreamCut.Type

/**
 * Every way in which a breaker rejects a call without running it.
 *
 * @category reasons
 * @since 0.1.0
 */
export type Rejection = CircuitOpen | CircuitHalfOpen | CircuitThrottled | CircuitForcedOpen

/**
 * Every way in which a breaker makes a call fail, told apart by `_tag`.
 *
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  CircuitOpen,
  CircuitHalfOpen,
  CircuitThrottled,
  CircuitForcedOpen,
  AttemptTimedOut,
  StreamCut
])

/**
 * Every way in which a breaker makes a call fail, told apart by `_tag`.
 *
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * What turned a call away, in the words of events and metrics; undefined for a call that ran.
 *
 * @category getters
 * @since 0.1.0
 */
export const rejectedBy = <R extends Reason>({ _tag }: R): (typeof rejections)[R["_tag"]] =>
  rejections[_tag as R["_tag"]]

const rejections = {
  CircuitOpen: "open",
  CircuitHalfOpen: "half_open",
  CircuitThrottled: "throttled",
  CircuitForcedOpen: "forced_open",
  AttemptTimedOut: undefined,
  StreamCut: undefined
} as const satisfies Record<Reason["_tag"], RejectedBy | undefined>

/**
 * The error a breaker adds to a call.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitBreakerError extends Schema.TaggedError<CircuitBreakerError>()("CircuitBreakerError", {
  reason: Reason
}) {
  override get message(): string {
    return `circuit "${shown(this.reason.key)}"${predicate(this.reason)}`
  }

  /** The wait this error suggests, if it knows one. */
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }

  /** Whether the call was turned away without running. */
  get isRejection(): boolean {
    return rejectedBy(this.reason) !== undefined
  }
}

/**
 * Whether a value is the error of a breaker of this library. Effect's own breaker uses the same tag.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCircuitBreakerError = (u: unknown): u is CircuitBreakerError => u instanceof CircuitBreakerError

/**
 * The error of a breaker that an error is or was made from: the first along its causes, eight of them at most. So a
 * rejection is still known when a service has turned it into the error it promises.
 *
 * @category guards
 * @since 0.1.0
 */
export const find = (error: unknown): CircuitBreakerError | undefined => {
  let found = error
  for (let depth = 0; depth < 8 && !isCircuitBreakerError(found); depth++) found = property(found, "cause")
  return isCircuitBreakerError(found) ? found : undefined
}

/**
 * Makes the error for a reason: a real `Error` without the schema pass and the stack trace of the constructor, which
 * together cost forty times the rejection. The fields come from the machine, not from a caller.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: Reason): CircuitBreakerError => {
  const limit = stack.stackTraceLimit
  stack.stackTraceLimit = 0
  const error: object = Reflect.construct(Error, [], CircuitBreakerError)
  stack.stackTraceLimit = limit
  return Object.assign(error, { _tag: "CircuitBreakerError", reason }) as CircuitBreakerError
}

const predicate = (reason: Reason): string => {
  switch (reason._tag) {
    case "CircuitOpen":
      return ` is open, retry after ${Duration.format(reason.retryAfter)}`
    case "CircuitHalfOpen":
      if (reason.selfRejection === true) return " is half-open: this probe's own call was turned away by it"
      return reason.retryAfter === undefined
        ? " is half-open and its probe is still running"
        : ` is taking its load back, retry after ${Duration.format(reason.retryAfter)}`
    case "CircuitThrottled":
      return ` is throttled, retry after ${Duration.format(reason.retryAfter)}`
    case "CircuitForcedOpen":
      return ` is held open by an operator${reason.note ? `: ${reason.note}` : ""}`
    case "AttemptTimedOut":
      return `: ${phases[reason.phase]} after ${Duration.format(reason.limit)}`
    case "StreamCut":
      return ": the stream ended before its answer was complete"
  }
}

// Not part of the language: V8's, and harmless elsewhere.
const stack = Error as ErrorConstructor & { stackTraceLimit?: number | undefined }

const phases = {
  attempt: "the attempt was cut off",
  first_content: "no content had arrived",
  idle: "the stream had gone silent"
} as const

// Keys can be of any length; a message is for people.
const shown = (key: string) => key.length <= 200 ? key : `${key.slice(0, 200)}…`
