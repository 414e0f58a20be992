/** The attempts at a target: an effect, or a stream up to the point from which it is the answer. */
import { Duration, Effect, Exit, Scope, Stream } from "effect"
import type { CircuitBreaker } from "../../CircuitBreaker.ts"
import * as CircuitError from "../../CircuitError.ts"
import type { Classify } from "../../CircuitPolicy.ts"
import type { Target } from "../../FailoverRoute.ts"
import * as Outcome from "../../Outcome.ts"
import { alive, type ClassifyPart, content, failed, type Opaque, type StreamSignal } from "../../StreamSignal.ts"
import { beginOf } from "../call/begin.ts"
import { IsCommitted } from "../call/committed.ts"
import { checked } from "../call/containment.ts"
import { checkedSignal, isOpaque } from "../call/guardStream.ts"
import { within } from "../call/within.ts"
import type { CompiledTarget } from "./compiledRoute.ts"
import { type HeldLimits, sizeOf } from "./heldBytes.ts"
import { hold } from "./heldStream.ts"
import { FailedAnswer, type Trail } from "./trail.ts"
import type { Attempt } from "./walk.ts"

type Breaker = CircuitBreaker["Service"]
type AnyEffect<A> = Effect.Effect<A, unknown, unknown>
type AnyStream<A> = Stream.Stream<A, unknown, unknown>

/** What a call may do beside asking its target; see `FailoverRouter.Leg`. */
interface Leg {
  readonly commit: Effect.Effect<void>
}

const legOf = (trail: Trail): Leg => ({
  commit: Effect.sync(() => {
    trail.committed = true
  })
})

// Another context costs what most calls need not pay: one that takes its target only cannot commit.
const takesLeg = (call: (target: Target, leg: Leg) => unknown): boolean => call.length !== 1

const committed = (trail: Trail) => (outer: () => boolean) => () => trail.committed || outer()

/** The attempts of `execute`. */
export const effectAttempt = <A>(
  call: (target: Target, leg: Leg) => AnyEffect<A>,
  breaker: Breaker
): Attempt<A> =>
({ attemptTimeout, credentials, target: { key }, target }, trail, lastResort, fiber) => {
  let outcome: Outcome.Outcome | undefined
  const limit = trail.limit(attemptTimeout)
  let isCutOff = false
  const asked = Effect.suspend(() => call(target, legOf(trail)))
  const self = takesLeg(call) ? Effect.updateService(asked, IsCommitted, committed(trail)) : asked
  const limited = limit === undefined ? self : within(self, {
    duration: limit.duration,
    orElse: () => {
      isCutOff = true
      return Effect.fail(
        CircuitError.make({ _tag: "AttemptTimedOut", key, phase: "attempt", limit: limit.duration })
      )
    }
  })
  // What it throws is contained and announced by the circuit.
  const classify: Classify = (exit) =>
    trail.counted(credentials, outcome = isCutOff ? limit!.outcome : checked(trail.classify(exit)))
  const options = { key, classify, evidence: trail.evidence, lastResort }
  return {
    effect: beginOf(breaker.execute)?.(fiber, limited, options) ?? breaker.execute(limited, options),
    judge: (exit) => outcome ?? trail.judge(exit)
  }
}

/** How the parts of a stream are read, and how many of them are held back. */
export interface Reading<in A> {
  readonly classifyPart: ClassifyPart<A> | Opaque
  readonly settleProbeAt?: "finish" | "first_content" | undefined
  readonly rescue: number
  readonly held: HeldLimits
  /** Hears what a target says that fails after its answer has begun. */
  readonly failedLate: (target: CompiledTarget, said: Outcome.Outcome) => void
}

/** The attempts of `stream`. What an attempt gives is open in `scope` until that closes. */
export const streamAttempt = <A>(
  call: (target: Target, leg: Leg) => AnyStream<A>,
  { classifyPart, failedLate, held: limits, rescue, settleProbeAt }: Reading<A>,
  scope: Scope.Scope,
  breaker: Breaker
): Attempt<AnyStream<A>> =>
(place, trail, lastResort) => {
  const { credentials, firstContentTimeout, idleTimeout, target: { key }, target } = place
  let outcome: Outcome.Outcome | undefined
  let overflow: Outcome.Outcome | undefined
  let isAnswer = false
  // Said by a part that came together with the beginning of the answer.
  let early: Outcome.Outcome | undefined
  const classify: Classify = (exit) => trail.counted(credentials, outcome = overflow ?? checked(trail.classify(exit)))
  const countPart: ClassifyPart<A> | Opaque = isOpaque(classifyPart) ? classifyPart : (part) => {
    const signal = classifyPart(part)
    if (signal._tag !== "Failed") return signal
    const said = checked(signal.outcome)
    if (isAnswer) failedLate(place, said)
    else early = said
    return failed(trail.counted(credentials, said))
  }
  const limit = trail.limit(firstContentTimeout)
  const asked = Stream.suspend(() => call(target, legOf(trail)))
  const self = Stream.transformPull(
    takesLeg(call) ? Stream.updateService(asked, IsCommitted, committed(trail)) : asked,
    // Fails within the circuit, which has to hear of it.
    (pull) => Effect.succeed(Effect.suspend(() => overflow === undefined ? pull : Effect.fail(withoutContent)))
  )
  const guarded = breaker.stream(self, {
    key,
    classify,
    classifyPart: countPart,
    evidence: trail.evidence,
    lastResort,
    // A deadline that is closer cuts off too, and only says something if it is fair.
    firstContentTimeout: limit?.outcome._tag === "Failure" ? limit.duration : firstContentTimeout,
    idleTimeout,
    settleProbeAt
  })
  const held = hold(guarded, {
    rescue,
    limits,
    signalOf: (part) => signalOf(classifyPart, part),
    sizeOf: (part, enough) => sizeOf(classifyPart, part, enough),
    overflow: (said) => {
      outcome = overflow = said
    },
    isCommitted: () => trail.committed,
    isFailed: (said) => {
      outcome = said
      return trail.goesOn(said)
    },
    leftMillis: () => trail.leftMillis,
    tooLate: Effect.suspend(() => {
      const limit = Duration.millis(trail.deadlineMillis!)
      return Effect.fail(CircuitError.make({ _tag: "AttemptTimedOut", key, phase: "first_content", limit }))
    }),
    // The circuit says so too, if there is one.
    unfinished: isOpaque(classifyPart)
      ? undefined
      : Effect.suspend(() => Effect.fail(CircuitError.make({ _tag: "StreamCut", key })))
  })
  return {
    effect: Effect.map(inOwnScope(held, scope), (answer) => {
      isAnswer = true
      if (early !== undefined) failedLate(place, early)
      return answer
    }),
    judge: (exit) => Exit.isSuccess(exit) ? Outcome.success : outcome ?? trail.judge(exit)
  }
}

const withoutContent = new FailedAnswer("more than can be held back came without any content")

/** A part of a scope that closes at once if the effect fails. */
const inOwnScope = <A>(self: AnyEffect<A>, outer: Scope.Scope): AnyEffect<A> =>
  Effect.flatMap(
    Scope.fork(outer),
    (own) =>
      Effect.onExit(Scope.provide(self, own), (exit) => Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void)
  )

// As the breaker reads it, which announces what is no signal.
const signalOf = <A>(classifyPart: ClassifyPart<A> | Opaque, part: A): StreamSignal => {
  if (isOpaque(classifyPart)) return content
  try {
    const signal = checkedSignal(classifyPart(part))
    if (signal._tag === "Failed") checked(signal.outcome)
    return signal
  } catch {
    return alive
  }
}
