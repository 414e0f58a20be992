/**
 * The state machine of one circuit: pure functions of state, rules and time on plain data.
 *
 * Time comes in as an argument: whole milliseconds of a clock that never goes back. Every field is an integer, a
 * boolean or a short string, so that a store can keep a circuit wherever it likes and reuse these transitions.
 * The caller brings atomicity; nothing here reads a clock, draws a number or remembers anything.
 *
 * The rules behind the code:
 *
 * - Every opening, every closing and every entry into half-open starts a new `generation`. An outcome that carries an
 *   older one changes nothing.
 * - Nothing but a close or a reset shortens an open deadline.
 * - A closed circuit reserves nothing. Half-open probes have a lease each; every outcome frees the slot.
 * - An open circuit becomes half-open by the admission of its first probe, not by a timer.
 * - `admitEarly` is for a call that was served although the circuit is open: a proof that the open time is too long.
 *
 * @since 0.1.0
 */
import { admit as admitCall, admitEarly as admitEarlyCall } from "./internal/machine/admit.ts"
import { initial as initialCircuit } from "./internal/machine/moves.ts"
import * as queries from "./internal/machine/queries.ts"
import { settle as settleCall } from "./internal/machine/settle.ts"
import * as steer from "./internal/machine/steer.ts"
import * as words from "./internal/machine/words.ts"

/**
 * `forced_open` and `disabled` are an operator's doing; the other three are the circuit's own.
 *
 * @category models
 * @since 0.1.0
 */
export type State = typeof states[number]

/**
 * Every `State`.
 *
 * @category models
 * @since 0.1.0
 */
export const states = words.states

/**
 * Why a circuit is in its state.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = keyof typeof edges

/**
 * Which states may follow which: every `Reason` with the states that it leads away from, and the one that it leads to.
 * `initial` is the reason of a circuit without a past, to which nothing leads. A reset leaves a closed circuit closed.
 *
 * @category models
 * @since 0.1.0
 */
export const edges = words.edges

/**
 * Every `Reason`.
 *
 * @category models
 * @since 0.1.0
 */
export const reasons: ReadonlyArray<Reason> = words.reasons

/**
 * What turns a call away: the state of its circuit, or the gate of a healthy one.
 *
 * @category models
 * @since 0.1.0
 */
export type RejectedBy = typeof rejectedBy[number]

/**
 * Every `RejectedBy`. A closed circuit that takes its load back turns calls away as a `half_open` one does.
 *
 * @category models
 * @since 0.1.0
 */
export const rejectedBy = words.rejectedBy

/**
 * What stays the same for all calls of a circuit. `rampMillis` 0 means no ramp.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rules {
  readonly probes: number
  readonly successesToClose: number
  readonly probeLeaseMillis: number
  readonly rampMillis: number
  readonly maxHintMillis: number
}

/**
 * A half-open call on its way. Past `leaseUntil` its slot may be taken by another call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Probe {
  readonly id: number
  readonly leaseUntil: number
}

/**
 * The state behind one key. A deadline of 0 means none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circuit {
  readonly state: State
  readonly reason: Reason
  readonly generation: number
  /** Counted failures in a row. */
  readonly failures: number
  /** Kind of the last counted failure, "" if none since the last close or success. */
  readonly lastFailureKind: string
  /** When the present opening began, and how long it was to last. */
  readonly openedAt: number
  readonly openMillis: number
  readonly openUntil: number
  /** Openings in a row: the step of the open schedule. */
  readonly openings: number
  readonly closedAt: number
  /**
   * Number and time of the first opening since the circuit was last closed; 0 while healthy. The machine takes the
   * generation for a number; a circuit that decides by itself draws one, because others may open in that generation.
   */
  readonly outage: number
  readonly outageAt: number
  readonly probes: ReadonlyArray<Probe>
  /** Probes admitted and succeeded in this half-open window. */
  readonly issued: number
  readonly successes: number
  readonly rampUntil: number
  /** What the calls offered since have earned; one is let through for each `rampMillis`. */
  readonly rampCredit: number
  /** Nobody calls before this, whatever the health. */
  readonly gateUntil: number
  /** Latest wait asked for by the failures of the present streak. */
  readonly hintUntil: number
}

/**
 * The right to one call. `probe` is 0 for a call that is not one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permit {
  readonly generation: number
  readonly probe: number
}

/**
 * The answer to one call; `circuit` replaces the one asked. `retryAfterMillis` is undefined where nobody knows.
 *
 * @category models
 * @since 0.1.0
 */
export type Admission =
  | { readonly _tag: "Admitted"; readonly permit: Permit; readonly circuit: Circuit }
  | {
    readonly _tag: "Rejected"
    readonly by: RejectedBy
    readonly retryAfterMillis: number | undefined
    readonly circuit: Circuit
  }

/**
 * What one call said, and what follows if it opens the circuit: the rest of the world as plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly outcome: "Success" | "Failure" | "Ignored" | "Throttled" | "OpenNow"
  readonly kind: string
  /** The wait the dependency asked for, 0 if none. */
  readonly hintMillis: number
  /** Too slow for the trip policy. */
  readonly slow: boolean
  /** The windows of the trip policy, this call included, say that the circuit should open. */
  readonly unhealthy: boolean
  /** Failures in a row that open the circuit, 0 for no such rule. */
  readonly failureThreshold: number
  /** How long the opening numbered `nextOpening` lasts. */
  readonly openMillis: number
}

/**
 * A deadline that never comes: only a reset ends the opening.
 *
 * @category constants
 * @since 0.1.0
 */
export const never = queries.never

/**
 * A closed circuit without a past. Seed the generation from a clock, so that a circuit that was forgotten and made
 * again does not take permits of its former life for its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const initial: (generation: number) => Circuit = initialCircuit

/**
 * Whether every call is admitted at present, without a decision to make or a slot to take.
 *
 * @category queries
 * @since 0.1.0
 */
export const admitsAll: (self: Circuit) => boolean = queries.admitsAll

/**
 * Whether the permit still belongs to the circuit's present: only then does its outcome count.
 *
 * @category queries
 * @since 0.1.0
 */
export const isCurrent: (self: Circuit, permit: Permit) => boolean = queries.isCurrent

/**
 * For how long every call is sure to be rejected from now on: 0 if the next one may be admitted, `never` if only a
 * reset can help.
 *
 * @category queries
 * @since 0.1.0
 */
export const rejectsFor: (self: Circuit, now: number) => number = queries.rejectsFor

/**
 * The number the next opening would have: 1 again once the circuit has stayed closed as long as it was last open.
 *
 * @category queries
 * @since 0.1.0
 */
export const nextOpening: (self: Circuit, now: number) => number = queries.nextOpening

/**
 * Decides on one call.
 *
 * @category transitions
 * @since 0.1.0
 */
export const admit: (self: Circuit, rules: Rules, now: number) => Admission = admitCall

/**
 * Decides on one call as `admit` does, but takes an open circuit for one whose open time is over.
 *
 * @category transitions
 * @since 0.1.0
 */
export const admitEarly: (self: Circuit, rules: Rules, now: number) => Admission = admitEarlyCall

/**
 * Ends an admitted call. Returns the circuit itself when nothing changes, as for every permit of the past.
 *
 * @category transitions
 * @since 0.1.0
 */
export const settle: (self: Circuit, rules: Rules, now: number, permit: Permit, verdict: Verdict) => Circuit =
  settleCall

/**
 * Opens the circuit until a time, or until a reset with `never`. A deadline that is later already survives.
 *
 * @category transitions
 * @since 0.1.0
 */
export const force: (self: Circuit, now: number, until: number) => Circuit = steer.force

/**
 * Closes the circuit and forgets its past, whatever its state; calls on their way no longer count.
 *
 * @category transitions
 * @since 0.1.0
 */
export const reset: (self: Circuit) => Circuit = steer.reset

/**
 * Lets every call pass and only watches: in this state `openings` counts the openings that did not happen.
 *
 * @category transitions
 * @since 0.1.0
 */
export const disable: (self: Circuit) => Circuit = steer.disable

/**
 * Ends `disable` with a closed circuit without a past.
 *
 * @category transitions
 * @since 0.1.0
 */
export const enable: (self: Circuit) => Circuit = steer.enable
