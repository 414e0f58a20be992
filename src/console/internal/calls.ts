/** The recent calls of one circuit: counts in intervals of ten seconds, and the last durations. */
import { type CallResult, callResults } from "../../internal/observers/callResults.ts"
import type { CircuitListener } from "../../internal/observers/observer.ts"
import type { Kind } from "../../Outcome.ts"
import { type Circuit, ofEach } from "./snapshot.ts"

const intervalMillis = 10_000
const intervals = 30
const intervalsOfMinute = 6
const maxDurations = 64

const indexOf = ofEach(callResults, (index) => index)

/** The calls of a circuit in a snapshot. */
export type Tally = Pick<Circuit, "calls" | "failure_kinds" | "median_ms" | "trend">

export class Calls implements CircuitListener {
  readonly onForgotten: () => void
  private readonly now: () => number
  private readonly counts = new Uint32Array(intervals * callResults.length)
  private readonly failures = new Map<Kind, Uint32Array>()
  private readonly durations = new Float32Array(maxDurations)
  private measured = 0
  private latest = 0

  constructor(now: () => number, onForgotten: () => void) {
    this.now = now
    this.onForgotten = onForgotten
  }

  onCall(result: CallResult, durationMillis: number, kind: Kind | undefined): void {
    const slot = this.advance() % intervals
    const index = indexOf[result]
    this.counts[slot * callResults.length + index]!++
    if (index < indexOf.interrupted) this.durations[this.measured++ % maxDurations] = durationMillis
    if (result !== "failure" || kind === undefined) return
    let counts = this.failures.get(kind)
    if (counts === undefined) this.failures.set(kind, counts = new Uint32Array(intervals))
    counts[slot]!++
  }

  tally(): Tally {
    const latest = this.advance()
    const totals = callResults.map((_, index) => this.lastMinute(latest, index))
    const durations = this.durations.slice(0, Math.min(this.measured, maxDurations)).sort()
    return {
      calls: ofEach(callResults, (index) => totals[index]!),
      failure_kinds: Array.from(this.failures, ([kind, counts]) => ({ kind, calls: sum(counts) }))
        .filter(({ calls }) => calls > 0)
        .sort((one, other) => other.calls - one.calls),
      ...(durations.length === 0 ? {} : { median_ms: Math.round(durations[durations.length >> 1]!) }),
      trend: this.trend(latest)
    }
  }

  private trend(latest: number): Tally["trend"] {
    const trend = { passed: [] as Array<number>, failed: [] as Array<number>, rejected: [] as Array<number> }
    for (let number = latest - intervals + 1; number <= latest; number++) {
      const [success, failure, ignored, interrupted, ...rejected] = this.interval(number)
      trend.passed.push(success! + ignored! + interrupted!)
      trend.failed.push(failure!)
      trend.rejected.push(sum(rejected))
    }
    return trend
  }

  private lastMinute(latest: number, index: number): number {
    let total = 0
    for (let ago = 0; ago < intervalsOfMinute; ago++) total += this.interval(latest - ago)[index]!
    return total
  }

  private interval(number: number): Uint32Array {
    const start = (number + intervals) % intervals * callResults.length
    return this.counts.subarray(start, start + callResults.length)
  }

  // Empties the intervals that have begun since the last call.
  private advance(): number {
    const number = Math.max(this.latest, Math.floor(this.now() / intervalMillis))
    for (let next = Math.max(this.latest + 1, number - intervals + 1); next <= number; next++) {
      const slot = next % intervals
      this.counts.fill(0, slot * callResults.length, (slot + 1) * callResults.length)
      for (const counts of this.failures.values()) counts[slot] = 0
    }
    return this.latest = number
  }
}

const sum = (counts: Iterable<number>): number => {
  let total = 0
  for (const count of counts) total += count
  return total
}

/** The tally of a circuit without calls. */
export const noCalls: Tally = new Calls(() => 0, () => undefined).tally()
