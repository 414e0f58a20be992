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
import { awayMillis, gateMillis } from "./choice.ts"
import type { CompiledTarget } from "./compiledRoute.ts"
import { allowedBy, fence } from "./fence.ts"
import { Itinerary } from "./itinerary.ts"
import { rankOf } from "./rank.ts"
import type { Place, Route } from "./route.ts"
import { circuitErrorIn, errorOf, FailedAnswer, Trail } from "./trail.ts"

/** The shortest wait for a gate, because many calls wait for it and come back one after the other. */
const minWaitMillis = 50
/** How often a call that waits looks again, because an operator may have opened the gate. */
const maxWaitMillis = 1_000

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
  readonly waitFor?: Duration.Input | undefined
  readonly evidence?: Evidence | undefined
}

/** An attempt at a target, and what its end says of that. */
export interface Attempting<A> {
  readonly effect: Effect.Effect<A, unknown, unknown>
  readonly judge: (exit: Exit.Exit<A, unknown>) => Outcome.Outcome
}

/** Makes an attempt, through the circuit of its target, in the fiber of the call. */
export type Attempt<A> = (
  target: CompiledTarget,
  trail: Trail,
  isLastResort: boolean,
  fiber: Fiber.Fiber<unknown, unknown>
) => Attempting<A>

type Walked<A> = Effect.Effect<A, unknown, unknown>

/** Begins a call in its fiber. `token` is what a retry of the whole call would run again. */
export const walk = <A>(
  fiber: Fiber.Fiber<unknown, unknown>,
  route: Route,
  settings: Settings,
  options: Directions,
  attempt: Attempt<A>,
  token: unknown
): Walked<A> => {
  const { compiled } = route
  const deadlineMillis = options.deadline === undefined
    ? compiled.deadlineMillis
    : millis("deadline", options.deadline)
  const waitForMillis = options.waitFor === undefined ? compiled.waitForMillis : millis("waitFor", options.waitFor, 0)
  const evidence = givenEvidence(options.evidence) ?? ownEvidence(token, fiber)
  const trail = new Trail(compiled, settings.classify, fiber.getRef(Clock.Clock), deadlineMillis, evidence)
  const order = () => {
    const isAllowed = allowedBy(fence("allow", options.allow))
    const rank = rankOf(fiber, options.stickyKey)
    return route.order({
      isAllowed: ({ target }) => isAllowed(target),
      rank: ({ target }) => rank(target),
      tries: settings.callsProbe
    })
  }
  const first = (options.allow === undefined ? route.primaryAtHome : undefined) ?? order()[0]
  if (first === undefined) {
    return Effect.fail(FailoverError.make({ _tag: "NoTargetAllowed", route: compiled.name }))
  }
  const itinerary = new Itinerary(first, order)
  return new Walk({ route, settings, itinerary, waitForMillis, trail, attempt, token, fiber }).to(first)
}

interface Journey<A> {
  readonly route: Route
  readonly settings: Settings
  readonly itinerary: Itinerary
  /** How long the call waits for a gate although others take calls. */
  readonly waitForMillis: number
  readonly trail: Trail
  readonly attempt: Attempt<A>
  readonly token: unknown
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

class Walk<A> {
  private readonly journey: Journey<A>

  constructor(journey: Journey<A>) {
    this.journey = journey
  }

  /** Asks a target, after its gate if that is worth the wait. */
  to(place: Place): Walked<A> {
    const { trail, waitForMillis } = this.journey
    const waitMillis = waitForMillis === 0 ? 0 : gateMillis(place.circuit)
    return waitMillis > 0 && waitMillis <= waitForMillis && waitMillis < trail.leftMillis
      ? Effect.flatMap(Effect.sleep(waitMillis), () => this.ask(place))
      : this.ask(place)
  }

  private ask(place: Place): Walked<A> {
    const { itinerary, trail } = this.journey
    return this.at(place, false, (error) => {
      if (trail.committed || trail.direction === "caller") return this.surface(error)
      if (trail.leftMillis <= 0) return this.tooLate
      const tooLong = trail.direction === "larger"
      if (tooLong) itinerary.wasTooLongFor(place)
      if (trail.direction === "gated") itinerary.waitsFor(place)
      const following = itinerary.takeNext()
      if (following !== undefined) return this.moveOn(place, following)
      return this.afterGate(place, tooLong || trail.direction === "elsewhere" ? this.surface(error) : this.exhausted)
    })
  }

  private moveOn(from: Place, to: Place): Walked<A> {
    const { route, trail: { cause } } = this.journey
    trace.failedOver(this.traced, from.target, to.target, cause)
    route.movedOn(from, to, cause)
    return this.to(to)
  }

  /** Waits for the gate that opens first, if it does so within the deadline. */
  private afterGate(from: Place, otherwise: Walked<A>): Walked<A> {
    return Effect.suspend(() => {
      const { itinerary, route, trail } = this.journey
      const place = itinerary.firstToOpen
      if (place === undefined) return otherwise
      const waitMillis = Math.max(gateMillis(place.circuit), minWaitMillis)
      if (waitMillis >= trail.leftMillis) return otherwise
      return Effect.flatMap(Effect.sleep(Math.min(waitMillis, maxWaitMillis)), () => {
        if (gateMillis(place.circuit) > 0 || !route.takes(place)) return this.afterGate(from, otherwise)
        itinerary.waitsNoMoreFor(place)
        return this.moveOn(from, place)
      })
    })
  }

  /** Attempts at one target until it serves or nothing more is to be tried there. */
  private at(target: Place, isLastResort: boolean, otherwise: (error: unknown) => Walked<A>): Walked<A> {
    const { itinerary, settings: { retry }, trail } = this.journey
    trace.asked(this.traced, target.target)
    if (retry === undefined) return this.once(target, isLastResort, otherwise)
    const schedule = Schedule.while(
      retry(target.target),
      ({ duration }) => Duration.toMillis(duration) < trail.leftMillis
    )
    const again = () => trail.direction === "again" && !trail.committed && !itinerary.othersTakeCalls
    const once = Effect.suspend(() => this.once(target, isLastResort, Effect.fail))
    return orElse(Effect.retry(once, { schedule, while: again }), otherwise)
  }

  private once(target: Place, isLastResort: boolean, otherwise: (error: unknown) => Walked<A>): Walked<A> {
    const { attempt, fiber, route, trail } = this.journey
    const { effect, judge } = attempt(target, trail, isLastResort, fiber)
    const afterMillis = trail.afterMillis
    const missed = (failure: unknown, said: Outcome.Outcome) => {
      trail.missed(target, afterMillis, failure, said)
      route.missed(target, trail.cause)
      return otherwise(failure)
    }
    return Effect.matchCauseEffect(effect, {
      onSuccess: (value) => {
        const exit = Exit.succeed(value)
        const said = judge(exit)
        const isRefusal = said._tag === "Ignored"
        if (said._tag === "Success" || (isRefusal && !trail.goesOn(said))) {
          route.served(target)
          return exit
        }
        return missed(new FailedAnswer(value, isRefusal), said)
      },
      onFailure: (cause) => {
        const error = errorOf(cause)
        return Option.isSome(error) ? missed(error.value, judge(Exit.failCause(cause))) : Effect.failCause(cause)
      }
    })
  }

  /** The target's own error, or the answer in which it refuses, where no other target has a part in it. */
  private surface(error: unknown): Walked<A> {
    if (!this.journey.trail.isOfOneTarget || circuitErrorIn(error) !== undefined) return this.unavailable
    if (!(error instanceof FailedAnswer)) return this.fail(error)
    return error.isRefusal ? Effect.succeed(error.error as A) : this.unavailable
  }

  private get exhausted(): Walked<A> {
    return Effect.suspend(() =>
      this.journey.route.compiled.whenExhausted === "last_resort" ? this.lastResort : this.unavailable
    )
  }

  /** Asks those whose circuits are open, the first to come back first, if every circuit turned the call away. */
  private get lastResort(): Walked<A> {
    const { itinerary, trail } = this.journey
    const hasRun = () => trail.attempts.some(({ ran }) => ran)
    if (hasRun()) return this.unavailable
    return itinerary.lastResorts.reduceRight<Walked<A>>(
      (otherwise, place) =>
        Effect.suspend(() =>
          this.at(place, true, (error) => {
            if (trail.direction === "caller") return this.surface(error)
            return hasRun() ? this.unavailable : otherwise
          })
        ),
      this.unavailable
    )
  }

  private get unavailable(): Walked<A> {
    return Effect.suspend(() => {
      const { itinerary, route, trail } = this.journey
      const waits = itinerary.places.map(({ circuit }) => awayMillis(circuit.state))
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

  private get traced(): trace.TracedCall {
    const { fiber, route, trail } = this.journey
    return { span: trace.spanOf(fiber), hub: route.reporter, clock: trail.clock }
  }
}

const orElse = <A>(self: Walked<A>, otherwise: (error: unknown) => Walked<A>): Walked<A> =>
  Effect.catchCause(self, (cause) => {
    const error = errorOf(cause)
    return Option.isSome(error) ? otherwise(error.value) : Effect.failCause(cause)
  })
