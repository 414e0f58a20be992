/**
 * How healthy one circuit's dependency looks: the trip policy at work. Integers throughout; rates are compared by
 * cross-multiplication, so that 3 of 30 is a tenth on every machine.
 */
import type { Adaptive, Options as Learning } from "./adaptive.ts"
import type { Window } from "./window.ts"

/** A trip policy as numbers: `anyOf` is the list itself. `join` makes what runs it, afresh for each circuit. */
export type Criterion =
  & { readonly join: (parts: Parts) => void }
  & (
    | { readonly _tag: "Consecutive"; readonly failures: number }
    | (Rate & { readonly _tag: "FailureRate" })
    | (Rate & { readonly _tag: "SlowCallRate"; readonly slowerThanMillis: number })
    | (Learning & { readonly _tag: "Adaptive" })
  )

export interface Rate {
  readonly thresholdPpm: number
  readonly minimumCalls: number
  readonly windowCalls: number | undefined
  readonly windowMillis: number | undefined
}

/** What the criteria of one circuit are judged by. */
export interface Parts {
  /** In a row, that open the circuit. */
  failures: number
  readonly failureRates: Array<Measured>
  readonly slowRates: Array<Measured & { readonly slowerThanMillis: number }>
  readonly learners: Array<Adaptive>
}

export interface Measured {
  readonly window: Window
  readonly thresholdPpm: number
  readonly minimumCalls: number
}

export interface Health {
  /** Whether `record` has any effect. */
  readonly remembers: boolean
  /** A call longer than this is slow; infinite if no criterion asks. */
  readonly slowerThanMillis: number
  /** Takes in a call that spoke about health. Returns whether the windows, this call included, say open. */
  readonly record: (now: number, failed: boolean, durationMillis: number) => boolean
  /** Whether it is slowness alone that says open. */
  readonly slowness: () => boolean
  /** Failures in a row that open the circuit by now, 0 if no criterion counts them. */
  readonly failureThreshold: () => number
  /** Share of failures in the first failure-rate window in parts per million, undefined while unknown. */
  readonly failureRatePpm: (now: number) => number | undefined
  readonly openMillis: (step: number, first: number) => number
  readonly recovered: (outageMillis: number) => void
  /** Starts the windows again; with `everything` also what was learnt over many windows. */
  readonly clear: (everything: boolean) => void
}

export const make = (criteria: ReadonlyArray<Criterion>): Health => {
  const parts: Parts = { failures: Number.POSITIVE_INFINITY, failureRates: [], slowRates: [], learners: [] }
  for (const criterion of criteria) criterion.join(parts)
  const { failureRates, failures, learners, slowRates } = parts
  const windows = [...failureRates, ...slowRates].map(({ window }) => window)
  const failing = () => failureRates.some(reached)
  const slowing = () => slowRates.some(reached)

  return {
    remembers: windows.length > 0 || learners.length > 0,
    slowerThanMillis: Math.min(...slowRates.map(({ slowerThanMillis }) => slowerThanMillis)),
    record: (now, failed, durationMillis) => {
      for (let i = 0; i < failureRates.length; i++) failureRates[i]!.window.record(now, failed)
      for (const { slowerThanMillis, window } of slowRates) window.record(now, durationMillis > slowerThanMillis)
      for (const learner of learners) learner.record(now, failed)
      return failing() || slowing()
    },
    slowness: () => slowing() && !failing(),
    failureThreshold: () => {
      let threshold = failures
      for (const learner of learners) threshold = Math.min(threshold, learner.threshold())
      return threshold === Number.POSITIVE_INFINITY ? 0 : threshold
    },
    failureRatePpm: (now) => {
      const rate = failureRates[0]
      if (rate === undefined) return learners[0]?.errorRatePpm()
      rate.window.expire(now)
      const { calls, marked } = rate.window
      return calls < rate.minimumCalls ? undefined : Math.round(marked * 1_000_000 / calls)
    },
    openMillis: (step, first) => {
      const learner = learners[0]
      return learner === undefined ? step : learner.openMillis(step, first)
    },
    recovered: (outageMillis) => {
      for (const learner of learners) learner.recovered(outageMillis)
    },
    clear: (everything) => {
      for (const window of windows) window.clear()
      if (everything) { for (const learner of learners) learner.clear() }
    }
  }
}

const reached = ({ minimumCalls, thresholdPpm, window }: Measured): boolean =>
  window.calls >= minimumCalls && window.marked * 1_000_000 >= thresholdPpm * window.calls
