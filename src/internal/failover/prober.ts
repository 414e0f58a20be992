/** Health probes of the targets that share a circuit: in the background, one at a time, through it. */
import { Cause, type Clock, Duration, Effect, Exit, Latch, Option } from "effect"
import type { CircuitBreaker } from "../../CircuitBreaker.ts"
import * as CircuitError from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { Target } from "../../FailoverRoute.ts"
import * as Outcome from "../../Outcome.ts"
import { circuitMillis, wallMillis } from "../clock/time.ts"
import type { Place, Route } from "./route.ts"
import type { Settings } from "./walk.ts"

export interface ProbeSettings {
  readonly probe: (target: Target) => Effect.Effect<boolean, unknown>
  readonly timeout: Duration.Duration
  readonly intervalMillis: number
}

/** Targets that share a circuit, each with the route that it may serve. */
export type Places = readonly [PlaceOfRoute, ...ReadonlyArray<PlaceOfRoute>]

interface PlaceOfRoute extends Place {
  readonly route: Route
}

export class Prober {
  /** The first of them is the one that is probed and that events name. */
  private readonly places: Places
  private readonly settings: ProbeSettings
  private readonly classify: Settings["classify"]
  private readonly breaker: CircuitBreaker["Service"]
  private readonly clock: Clock.Clock
  private readonly moved = Latch.makeUnsafe(false)
  private probedAt = -Infinity

  constructor(
    places: Places,
    settings: ProbeSettings,
    { classify }: Settings,
    breaker: CircuitBreaker["Service"],
    clock: Clock.Clock
  ) {
    this.places = places
    this.settings = settings
    this.classify = classify
    this.breaker = breaker
    this.clock = clock
    for (const { route } of places) route.onSwitched.push(this.circuitMoved)
  }

  private get target(): Target {
    return this.places[0].target
  }

  /** Lets the prober look again at how its circuit and its routes stand. */
  readonly circuitMoved = (): void => void this.moved.openUnsafe()

  get run(): Effect.Effect<never> {
    return Effect.forever(Effect.suspend(() => {
      this.moved.closeUnsafe()
      const wait = this.waitMillis(this.places[0].circuit.state)
      if (wait === 0) return this.once
      return wait === Infinity
        ? this.moved.await
        : Effect.timeoutOrElse(this.moved.await, { duration: wait, orElse: () => Effect.void })
    }))
  }

  /** How long until the next probe at present; infinite while only a change can make one due. */
  private waitMillis(state: CircuitState): number {
    switch (state._tag) {
      case "Open":
        return Duration.toMillis(state.retryAfter)
      case "ForcedOpen":
        return state.retryAfter === undefined ? Infinity : Duration.toMillis(state.retryAfter)
      case "HalfOpen":
        return state.probing > 0 ? trialMillis : 0
      case "Closed":
        // Its tier serves a route, and so it does.
        if (this.places.some(({ route, target }) => route.active.target.tier === target.tier)) return Infinity
        return Math.max(0, this.probedAt + this.settings.intervalMillis - circuitMillis(this.clock))
      case "Disabled":
        return Infinity
    }
  }

  private get once(): Effect.Effect<void> {
    const { breaker, settings: { probe, timeout }, target } = this
    this.probedAt = circuitMillis(this.clock)
    let isTimedOut = false
    const limited = Effect.timeoutOrElse(Effect.suspend(() => probe(target)), {
      duration: timeout,
      orElse: () => {
        isTimedOut = true
        return Effect.succeed(false)
      }
    })
    const classify = (exit: Exit.Exit<boolean, unknown>) => isTimedOut ? Outcome.openNow("timeout") : this.judge(exit)
    return Effect.matchCauseEffect(breaker.execute(limited, { key: target.key, classify }), {
      onSuccess: (healthy) =>
        Effect.sync(() => this.announce(healthy === true ? "success" : isTimedOut ? "timeout" : "failure")),
      onFailure: (cause) => {
        const error = Option.getOrUndefined(Cause.findErrorOption(cause))
        const reason = CircuitError.isCircuitBreakerError(error) && error.reason.key === target.key
          ? error.reason
          : undefined
        const isTurnedAway = reason !== undefined && reason._tag !== "AttemptTimedOut"
        // Nothing was learned, and nothing in the circuit says when to try again.
        if (isTurnedAway || Cause.hasInterruptsOnly(cause)) return Effect.sleep(trialMillis)
        return Effect.sync(() => this.announce(reason === undefined ? "failure" : "timeout"))
      }
    })
  }

  private judge(exit: Exit.Exit<boolean, unknown>): Outcome.Outcome {
    if (Exit.isSuccess(exit)) return exit.value === true ? Outcome.success : Outcome.openNow("unknown")
    const outcome = this.classify(exit)
    if (outcome._tag === "Throttled" || outcome._tag === "OpenNow") return outcome
    return Outcome.openNow(
      Outcome.kindOf(outcome) ?? "unknown",
      "retryAfter" in outcome ? outcome.retryAfter : undefined
    )
  }

  private announce(result: "success" | "failure" | "timeout"): void {
    const { breaker, clock, target: { name: target, route } } = this
    breaker.reporter.announce({ event: "failover.probe", route, at: wallMillis(clock), target, result })
  }
}

// How long to wait for a probe of another call or process.
const trialMillis = 1_000
