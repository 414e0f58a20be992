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
  return new PartsHealth(parts)
}

// A class, because there may be as many as circuits; and lists without room for more.
class PartsHealth implements Health {
  private readonly failures: number
  private readonly failureRates: Parts["failureRates"]
  private readonly slowRates: Parts["slowRates"]
  private readonly learners: Parts["learners"]

  constructor({ failureRates, failures, learners, slowRates }: Parts) {
    this.failures = failures
    this.failureRates = exact(failureRates)
    this.slowRates = exact(slowRates)
    this.learners = exact(learners)
  }

  get remembers(): boolean {
    return this.failureRates.length > 0 || this.slowRates.length > 0 || this.learners.length > 0
  }

  get slowerThanMillis(): number {
    let least = Number.POSITIVE_INFINITY
    for (const { slowerThanMillis } of this.slowRates) least = Math.min(least, slowerThanMillis)
    return least
  }

  record(now: number, failed: boolean, durationMillis: number): boolean {
    for (let i = 0; i < this.failureRates.length; i++) this.failureRates[i]!.window.record(now, failed)
    for (const { slowerThanMillis, window } of this.slowRates) window.record(now, durationMillis > slowerThanMillis)
    for (const learner of this.learners) learner.record(now, failed)
    return this.failureRates.some(reached) || this.slowRates.some(reached)
  }

  slowness(): boolean {
    return this.slowRates.some(reached) && !this.failureRates.some(reached)
  }

  failureThreshold(): number {
    let threshold = this.failures
    for (const learner of this.learners) threshold = Math.min(threshold, learner.threshold())
    return threshold === Number.POSITIVE_INFINITY ? 0 : threshold
  }

  failureRatePpm(now: number): number | undefined {
    const rate = this.failureRates[0]
    if (rate === undefined) return this.learners[0]?.errorRatePpm()
    rate.window.expire(now)
    const { calls, marked } = rate.window
    return calls < rate.minimumCalls ? undefined : Math.round(marked * 1_000_000 / calls)
  }

  openMillis(step: number, first: number): number {
    const learner = this.learners[0]
    return learner === undefined ? step : learner.openMillis(step, first)
  }

  recovered(outageMillis: number): void {
    for (const learner of this.learners) learner.recovered(outageMillis)
  }

  clear(everything: boolean): void {
    for (const { window } of this.failureRates) window.clear()
    for (const { window } of this.slowRates) window.clear()
    if (everything) { for (const learner of this.learners) learner.clear() }
  }
}

const none: Array<never> = []

const exact = <A>(list: Array<A>): Array<A> => list.length === 0 ? none : list.slice()

const reached = ({ minimumCalls, thresholdPpm, window }: Measured): boolean =>
  window.calls >= minimumCalls && window.marked * 1_000_000 >= thresholdPpm * window.calls
