/**
 * When a closed circuit opens: data, checked when a breaker layer is built. A policy contains the code that runs it, so
 * that a program bundles only the policies it uses.
 *
 * Only `Success` and `Failure` are counted. A rate is compared after every counted call, if its window has
 * `minimumCalls`; below that it is unknown and never opens a circuit.
 *
 * @since 0.1.0
 */
import type { Duration } from "effect"
import * as criteria from "./internal/options/tripCriteria.ts"

/**
 * The calls of a rate: the last n calls (a number) or the calls of a duration. Both are exact: each call leaves by
 * itself. The resolution of a window longer than a minute is 1/60,000 of its length.
 *
 * @category models
 * @since 0.1.0
 */
export type Window = number | Duration.Input

/**
 * Made by `consecutive`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consecutive {
  readonly [criteria.TypeId]: criteria.Check<Consecutive>
  readonly _tag: "Consecutive"
  readonly failures: number
}

/**
 * Made by `failureCount`.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureCount {
  readonly [criteria.TypeId]: criteria.Check<FailureCount>
  readonly _tag: "FailureCount"
  readonly failures: number
  readonly window: Duration.Input
}

/**
 * Made by `failureRate`. `threshold` is a fraction.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureRate {
  readonly [criteria.TypeId]: criteria.Check<FailureRate>
  readonly _tag: "FailureRate"
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: Window
}

/**
 * Made by `slowCallRate`. `threshold` is a fraction.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowCallRate {
  readonly [criteria.TypeId]: criteria.Check<SlowCallRate>
  readonly _tag: "SlowCallRate"
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: Window
  readonly slowerThan: Duration.Input
}

/**
 * Made by `adaptive`. Rates and weights are fractions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Adaptive {
  readonly [criteria.TypeId]: criteria.Check<Adaptive>
  readonly _tag: "Adaptive"
  readonly failures: number
  readonly minimumFailures: number
  readonly maximumFailures: number
  readonly minimumSamples: number
  readonly alpha: number
  readonly lowErrorRate: number
  readonly highErrorRate: number
  readonly hysteresis: number
  readonly halfLife: Duration.Input
  readonly recoveryWeight: number
  readonly minimumOpen?: Duration.Input | undefined
  readonly maximumOpen?: Duration.Input | undefined
}

/**
 * Made by `anyOf`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyOf {
  readonly [criteria.TypeId]: criteria.Check<AnyOf>
  readonly _tag: "AnyOf"
  readonly policies: ReadonlyArray<TripPolicy>
}

/**
 * When a closed circuit opens; `_tag` says which rule.
 *
 * @category models
 * @since 0.1.0
 */
export type TripPolicy = Consecutive | FailureCount | FailureRate | SlowCallRate | Adaptive | AnyOf

/**
 * Opens at the n-th failure in a row, in order of completion. A success starts the count again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const consecutive = (failures: number): TripPolicy => ({
  [criteria.TypeId]: criteria.consecutive,
  _tag: "Consecutive",
  failures
})

/**
 * Opens at the n-th failure within `window`, whatever succeeded in between.
 *
 * **Gotcha** The more calls there are, the sooner n of them fail by mere chance. Where the load changes, take
 * `failureRate`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failureCount = (options: {
  readonly failures: number
  readonly window: Duration.Input
}): TripPolicy => ({ ...options, [criteria.TypeId]: criteria.failureCount, _tag: "FailureCount" })

/**
 * Opens when the share of failures in the window reaches `threshold` (above 0, up to 1).
 *
 * `minimumCalls` defaults to 10, or to the size of a smaller window.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failureRate = (options: {
  readonly threshold: number
  readonly minimumCalls?: number | undefined
  readonly window: Window
}): TripPolicy => ({
  ...options,
  [criteria.TypeId]: criteria.failureRate,
  _tag: "FailureRate",
  minimumCalls: options.minimumCalls ?? defaultMinimumCalls(options.window)
})

/**
 * Opens when the share of calls that took longer than `slowerThan` reaches `threshold`, whatever they answered. The
 * values of slow calls are returned; a probe slower than this counts as failed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const slowCallRate = (options: {
  readonly threshold: number
  readonly slowerThan: Duration.Input
  readonly minimumCalls?: number | undefined
  readonly window: Window
}): TripPolicy => ({
  ...options,
  [criteria.TypeId]: criteria.slowCallRate,
  _tag: "SlowCallRate",
  minimumCalls: options.minimumCalls ?? defaultMinimumCalls(options.window)
})

/**
 * Opens after failures in a row, and learns from the circuit's calls how many, and for how long.
 *
 * **Threshold.** An exponential average of the error rate (`alpha` per counted call) picks it: half of `failures`
 * (rounded down) from `highErrorRate` on, twice of it down to `lowErrorRate`, `failures` in between; always within
 * `minimumFailures` and `maximumFailures`. A zone is left only once the rate has moved past its border by
 * `hysteresis`. Until `minimumSamples` calls have been counted the threshold is `failures`; the weight of old calls
 * halves every `halfLife`, so a circuit that was silent for long is neutral again.
 *
 * **Open time.** Each recovery gives one estimate of how long the dependency was down: up to the last failed probe,
 * and half of the last opening. Their average (`recoveryWeight` for the newest) replaces the first step of
 * `openDuration`, and later steps keep their proportion to it. It falls as well as rises, within `minimumOpen` and
 * `maximumOpen` (default: a tenth and ten times of the first step).
 *
 * @category constructors
 * @since 0.1.0
 */
export const adaptive = (options?: {
  readonly failures?: number | undefined
  readonly minimumFailures?: number | undefined
  readonly maximumFailures?: number | undefined
  readonly minimumSamples?: number | undefined
  readonly alpha?: number | undefined
  readonly lowErrorRate?: number | undefined
  readonly highErrorRate?: number | undefined
  readonly hysteresis?: number | undefined
  readonly halfLife?: Duration.Input | undefined
  readonly recoveryWeight?: number | undefined
  readonly minimumOpen?: Duration.Input | undefined
  readonly maximumOpen?: Duration.Input | undefined
}): TripPolicy => {
  const failures = options?.failures ?? 5
  return {
    ...options,
    [criteria.TypeId]: criteria.adaptive,
    _tag: "Adaptive",
    failures,
    minimumFailures: options?.minimumFailures ?? 1,
    maximumFailures: options?.maximumFailures ?? 2 * failures,
    minimumSamples: options?.minimumSamples ?? 20,
    alpha: options?.alpha ?? 0.1,
    lowErrorRate: options?.lowErrorRate ?? 0.1,
    highErrorRate: options?.highErrorRate ?? 0.9,
    hysteresis: options?.hysteresis ?? 0.05,
    halfLife: options?.halfLife ?? "5 minutes",
    recoveryWeight: options?.recoveryWeight ?? 0.3,
    minimumOpen: options?.minimumOpen,
    maximumOpen: options?.maximumOpen
  }
}

/**
 * Opens as soon as one of the policies would.
 *
 * @category constructors
 * @since 0.1.0
 */
export const anyOf = (...policies: ReadonlyArray<TripPolicy>): TripPolicy => ({
  [criteria.TypeId]: criteria.anyOf,
  _tag: "AnyOf",
  policies
})

/**
 * A policy without the code that runs it, as it is after JSON or a message between processes.
 *
 * @category models
 * @since 0.1.0
 */
export type Data =
  | Omit<Consecutive, typeof criteria.TypeId>
  | Omit<FailureCount, typeof criteria.TypeId>
  | Omit<FailureRate, typeof criteria.TypeId>
  | Omit<SlowCallRate, typeof criteria.TypeId>
  | Omit<Adaptive, typeof criteria.TypeId>
  | { readonly _tag: "AnyOf"; readonly policies: ReadonlyArray<Data> }

/**
 * Makes a policy of such data. It is checked, like every policy, when a breaker layer is built.
 *
 * **Example**
 *
 * ```ts
 * import { TripPolicy } from "effect-resilience"
 *
 * const text = JSON.stringify(TripPolicy.consecutive(5))
 *
 * TripPolicy.fromData(JSON.parse(text)) // => TripPolicy.consecutive(5)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromData = (data: Data): TripPolicy => {
  switch (data?._tag) {
    case "Consecutive":
      return { ...data, [criteria.TypeId]: criteria.consecutive }
    case "FailureCount":
      return { ...data, [criteria.TypeId]: criteria.failureCount }
    case "FailureRate":
      return { ...data, [criteria.TypeId]: criteria.failureRate }
    case "SlowCallRate":
      return { ...data, [criteria.TypeId]: criteria.slowCallRate }
    case "Adaptive":
      return { ...data, [criteria.TypeId]: criteria.adaptive }
    case "AnyOf":
      return Array.isArray(data.policies) ? anyOf(...data.policies.map(fromData)) : unknownPolicy(data)
    default:
      return unknownPolicy(data)
  }
}

// Parsed data may be anything. The layer of a breaker refuses what no function of this module has made.
const unknownPolicy = (data: unknown): TripPolicy => (data ?? {}) as TripPolicy

const defaultMinimumCalls = (window: Window) => typeof window === "number" ? Math.min(10, window) : 10
