import { Clock, Duration, Effect } from "effect"

/** Milliseconds of the clock that never goes back, with a fraction: for durations. */
export const elapsedMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

/** The same in whole milliseconds: for the times of circuits. */
export const circuitMillis = (clock: Clock.Clock): number => Math.floor(elapsedMillis(clock))

/** The wall clock in whole milliseconds: for events, which people read. */
export const wallMillis = (clock: Clock.Clock): number => Math.floor(clock.currentTimeMillisUnsafe())

/** Capped at the largest whole number; nothing is none. */
export const wholeMillis = (duration: Duration.Duration | undefined): number =>
  duration === undefined ? 0 : Math.min(Math.ceil(Duration.toMillis(duration)), Number.MAX_SAFE_INTEGER)

/** What a function makes of the clock of the calling fiber. */
export const withClock = <A>(f: (clock: Clock.Clock) => A): Effect.Effect<A> =>
  Effect.withFiber((fiber) => Effect.succeed(f(fiber.getRef(Clock.Clock))))
