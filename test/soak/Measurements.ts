/** What must not grow: measured while nobody calls, so that whatever is still there was not given back. */
import { Context, Effect, Metric } from "effect"
import { type Limits, type Trend, trend } from "./flatness.ts"

/** Counts fibers as Effect's runtime tells of them. */
export class LiveFibers {
  count = 0
  readonly service: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void this.count++,
    recordFiberEnd: () => void this.count--
  }
  readonly context = Context.make(Metric.FiberRuntimeMetrics, this.service)
}

/** What the event loop waits for, by type; what comes and goes with every turn is left out. */
export const handles = (): number =>
  process.getActiveResourcesInfo().filter((type) => type !== "Immediate" && type !== "Timeout").length

export const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === "Timeout").length

/** In megabytes. */
export const heap = (): number => {
  const { gc } = globalThis
  if (gc === undefined) throw new Error("the collector cannot be called: run node with --expose-gc")
  gc()
  gc()
  return process.memoryUsage().heapUsed / 1_048_576
}

/**
 * The least that is seen in a while: background work makes fibers and timers too, and ends them. What was forgotten
 * stays.
 */
export const least = (count: () => number): Effect.Effect<number> =>
  Effect.gen(function*() {
    let least = count()
    for (let look = 0; look < 40; look++) {
      yield* Effect.sleep(8)
      least = Math.min(least, count())
    }
    return least
  })

/** One quantity that is measured again and again. */
export class Series {
  readonly values: Array<number> = []
  readonly name: string
  readonly limits: Limits

  constructor(name: string, limits: Limits) {
    this.name = name
    this.limits = limits
  }

  get trend(): Trend {
    return trend(this.values, this.limits)
  }
}

/** Ten per cent and five megabytes: a leak of a hundred bytes a call is more than that. */
export const heapLimits: Limits = { share: 0.1, amount: 5 }
/** Counts of what has no reason to grow at all. */
export const equal: Limits = { share: 0, amount: 0 }
/** Fibers and timers also depend on what the background waits for, and how. */
export const background: Limits = { share: 0.1, amount: 5 }
/** Circuits and keys also depend on who was looked after last; the idle ones are hundreds. */
export const records: Limits = { share: 5, amount: 20 }
/** Time series, of which there are some for everything that ever happened; those of idle circuits are thousands. */
export const timeSeries: Limits = { share: 1, amount: 200 }
