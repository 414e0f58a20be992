/** The life of circuits, from the first call to the probe that closes them, and what each stage asks of the server. */
import { Effect, Fiber, Latch } from "effect"
import type { RedisServer } from "../../support/redis/RedisServer.ts"
import { answering, expecting, failing } from "./calls.ts"
import type { Call, Library } from "./libraries.ts"
import { observed, type Work } from "./work.ts"

/** Calls of one kind, one for each circuit and all at once: what their beginning and their end took. */
export interface Stage {
  readonly calls: number
  readonly begin: Step
  readonly end: Step
}

export interface Step {
  readonly work: Work
  readonly millis: number
}

export type Stages = Readonly<
  Record<"first" | "closed" | "windowed" | "counted" | "tripped" | "open" | "probe" | "halfOpen", Stage>
>

/** `url` may lead to the server on a detour. */
export const liveThrough = (library: Library, server: RedisServer, url: string, circuits: number, round = 0) =>
  Effect.gen(function*() {
    const prefix = `stages-${library.name}-${circuits}-${round}`
    const call = yield* library.breaker({ url, prefix, trip: 2, openMillis, quiet: true })
    const keys = Array.from({ length: circuits }, (_, i) => `circuit-${i}`)
    // Connections, scripts and code get warm.
    for (let i = 0; i < 20; i++) yield* expecting("answer", call(answering, "other"))

    const whole = (ending: "answer" | "down", on = call) =>
      Effect.flatMap(begin(server, on, keys, ending), (stage) => stage.end)
    const rejected = (ending: "CircuitOpen" | "CircuitHalfOpen") =>
      Effect.map(
        observed(server, forAll(keys, (key) => expecting(ending, call(Effect.fail("admitted"), key)))),
        (begin): Stage => ({ calls: circuits, begin, end: nothing })
      )

    const first = yield* whole("answer")
    const closed = yield* whole("answer")
    const counted = yield* whole("down")
    const tripped = yield* whole("down")
    const open = yield* rejected("CircuitOpen")
    yield* Effect.sleep(openMillis + 100)
    const probing = yield* begin(server, call, keys, "answer")
    const halfOpen = yield* rejected("CircuitHalfOpen")
    const probe = yield* probing.end

    // It comes last, since it tells of its calls a moment later.
    const byRate = yield* library.breaker({ url, prefix: `${prefix}-rate`, trip: "rate", quiet: true })
    yield* forAll(keys, (key) => expecting("answer", byRate(answering, key)))
    const windowed = yield* whole("answer", byRate)
    const stages: Stages = { first, closed, windowed, counted, tripped, open, probe, halfOpen }
    return stages
  })

const openMillis = 1000

const nothing: Step = { work: { commands: 0, scripts: 0, scriptMicros: 0 }, millis: 0 }

/** Begins one call for each key; when all of them run, their end is up to the caller. */
const begin = Effect.fnUntraced(function*(
  server: RedisServer,
  call: Call,
  keys: ReadonlyArray<string>,
  ending: "answer" | "down"
) {
  const allRun = Latch.makeUnsafe()
  const mayEnd = Latch.makeUnsafe()
  let running = 0
  const held = Effect.suspend(() => {
    if (++running === keys.length) allRun.openUnsafe()
    return Effect.andThen(mayEnd.await, ending === "answer" ? answering : failing)
  })
  const begin = yield* observed(
    server,
    Effect.gen(function*() {
      const calls = yield* Effect.forkChild(forAll(keys, (key) => expecting(ending, call(held, key))))
      yield* Effect.raceFirst(allRun.await, Fiber.join(calls))
      return calls
    })
  )
  const end = observed(server, Effect.andThen(mayEnd.open, Fiber.join(begin.value)))
  return { end: Effect.map(end, (end): Stage => ({ calls: keys.length, begin, end })) }
})

const forAll = (keys: ReadonlyArray<string>, self: (key: string) => Effect.Effect<void>) =>
  Effect.forEach(keys, self, { concurrency: "unbounded", discard: true })
