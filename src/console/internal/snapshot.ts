/** The schema of snapshots, with the names of `CircuitEvent`. */
import { Schema } from "effect"
import { states } from "../../Circuit.ts"
import * as CircuitEvent from "../../CircuitEvent.ts"
import { callResults } from "../../internal/observers/callResults.ts"
import { AnyReason as Reason, Kind, Natural, operator, Share, State } from "../../internal/observers/fields.ts"

const Counts = Schema.Array(Schema.Int)

/** A record with a value for each of some names. */
export const ofEach = <Name extends string, A>(
  names: ReadonlyArray<Name>,
  value: (index: number) => A
): { [N in Name]: A } => Object.fromEntries(names.map((name, index) => [name, value(index)])) as { [N in Name]: A }

const Change = Schema.Struct({ at: Schema.Int, from: State, state: State, reason: Reason, ...operator })

/** One change of state that this process saw. */
export type Change = typeof Change.Type

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
  calls: Schema.Struct(ofEach(callResults, () => Natural)),
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
  states: Schema.Struct(ofEach(states, () => Natural)),
  circuits_total: Natural,
  circuits_unlisted: Natural,
  circuits: Schema.Array(Circuit),
  events: Schema.Array(Happened),
  events_dropped: Natural
})
export type Snapshot = typeof Snapshot.Type
