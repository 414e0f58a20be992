/**
 * How the circuits of a breaker behave: what opens them, how long they stay open, how they come back.
 *
 * A policy is checked as a whole when the breaker layer is built. A value that breaks a rule ends the build with an
 * `InvalidOptions` that names the field, the value and the rule.
 *
 * @since 0.1.0
 */
import { type Duration, type Exit, type Schedule } from "effect"
import { type Outcome } from "./Outcome.ts"
import { type TripPolicy } from "./TripPolicy.ts"

/**
 * Every field has a default.
 *
 * - `tripPolicy`: when a closed circuit opens. Default: the third failure in a row.
 * - `openDuration`: how long it stays open. A `Schedule` gives the n-th opening in a row its n-th delay (its last one
 *   when it ends, its hundredth after a hundred); the count starts again once the circuit has stayed closed as long
 *   as it was last open. Default: 60 seconds.
 * - `maxOpenDuration`: the longest wait that a dependency can ask for, through `Throttled`, `OpenNow` or a failure.
 *   Default: 1 hour. Does not cap `openDuration`.
 * - `gateJitter`: a wait that the dependency asks all callers for is lengthened by a random share of up to this,
 *   because processes would otherwise all come back at the end of the provider's minute. From 0 to 1. Default: 0.1.
 * - `probes`: how many calls are admitted at once while half-open. Default: 1.
 * - `successesToClose`: probes that must succeed to close. Default: 1.
 * - `probeLease`: a probe that takes longer may lose its slot to another call; its verdict then no longer counts.
 *   Make it longer than the longest healthy call. Default: 10 minutes.
 * - `ramp`: after closing, the share of calls let through grows from nothing to all over this time. Default: none.
 * - `attemptTimeout`: cuts off a call and counts it as a failure. A timeout outside the breaker interrupts instead,
 *   which says nothing about the dependency. Default: none.
 * - `classify`: what an exit says about the dependency. Default: a failure or a defect is a `Failure` of kind
 *   `unknown` (calls to models want `LlmOutcome.classify`), and a call rejected by another circuit is `Ignored`.
 *   An interruption is always `Ignored`, and no classifier is asked. If a classifier throws, the call is `Ignored` and
 *   keeps its result.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitPolicy {
  readonly tripPolicy?: TripPolicy | undefined
  readonly openDuration?: Duration.Input | Schedule.Schedule<unknown, number> | undefined
  readonly maxOpenDuration?: Duration.Input | undefined
  readonly gateJitter?: number | undefined
  readonly probes?: number | undefined
  readonly successesToClose?: number | undefined
  readonly probeLease?: Duration.Input | undefined
  readonly ramp?: Duration.Input | undefined
  readonly attemptTimeout?: Duration.Input | undefined
  readonly classify?: Classify | undefined
}

/**
 * Judges the exit of a call: what it says about the dependency.
 *
 * @category models
 * @since 0.1.0
 */
export type Classify = (exit: Exit.Exit<unknown, unknown>) => Outcome

export { InvalidOptions } from "./internal/options/invalidOptions.ts"
