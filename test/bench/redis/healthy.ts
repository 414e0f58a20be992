/** What a healthy circuit asks of the server while it is in steady use, with all that goes on in the background. */
import { Effect } from "effect"
import type { RedisServer } from "../../support/redis/RedisServer.ts"
import { answering, expecting } from "./calls.ts"
import type { Library, Settings } from "./libraries.ts"
import { observed, type Work } from "./work.ts"

export interface Healthy {
  readonly calls: number
  readonly work: Work
}

const perSecond = 1000
const seconds = 3

export const stayHealthy = (library: Library, server: RedisServer, trip: Settings["trip"]) =>
  Effect.gen(function*() {
    const call = yield* library.breaker({ url: server.url, prefix: `healthy-${library.name}`, trip })
    const guarded = expecting("answer", call(answering, `healthy-${trip}`))
    yield* paced(guarded, perSecond / 4)
    const calls = perSecond * seconds
    const { work } = yield* observed(server, paced(guarded, calls))
    const healthy: Healthy = { calls, work }
    return healthy
  })

// As many as are due by now, at once, and then those that became due meanwhile.
const paced = Effect.fnUntraced(function*(call: Effect.Effect<void>, calls: number) {
  const start = performance.now()
  for (let made = 0; made < calls;) {
    const due = Math.min(calls, 1 + Math.floor((performance.now() - start) * perSecond / 1000))
    yield* Effect.forEach(Array.from({ length: due - made }), () => call, { concurrency: "unbounded", discard: true })
    made = due
    yield* Effect.sleep("1 millis")
  }
})
