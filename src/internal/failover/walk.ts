/** One call through the targets of a route: the first that serves it, each at most once, within the deadline. */
import { Clock, Duration, Effect, Exit, type Fiber, Hash, Option, Random, Schedule } from "effect"
import type { Classify } from "../../CircuitPolicy.ts"
import { FailoverError } from "../../FailoverError.ts"
import type { Target } from "../../FailoverRoute.ts"
import type { ExecuteOptions } from "../../FailoverRouter.ts"
import type * as Outcome from "../../Outcome.ts"
import { wallMillis } from "../time.ts"
import * as trace from "../trace.ts"
import { millis } from "../validation.ts"
import { awayMillis, order } from "./choice.ts"
import { allowedBy, type CompiledTarget, fence } from "./compiledRoute.ts"
import type { Circuits, Route } from "./route.ts"
import { circuitErrorIn, errorOf, FailedAnswer, Trail } from "./trail.ts"

/** What all calls of a router have in common. */
export interface Settings {
  readonly classify: Classify
  readonly retry: ((target: Target) => Schedule.Schedule<unknown, unknown>) | undefined
  /** Whether calls try the targets whose time for a probe has come, because nothing else does. */
  readonly callsProbe: boolean
  readonly circuits: Circuits
}

/** An attempt at a target, and what its end says of that. */
export interface Attempting<A> {
  readonly effect: Effect.Effect<A, unknown, unknown>
  readonly judge: (exit: Exit.Exit<A, unknown>) => Outcome.Outcome
}

export type Attempt<A> = (target: CompiledTarget, trail: Trail) => Attempting<A>

type Walked<A> = Effect.Effect<A, unknown, unknown>

/** `unguarded` is an attempt past the circuit of its target. */
export const walk = <A>(
  route: Route,
  settings: Settings,
  options: ExecuteOptions,
  attempt: Attempt<A>,
  unguarded: Attempt<A>
): Walked<A> =>
  Effect.withFiber((fiber) => {
    const { compiled } = route
    const deadlineMillis = options.deadline === undefined
      ? compiled.deadlineMillis
      : millis("deadline", options.deadline)
    const trail = new Trail(compiled, settings.classify, fiber.getRef(Clock.Clock), deadlineMillis)
    const isAllowed = allowedBy(fence("allow", options.allow))
    const { lead, now, standings } = route.look()
    const rank = rankOf(fiber, options.stickyKey)
    const indices = order(compiled, standings, lead, now, {
      isAllowed: (index) => isAllowed(compiled.targets[index]!.target),
      rank: (index) => rank(compiled.targets[index]!.target),
      tries: settings.callsProbe
    })
    if (indices.length === 0) {
      return Effect.fail(new FailoverError({ reason: { _tag: "NoTargetAllowed", route: compiled.name } }))
    }
    return new Walk(route, settings, indices.map((index) => compiled.targets[index]!), trail, attempt, unguarded, fiber)
      .run
  })

class Walk<A> {
  private readonly route: Route
  private readonly settings: Settings
  private readonly targets: ReadonlyArray<CompiledTarget>
  private readonly trail: Trail
  private readonly attempt: Attempt<A>
  private readonly unguarded: Attempt<A>
  private readonly fiber: Fiber.Fiber<unknown, unknown>
  private next = 0
  /** How much the largest target takes for which the call was too long. */
  private tooSmall: number | undefined

  constructor(
    route: Route,
    settings: Settings,
    targets: ReadonlyArray<CompiledTarget>,
    trail: Trail,
    attempt: Attempt<A>,
    unguarded: Attempt<A>,
    fiber: Fiber.Fiber<unknown, unknown>
  ) {
    this.route = route
    this.settings = settings
    this.targets = targets
    this.trail = trail
    this.attempt = attempt
    this.unguarded = unguarded
    this.fiber = fiber
  }

  get run(): Walked<A> {
    return Effect.suspend(() => {
      const target = this.takeNext()
      if (target === undefined) return this.exhausted
      if (this.trail.leftMillis <= 0) return this.tooLate
      return this.orElse(this.at(target, this.attempt), this.onwards(target))
    })
  }

  private takeNext(): CompiledTarget | undefined {
    const { targets, tooSmall } = this
    while (this.next < targets.length) {
      const target = targets[this.next++]!
      if (tooSmall === undefined || (target.target.contextTokens ?? 0) > tooSmall) return target
    }
    return undefined
  }

  private onwards({ target }: CompiledTarget) {
    return (error: unknown): Walked<A> => {
      const { trail } = this
      if (trail.committed || trail.way === "caller") return this.surface(error)
      if (trail.leftMillis <= 0) return this.tooLate
      if (trail.way === "larger") this.tooSmall = Math.max(this.tooSmall ?? 0, target.contextTokens ?? 0)
      const following = this.targets[this.next]
      if (following !== undefined) this.traced(target, following.target)
      else if (trail.way === "larger") return this.surface(error)
      return this.run
    }
  }

  /** Attempts at one target until it serves or nothing more is to be tried there. */
  private at(target: CompiledTarget, attempt: Attempt<A>): Walked<A> {
    const { settings, trail } = this
    const once = Effect.suspend(() => {
      const { effect, judge } = attempt(target, trail)
      const afterMillis = trail.afterMillis
      return Effect.matchCauseEffect(effect, {
        onSuccess: (value) => {
          const said = judge(Exit.succeed(value))
          if (said._tag === "Success" || said._tag === "Ignored") return Effect.succeed(value)
          const failure = new FailedAnswer(value)
          trail.missed(target, afterMillis, failure, said)
          return Effect.fail<unknown>(failure)
        },
        onFailure: (cause) => {
          const error = errorOf(cause)
          if (Option.isSome(error)) {
            trail.missed(target, afterMillis, error.value, judge(Exit.failCause(cause)))
          }
          return Effect.failCause(cause)
        }
      })
    })
    if (settings.retry === undefined) return once
    const schedule = Schedule.while(
      settings.retry(target.target),
      ({ duration }) => Duration.toMillis(duration) < trail.leftMillis
    )
    return Effect.retry(once, { schedule, while: () => trail.way === "again" && !trail.committed })
  }

  private orElse(self: Walked<A>, otherwise: (error: unknown) => Walked<A>): Walked<A> {
    return Effect.matchCauseEffect(self, {
      onSuccess: Effect.succeed,
      onFailure: (cause) => {
        const error = errorOf(cause)
        return Option.isSome(error) ? otherwise(error.value) : Effect.failCause(cause)
      }
    })
  }

  /** The target's own error, where no other target has a part in it. */
  private surface(error: unknown): Walked<A> {
    const isOwn = !(error instanceof FailedAnswer) && circuitErrorIn(error) === undefined
    return isOwn && this.trail.isOfOneTarget ? Effect.fail(error) : this.unavailable
  }

  private get exhausted(): Walked<A> {
    const { compiled } = this.route
    const isTurnedAway = this.trail.attempts.every(({ ran }) => !ran)
    const best = compiled.whenExhausted === "least_bad" && isTurnedAway ? this.leastBad : undefined
    if (best === undefined || this.trail.leftMillis <= 0) return this.unavailable
    return this.orElse(this.at(best, this.unguarded), () => this.unavailable)
  }

  /** The target whose circuit takes calls again first. */
  private get leastBad(): CompiledTarget | undefined {
    return this.targets
      .map((target) => ({ target, state: this.settings.circuits.view(target.target.key) }))
      .filter(({ state }) => state._tag === "Open" || (state._tag === "HalfOpen" && state.throttledFor === undefined))
      .toSorted((a, b) => (awayMillis(a.state) ?? 0) - (awayMillis(b.state) ?? 0))[0]?.target
  }

  private get unavailable(): Walked<A> {
    return Effect.suspend(() => {
      const { route, trail } = this
      const waits = this.targets.map(({ target }) => awayMillis(this.settings.circuits.view(target.key)))
      const soonest = Math.min(...waits.filter((wait) => wait !== undefined))
      const retryAfterMillis = soonest > 0 && soonest < Infinity ? soonest : undefined
      this.announce(retryAfterMillis)
      return Effect.fail(
        new FailoverError({
          reason: {
            _tag: "NoTargetAvailable",
            route: route.compiled.name,
            attempts: trail.attempts,
            retryAfter: retryAfterMillis === undefined ? undefined : Duration.millis(retryAfterMillis)
          },
          cause: trail.firstError
        })
      )
    })
  }

  private get tooLate(): Walked<A> {
    return Effect.suspend(() => {
      const { route, trail } = this
      this.announce(undefined)
      return Effect.fail(
        new FailoverError({
          reason: {
            _tag: "DeadlineExceeded",
            route: route.compiled.name,
            attempts: trail.attempts,
            deadline: Duration.millis(trail.deadlineMillis!)
          },
          cause: trail.firstError
        })
      )
    })
  }

  private announce(retryAfterMillis: number | undefined): void {
    const { clock, hub } = this.settings.circuits
    if (hub === undefined || !hub.listening) return
    // The last word on each.
    const causes = new Map(this.trail.attempts.map(({ cause, target }) => [target, cause]))
    hub.announce({
      event: "failover.exhausted",
      route: this.route.compiled.name,
      at: wallMillis(clock),
      targets: Array.from(causes, ([target, cause]) => ({ target, cause })),
      ...(retryAfterMillis === undefined ? {} : { retry_after_ms: Math.ceil(retryAfterMillis) })
    })
  }

  private traced(from: Target, to: Target): void {
    const span = trace.spanOf(this.fiber)
    const { hub } = this.settings.circuits
    if (span === undefined || hub === undefined) return
    trace.failedOver({ span, hub, clock: this.trail.clock }, {
      "failover.route": from.route,
      "failover.from_target": from.name,
      "failover.to_target": to.name,
      "failover.cause": this.trail.attempts.at(-1)?.cause
    })
  }
}

/** Weighted shares of a tier: an exponential race, drawn anew for each call or from the sticky key. */
const rankOf = (fiber: Fiber.Fiber<unknown, unknown>, stickyKey: string | undefined) => {
  const random = fiber.getRef(Random.Random)
  return ({ name, weight }: Target): number => {
    if (weight === 0) return -Infinity
    const draw = stickyKey === undefined ? random.nextDoubleUnsafe() : fraction(`${stickyKey}\u0000${name}`)
    return Math.log(1 - draw) / weight
  }
}

/** A number from 0 to below 1 that looks random and is always the same for a text. */
const fraction = (text: string): number => {
  let hash = Hash.string(text)
  // Hashes of texts that differ in their last letters only are neighbours until they are mixed.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
