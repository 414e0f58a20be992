/** What one call through a route has behind it, and what that means for the rest of its way. */
import { Cause, type Clock, Duration, type Exit, Option } from "effect"
import * as CircuitError from "../../CircuitError.ts"
import type { Classify } from "../../CircuitPolicy.ts"
import type { Attempt } from "../../FailoverError.ts"
import * as Outcome from "../../Outcome.ts"
import type { CallEvidence } from "../call/callEvidence.ts"
import { callerError, checked } from "../call/containment.ts"
import { elapsedMillis } from "../clock/time.ts"
import { isAccountKind } from "../options/accountKinds.ts"
import { property } from "../untrusted/values.ts"
import type { CompiledRoute, CompiledTarget } from "./compiledRoute.ts"

/**
 * Where a failed attempt leads: to the same target if a schedule says so and no other takes calls, to the next one, to
 * the next one until the gate of this one opens, to one that may do what this one cannot (`elsewhere`, `larger`), or to
 * the caller.
 */
type Direction = "again" | "next" | "gated" | "elsewhere" | "larger" | "caller"

export class Trail {
  readonly attempts: Array<Attempt> = []
  readonly clock: Clock.Clock
  /** Nobody else may be asked any more. */
  committed = false
  /** Where the last attempt led, and why it did not serve. */
  direction: Direction = "next"
  cause: Attempt["cause"] = "unknown"
  private readonly route: CompiledRoute
  readonly classify: Classify
  /** Set by the first look at the clock, which comes before anything that takes time. */
  private startedAt: number | undefined
  readonly deadlineMillis: number | undefined
  /** One for all attempts, so that a circuit counts the call once. */
  readonly evidence: CallEvidence

  constructor(
    route: CompiledRoute,
    classify: Classify,
    clock: Clock.Clock,
    deadlineMillis: number | undefined,
    evidence: CallEvidence
  ) {
    this.route = route
    this.classify = classify
    this.clock = clock
    this.deadlineMillis = deadlineMillis
    this.evidence = evidence
  }

  get afterMillis(): number {
    const now = elapsedMillis(this.clock)
    return now - (this.startedAt ??= now)
  }

  get leftMillis(): number {
    return this.deadlineMillis === undefined ? Infinity : this.deadlineMillis - this.afterMillis
  }

  /** The limit of one attempt with a limit of its own. The deadline may be closer, and says who is to blame for it. */
  limit(own: Duration.Duration): Limit | undefined {
    const left = this.leftMillis
    const ownMillis = Duration.toMillis(own)
    if (Math.min(left, ownMillis) === Infinity) return undefined
    if (ownMillis <= left) return { duration: own, outcome: timeout }
    const fair = left > this.deadlineMillis! / 2
    return { duration: Duration.millis(Math.max(1, left)), outcome: fair ? timeout : cancelled }
  }

  /** What an end says that the circuit was not asked about. */
  judge(exit: Exit.Exit<unknown, unknown>): Outcome.Outcome {
    try {
      return checked(this.classify(exit))
    } catch {
      return callerError
    }
  }

  /** What the circuit records: a refusal of our own account or place is a failure, because it meets every call. */
  counted(credentials: CompiledTarget["credentials"], said: Outcome.Outcome): Outcome.Outcome {
    const isOurs = credentials === "own" && said._tag === "Ignored" && isAccountKind(said.kind)
    return isOurs && this.route.failOverOn.has(said.kind) ? Outcome.failure(said.kind) : said
  }

  /** Whether a failure leads to another attempt, and is not for the caller to see. */
  goesOn(outcome: Outcome.Outcome): boolean {
    return !this.committed && this.directionOf(outcome) !== "caller"
  }

  /** Notes an attempt that did not serve. */
  missed(
    { target }: CompiledTarget,
    afterMillis: number,
    failure: unknown,
    outcome: Outcome.Outcome
  ): void {
    const error = failure instanceof FailedAnswer ? failure.error : failure
    const circuitError = circuitErrorIn(error)
    const rejection = circuitError && CircuitError.rejectedBy(circuitError.reason)
    const kind = (circuitError && kindOf(circuitError)) ?? Outcome.kindOf(outcome) ?? "unknown"
    // One that another circuit turned away did run.
    const ran = rejection === undefined || circuitError?.reason.key !== target.key
    this.direction = rejection !== undefined
      ? rejection === "throttled" ? ran ? "again" : "gated" : "next"
      : circuitError === undefined
      ? this.directionOf(outcome)
      : "again"
    this.cause = rejection ?? kind
    // A circuit that turns a call away again says nothing new.
    if (!ran && this.attempts.some((known) => known.target === target.name && !known.ran)) return
    this.attempts.push({
      target: target.name,
      cause: this.cause,
      ran,
      afterMillis,
      durationMillis: this.afterMillis - afterMillis,
      error
    })
  }

  /** Whether those who were asked are one target: then its own error tells all. */
  get isOfOneTarget(): boolean {
    return new Set(this.attempts.filter(({ ran }) => ran).map(({ target }) => target)).size <= 1
  }

  /** What went wrong first: what a stand-in says never hides it. */
  get firstError(): unknown {
    return (this.attempts.find(({ ran }) => ran) ?? this.attempts[0])?.error
  }

  private directionOf(outcome: Outcome.Outcome): Direction {
    switch (outcome._tag) {
      case "Success":
        return "caller"
      case "Failure":
      case "Throttled":
        return "again"
      case "OpenNow":
        return "next"
      case "Ignored":
        if (this.route.failOverOn.has(outcome.kind)) return "next"
        if (outcome.kind === "context_length") return "larger"
        if (outcome.elsewhere === true) return "elsewhere"
        // Who stands in for another may not know what that one does.
        return outcome.kind === "invalid_request" && this.attempts.some(({ ran }) => ran) ? "next" : "caller"
    }
  }
}

/** An answer that reports a failure: no error of the call, so that the caller can only see it in the trail. */
export class FailedAnswer {
  readonly error: unknown
  /** Whether it is whole, and refuses: to the caller that is an answer, where no other target can give one. */
  readonly isRefusal: boolean

  constructor(answer: unknown, isRefusal = false) {
    this.error = answer
    this.isRefusal = isRefusal
  }
}

interface Limit {
  readonly duration: Duration.Duration
  /** What it says about the target to be cut off by it. */
  readonly outcome: Outcome.Outcome
}

/** The typed error of a cause; undefined if the call died or was interrupted. */
export const errorOf = (cause: Cause.Cause<unknown>): Option.Option<unknown> =>
  Cause.hasDies(cause) ? Option.none() : Cause.findErrorOption(cause)

/** Also that which a service has turned into the error it promises, as those of `effect/ai` do. */
export const circuitErrorIn = (error: unknown): CircuitError.CircuitBreakerError | undefined =>
  CircuitError.find(error) ?? CircuitError.find(property(property(error, "reason"), "cause"))

const kindOf = ({ reason }: CircuitError.CircuitBreakerError): Outcome.Kind | undefined => {
  switch (reason._tag) {
    case "AttemptTimedOut":
      return reason.phase === "attempt" ? "timeout" : reason.phase === "idle" ? "stream_stalled" : "slow_first_content"
    case "StreamCut":
      return "stream_cut"
    default:
      return undefined
  }
}

const timeout = Outcome.failure("timeout")
const cancelled = Outcome.ignored("cancelled")
