import type { Clock } from "effect"

/** Milliseconds of the clock that never goes back, with a fraction: for measuring. */
export const elapsedMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

/** The same in whole milliseconds: the time of circuits. */
export const circuitMillis = (clock: Clock.Clock): number => Math.floor(elapsedMillis(clock))

/** The wall clock in whole milliseconds: for people. */
export const wallMillis = (clock: Clock.Clock): number => Math.floor(clock.currentTimeMillisUnsafe())
