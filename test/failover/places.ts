/** Targets of a route and their circuits as plain data, for the pure parts of the router. */
import { Duration } from "effect"
import type * as CircuitState from "../../src/CircuitState.ts"
import * as FailoverRoute from "../../src/FailoverRoute.ts"
import { type CompiledRoute, compileRoutes } from "../../src/internal/failover/compiledRoute.ts"
import type { Place } from "../../src/internal/failover/route.ts"

const common = { key: "chat/us", generation: 1 } as const
const outage = {
  outageId: "1",
  openedAt: 0,
  openFor: Duration.seconds(1),
  openings: 1,
  lastFailureKind: undefined,
  skips: 0
} as const

export const closed = (throttledFor?: number): CircuitState.CircuitState => ({
  ...common,
  _tag: "Closed",
  reason: "initial",
  consecutiveFailures: 0,
  failureThreshold: 3,
  failureRate: undefined,
  lastFailureKind: undefined,
  throttledFor: throttledFor === undefined ? undefined : Duration.millis(throttledFor),
  ramping: false
})
export const disabled: CircuitState.CircuitState = {
  ...common,
  _tag: "Disabled",
  reason: "disabled",
  wouldHaveOpened: 0
}
export const open = (
  retryAfter: number,
  lastFailureKind?: CircuitState.Open["lastFailureKind"]
): CircuitState.CircuitState => ({
  ...common,
  ...outage,
  _tag: "Open",
  reason: "threshold",
  lastFailureKind,
  retryAfter: Duration.millis(retryAfter)
})
export const halfOpen = (
  throttledFor?: number,
  lastFailureKind?: CircuitState.HalfOpen["lastFailureKind"]
): CircuitState.CircuitState => ({
  ...common,
  ...outage,
  _tag: "HalfOpen",
  reason: "cooldown_elapsed",
  lastFailureKind,
  probing: 0,
  successes: 0,
  throttledFor: throttledFor === undefined ? undefined : Duration.millis(throttledFor)
})
export const forcedOpen = (retryAfter?: number): CircuitState.CircuitState => ({
  ...common,
  ...outage,
  _tag: "ForcedOpen",
  reason: "forced",
  note: undefined,
  actor: undefined,
  retryAfter: retryAfter === undefined ? undefined : Duration.millis(retryAfter)
})

/** A route `chat` of these targets. */
export const compiled = (options: FailoverRoute.RouteOptions): CompiledRoute =>
  compileRoutes([FailoverRoute.make("chat", options)])[0]!

/** Places of a route, with a circuit for each target. */
export const placesOf = (
  options: FailoverRoute.RouteOptions,
  states: ReadonlyArray<CircuitState.CircuitState>,
  passes: ReadonlyArray<boolean> = states.map(({ _tag }) => _tag === "Closed")
): ReadonlyArray<Place> =>
  compiled(options).targets.map((target, index): Place =>
    Object.assign({}, target, {
      circuit: { key: target.target.key, passes: passes[index]!, state: states[index]! }
    })
  )
