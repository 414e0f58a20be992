/** One call through the targets of a route: the first that serves it, each at most once, within the deadline. */
import { Clock, Duration, Effect, Exit, type Fiber, Option, Schedule } from "effect"
import type { Classify } from "../../CircuitPolicy.ts"
import type { Evidence } from "../../Evidence.ts"
import * as FailoverError from "../../FailoverError.ts"
import type { Fence, Target } from "../../FailoverRoute.ts"
import type * as Outcome from "../../Outcome.ts"
import { givenEvidence, noteAttempt, ownEvidence } from "../call/callEvidence.ts"
import * as trace from "../call/trace.ts"
import { wallMillis } from "../clock/time.ts"
import { millis } from "../options/validation.ts"
import { awayMillis, order } from "./choice.ts"
import { type CompiledTarget, lastResortOf } from "./compiledRoute.ts"
import { allowedBy, fence } from "./fence.ts"
import { rankOf } from "./rank.ts"
import type { Place, Route } from "./route.ts"
import { circuitErrorIn, errorOf, FailedAnswer, Trail } from "./trail.ts"

/** What all calls of a router have in common. */
export interface Settings {
  readonly classify: Classify
  readonly retry: ((target: Target) => Schedule.Schedule<unknown, unknown>) | undefined
  /** Whether calls try the targets whose time for a probe has come, because nothing else does. */
  readonly callsProbe: boolean
}

/** What a call says about its way. */
export interface Directions {
  readonly allow?: Fence | undefined
  readonly stickyKey?: string | undefined
  readonly deadline?: Duration.Input | undefined
  readonly evidence?: Evidence | undefined
}

/** An attempt at a target, and what its end says of that. */
export interface Attempting<A> {
  readonly effect: Effect.Effect<A, unknown, unknown>
  readonly judge: (exit: Exit.Exit<A, unknown>) => Outcome.Outcome
}

/** Makes an attempt, through the circuit of a key. */
export type Attempt<A> = (target: CompiledTarget, key: string, trail: Trail) => Attempting<A>

type Walked<A> = Effect.Effect<A, unknown, unknown>

export const walk = <A>(
  route: Route,
  settings: Settings,
  options: Directions,
  attempt: Attempt<A>,
  /** What a retry of the whole call would run again. */
  token: unknown
): Walked<A> =>
  Effect.withFiber((fiber) => {
    const { compiled } = route
    const deadlineMillis = options.deadline === undefined
      ? compiled.deadlineMillis
      : millis("deadline", options.deadline)
    const evidence = givenEvidence(options.evidence) ?? ownEvidence(token, fiber)
    const trail = new Trail(compiled, settings.classify, fiber.getRef(Clock.Clock), deadlineMillis, evidence)
    const isAllowed = allowedBy(fence("allow", options.allow))
    const { lead, now, availabilities } = route.look()
    const rank = rankOf(fiber, options.stickyKey)
    const indices = order(compiled, availabilities, lead, now, {
      isAllowed: (index) => isAllowed(compiled.targets[index]!.target),
      rank: (index) => rank(compiled.targets[index]!.target),
      tries: settings.callsProbe
    })
    if (indices.length === 0) {
      return Effect.fail(FailoverError.make({ _tag: "NoTargetAllowed", route: compiled.name }))
    }
    const places = indices.map((index) => route.places[index]!)
    return new Walk({ route, settings, places, trail, attempt, token, fiber }).run
  })

interface Journey<A> {
  readonly route: Route
  readonly settings: Settings
  /** Whom the call may ask, in order. */
  readonly places: ReadonlyArray<Place>
  readonly trail: Trail
  readonly attempt: Attempt<A>
  readonly token: unknown
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

class Walk<A> {
  private readonly journey: Journey<A>
  private next = 0
  /** How much the largest target takes for which the call was too long. */
  private tooSmall: number | undefined

  constructor(journey: Journey<A>) {
    this.journey = journey
  }

  get run(): Walked<A> {
    return Effect.suspend(() => this.to(this.takeNext()!))
  }

  private to(target: Place): Walked<A> {
    const { trail } = this.journey
    this.traced((span) => trace.asked(span, target.target))
    return orElse(this.at(target, target.target.key), (error) => {
      if (trail.committed || trail.direction === "caller") return this.surface(error)
      if (trail.leftMillis <= 0) return this.tooLate
      const tooLong = trail.direction === "larger"
      if (tooLong) this.tooSmall = Math.max(this.tooSmall ?? 0, target.target.contextTokens ?? 0)
      const following = this.takeNext()
      if (following === undefined) {
        return tooLong || trail.direction === "elsewhere" ? this.surface(error) : this.exhausted
      }
      this.traced((span) => trace.failedOver(span, target.target, following.target, trail.attempts.at(-1)!.cause))
      return this.to(following)
    })
  }

  private takeNext(): Place | undefined {
    const { journey: { places }, tooSmall } = this
    while (this.next < places.length) {
      const target = places[this.next++]!
      if (tooSmall === undefined || (target.target.contextTokens ?? 0) > tooSmall) return target
    }
    return undefined
  }

  /** Attempts at one target until it serves or nothing more is to be tried there. */
  private at(target: CompiledTarget, key: string): Walked<A> {
    const { attempt, settings: { retry }, trail } = this.journey
    const once = Effect.suspend(() => {
      const { effect, judge } = attempt(target, key, trail)
      const afterMillis = trail.afterMillis
      return Effect.matchCauseEffect(effect, {
        onSuccess: (value) => {
          const said = judge(Exit.succeed(value))
          const isRefusal = said._tag === "Ignored"
          if (said._tag === "Success" || (isRefusal && !trail.goesOn(said))) return Effect.succeed(value)
          const failure = new FailedAnswer(value, isRefusal)
          trail.missed(target, key, afterMillis, failure, said)
          return Effect.fail<unknown>(failure)
        },
        onFailure: (cause) => {
          const error = errorOf(cause)
          if (Option.isSome(error)) trail.missed(target, key, afterMillis, error.value, judge(Exit.failCause(cause)))
          return Effect.failCause(cause)
        }
      })
    })
    if (retry === undefined) return once
    const schedule = Schedule.while(
      retry(target.target),
      ({ duration }) => Duration.toMillis(duration) < trail.leftMillis
    )
    return Effect.retry(once, { schedule, while: () => trail.direction === "again" && !trail.committed })
  }

  /** The target's own error, or the answer in which it refuses, where no other target has a part in it. */
  private surface(error: unknown): Walked<A> {
    if (!this.journey.trail.isOfOneTarget || circuitErrorIn(error) !== undefined) return this.unavailable
    if (!(error instanceof FailedAnswer)) return this.fail(error)
    return error.isRefusal ? Effect.succeed(error.error as A) : this.unavailable
  }

  private get exhausted(): Walked<A> {
    const { route: { compiled }, trail } = this.journey
    const isTurnedAway = trail.attempts.every(({ ran }) => !ran)
    const best = compiled.whenExhausted === "least_bad" && isTurnedAway ? this.leastBad : undefined
    if (best === undefined) return this.unavailable
    return orElse(
      this.at(best, lastResortOf(best.target)),
      (error) => trail.direction === "caller" ? this.surface(error) : this.unavailable
    )
  }

  /** The target whose circuit takes calls again first. */
  private get leastBad(): Place | undefined {
    return this.journey.places
      .map((target) => ({ target, state: target.circuit.state }))
      .filter(({ state }) => state._tag === "Open" || (state._tag === "HalfOpen" && state.throttledFor === undefined))
      .toSorted((a, b) => (awayMillis(a.state) ?? 0) - (awayMillis(b.state) ?? 0))[0]?.target
  }

  private get unavailable(): Walked<A> {
    return Effect.suspend(() => {
      const { route, trail } = this.journey
      const waits = this.journey.places.map(({ circuit }) => awayMillis(circuit.state))
      const soonest = Math.min(...waits.filter((wait) => wait !== undefined))
      const retryAfterMillis = soonest > 0 && soonest < Infinity ? soonest : undefined
      this.announce(retryAfterMillis)
      return this.fail(
        FailoverError.make({
          _tag: "NoTargetAvailable",
          route: route.compiled.name,
          attempts: trail.attempts,
          retryAfter: retryAfterMillis === undefined ? undefined : Duration.millis(retryAfterMillis)
        }, trail.firstError)
      )
    })
  }

  private get tooLate(): Walked<A> {
    return Effect.suspend(() => {
      const { route, trail } = this.journey
      this.announce(undefined)
      return this.fail(
        FailoverError.make({
          _tag: "DeadlineExceeded",
          route: route.compiled.name,
          attempts: trail.attempts,
          deadline: Duration.millis(trail.deadlineMillis!)
        }, trail.firstError)
      )
    })
  }

  /** Fails, and lets a retry of the whole call be recognised as the same request. */
  private fail(error: unknown): Walked<never> {
    const { token, trail: { evidence } } = this.journey
    if (evidence.failedAt !== undefined) noteAttempt(error, evidence, token)
    return Effect.fail(error)
  }

  private announce(retryAfterMillis: number | undefined): void {
    const { route: { compiled, reporter }, trail } = this.journey
    // The last word on each.
    const causes = new Map(trail.attempts.map(({ cause, target }) => [target, cause]))
    reporter.announce({
      event: "failover.exhausted",
      route: compiled.name,
      at: wallMillis(trail.clock),
      targets: Array.from(causes, ([target, cause]) => ({ target, cause })),
      ...(retryAfterMillis === undefined ? {} : { retry_after_ms: Math.ceil(retryAfterMillis) })
    })
  }

  private traced(note: (call: trace.TracedCall) => void): void {
    const { fiber, route, trail } = this.journey
    const span = trace.spanOf(fiber)
    if (span !== undefined) note({ span, hub: route.reporter, clock: trail.clock })
  }
}

const orElse = <A>(self: Walked<A>, otherwise: (error: unknown) => Walked<A>): Walked<A> =>
  Effect.matchCauseEffect(self, {
    onSuccess: Effect.succeed,
    onFailure: (cause) => {
      const error = errorOf(cause)
      return Option.isSome(error) ? otherwise(error.value) : Effect.failCause(cause)
    }
  })
