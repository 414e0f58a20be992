/** How fast calls go through a healthy circuit, by the time on the wall: it is the waiting that counts. */
import { Effect } from "effect"
import { answering, expecting } from "./calls.ts"
import type { Call } from "./libraries.ts"

/** Calls per second of so many callers, each of which calls again and again. */
export const callsPerSecond = Effect.fnUntraced(function*(call: Call, callers: number, millis: number) {
  const guarded = call(answering, "model")
  yield* expecting("answer", guarded)
  let calls = 0
  const start = performance.now()
  const caller = Effect.gen(function*() {
    while (performance.now() - start < millis) {
      yield* guarded
      calls++
    }
  })
  yield* Effect.orDie(
    Effect.all(Array.from({ length: callers }, () => caller), { concurrency: "unbounded", discard: true })
  )
  return calls * 1000 / (performance.now() - start)
})
