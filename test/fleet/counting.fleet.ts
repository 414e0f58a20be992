// What each process sees is counted by all.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TripPolicy } from "effect-resilience"
import { failuresIn } from "../support/redis/records.ts"
import { deploy } from "./deploy.ts"
import * as Provider from "./Provider.ts"
import { transitions } from "./published.ts"
import { sharedFleet } from "./sharedFleet.ts"

const ground = await sharedFleet()
const store = { operationTimeout: "5 seconds" } as const

const failing = (share: number) => () => Math.random() < share ? Provider.down : Provider.healthy

/**
 * How often one breaker for all calls would have opened, had it seen every answer when it was given, but for the
 * successes within `withoutNewsMillis` of the last failure.
 */
const openings = (answered: ReadonlyArray<Provider.Call>, failures: number, withoutNewsMillis: number): number => {
  let opened = 0
  let streak = 0
  let failedAt = 0
  for (const { end, endedAt } of answered) {
    if (end === "down") {
      streak++
      failedAt = endedAt
    } else if (endedAt - failedAt >= withoutNewsMillis) streak = 0
    if (streak === failures) {
      opened++
      streak = 0
    }
  }
  return opened
}

// A process reports no success while there is no streak: one that ends before the news of a streak has come does not end it.
const newsMillis = 15
const chances = [
  { share: 0.01, failures: 3, thinkMillis: 250, calls: "784 calls a second" },
  { share: 0.01, failures: 3, thinkMillis: 100, calls: "1905 calls a second" },
  { share: 0.05, failures: 3, thinkMillis: 250, calls: "784 calls a second" },
  { share: 0.05, failures: 5, thinkMillis: 100, calls: "1905 calls a second" }
]

describe("a fleet that counts failures in a row", () => {
  it.live("loses none of four thousand failures in two hundred callers", () =>
    Effect.gen(function*() {
      const { all, leave, provider, recordKey } = yield* deploy(ground, {
        policy: { tripPolicy: TripPolicy.consecutive(1_000_000) },
        store
      })
      provider.answer = () => Provider.down
      yield* all({ do: "start", callers: 50, thinkMillis: 20, calls: 20 })
      const results = (yield* leave).map(({ results }) => results)
      assert.deepStrictEqual(results, results.map(() => ({ ProviderDown: 1000 })))
      assert.strictEqual(yield* failuresIn(ground.redis, recordKey), 4000)
    }), 30_000)

  for (const { calls, failures, share, thinkMillis } of chances) {
    it.live(
      `opens for chance hardly more often than one process would: ${share * 100} % of ${calls}`,
      () =>
        Effect.gen(function*() {
          const policy = { tripPolicy: TripPolicy.consecutive(failures), openDuration: "5 millis" } as const
          const { leave, load, provider, published } = yield* deploy(ground, { policy, store })
          provider.answer = failing(share)
          yield* load(50, thinkMillis)
          yield* Effect.sleep("2500 millis")
          yield* leave
          const opened = transitions(published).filter(({ reason }) => reason === "threshold").length
          const one = openings(provider.answered, failures, 0)
          const unreached = openings(provider.answered, failures, newsMillis)
          console.log(
            `${failures} in a row open, ${
              share * 100
            } % of ${provider.answered.length} calls fail: opened ${opened} times; `
              + `one process would have ${one} times, one without news for ${newsMillis} ms ${unreached} times`
          )
          assert.isAtMost(opened, Math.max(one + 1, unreached))
        }),
      30_000
    )
  }
})

describe("a fleet that keeps a failure rate", () => {
  it.live("stays closed while one process fails altogether and three do well", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 100, window: "10 seconds" })
      const { leave, load, provider, published } = yield* deploy(ground, { policy: { tripPolicy }, store })
      yield* load(50, 100)
      yield* Effect.sleep("1 second")
      provider.answer = ({ process }) => process === 0 ? Provider.down : Provider.healthy
      yield* Effect.sleep("2 seconds")
      const recordings = yield* leave
      assert.deepStrictEqual(transitions(published), [])

      const rates = recordings[0]!.events.flatMap(({ event }) =>
        event.event === "circuit.failure" ? [event.failure_rate!] : []
      )
      const failed = provider.answered.filter(({ end }) => end === "down").length
      assert.lengthOf(rates, failed)
      console.log(
        `the fleet's rate at the end: ${rates.at(-1)!.toFixed(3)}, as the provider has it `
          + `${(failed / provider.answered.length).toFixed(3)}, and at most ${Math.max(...rates).toFixed(3)}`
      )
      assert.approximately(rates.at(-1)!, failed / provider.answered.length, 0.03)
    }), 30_000)

  it.live("opens by what all have seen together, where none has seen enough by itself", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 400, window: "30 seconds" })
      const { all, leave, look, provider, published } = yield* deploy(ground, { policy: { tripPolicy }, store })
      provider.answer = failing(0.7)
      yield* all({ do: "start", callers: 50, thinkMillis: 100, calls: 3 })
      yield* all({ do: "rest" })
      assert.deepStrictEqual((yield* look).map(({ _tag }) => _tag), ["Open", "Open", "Open", "Open"])
      yield* leave
      assert.deepStrictEqual(transitions(published).map(({ reason }) => reason), ["threshold"])
      assert.isAtLeast(provider.answered.length, 400)
    }), 30_000)
})
