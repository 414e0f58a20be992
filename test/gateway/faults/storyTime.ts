/**
 * The time in which the cases are written: the one of real life, of which `FAULTS_SCALE` seconds pass in a real one.
 * Default: 10. With 1 the suite runs in full. All numbers of seconds in the cases and in their table are of this time.
 */
import { Duration, Effect } from "effect"

export const scale = Number(process.env["FAULTS_SCALE"] ?? "10")
if (!Number.isInteger(scale) || scale < 1) throw new Error("FAULTS_SCALE must be a whole number of 1 or more")

/** How long that takes on a real clock. */
export const seconds = (count: number): Duration.Duration => Duration.millis(count * 1000 / scale)

export const sleep = (count: number): Effect.Effect<void> => Effect.sleep(seconds(count))

/** In seconds, since some moment. */
export const now = (): number => performance.now() * scale / 1000

/** By how many seconds something may be late, on a busy machine: the delay is real, and so does not shrink. */
export const slack = 1 + 0.8 * scale
