/** How long a trip takes to get from one process to another: two stores, each with a client of its own. */
import { Effect, Fiber } from "effect"
import { answering, endingOf, expecting, failing } from "./calls.ts"
import type { Library } from "./libraries.ts"

/** For each trip the milliseconds from the end of the call that trips here to the first call that is rejected there. */
export const crossings = (library: Library, url: string, trips: number) =>
  Effect.gen(function*() {
    const settings = { url, prefix: `crossing-${library.name}`, trip: 1 }
    const here = yield* library.breaker(settings)
    const there = yield* library.breaker(settings)
    const taken: Array<number> = []
    for (let trip = 0; trip < trips; trip++) {
      const key = `trip-${trip}`
      yield* expecting("answer", here(answering, key))
      yield* expecting("answer", there(answering, key))
      let failedAt = 0
      const fail = Effect.suspend(() => {
        failedAt = performance.now()
        return failing
      })
      const tripping = yield* Effect.forkChild(expecting("down", here(fail, key)))
      const rejected = Effect.map(Effect.exit(there(answering, key)), (exit) => endingOf(exit) === "CircuitOpen")
      yield* rejected.pipe(
        Effect.tap(() => turn),
        Effect.repeat({ until: (rejected) => rejected }),
        Effect.timeout("5 seconds"),
        Effect.orDie
      )
      taken.push(performance.now() - failedAt)
      yield* Fiber.join(tripping)
    }
    return taken
  })

/** Lets the event loop see to the connections. */
const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
