/**
 * The windows of a fleet: calls counted in slots of a fixed ladder, which depends on no policy, so that every policy
 * judges the same evidence. Plain data; times are whole milliseconds of the store's clock.
 *
 * A slot is a counter of calls and of marked calls, in one number. A window of some time has the slots that begin in
 * it, of the finest step that reaches back so far. A window of n calls has the newest slots that hold n calls: an
 * outage that begins at once opens no later than after n calls, or one slot.
 */
import type { Criterion } from "./health.ts"

/** The steps of the ladder: how long a slot is, and how many are kept. */
const ladder = [
  { millis: 100, slots: 40 },
  { millis: 1_000, slots: 64 },
  { millis: 10_000, slots: 64 },
  { millis: 120_000, slots: 32 }
] as const

/** How long a slot of the finest step is. */
export const finestMillis = ladder[0].millis

/** What is marked in a counter: failures, or calls slower than some time. */
export type Measure = "f" | `s${number}`

export interface Tally {
  readonly calls: number
  readonly marked: number
}

export type Counters = ReadonlyMap<string, number>

// Both fit into a whole number of 53 bits: 2 ** 26 calls in a slot are half a million in a second.
const markedUnit = 2 ** 26

const pack = ({ calls, marked }: Tally): number => calls + marked * markedUnit

const unpack = (counter: number): Tally => ({
  calls: counter % markedUnit,
  marked: Math.min(Math.floor(counter / markedUnit), counter % markedUnit)
})

const name = (measure: Measure, step: number, index: number): string => `${measure}.${step}:${index}`

/** The measures that a policy's criteria need. */
export const measuresOf = (criteria: ReadonlyArray<Criterion>): ReadonlyArray<Measure> => [
  ...new Set(criteria.flatMap((criterion): ReadonlyArray<Measure> => {
    switch (criterion._tag) {
      case "Consecutive":
        return []
      case "FailureCount":
      case "FailureRate":
      case "Adaptive":
        return ["f"]
      case "SlowCallRate":
        return [`s${criterion.slowerThanMillis}`]
    }
  }))
]

/** Adds calls to the slots of a moment, at every step of the ladder. */
export const count = (counters: Map<string, number>, measure: Measure, atMillis: number, tally: Tally): void => {
  for (const [step, { millis }] of ladder.entries()) {
    const slot = name(measure, step, Math.floor(atMillis / millis))
    counters.set(slot, (counters.get(slot) ?? 0) + pack(tally))
  }
}

/** The names of slots that no window can need any more. */
export const expired = (counters: Counters, nowMillis: number): ReadonlyArray<string> =>
  [...counters.keys()].filter((slot) => {
    const [, step, index] = /\.(\d):(\d+)$/.exec(slot) ?? []
    const rung = ladder[Number(step)]
    // A slot of the future is of a clock that has gone back since.
    return rung === undefined || Math.abs(Math.floor(nowMillis / rung.millis) - Number(index)) >= rung.slots
  })

const sum = (
  counters: Counters,
  measure: Measure,
  step: number,
  nowMillis: number,
  slots: number,
  enough = Number.POSITIVE_INFINITY
): Tally => {
  const newest = Math.floor(nowMillis / ladder[step]!.millis)
  let calls = 0
  let marked = 0
  for (let index = newest; index > newest - slots && calls < enough; index--) {
    const slot = unpack(counters.get(name(measure, step, index)) ?? 0)
    calls += slot.calls
    marked += slot.marked
  }
  return { calls, marked }
}

/** The calls of the last milliseconds. */
export const ofTime = (counters: Counters, measure: Measure, nowMillis: number, windowMillis: number): Tally => {
  const fits = ladder.findIndex(({ millis, slots }) => windowMillis <= millis * (slots - 1))
  const step = fits === -1 ? ladder.length - 1 : fits
  const { millis, slots } = ladder[step]!
  return sum(
    counters,
    measure,
    step,
    nowMillis,
    Math.min(Math.floor(nowMillis / millis) - Math.floor((nowMillis - windowMillis + 1) / millis) + 1, slots)
  )
}

/** The last calls. */
export const ofCalls = (counters: Counters, measure: Measure, nowMillis: number, windowCalls: number): Tally => {
  let most: Tally = { calls: 0, marked: 0 }
  for (const [step, { slots }] of ladder.entries()) {
    const tally = sum(counters, measure, step, nowMillis, slots, windowCalls)
    if (tally.calls >= windowCalls) return tally
    if (tally.calls > most.calls) most = tally
  }
  return most
}

/** Whether any slot has a marked call. */
export const anyMarked = (counters: Counters): boolean => {
  for (const counter of counters.values()) {
    if (counter >= markedUnit) return true
  }
  return false
}

/** The slots of one second each, the oldest first, that begin after a time: what an adaptive policy learns from. */
export const seconds = (
  counters: Counters,
  sinceMillis: number,
  nowMillis: number
): ReadonlyArray<Tally & { readonly atMillis: number }> => {
  const step = 1
  const { millis, slots } = ladder[step]
  const newest = Math.floor(nowMillis / millis)
  const oldest = Math.max(newest - slots + 1, Math.floor(sinceMillis / millis) + 1)
  const found = []
  for (let index = oldest; index <= newest; index++) {
    const counter = counters.get(name("f", step, index))
    if (counter !== undefined) found.push({ ...unpack(counter), atMillis: index * millis })
  }
  return found
}
