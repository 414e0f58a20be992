/** How long the n-th opening in a row lasts. */
import { type Context, Duration, Effect, Exit, Schedule } from "effect"
import { invalid, millis } from "./validation.ts"

// Later openings last as long as this one, because replaying a schedule costs a step for each opening before.
const lastStep = 100

export const openSchedule = (
  input: Duration.Input | Schedule.Schedule<unknown, number>,
  context: Context.Context<never>
): (opening: number) => number => {
  if (!Schedule.isSchedule(input)) {
    const fixed = millis("openDuration", input)
    return () => fixed
  }
  // Replays the schedule with a simulated clock, because its combinators of elapsed time must measure the open time.
  const replay = Effect.fnUntraced(function*(openings: number) {
    const step = yield* Schedule.toStep(input)
    let now = 0
    let delay: Duration.Duration | undefined
    for (let opening = 1; opening <= openings; opening++) {
      const next = yield* Effect.exit(step(now, opening))
      if (Exit.isFailure(next)) break
      delay = next.value[1]
      now += Duration.toMillis(delay)
    }
    return delay
  })
  const run = Effect.runSyncExitWith(context)
  const delayOf = (opening: number): number | undefined => {
    const exit = run(replay(opening))
    if (Exit.isFailure(exit) || exit.value === undefined) return undefined
    const delay = Math.ceil(Duration.toMillis(exit.value))
    return delay >= 1 && Number.isSafeInteger(delay) ? delay : undefined
  }
  const first = delayOf(1) ??
    invalid("openDuration", "a schedule without it", "a schedule whose first delay is finite and at least 1 ms")
  // The first delay in place of one that is unusable, because the circuit has to open.
  return (opening) => delayOf(Math.min(opening, lastStep)) ?? first
}
