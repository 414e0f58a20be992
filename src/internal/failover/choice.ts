/** Which target serves a route and whom a call asks: pure functions of the circuits, the order and the time. */
import { Duration } from "effect"
import type { CircuitState } from "../../CircuitState.ts"
import type { Cause } from "../../FailoverEvent.ts"
import type { CompiledRoute } from "./compiledRoute.ts"

/** What the circuit of a target does with calls: it takes them, would take one as a probe, or takes none. */
export type Availability = "ready" | "due" | "away"

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

/** Who serves does not leave for a gate that opens before the route could be back. */
export const availability = (state: CircuitState, isActive: boolean, minFailoverMillis: number): Availability => {
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
 * Who serves now. A target that is not ready is left at once, for the first that is; for a better tier it is left when
 * `minFailoverDuration` has passed since that one was. While nobody is ready nothing moves. `leftAt` tells since when
 * a target has not been ready.
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
  const ready = targets.flatMap((_, index) => availabilities[index] === "ready" ? [index] : [])
  const active = ready.some((index) => tier(index) === from)
    ? ready.find((index) => tier(index) === from || returnsIn(before, tier(index), now, minFailoverMillis) === 0)
    : ready[0]
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
 * serves and the ready ones of its tier, by rank; the other ready ones; and at last all the rest.
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
  }
): ReadonlyArray<number> => {
  const home = targets[serving.active]!.target.tier
  const isOnTrial = (index: number) => {
    const { tier } = targets[index]!.target
    return call.tries && availabilities[index] === "due" &&
      (tier === home || (tier < home && returnsIn(serving, tier, now, minFailoverMillis) === 0))
  }
  const place = (index: number): number => {
    if (isOnTrial(index)) return 0
    if (availabilities[index] === "ready") return targets[index]!.target.tier === home ? 1 : 2
    return availabilities[index] === "due" ? 3 : 4
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
export const causeOf = (state: CircuitState): Cause => {
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
