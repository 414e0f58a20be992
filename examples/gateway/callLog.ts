// One line for each call: nothing of what was asked or answered.
import { Clock, Effect, Exit, type Scope } from "effect"

/** What is known of a call by now. */
export interface Call {
  model: string | undefined
  /** The target that was asked last. */
  target: string | undefined
  attempts: number
  status: number | undefined
  /** How it ended, if not with the answer. */
  failure: string | undefined
}

/** A call that is logged when the scope of its request closes. */
export const begin: Effect.Effect<Call, never, Scope.Scope> = Effect.gen(function*() {
  const call: Call = { model: undefined, target: undefined, attempts: 0, status: undefined, failure: undefined }
  const startedAt = yield* Clock.currentTimeMillis
  yield* Effect.addFinalizer((exit) =>
    Effect.gen(function*() {
      const millis = (yield* Clock.currentTimeMillis) - startedAt
      const failure = call.failure ?? (Exit.hasInterrupts(exit) ? "caller_left" : undefined)
      const known = Object.entries({ ...call, failure, millis }).filter(([, value]) => value !== undefined)
      yield* Effect.logInfo("call").pipe(Effect.annotateLogs(Object.fromEntries(known)))
    })
  )
  return call
})
