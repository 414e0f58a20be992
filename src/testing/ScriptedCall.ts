/**
 * A dependency that does what a test has written for it.
 *
 * @since 0.1.0
 */
import { Duration, Effect, Exit } from "effect"

/**
 * One answer of a dependency: how it ends, and after how long. `Hang` never ends.
 *
 * @category models
 * @since 0.1.0
 */
export type Step<A, E> =
  | { readonly _tag: "Answer"; readonly exit: Exit.Exit<A, E>; readonly after: Duration.Duration }
  | { readonly _tag: "Hang" }

/**
 * A scripted dependency: `call` takes the next step of the script at every run, and repeats the last one for good.
 * `started` and `finished` count its runs; an interrupted one never finished.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScriptedCall<A, E> {
  readonly call: Effect.Effect<A, E>
  readonly started: Effect.Effect<number>
  readonly finished: Effect.Effect<number>
}

/**
 * A step that succeeds, at once or after a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const succeeds = <A>(value: A, after: Duration.Input = 0): Step<A, never> => ({
  _tag: "Answer",
  exit: Exit.succeed(value),
  after: Duration.fromInputUnsafe(after)
})

/**
 * A step that fails, at once or after a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fails = <E>(error: E, after: Duration.Input = 0): Step<never, E> => ({
  _tag: "Answer",
  exit: Exit.fail(error),
  after: Duration.fromInputUnsafe(after)
})

/**
 * A step that dies of a defect, at once or after a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dies = (defect: unknown, after: Duration.Input = 0): Step<never, never> => ({
  _tag: "Answer",
  exit: Exit.die(defect),
  after: Duration.fromInputUnsafe(after)
})

/**
 * A step that never ends.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangs: Step<never, never> = { _tag: "Hang" }

/**
 * The step, n times.
 *
 * @category combinators
 * @since 0.1.0
 */
export const times = <A, E>(n: number, step: Step<A, E>): ReadonlyArray<Step<A, E>> =>
  Array.from({ length: n }, () => step)

/**
 * Makes a dependency from a script.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ScriptedCall } from "effect-resilience/testing"
 *
 * const model = ScriptedCall.make([...ScriptedCall.times(2, ScriptedCall.fails("503")), ScriptedCall.succeeds("hi")])
 *
 * await Effect.runPromise(Effect.retry(model.call, { times: 5 })) // => "hi"
 * await Effect.runPromise(model.started) // => 3
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, E>(script: ReadonlyArray<Step<A, E>>): ScriptedCall<A, E> => {
  let started = 0
  let finished = 0
  return {
    call: Effect.suspend(() => {
      const step = script[Math.min(started++, script.length - 1)]
      if (step === undefined || step._tag === "Hang") return Effect.never
      const answer = Effect.suspend(() => {
        finished++
        return step.exit
      })
      return Duration.isZero(step.after) ? answer : Effect.delay(answer, step.after)
    }),
    started: Effect.sync(() => started),
    finished: Effect.sync(() => finished)
  }
}
