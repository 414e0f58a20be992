/** Which target serves a route and whom a call asks: pure functions of the circuits, the order and the time. */
import { Duration } from "effect"
import type { CircuitState, CircuitView } from "../../CircuitState.ts"
import type { Cause } from "../../FailoverEvent.ts"
import type { CompiledRoute } from "./compiledRoute.ts"

/**
 * Whether the circuit of a target takes calls: all of them, one as a probe, all after its provider's wait (`gated`), or
 * none.
 */
export type Availability = "ready" | "due" | "gated" | "away"

/** Who serves, as an index into the route's targets, and what was left for it, in circuit time. */
export interface Lead {
  readonly active: number
  /** When the primary was left; undefined while it serves. */
  readonly leftAt: number | undefined
  /** When each tier was left that is better than the one that serves. */
  readonly tiersLeftAt: ReadonlyMap<number, number>
}

/** The primary serves. */
export const home: Lead = { active: 0, leftAt: undefined, tiersLeftAt: new Map() }

/** What the state of its circuit says of that. */
export const availability = (state: CircuitState): Availability => {
  switch (state._tag) {
    case "Disabled":
      return "ready"
    case "Closed":
      return state.throttledFor === undefined ? "ready" : "gated"
    case "HalfOpen":
      return state.throttledFor === undefined ? "due" : "away"
    case "Open":
    case "ForcedOpen":
      return state.retryAfter !== undefined && Duration.isZero(state.retryAfter) ? "due" : "away"
  }
}

/**
 * Who serves now. A target that takes no calls is left at once, for the first that is ready; for a better tier it is
 * left when `minFailoverDuration` has passed since that one was. A gate moves nothing, because calls skip it. While
 * nobody is ready nothing moves. `leftAt` tells since when a target has not been ready.
 */
export const lead = (
  { minFailoverMillis, targets }: CompiledRoute,
  availabilities: ReadonlyArray<Availability>,
  before: Lead,
  now: number,
  leftAt: (index: number) => number
): Lead => {
  const tier = (index: number) => targets[index]!.target.tier
  const from = tier(before.active)
  const able = targets.flatMap((_, index) =>
    availabilities[index] === "ready" || (index === before.active && availabilities[index] === "gated") ? [index] : []
  )
  const active = able.some((index) => tier(index) === from)
    ? able.find((index) => tier(index) === from || returnsIn(before, tier(index), now, minFailoverMillis) === 0)
    : able[0]
  if (active === undefined || active === before.active) return before
  if (active === 0) return home
  const tiersLeftAt = new Map(before.tiersLeftAt)
  if (tier(active) > from) tiersLeftAt.set(from, leftAt(before.active))
  for (const left of before.tiersLeftAt.keys()) if (left >= tier(active)) tiersLeftAt.delete(left)
  return { active, leftAt: before.active === 0 ? leftAt(0) : before.leftAt, tiersLeftAt }
}

/** In how many milliseconds the route may come back to a tier that it has left. */
const returnsIn = ({ tiersLeftAt }: Lead, tier: number, now: number, minFailoverMillis: number): number => {
  const leftAt = tiersLeftAt.get(tier)
  // Written so that a clock that went backwards holds.
  return leftAt === undefined || now - leftAt >= minFailoverMillis ? 0 : leftAt + minFailoverMillis - now
}

/** How long until time by itself brings the route to a better tier; infinite if it does not. */
export const untilBetter = (
  { minFailoverMillis, targets }: CompiledRoute,
  availabilities: ReadonlyArray<Availability>,
  lead: Lead,
  now: number
): number => {
  const home = targets[lead.active]!.target.tier
  const waits = targets.map(({ target: { tier } }, index) =>
    availabilities[index] === "ready" && tier < home ? returnsIn(lead, tier, now, minFailoverMillis) : Infinity
  )
  return Math.min(...waits)
}

/**
 * Whom a call asks, in order: those on trial that are better than who serves, if calls are what tries them; who
 * serves and the ready ones of its tier, by rank; the other ready ones; those to which calls come back by and by; and
 * at last all the rest. A gate changes nothing in that.
 */
export const order = (
  { minFailoverMillis, targets }: CompiledRoute,
  availabilities: ReadonlyArray<Availability>,
  serving: Lead,
  now: number,
  call: {
    readonly isAllowed: (index: number) => boolean
    /** Among the targets of one tier the higher comes first. */
    readonly rank: (index: number) => number
    readonly tries: boolean
    /** Whether a ready target is left to other calls, because its gate has just opened. */
    readonly leaves: (index: number) => boolean
  }
): ReadonlyArray<number> => {
  const home = targets[serving.active]!.target.tier
  const isOnTrial = (index: number) => {
    const { tier } = targets[index]!.target
    return call.tries && (tier === home || (tier < home && returnsIn(serving, tier, now, minFailoverMillis) === 0))
  }
  const place = (index: number): number => {
    switch (availabilities[index]!) {
      // Its gate turns the call away at once, and may be open when the call comes to it.
      case "gated":
      case "ready":
        return call.leaves(index) ? 3 : targets[index]!.target.tier === home ? 1 : 2
      case "due":
        return isOnTrial(index) ? 0 : 4
      case "away":
        return 5
    }
  }
  return targets
    .map((_, index) => index)
    .filter(call.isAllowed)
    .map((index) => ({ index, place: place(index), rank: call.rank(index) }))
    .toSorted((a, b) =>
      a.place - b.place ||
      targets[a.index]!.target.tier - targets[b.index]!.target.tier ||
      b.rank - a.rank
    )
    .map(({ index }) => index)
}

/** Why the circuit of a target takes no calls. */
export const causeOf = (state: CircuitState): Cause => {
  switch (state._tag) {
    case "Open":
      return state.lastFailureKind ?? "open"
    case "HalfOpen":
      return state.lastFailureKind ?? "half_open"
    case "ForcedOpen":
      return "forced_open"
    case "Closed":
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

/** For how many milliseconds the provider of a target wants everybody to wait; 0 if it does not. */
export const gateMillis = ({ passes, state }: CircuitView): number =>
  !passes && "throttledFor" in state && state.throttledFor !== undefined ? Duration.toMillis(state.throttledFor) : 0
