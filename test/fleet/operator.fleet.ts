// What an operator does in one process holds in all of them, whatever else goes on.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TripPolicy } from "effect-resilience"
import { deploy } from "./deploy.ts"
import { shiftFromWall } from "./monotonicMillis.ts"
import * as Provider from "./Provider.ts"
import { transitions } from "./published.ts"
import { sharedFleet } from "./sharedFleet.ts"
import { transitionsOf } from "./transitionsOf.ts"

const ground = await sharedFleet()

const settings = {
  policy: { tripPolicy: TripPolicy.consecutive(3), openDuration: "50 millis" },
  store: { operationTimeout: "5 seconds" }
} as const

// Milliseconds are rounded, and wall clocks are corrected.
const slack = 5

// Some calls take long, so that verdicts of both kinds come in while the circuit is held; at times all fail.
const restless = (failing: boolean): Provider.Answer =>
  Math.random() < 0.1
    ? { ok: Math.random() < 0.5, afterMillis: 100 + 600 * Math.random() }
    : failing
    ? Provider.down
    : Provider.healthy

describe("an operator of a fleet", () => {
  it.live(
    "holds the circuit open everywhere until the latest of all ends, and then a probe decides",
    () =>
      Effect.gen(function*() {
        const { leave, load, members: [first, second, third], provider, published } = yield* deploy(ground, settings)
        yield* load(50, 50)
        for (let round = 0; round < 4; round++) {
          provider.answer = () => restless(round % 2 === 1)
          yield* Effect.sleep("400 millis")
          yield* Effect.all([
            first!.order({ do: "forceOpen", millis: 300 }),
            second!.order({ do: "forceOpen", millis: 900 }),
            third!.order({ do: "forceOpen", millis: 150 })
          ], { concurrency: "unbounded" })
          // Shorter ones that end before and after this one would.
          yield* Effect.sleep("350 millis")
          yield* third!.order({ do: "forceOpen", millis: 200 })
          yield* Effect.sleep("700 millis")
        }
        const recordings = yield* leave
        const shift = shiftFromWall()

        const holds = transitions(published).filter(({ state }) => state === "forced_open")
        assert.strictEqual(holds.length, 4)
        let late = 0
        for (const { generation } of holds) {
          const records = published.filter((record) => record.generation === generation)
          records.forEach(({ openUntil }, index) => {
            assert.isAtLeast(openUntil, records[index - 1]?.openUntil ?? 0)
          })
          const { openUntil } = records.at(-1)!
          // What two processes take for the time of the store differs a little.
          assert.isAtLeast(openUntil, records[0]!.openedAt + 900 - 50)
          const end = openUntil + shift

          const seenBy = recordings.map((recording) =>
            transitionsOf(recording).find((event) => event.generation === generation)!.at
          )
          const seen = Math.max(...seenBy)
          assert.deepStrictEqual(provider.calls.filter(({ beganAt }) => beganAt > seen && beganAt < end - slack), [])
          late += provider.answered.filter(({ endedAt }) => endedAt > seen && endedAt < end).length

          const next = transitions(published).find((record) => record.generation > generation)
          assert.deepStrictEqual([next?.state, next?.reason], ["half_open", "cooldown_elapsed"])
          const after = provider.calls.filter(({ beganAt }) => beganAt >= end - slack).sort((a, b) =>
            a.beganAt - b.beganAt
          )
          assert.deepStrictEqual([after[0]?.state, after[0]?.generation], ["HalfOpen", next?.generation])
        }
        assert.isAbove(late, 20)
      }),
    30_000
  )

  it.live("opens it everywhere again by a reset in any process", () =>
    Effect.gen(function*() {
      const { leave, load, look, members, provider, published } = yield* deploy(ground, settings)
      yield* load(50, 50)
      yield* Effect.sleep("300 millis")
      yield* members[0]!.order({ do: "forceOpen" })
      yield* Effect.sleep("250 millis")
      const before = provider.calls.length
      yield* Effect.sleep("500 millis")
      assert.strictEqual(provider.calls.length, before)

      yield* members[3]!.order({ do: "reset" })
      yield* Effect.sleep("500 millis")
      const since = new Set(provider.calls.slice(before).map(({ process }) => process))
      assert.strictEqual(since.size, 4)
      const { generation } = published.at(-1)!
      assert.deepStrictEqual(yield* look, members.map(() => ({ _tag: "Closed", generation })))
      for (const recording of yield* leave) {
        assert.deepStrictEqual(transitionsOf(recording).map(({ from, reason, to }) => [from, to, reason]), [
          ["closed", "forced_open", "forced"],
          ["forced_open", "closed", "reset"]
        ])
      }
    }), 30_000)
})
