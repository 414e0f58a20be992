/** Trip policies, checked and turned into the numbers that a circuit needs. */
import type {
  Adaptive,
  AnyOf,
  Consecutive,
  FailureCount,
  FailureRate,
  SlowCallRate,
  TripPolicy,
  Window
} from "../../TripPolicy.ts"
import * as learner from "../machine/adaptive.ts"
import type { Criterion, Measured, Rate } from "../machine/health.ts"
import { countWindow, onlyMarked, timeWindow } from "../machine/window.ts"
import { checkOptions } from "./known.ts"
import { fraction, fractionAboveZero, invalid, millis, positiveInt } from "./validation.ts"

/** The property of a policy with its check, which brings what runs it: a program bundles only the policies it uses. */
export const TypeId = "~effect-resilience/TripPolicy"

export type Check<P> = (policy: P, at: string) => ReadonlyArray<Criterion>

export const tripCriteria = <P extends TripPolicy>(policy: P, at: string): ReadonlyArray<Criterion> => {
  const check = policy?.[TypeId] as Check<P> | undefined
  return check?.(policy, at) ?? invalid(at, policy?._tag ?? policy, "a policy made by TripPolicy")
}

// Made where they are needed, so that a program does not bundle those of a policy that it does not use.
const policyFields = () => ({ [TypeId]: true, _tag: true } as const)
const rateFields = () => ({ ...policyFields(), threshold: true, minimumCalls: true, window: true } as const)

export const consecutive: Check<Consecutive> = (policy, at) => {
  checkOptions(policy, { ...policyFields(), failures: true }, at)
  const failures = positiveInt(`${at}.failures`, policy.failures)
  return [{
    _tag: "Consecutive",
    failures,
    join: (parts) => {
      parts.failures = Math.min(parts.failures, failures)
    }
  }]
}

export const failureCount: Check<FailureCount> = (policy, at) => {
  checkOptions(policy, { ...policyFields(), failures: true, window: true }, at)
  const failures = positiveInt(`${at}.failures`, policy.failures)
  const windowMillis = millis(`${at}.window`, policy.window)
  return [{
    _tag: "FailureCount",
    failures,
    windowMillis,
    join: ({ failureCounts }) =>
      failureCounts.push({ window: onlyMarked(timeWindow(windowMillis)), thresholdPpm: 1, minimumCalls: failures })
  }]
}

export const failureRate: Check<FailureRate> = (policy, at) => {
  checkOptions(policy, rateFields(), at)
  const checked = checkRate(policy, at)
  return [{ _tag: "FailureRate", ...checked, join: ({ failureRates }) => failureRates.push(measure(checked)) }]
}

export const slowCallRate: Check<SlowCallRate> = (policy, at) => {
  checkOptions(policy, { ...rateFields(), slowerThan: true }, at)
  const checked = { ...checkRate(policy, at), slowerThanMillis: millis(`${at}.slowerThan`, policy.slowerThan) }
  return [{
    _tag: "SlowCallRate",
    ...checked,
    join: ({ slowRates }) => slowRates.push({ ...checked, ...measure(checked) })
  }]
}

export const anyOf: Check<AnyOf> = ({ policies }, at) =>
  policies.length === 0
    ? invalid(`${at}.policies`, "empty", "a list of at least one policy")
    : policies.flatMap((policy, index) => tripCriteria(policy, `${at}.policies[${index}]`))

export const adaptive: Check<Adaptive> = (policy, at) => {
  checkOptions(policy, adaptiveFields(), at)
  const failures = positiveInt(`${at}.failures`, policy.failures)
  const lowPpm = fraction(`${at}.lowErrorRate`, policy.lowErrorRate)
  const highPpm = fraction(`${at}.highErrorRate`, policy.highErrorRate)
  if (lowPpm >= highPpm) invalid(`${at}.lowErrorRate`, policy.lowErrorRate, "below highErrorRate")
  const minimumFailures = positiveInt(`${at}.minimumFailures`, policy.minimumFailures)
  const maximumFailures = positiveInt(`${at}.maximumFailures`, policy.maximumFailures)
  if (minimumFailures > maximumFailures) {
    invalid(`${at}.minimumFailures`, policy.minimumFailures, "no larger than maximumFailures")
  }
  const minimumOpenMillis = policy.minimumOpen === undefined
    ? undefined
    : millis(`${at}.minimumOpen`, policy.minimumOpen)
  const maximumOpenMillis = policy.maximumOpen === undefined
    ? undefined
    : millis(`${at}.maximumOpen`, policy.maximumOpen)
  if (
    minimumOpenMillis !== undefined && maximumOpenMillis !== undefined && minimumOpenMillis > maximumOpenMillis
  ) {
    invalid(`${at}.minimumOpen`, policy.minimumOpen, "no longer than maximumOpen")
  }
  const options = {
    failures,
    minimumFailures,
    maximumFailures,
    minimumSamples: positiveInt(`${at}.minimumSamples`, policy.minimumSamples),
    alphaPpm: fractionAboveZero(`${at}.alpha`, policy.alpha),
    lowPpm,
    highPpm,
    hysteresisPpm: fraction(`${at}.hysteresis`, policy.hysteresis),
    halfLifeMillis: millis(`${at}.halfLife`, policy.halfLife),
    recoveryWeightPpm: fractionAboveZero(`${at}.recoveryWeight`, policy.recoveryWeight),
    minimumOpenMillis,
    maximumOpenMillis
  }
  return [{ _tag: "Adaptive", ...options, join: ({ learners }) => learners.push(learner.make(options)) }]
}

const adaptiveFields = (): Record<keyof Adaptive, true> => ({
  ...policyFields(),
  failures: true,
  minimumFailures: true,
  maximumFailures: true,
  minimumSamples: true,
  alpha: true,
  lowErrorRate: true,
  highErrorRate: true,
  hysteresis: true,
  halfLife: true,
  recoveryWeight: true,
  minimumOpen: true,
  maximumOpen: true
})

const checkRate = (
  policy: { readonly threshold: number; readonly minimumCalls: number; readonly window: Window },
  at: string
): Rate => {
  const thresholdPpm = fractionAboveZero(`${at}.threshold`, policy.threshold)
  if (typeof policy.window !== "number") {
    const windowMillis = millis(`${at}.window`, policy.window)
    const minimumCalls = positiveInt(`${at}.minimumCalls`, policy.minimumCalls)
    return { thresholdPpm, minimumCalls, windowCalls: undefined, windowMillis }
  }
  const windowCalls = positiveInt(`${at}.window`, policy.window)
  const minimumCalls = positiveInt(`${at}.minimumCalls`, policy.minimumCalls)
  if (windowCalls > 1_000_000) invalid(`${at}.window`, policy.window, "a window of at most 1,000,000 calls")
  if (minimumCalls > windowCalls) {
    invalid(`${at}.minimumCalls`, policy.minimumCalls, "no larger than the window, or its rate would never be known")
  }
  return { thresholdPpm, minimumCalls, windowCalls, windowMillis: undefined }
}

const measure = (rate: Rate): Measured => ({
  window: rate.windowCalls === undefined ? timeWindow(rate.windowMillis!) : countWindow(rate.windowCalls),
  thresholdPpm: rate.thresholdPpm,
  minimumCalls: rate.minimumCalls
})
