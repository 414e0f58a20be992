import { Clock, Effect, Schedule } from "effect"

/**
 * Asks until the answer is yes, and dies if that takes a minute: real ones, since servers do not know of a
 * TestClock. An error is a no.
 */
export const eventually = (question: Effect.Effect<boolean, unknown>): Effect.Effect<void> =>
  question.pipe(
    Effect.orElseSucceed(() => false),
    Effect.repeat({ until: (yes) => yes, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("1 minute"),
    Effect.orDie,
    Effect.asVoid,
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())
  )
