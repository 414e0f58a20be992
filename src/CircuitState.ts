/**
 * The readable state of a circuit. Reading takes no probe slot and changes no state.
 *
 * @since 0.1.0
 */
import type { Duration } from "effect"
import type { Reason, State } from "./Circuit.ts"
import type { Kind } from "./Outcome.ts"

interface Common {
  readonly key: string
  /** Fencing token: rises with every transition. */
  readonly generation: number
  /** Why the circuit is in this state. */
  readonly reason: Reason
}

interface Outage {
  /** Shared by all events of the outage. */
  readonly outageId: string
  /** Wall-clock time at which the present opening began, epoch milliseconds. */
  readonly openedAt: number
  /** Age of the outage, from its first opening. */
  readonly openFor: Duration.Duration
  /** Openings in a row. */
  readonly openings: number
  readonly lastFailureKind: Kind | undefined
  /** Calls turned away by this process since the present opening. */
  readonly skips: number
}

/**
 * Calls pass. `failureThreshold` is present if the trip policy counts failures in a row, `failureRate` if it has a rate
 * that is known. `throttledFor` is the time left until the gate opens; `ramping` is true while the circuit takes its
 * load back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Closed extends Common {
  readonly _tag: "Closed"
  readonly consecutiveFailures: number
  readonly failureThreshold: number | undefined
  readonly failureRate: number | undefined
  readonly lastFailureKind: Kind | undefined
  readonly throttledFor: Duration.Duration | undefined
  readonly ramping: boolean
}

/**
 * Calls are rejected. If `retryAfter` is zero, the next call is a probe.
 *
 * @category models
 * @since 0.1.0
 */
export interface Open extends Common, Outage {
  readonly _tag: "Open"
  readonly retryAfter: Duration.Duration
}

/**
 * Probes decide. `probing` counts the probes that are running, `successes` those that have succeeded since the circuit
 * became half-open.
 *
 * @category models
 * @since 0.1.0
 */
export interface HalfOpen extends Common, Outage {
  readonly _tag: "HalfOpen"
  readonly probing: number
  readonly successes: number
  readonly throttledFor: Duration.Duration | undefined
}

/**
 * An operator holds the circuit open. `retryAfter` is undefined when it is held until a reset.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForcedOpen extends Common, Outage {
  readonly _tag: "ForcedOpen"
  readonly retryAfter: Duration.Duration | undefined
  readonly note: string | undefined
  readonly actor: string | undefined
}

/**
 * An operator lets every call pass. `wouldHaveOpened` counts the openings that did not happen.
 *
 * @category models
 * @since 0.1.0
 */
export interface Disabled extends Common {
  readonly _tag: "Disabled"
  readonly wouldHaveOpened: number
}

/**
 * The state of one circuit; `_tag` says which.
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitState = Closed | Open | HalfOpen | ForcedOpen | Disabled

/**
 * One circuit as this process knows it, read without an effect, for services that choose among circuits at every call.
 * Each reading gives the present state.
 *
 * - `passes`: whether the next call is certainly admitted. It costs next to nothing.
 * - `state`: the whole state.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitView {
  readonly key: string
  readonly passes: boolean
  readonly state: CircuitState
}

/**
 * The state that was read, in the words of the machine, of events and of metrics.
 *
 * @category getters
 * @since 0.1.0
 */
export const stateOf = ({ _tag }: CircuitState): State => states[_tag]

const states = {
  Closed: "closed",
  Open: "open",
  HalfOpen: "half_open",
  ForcedOpen: "forced_open",
  Disabled: "disabled"
} as const satisfies Record<CircuitState["_tag"], State>

/**
 * The state of a key before its first use.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unused = (key: string): CircuitState => ({
  _tag: "Closed",
  key,
  generation: 0,
  reason: "initial",
  consecutiveFailures: 0,
  failureThreshold: undefined,
  failureRate: undefined,
  lastFailureKind: undefined,
  throttledFor: undefined,
  ramping: false
})
