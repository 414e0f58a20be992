/** Whether a measured series stays where it began. */
import { quantile } from "../bench/measure.ts"

/** How far the end may lie above the beginning: by a share of it and by an amount, whichever is less. */
export interface Limits {
  readonly share: number
  readonly amount: number
}

export interface Trend {
  readonly first: number
  readonly last: number
  readonly verdict: "flat" | "grows" | "too short"
}

/** How much of a run is for compilers, caches and buffers to fill. */
const warmUpShare = 0.25

/** Fewer samples than this in each third say nothing about a trend. */
const leastInThird = 3

/** Compares the median of the last third with that of the first third, of what comes after the warm-up. */
export const trend = (series: ReadonlyArray<number>, limits: Limits): Trend => {
  const warm = series.slice(Math.floor(series.length * warmUpShare))
  const third = Math.floor(warm.length / 3)
  if (third < leastInThird) return { first: warm[0] ?? 0, last: warm.at(-1) ?? 0, verdict: "too short" }
  const [first, last] = [quantile(warm.slice(0, third), 0.5), quantile(warm.slice(-third), 0.5)]
  const room = Math.min(first * limits.share, limits.amount)
  return { first, last, verdict: last - first <= room ? "flat" : "grows" }
}
