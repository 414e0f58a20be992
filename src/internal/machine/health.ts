/**
 * The trip policy of one circuit at work. All numbers are integers, and rates are compared by cross-multiplication,
 * because 3 of 30 has to be a tenth on every machine.
 */
import type { Adaptive, Options as Learning } from "./adaptive.ts"
import type { Window } from "./window.ts"

/** A trip policy as numbers; `anyOf` is a list of these. `join` adds to a circuit's parts what runs the criterion. */
export type Criterion =
  & { readonly join: (parts: Parts) => void }
  & (
    | { readonly _tag: "Consecutive"; readonly failures: number }
    | (Rate & { readonly _tag: "FailureRate" })
    | (Rate & { readonly _tag: "SlowCallRate"; readonly slowerThanMillis: number })
    | { readonly _tag: "FailureCount"; readonly failures: number; readonly windowMillis: number }
    | (Learning & { readonly _tag: "Adaptive" })
  )

export interface Rate {
  readonly thresholdPpm: number
  readonly minimumCalls: number
  readonly windowCalls: number | undefined
  readonly windowMillis: number | undefined
}

/** What runs the criteria of one circuit. */
export interface Parts {
  /** How many failures in a row open the circuit. */
  failures: number
  readonly failureRates: Array<Measured>
  readonly slowRates: Array<Measured & { readonly slowerThanMillis: number }>
  /** Of windows that have failures only. */
  readonly failureCounts: Array<Measured>
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
  /** A call that takes longer is slow; infinite without a criterion for slow calls. */
  readonly slowerThanMillis: number
  /** Records a success or a failure. True if a window, with this call in it, opens the circuit. */
  readonly record: (now: number, failed: boolean, durationMillis: number) => boolean
  /** Whether only slow calls open the circuit, and no failure rate does. */
  readonly slowness: () => boolean
  /** How many failures in a row open the circuit at present, 0 if no criterion counts them. */
  readonly failureThreshold: () => number
  /** The failures in the first failure-rate window, in parts per million; undefined below the minimum of calls. */
  readonly failureRatePpm: (now: number) => number | undefined
  readonly openMillis: (step: number, first: number) => number
  readonly recovered: (outageMillis: number) => void
  /** Empties the windows; with `everything` also the error rate that was learnt over many windows. */
  readonly clear: (everything: boolean) => void
}

export const make = (criteria: ReadonlyArray<Criterion>): Health => {
  const parts: Parts = {
    failures: Number.POSITIVE_INFINITY,
    failureRates: [],
    slowRates: [],
    failureCounts: [],
    learners: []
  }
  for (const criterion of criteria) criterion.join(parts)
  return new PartsHealth(parts)
}

// Small, because there are as many as circuits: a class, and lists without spare room.
class PartsHealth implements Health {
  private readonly failures: number
  /** The one that is shown. */
  private readonly failureRate: Measured | undefined
  private readonly failing: ReadonlyArray<Measured>
  private readonly slowRates: Parts["slowRates"]
  private readonly learners: Parts["learners"]

  constructor({ failureCounts, failureRates, failures, learners, slowRates }: Parts) {
    this.failures = failures
    this.failureRate = failureRates[0]
    this.failing = exact([...failureRates, ...failureCounts])
    this.slowRates = exact(slowRates)
    this.learners = exact(learners)
  }

  get remembers(): boolean {
    return this.failing.length > 0 || this.slowRates.length > 0 || this.learners.length > 0
  }

  get slowerThanMillis(): number {
    let least = Number.POSITIVE_INFINITY
    for (const { slowerThanMillis } of this.slowRates) least = Math.min(least, slowerThanMillis)
    return least
  }

  record(now: number, failed: boolean, durationMillis: number): boolean {
    for (let i = 0; i < this.failing.length; i++) this.failing[i]!.window.record(now, failed)
    for (const { slowerThanMillis, window } of this.slowRates) window.record(now, durationMillis > slowerThanMillis)
    for (const learner of this.learners) learner.record(now, failed)
    return this.failing.some(reached) || this.slowRates.some(reached)
  }

  slowness(): boolean {
    return this.slowRates.some(reached) && !this.failing.some(reached)
  }

  failureThreshold(): number {
    let threshold = this.failures
    for (const learner of this.learners) threshold = Math.min(threshold, learner.threshold())
    return threshold === Number.POSITIVE_INFINITY ? 0 : threshold
  }

  failureRatePpm(now: number): number | undefined {
    const rate = this.failureRate
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
    for (const { window } of this.failing) window.clear()
    for (const { window } of this.slowRates) window.clear()
    if (everything) { for (const learner of this.learners) learner.clear() }
  }
}

const none: Array<never> = []

const exact = <A>(list: Array<A>): Array<A> => list.length === 0 ? none : list.slice()

const reached = ({ minimumCalls, thresholdPpm, window }: Measured): boolean =>
  isReached(window, minimumCalls, thresholdPpm)

/** Whether enough calls were counted, and too many of them are marked. */
export const isReached = (
  { calls, marked }: { readonly calls: number; readonly marked: number },
  minimumCalls: number,
  thresholdPpm: number
): boolean => calls >= minimumCalls && marked * 1_000_000 >= thresholdPpm * calls
