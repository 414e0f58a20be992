/** A trip policy, checked and turned into the numbers the circuit works with. */
import type { TripPolicy, Window } from "../TripPolicy.ts"
import type { Criterion } from "./health.ts"
import { fraction, invalid, millis, positiveInt } from "./validation.ts"

export const tripCriteria = (policy: TripPolicy, at: string): ReadonlyArray<Criterion> => {
  switch (policy?._tag) {
    case "Consecutive":
      return [{ _tag: "Consecutive", failures: positiveInt(`${at}.failures`, policy.failures) }]
    case "FailureRate":
      return [{ _tag: "FailureRate", ...rate(policy, at) }]
    case "SlowCallRate":
      return [{
        _tag: "SlowCallRate",
        ...rate(policy, at),
        slowerThanMillis: millis(`${at}.slowerThan`, policy.slowerThan)
      }]
    case "Adaptive": {
      const failures = positiveInt(`${at}.failures`, policy.failures)
      const lowPpm = fraction(`${at}.lowErrorRate`, policy.lowErrorRate, "zero")
      const highPpm = fraction(`${at}.highErrorRate`, policy.highErrorRate, "zero")
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
      return [{
        _tag: "Adaptive",
        failures,
        minimumFailures,
        maximumFailures,
        minimumSamples: positiveInt(`${at}.minimumSamples`, policy.minimumSamples),
        alphaPpm: fraction(`${at}.alpha`, policy.alpha, "above zero"),
        lowPpm,
        highPpm,
        hysteresisPpm: fraction(`${at}.hysteresis`, policy.hysteresis, "zero"),
        halfLifeMillis: millis(`${at}.halfLife`, policy.halfLife),
        recoveryWeightPpm: fraction(`${at}.recoveryWeight`, policy.recoveryWeight, "above zero"),
        minimumOpenMillis,
        maximumOpenMillis
      }]
    }
    case "AnyOf":
      if (policy.policies.length === 0) invalid(`${at}.policies`, "empty", "a list of at least one policy")
      return policy.policies.flatMap((policy, index) => tripCriteria(policy, `${at}.policies[${index}]`))
    default:
      return invalid(
        at,
        (policy as { readonly _tag?: unknown } | undefined)?._tag ?? policy,
        "a policy made by TripPolicy"
      )
  }
}

const rate = (
  policy: { readonly threshold: number; readonly minimumCalls: number; readonly window: Window },
  at: string
) => {
  const thresholdPpm = fraction(`${at}.threshold`, policy.threshold, "above zero")
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
