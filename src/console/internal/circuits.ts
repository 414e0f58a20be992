/** The circuits of a snapshot. */
import { Duration } from "effect"
import { states as circuitStates } from "../../Circuit.ts"
import { type CircuitState, stateOf } from "../../CircuitState.ts"
import type { Ledger } from "./ledger.ts"
import { type Circuit, ofEach, type Snapshot } from "./snapshot.ts"

/** How many circuits one snapshot lists. */
const maxListed = 1_000

/** The most urgent first. */
const rank = (state: CircuitState): number => {
  switch (state._tag) {
    case "Open":
      return 0
    case "ForcedOpen":
      return 1
    case "HalfOpen":
      return 2
    case "Disabled":
      return 3
    case "Closed":
      return state.throttledFor !== undefined ? 4 : state.consecutiveFailures > 0 || state.ramping ? 5 : 6
  }
}

export const describe = (state: CircuitState, ledger: Ledger, at: number): Circuit => {
  const { key, reason } = state
  const timeline = ledger.timeline(key)
  const last = timeline.at(-1)
  const change = last?.state === stateOf(state) ? last : undefined
  const since = change?.at ?? ("openedAt" in state ? Math.floor(state.openedAt) : undefined)
  const operator = state._tag === "ForcedOpen" ? state : change
  return {
    key,
    state: stateOf(state),
    reason,
    ...present({ since, state_ms: since === undefined ? undefined : Math.max(0, at - since) }),
    ...details(state),
    ...present({ note: operator?.note, actor: operator?.actor }),
    ...ledger.tally(key),
    timeline
  }
}

const details = (state: CircuitState): Partial<Circuit> => {
  switch (state._tag) {
    case "Closed":
      return present({
        throttled_ms: millis(state.throttledFor),
        ramping: state.ramping,
        consecutive_failures: state.consecutiveFailures,
        failure_threshold: state.failureThreshold,
        failure_rate: state.failureRate,
        last_failure_kind: state.lastFailureKind
      })
    case "Disabled":
      return { would_have_opened: state.wouldHaveOpened }
    case "Open":
    case "ForcedOpen":
    case "HalfOpen":
      return present({
        outage_id: state.outageId,
        open_ms: millis(state.openFor),
        openings: state.openings,
        skips: state.skips,
        last_failure_kind: state.lastFailureKind,
        retry_after_ms: "retryAfter" in state ? millis(state.retryAfter) : undefined,
        throttled_ms: "throttledFor" in state ? millis(state.throttledFor) : undefined,
        probing: "probing" in state ? state.probing : undefined
      })
  }
}

export const snapshot = (
  states: ReadonlyArray<CircuitState>,
  ledger: Ledger,
  at: number,
  actions: boolean
): Snapshot => {
  const counts = ofEach(circuitStates, () => 0)
  for (const state of states) counts[stateOf(state)]++
  const listed = [...states].sort((one, other) => rank(one) - rank(other) || (one.key < other.key ? -1 : 1))
    .slice(0, maxListed)
  return {
    at,
    started_at: ledger.startedAt,
    actions,
    states: counts,
    circuits_total: states.length,
    circuits_unlisted: states.length - listed.length,
    circuits: listed.map((state) => describe(state, ledger, at)),
    events: ledger.events(),
    events_dropped: ledger.eventsDropped
  }
}

const millis = (duration: Duration.Duration | undefined): number | undefined =>
  duration === undefined ? undefined : Math.min(Math.ceil(Duration.toMillis(duration)), Number.MAX_SAFE_INTEGER)

type Present<A> = { [K in keyof A]?: Exclude<A[K], undefined> }

const present = <A extends object>(fields: A): Present<A> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<A>
