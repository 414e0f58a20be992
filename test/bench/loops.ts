/** The ways to call: an effect or a promise, that answers or is turned away; one after the other, or many at once. */
import { type Context, Effect } from "effect"
import type { Case } from "./measure.ts"

/** What every call would answer. */
export const answer = 1

/** An effect that answers, over and over in one fiber. */
export const answering = <R>(
  name: string,
  call: Effect.Effect<number, unknown, R>,
  context: Context.Context<R>
): Case => ({
  name,
  run: (calls) =>
    Effect.gen(function*() {
      let right = 0
      for (let i = 0; i < calls; i++) if ((yield* call) === answer) right++
      return right
    }).pipe(Effect.provideContext(context), Effect.orDie)
})

/** An effect that fails with `tag`, over and over in one fiber. */
export const failing = <R>(
  name: string,
  call: Effect.Effect<number, unknown, R>,
  context: Context.Context<R>,
  tag: string
): Case => {
  const error = Effect.flip(call)
  return {
    name,
    run: (calls) =>
      Effect.gen(function*() {
        let right = 0
        for (let i = 0; i < calls; i++) if (reasonOf(yield* error) === tag) right++
        return right
      }).pipe(Effect.provideContext(context), Effect.orDie)
  }
}

/** Why a breaker failed a call, if it did. */
export const reasonOf = (error: unknown) => (error as { readonly reason?: { readonly _tag: string } }).reason?._tag

/** A promise that resolves, awaited over and over. */
export const resolving = (name: string, call: () => Promise<number>): Case => ({
  name,
  run: (calls) =>
    Effect.promise(async () => {
      let right = 0
      for (let i = 0; i < calls; i++) if (await call() === answer) right++
      return right
    })
})

/** A promise that rejects with an error that `isRejection` knows, awaited over and over. */
export const rejecting = (
  name: string,
  call: () => Promise<number>,
  isRejection: (error: unknown) => boolean
): Case => ({
  name,
  run: (calls) =>
    Effect.promise(async () => {
      let right = 0
      for (let i = 0; i < calls; i++) {
        try {
          await call()
        } catch (error) {
          if (isRejection(error)) right++
        }
      }
      return right
    })
})

/** An effect that answers, over and over in each of so many fibers at once. */
export const answeringTogether = <R>(
  name: string,
  callers: number,
  call: Effect.Effect<number, unknown, R>,
  context: Context.Context<R>
): Case => ({
  name,
  multiple: callers * callsOfEach,
  run: (calls) =>
    Effect.suspend(() => {
      let right = 0
      const caller = Effect.gen(function*() {
        for (let i = 0; i < calls / callers; i++) if ((yield* call) === answer) right++
      })
      return Effect.map(Effect.all(Array.from({ length: callers }, () => caller), together), () => right)
    }).pipe(Effect.provideContext(context), Effect.orDie)
})

/** A promise that resolves, awaited over and over by so many at once. */
export const resolvingTogether = (name: string, callers: number, call: () => Promise<number>): Case => ({
  name,
  multiple: callers * callsOfEach,
  run: (calls) =>
    Effect.promise(async () => {
      let right = 0
      const caller = async () => {
        for (let i = 0; i < calls / callers; i++) if (await call() === answer) right++
      }
      await Promise.all(Array.from({ length: callers }, caller))
      return right
    })
})

const together = { concurrency: "unbounded", discard: true } as const

// So many that the start of a caller is a small part of them.
const callsOfEach = 3
