/** The attempts at a target: an effect, or a stream up to the point from which it is the answer. */
import { Duration, Effect, Exit, Pull, Scope, Stream } from "effect"
import type { CircuitBreaker } from "../../CircuitBreaker.ts"
import * as CircuitError from "../../CircuitError.ts"
import type { Classify } from "../../CircuitPolicy.ts"
import type { Target } from "../../FailoverRoute.ts"
import type { Leg, StreamOptions } from "../../FailoverRouter.ts"
import * as Outcome from "../../Outcome.ts"
import { alive, type ClassifyPart, content, type StreamSignal } from "../../StreamSignal.ts"
import { checked } from "../guard.ts"
import { checkedSignal } from "../guardStream.ts"
import { FailedAnswer, type Trail } from "./trail.ts"
import type { Attempt } from "./walk.ts"

type Breaker = CircuitBreaker["Service"]
type AnyEffect<A> = Effect.Effect<A, unknown, unknown>
type AnyStream<A> = Stream.Stream<A, unknown, unknown>

const legOf = (trail: Trail): Leg => ({
  commit: Effect.sync(() => {
    trail.committed = true
  })
})

/** The attempts of `execute`. */
export const effectAttempt = <A>(
  call: (target: Target, leg: Leg) => AnyEffect<A>,
  breaker: Breaker
): Attempt<A> =>
({ attemptTimeout, target }, key, trail) => {
  let outcome: Outcome.Outcome | undefined
  const limit = trail.limit(attemptTimeout)
  let isCutOff = false
  const self = Effect.suspend(() => call(target, legOf(trail)))
  const limited = limit === undefined ? self : Effect.timeoutOrElse(self, {
    duration: limit.duration,
    orElse: () => {
      isCutOff = true
      return Effect.fail(
        CircuitError.make({ _tag: "AttemptTimedOut", key, phase: "attempt", limit: limit.duration })
      )
    }
  })
  // The circuit contains what it throws, and tells of that.
  const classify: Classify = (exit) => outcome = isCutOff ? limit!.outcome : checked(trail.classify(exit))
  return {
    effect: breaker.execute(limited, { key, classify }),
    judge: (exit) => outcome ?? trail.judge(exit)
  }
}

/** The attempts of `stream`. What an attempt gives is open in `scope` until that closes. */
export const streamAttempt = <A>(
  call: (target: Target, leg: Leg) => AnyStream<A>,
  { classifyPart, settleProbeAt }: StreamOptions<A>,
  rescue: number,
  scope: Scope.Scope,
  breaker: Breaker
): Attempt<AnyStream<A>> =>
({ firstContentTimeout, idleTimeout, target }, key, trail) => {
  let outcome: Outcome.Outcome | undefined
  const classify: Classify = (exit) => outcome = checked(trail.classify(exit))
  const limit = trail.limit(firstContentTimeout ?? idleTimeout)
  const self = Stream.suspend(() => call(target, legOf(trail)))
  const guarded = breaker.stream(self, {
    key,
    classify,
    classifyPart,
    // A deadline that is closer cuts off too, and only says something if it is fair.
    firstContentTimeout: limit?.outcome._tag === "Failure" ? limit.duration : firstContentTimeout,
    idleTimeout,
    settleProbeAt
  })
  const tooLate = Effect.suspend(() =>
    Effect.fail(
      CircuitError.make({
        _tag: "AttemptTimedOut",
        key,
        phase: "first_content",
        limit: Duration.millis(trail.deadlineMillis!)
      })
    )
  )
  const held = hold(guarded, {
    rescue,
    signalOf: (part) => signalOf(classifyPart, part),
    isCommitted: () => trail.committed,
    isFailed: (said) => {
      outcome = said
      return trail.goesOn(said)
    },
    // A moment after the circuit's own limit, so that it can judge.
    untilContent: (pull) =>
      trail.deadlineMillis === undefined ? pull : Effect.timeoutOrElse(pull, {
        duration: Duration.millis(Math.max(0, trail.leftMillis) + 1),
        orElse: () => tooLate
      })
  })
  return {
    effect: inOwnScope(held, scope),
    judge: (exit) => Exit.isSuccess(exit) ? Outcome.success : outcome ?? trail.judge(exit)
  }
}

/** A part of a scope that closes at once if the effect fails. */
const inOwnScope = <A>(self: AnyEffect<A>, outer: Scope.Scope): AnyEffect<A> =>
  Effect.flatMap(
    Scope.fork(outer),
    (own) =>
      Effect.onExit(Scope.provide(self, own), (exit) => Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void)
  )

interface Holding<in A> {
  readonly rescue: number
  readonly signalOf: (part: A) => StreamSignal
  readonly isCommitted: () => boolean
  /** Whether a part that reports this is the end of the attempt. */
  readonly isFailed: (outcome: Outcome.Outcome) => boolean
  /** Limits the wait for parts while there is no content. */
  readonly untilContent: <B>(pull: AnyEffect<B>) => AnyEffect<B>
}

/** Holds parts back until the stream is the answer, and gives it whole. Fails with the part that reports a failure. */
const hold = <A>(
  self: AnyStream<A>,
  { isCommitted, isFailed, rescue, signalOf, untilContent }: Holding<A>
): AnyEffect<AnyStream<A>> =>
  Effect.flatMap(Stream.toPull(self), (pull) => {
    const parts: Array<A> = []
    let contentSeen = false
    const rest = Stream.fromPull(Effect.succeed(pull))
    const step = (arrived: ReadonlyArray<A>): AnyEffect<AnyStream<A>> => {
      let released = false
      for (const part of arrived) {
        parts.push(part)
        if (released) continue
        const signal = signalOf(part)
        if (signal._tag === "Failed" && isFailed(signal.outcome)) return Effect.fail(new FailedAnswer(part))
        contentSeen ||= signal._tag === "Content"
        released = (signal._tag !== "Alive" && signal._tag !== "Content") || (contentSeen && parts.length > rescue)
      }
      return released || isCommitted() || parts.length >= maxHeldParts
        ? Effect.succeed(Stream.concat(Stream.fromArray(parts), rest))
        : more
    }
    const more: AnyEffect<AnyStream<A>> = Effect.suspend(() =>
      Pull.matchEffect(contentSeen ? pull : untilContent(pull), {
        onSuccess: step,
        onFailure: (cause) => Effect.failCause(cause),
        onDone: () => Effect.succeed(Stream.fromArray(parts))
      })
    )
    return more
  })

// Whoever sends openers without an end has to be let through at some time.
const maxHeldParts = 100_000

// As the breaker reads it, which tells of what is none.
const signalOf = <A>(classifyPart: ClassifyPart<A> | undefined, part: A): StreamSignal => {
  if (classifyPart === undefined) return content
  try {
    const signal = checkedSignal(classifyPart(part))
    if (signal._tag === "Failed") checked(signal.outcome)
    return signal
  } catch {
    return alive
  }
}
