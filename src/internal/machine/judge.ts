/**
 * A trip policy that judges what a fleet has counted in slots, as `health.ts` judges the calls of one process. Plain
 * data in, plain data out; times are whole milliseconds of the store's clock.
 */
import * as adaptive from "./adaptive.ts"
import { type Criterion, isReached } from "./health.ts"
import { type Counters, type Measure, ofCalls, ofTime, seconds, type Tally } from "./slots.ts"

/** What the fleet has counted, and what an adaptive policy had learnt before. */
export interface Counted {
  readonly counters: Counters
  readonly learnt: adaptive.Learnt
  readonly nowMillis: number
}

export interface Judgement {
  /** Whether a window opens the circuit, and whether none but one of slow calls does. */
  readonly unhealthy: boolean
  readonly slowness: boolean
  /** How many failures in a row open the circuit, 0 if no criterion counts them. */
  readonly failureThreshold: number
  readonly failureRatePpm: number | undefined
  /** Whether a window has a failure or a slow call, so that it matters how many calls were served beside it. */
  readonly hasMarked: boolean
}

/** What an adaptive policy has learnt with the calls that were counted since. */
export const learn = (options: adaptive.Options, { counters, learnt, nowMillis }: Counted): adaptive.Learnt =>
  seconds(counters, learnt.recordedAt, nowMillis).reduce(
    (known, { atMillis, calls, marked }) => adaptive.learn(options, known, atMillis, calls, marked),
    learnt
  )

export const judge = (criteria: ReadonlyArray<Criterion>, counted: Counted): Judgement => {
  let failureThreshold = Number.POSITIVE_INFINITY
  let failing = false
  let slow = false
  let rate: number | undefined
  let hasRate = false
  let learntRate: number | undefined
  let marked = 0
  for (const criterion of criteria) {
    switch (criterion._tag) {
      case "Consecutive":
        failureThreshold = Math.min(failureThreshold, criterion.failures)
        break
      case "FailureCount":
        // How many were served does not matter to it.
        failing ||=
          ofTime(counted.counters, "f", counted.nowMillis, criterion.windowMillis).marked >= criterion.failures
        break
      case "FailureRate": {
        const tally = tallyOf(counted, "f", criterion)
        marked += tally.marked
        failing ||= isReached(tally, criterion.minimumCalls, criterion.thresholdPpm)
        if (!hasRate && tally.calls >= criterion.minimumCalls) rate = Math.round(tally.marked * 1_000_000 / tally.calls)
        hasRate = true
        break
      }
      case "SlowCallRate": {
        const tally = tallyOf(counted, `s${criterion.slowerThanMillis}`, criterion)
        marked += tally.marked
        slow ||= isReached(tally, criterion.minimumCalls, criterion.thresholdPpm)
        break
      }
      case "Adaptive": {
        const known = learn(criterion, counted)
        failureThreshold = Math.min(failureThreshold, adaptive.threshold(criterion, known))
        learntRate ??= Math.round(known.rate)
        marked += known.rate
      }
    }
  }
  return {
    unhealthy: failing || slow,
    slowness: slow && !failing,
    failureThreshold: failureThreshold === Number.POSITIVE_INFINITY ? 0 : failureThreshold,
    failureRatePpm: hasRate ? rate : learntRate,
    hasMarked: marked > 0
  }
}

const tallyOf = (
  { counters, nowMillis }: Counted,
  measure: Measure,
  { windowCalls, windowMillis }: { readonly windowCalls: number | undefined; readonly windowMillis: number | undefined }
): Tally =>
  windowCalls === undefined
    ? ofTime(counters, measure, nowMillis, windowMillis!)
    : ofCalls(counters, measure, nowMillis, windowCalls)
