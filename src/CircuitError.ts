/**
 * The failures that a breaker adds to those of a call: one error class, with a `reason` for each way to fail.
 *
 * Recover by reason and keep the rest typed:
 * `Effect.catchReason("CircuitBreakerError", "CircuitOpen", (reason) => …)`.
 *
 * Rejections have no stack trace, because there are many while a dependency is down.
 *
 * @since 0.1.0
 */
import { Duration, Schema } from "effect"
import type { RejectedBy } from "./Circuit.ts"
import { property } from "./internal/untrusted/values.ts"
import { kinds } from "./Outcome.ts"

/**
 * The circuit is open: the call did not run. `retryAfter` is the time left until a probe is admitted, `openedAt` the
 * wall-clock time (epoch milliseconds) at which the present opening began, `outageId` the id that the events of this
 * outage share.
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
 * The fields of a rejection by an open circuit.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitOpen = typeof CircuitOpen.Type

/**
 * The circuit is testing its dependency: every probe slot is taken, or the ramp after closing has no room yet. The
 * call did not run. `retryAfter` is known only while ramping, because the duration of a probe is unknown.
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
 * The fields of a rejection by a half-open or ramping circuit.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitHalfOpen = typeof CircuitHalfOpen.Type

/**
 * The dependency is healthy but asked all callers to wait: the call did not run.
 *
 * @category reasons
 * @since 0.1.0
 */
export const CircuitThrottled = Schema.TaggedStruct("CircuitThrottled", {
  key: Schema.String,
  retryAfter: Schema.DurationFromMillis
})

/**
 * The fields of a rejection by a shut gate.
 *
 * @category reasons
 * @since 0.1.0
 */
export type CircuitThrottled = typeof CircuitThrottled.Type

/**
 * An operator holds the circuit open: the call did not run. The hold ends at `until` (wall clock, epoch milliseconds),
 * after `retryAfter`; both are absent if it lasts until a reset. `note` is the operator's reason.
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
 * The fields of a rejection by a circuit that an operator holds open.
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
 * The stream ended without its finish, so that its parts are not the whole answer. Counts as a failure of the
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
 * Every way in which a breaker makes a call fail; `_tag` says which.
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
 * Every way in which a breaker makes a call fail; `_tag` says which.
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

  /** How long to wait before another call, if that is known. */
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
 * The error of a breaker in an error: the error itself, or the first one among its causes, of which eight are searched.
 * It finds a rejection that a service has wrapped in an error of its own.
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
 * Makes the error for a reason, without the schema check and the stack trace of the constructor, because these cost
 * forty times the rejection. The check is not needed, because the fields come from the machine.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: Reason): CircuitBreakerError => {
  const limit = stack.stackTraceLimit
  stack.stackTraceLimit = 0
  const error = Reflect.construct(Error, [], CircuitBreakerError) as Writable<CircuitBreakerError>
  stack.stackTraceLimit = limit
  error._tag = "CircuitBreakerError"
  error.reason = reason
  return error
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

type Writable<A> = { -readonly [Field in keyof A]: A[Field] }

// A property of V8, which other engines ignore.
const stack = Error as ErrorConstructor & { stackTraceLimit?: number | undefined }

const phases = {
  attempt: "the attempt was cut off",
  first_content: "no content had arrived",
  idle: "the stream had gone silent"
} as const

// Shortened, because keys may have any length, and people read the message.
const shown = (key: string) => key.length <= 200 ? key : `${key.slice(0, 200)}…`
