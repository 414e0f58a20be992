/** The schema of snapshots, with the names of `CircuitEvent`. */
import { Schema } from "effect"
import * as CircuitEvent from "../../CircuitEvent.ts"
import type { CallResult } from "../../internal/observers/observer.ts"
import { kinds } from "../../Outcome.ts"

const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Counts = Schema.Array(Schema.Int)
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const { from: State, reason: Reason } = CircuitEvent.Opened.fields
const Kind = Schema.Literals(kinds)

const operator = { note: Schema.optionalKey(Schema.String), actor: Schema.optionalKey(Schema.String) } as const

/** The names of states in snapshots. */
export type State = typeof State.Type

const Change = Schema.Struct({ at: Schema.Int, from: State, state: State, reason: Reason, ...operator })

/** One change of state that this process saw. */
export type Change = typeof Change.Type

const results = {
  success: Natural,
  failure: Natural,
  ignored: Natural,
  interrupted: Natural,
  rejected_open: Natural,
  rejected_half_open: Natural,
  rejected_throttled: Natural,
  rejected_forced: Natural
} as const satisfies Record<CallResult, typeof Natural>

export const Circuit = Schema.Struct({
  key: Schema.String,
  state: State,
  reason: Reason,
  since: Schema.optionalKey(Schema.Int),
  state_ms: Schema.optionalKey(Natural),
  outage_id: Schema.optionalKey(Schema.String),
  open_ms: Schema.optionalKey(Natural),
  retry_after_ms: Schema.optionalKey(Natural),
  throttled_ms: Schema.optionalKey(Natural),
  openings: Schema.optionalKey(Natural),
  skips: Schema.optionalKey(Natural),
  probing: Schema.optionalKey(Natural),
  ramping: Schema.optionalKey(Schema.Boolean),
  would_have_opened: Schema.optionalKey(Natural),
  consecutive_failures: Schema.optionalKey(Natural),
  failure_threshold: Schema.optionalKey(Natural),
  failure_rate: Schema.optionalKey(Share),
  last_failure_kind: Schema.optionalKey(Kind),
  ...operator,
  calls: Schema.Struct(results),
  failure_kinds: Schema.Array(Schema.Struct({ kind: Kind, calls: Natural })),
  median_ms: Schema.optionalKey(Natural),
  trend: Schema.Struct({ passed: Counts, failed: Counts, rejected: Counts }),
  timeline: Schema.Array(Change)
})
export type Circuit = typeof Circuit.Type

const Happened = Schema.Struct({ id: Natural, event: CircuitEvent.CircuitEvent })

/** An event, numbered in the order of events. */
export type Happened = typeof Happened.Type

export const Snapshot = Schema.Struct({
  at: Schema.Int,
  started_at: Schema.Int,
  actions: Schema.Boolean,
  states: Schema.Struct({
    closed: Natural,
    open: Natural,
    half_open: Natural,
    forced_open: Natural,
    disabled: Natural
  }),
  circuits_total: Natural,
  circuits_unlisted: Natural,
  circuits: Schema.Array(Circuit),
  events: Schema.Array(Happened),
  events_dropped: Natural
})
export type Snapshot = typeof Snapshot.Type
