import type { Clock } from "effect"

/** Milliseconds of the clock that never goes back, with a fraction: for durations. */
export const elapsedMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

/** The same in whole milliseconds: for the times of circuits. */
export const circuitMillis = (clock: Clock.Clock): number => Math.floor(elapsedMillis(clock))

/** The wall clock in whole milliseconds: for events, which people read. */
export const wallMillis = (clock: Clock.Clock): number => Math.floor(clock.currentTimeMillisUnsafe())
