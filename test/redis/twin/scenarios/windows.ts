/** Windows of a fleet: what they hold, and in how much room. */
import { assert } from "@effect/vitest"
import { TripPolicy } from "effect-resilience"
import { slots } from "../../../../src/redis/internal/luaHealth.ts"
import { Kept, type Scenarios } from "../kept.ts"
import type { Script } from "../script.ts"

/** Some clean calls and perhaps a failed one, so long after those before. */
export interface Report {
  readonly clean: number
  readonly failed: boolean
  readonly wait: number
}

/** Circuits that stay closed: not so many calls fail. */
export const counting = (script: Script, window: number): Kept =>
  new Kept(script, { tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: window, window }) })
export const timing = (script: Script, millis: number): Kept => {
  const window = `${millis} millis` as const
  return new Kept(script, { tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: 1_000_000, window }) })
}

/** Sends reports, each at once or call by call, and says what the window holds after each. */
export const send = async (kept: Kept, reports: ReadonlyArray<Report>, batched: boolean) => {
  const pipeline = kept.redis.pipeline()
  const ends = reports.map(({ clean, failed, wait }) => {
    kept.wait(wait)
    const failure = { outcome: failed ? "Failure" : "", kind: "timeout" }
    const singly = [...Array.from({ length: clean }, () => ({ calls: 1 })), ...failed ? [failure] : []]
    for (const call of batched ? [{ calls: clean, ...failure }] : singly) {
      kept.script.queue(pipeline, kept.key, kept.argumentsOf("report", call))
    }
    pipeline.hmget(kept.key, "health", "state")
    return pipeline.length - 1
  })
  const replies = (await pipeline.exec())!
  return ends.map((end) => {
    const [health, state] = replies[end]![1] as [string, string]
    assert.strictEqual(state, "closed")
    return sums(health)
  })
}

const sums = (health: string) => {
  const held = [...health.matchAll(/(\d+),(\d+),(\d+);/g)].map((slot) => slot.map(Number))
  const sum = (index: number) => held.reduce((total, slot) => total + slot[index]!, 0)
  assert.isAtMost(held.length, slots + 1)
  return { calls: sum(2), marked: sum(3) }
}

const failure = { outcome: "Failure", kind: "timeout" }

export const windows = {
  "a batch is judged once, after the last of its calls": async (script) => {
    const policy = { tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: 100 }) }
    for (const [calls, state] of [[1, "closed"], [2, "open"], [3, "closed"]] as const) {
      const kept = new Kept(script, policy)
      for (let call = 0; call < 2; call++) await kept.ask("report", failure)
      assert.strictEqual((await kept.ask("report", { calls })).circuit.state, state)
    }
  },

  "what a batch opens, the call after it finds open": async (script) => {
    const kept = new Kept(script, {
      tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: 100 })
    })
    for (let call = 0; call < 2; call++) await kept.ask("report", failure)
    const { circuit, given } = await kept.ask("report", { calls: 2, ...failure })
    const { failures, openings, reason, state } = circuit
    assert.deepStrictEqual({ state, reason, failures, openings }, {
      state: "open",
      reason: "threshold",
      failures: 0,
      openings: 1
    })
    assert.deepStrictEqual(given, [0, 0, 0, 0])
  },

  "a batch larger than its window leaves nothing but clean calls": async (script) => {
    const [before, after] = await send(counting(script, 1000), [
      { clean: 10, failed: true, wait: 0 },
      { clean: 1_000_000, failed: false, wait: 0 }
    ], true)
    assert.deepStrictEqual(before, { calls: 11, marked: 1 })
    assert.strictEqual(after!.marked, 0)
    assert.isTrue(after!.calls >= 1000 && after!.calls < 1016)
  },

  "a window of ten thousand takes no more room than a small one": async (script) => {
    const busy = Array.from({ length: 600 }, () => ({ clean: 50, failed: true, wait: 40 }))
    for (const kept of [counting(script, 10_000), timing(script, 10_000), counting(script, 1_000_000)]) {
      const held = (await send(kept, busy, true)).at(-1)!
      assert.isAbove(held.calls, 9000)
      assert.isAbove(held.marked, 150)
      assert.isBelow(Object.entries(await kept.stored()).flat().join("").length, 2500)
    }
  }
} satisfies Scenarios
