/** Which target serves a route and whom a call asks: pure functions of the circuits, the order and the time. */
import { Duration } from "effect"
import type { CircuitState } from "../../CircuitState.ts"
import type { Cause } from "../../FailoverEvent.ts"
import type { CompiledRoute } from "./compiledRoute.ts"

/** How the circuit of a target stands: it takes calls, it would take one as a probe, or it takes none. */
export type Standing = "ready" | "due" | "away"

/** Who serves, as an index into the route's targets, and since when it is not the primary, in circuit time. */
export interface Lead {
  readonly active: number
  readonly leftAt: number | undefined
}

/** Who serves does not leave for a gate that opens before the route could be back. */
export const standing = (state: CircuitState, isActive: boolean, minFailoverMillis: number): Standing => {
  switch (state._tag) {
    case "Disabled":
      return "ready"
    case "Closed":
      return state.throttledFor === undefined ||
          (isActive && Duration.toMillis(state.throttledFor) < minFailoverMillis)
        ? "ready"
        : "away"
    case "HalfOpen":
      return state.throttledFor === undefined ? "due" : "away"
    case "Open":
    case "ForcedOpen":
      return state.retryAfter !== undefined && Duration.isZero(state.retryAfter) ? "due" : "away"
  }
}

/**
 * Who serves now. A target that is not ready is left at once, for the first that is; a better tier has to wait until
 * `minFailoverDuration` has passed. While nobody is ready nothing moves.
 */
export const lead = (
  { minFailoverMillis, targets }: CompiledRoute,
  standings: ReadonlyArray<Standing>,
  before: Lead,
  now: number,
  leftAt: () => number
): Lead => {
  const tier = (index: number) => targets[index]!.target.tier
  const best = standings.indexOf("ready")
  if (best === -1) return before
  const to = (active: number): Lead =>
    active === before.active ? before : { active, leftAt: active === 0 ? undefined : before.leftAt ?? leftAt() }
  const remaining = standings.findIndex((standing, index) =>
    standing === "ready" && tier(index) === tier(before.active)
  )
  return tier(best) < tier(before.active) && remaining !== -1 && isHeld(before, now, minFailoverMillis)
    ? to(remaining)
    : to(best)
}

// Written so that a clock that went backwards holds.
const isHeld = ({ leftAt }: Lead, now: number, minFailoverMillis: number) =>
  leftAt !== undefined && !(now - leftAt >= minFailoverMillis)

/** For how long from now nothing but time keeps the route from a better tier; undefined if nothing does. */
export const heldFor = (
  { minFailoverMillis, targets }: CompiledRoute,
  standings: ReadonlyArray<Standing>,
  { active, leftAt }: Lead,
  now: number
): number | undefined => {
  const best = standings.indexOf("ready")
  return best === -1 || leftAt === undefined || targets[best]!.target.tier >= targets[active]!.target.tier
    ? undefined
    : Math.max(0, leftAt + minFailoverMillis - now)
}

/**
 * Whom a call asks, in order: those on trial that are better than who serves, if calls are what tries them; who
 * serves and the ready ones of its tier, by rank; the other ready ones; and at last all the rest.
 */
export const order = (
  { minFailoverMillis, targets }: CompiledRoute,
  standings: ReadonlyArray<Standing>,
  serving: Lead,
  now: number,
  call: {
    readonly isAllowed: (index: number) => boolean
    /** Among the targets of one tier the higher comes first. */
    readonly rank: (index: number) => number
    readonly tries: boolean
  }
): ReadonlyArray<number> => {
  const home = targets[serving.active]!.target.tier
  const isOnTrial = (index: number) => {
    const { tier } = targets[index]!.target
    return call.tries && standings[index] === "due" &&
      (tier === home || (tier < home && !isHeld(serving, now, minFailoverMillis)))
  }
  const place = (index: number): number => {
    if (isOnTrial(index)) return 0
    if (standings[index] === "ready") return targets[index]!.target.tier === home ? 1 : 2
    return standings[index] === "due" ? 3 : 4
  }
  return targets
    .map((_, index) => ({ index, place: place(index), rank: call.rank(index) }))
    .filter(({ index }) => call.isAllowed(index))
    .toSorted((a, b) =>
      a.place - b.place ||
      targets[a.index]!.target.tier - targets[b.index]!.target.tier ||
      b.rank - a.rank
    )
    .map(({ index }) => index)
}

/** Why the circuit of a target takes no calls. */
export const causeOf = (state: CircuitState): typeof Cause.Type => {
  switch (state._tag) {
    case "Open":
      return state.lastFailureKind ?? "open"
    case "HalfOpen":
      return state.lastFailureKind ?? "half_open"
    case "ForcedOpen":
      return "forced_open"
    case "Closed":
      return state.throttledFor === undefined ? "unknown" : "throttled"
    case "Disabled":
      return "unknown"
  }
}

/** For how many milliseconds a circuit takes no calls; 0 if it may take the next, undefined if nobody knows. */
export const awayMillis = (state: CircuitState): number | undefined => {
  switch (state._tag) {
    case "Open":
      return Duration.toMillis(state.retryAfter)
    case "ForcedOpen":
      return state.retryAfter && Duration.toMillis(state.retryAfter)
    case "Closed":
    case "HalfOpen":
      return state.throttledFor === undefined ? 0 : Duration.toMillis(state.throttledFor)
    case "Disabled":
      return 0
  }
}
