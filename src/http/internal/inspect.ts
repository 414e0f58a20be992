/** Reads the start of a body ahead of the caller, who still gets all of it. */
import { Array as Arr, type Cause, Effect, Fiber, Pull, type Scope, Stream } from "effect"
import type { HttpClientError } from "effect/http"

/** A body as the client streams it. */
export type Body = Stream.Stream<Uint8Array, HttpClientError.HttpClientError>

/**
 * - `text`: the start of the body.
 * - `start`: the same as bytes.
 * - `whole`: all of it, if it ended in time.
 * - `stream`: all of it, from the beginning.
 */
export interface Inspected {
  readonly text: string
  readonly start: ReadonlyArray<Uint8Array>
  readonly whole: ReadonlyArray<Uint8Array> | undefined
  readonly stream: Body
}

/** How many bytes of a body are judged. */
export const maxInspected = 65_536
/** How long a response waits for the body of an error. */
export const maxInspectedMillis = 1000

/** Reads the start of a body, up to a size and for a time. */
export const inspect = (body: Body, limitMillis: number): Effect.Effect<Inspected, never, Scope.Scope> =>
  Effect.gen(function*() {
    const pull = yield* Stream.toPull(body)
    const chunks: Array<Uint8Array> = []
    let size = 0
    let late = false
    const read: Effect.Effect<void, Pull.Error<typeof pull> | Cause.Done<void>> = Effect.suspend(() =>
      late || size >= maxInspected ? Effect.void : Effect.flatMap(pull, (pulled) => {
        for (const chunk of pulled) {
          size += chunk.length
          chunks.push(chunk)
        }
        return read
      })
    )
    // In a fiber of its own, because a pull that is interrupted when the time is over would lose bytes.
    const reading = yield* Effect.forkScoped(read)
    yield* Effect.timeoutOption(Fiber.await(reading), limitMillis)
    late = true
    const exit = reading.pollUnsafe()
    let handedOut = 0
    const next: typeof pull = Effect.suspend(() => {
      const unread = chunks.slice(handedOut)
      handedOut = chunks.length
      return Arr.isReadonlyArrayNonEmpty(unread)
        ? Effect.succeed(unread)
        : Effect.flatMap(Fiber.join(reading), () => handedOut < chunks.length ? next : pull)
    })
    return {
      text: decode(concat(chunks).slice(0, maxInspected)),
      start: chunks,
      whole: exit?._tag === "Failure" && Pull.isDoneCause(exit.cause) ? chunks : undefined,
      stream: Stream.fromPull(Effect.succeed(next))
    }
  })

/** The chunks as one buffer. */
export const concat = (chunks: ReadonlyArray<Uint8Array>): ArrayBuffer => {
  const whole = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole.buffer
}

/** The text of bytes. */
export const decode = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes)
