/** Calls that must end as expected, or the benchmark does. */
import { Cause, Effect, Exit } from "effect"
import { answer, reasonOf } from "../loops.ts"

export type Ending = "answer" | "down" | "CircuitOpen" | "CircuitHalfOpen"

export const answering = Effect.succeed(answer)
export const failing = Effect.fail("down")

/** How a call ended, as far as a breaker can tell it apart. */
export const endingOf = (exit: Exit.Exit<number, unknown>): string => {
  if (Exit.isSuccess(exit)) return "answer"
  const error = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
  return error === undefined ? Cause.pretty(exit.cause) : reasonOf(error) ?? String(error)
}

export const expecting = (ending: Ending, call: Effect.Effect<number, unknown>): Effect.Effect<void> =>
  Effect.flatMap(Effect.exit(call), (exit) =>
    endingOf(exit) === ending
      ? Effect.void
      : Effect.die(new Error(`expected a call to end with ${ending}, but it ended with ${endingOf(exit)}`)))
