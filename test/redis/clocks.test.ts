import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TripPolicy } from "effect-resilience"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { all, noise, settings } from "./outages/faults.ts"
import type { Order, Reply, Setup } from "./skewed.ts"

const openMillis = 700

// As many probes as processes: whoever comes at the deadline is let in.
const policy = {
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: openMillis,
  gateJitter: 0,
  probes: 3,
  successesToClose: 3
}

interface Skewed {
  readonly skewMillis: number
  readonly order: (order: Order) => Effect.Effect<Reply & { readonly at: number }>
}

const program = fileURLToPath(new URL("skewed.ts", import.meta.url))

/** A process whose clocks are wrong, and which is gone with the scope. */
const skewed = (url: string, skewMillis: number): Effect.Effect<Skewed, never, Scope.Scope> => {
  const setup: Setup = { skewMillis, policy, store: { url, ...settings, requireConnection: false } }
  return Effect.acquireRelease(
    Effect.sync(() => fork(program, [JSON.stringify(setup)])),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.map((child) => ({ skewMillis, order: (order) => ask(child, order) })))
}

const ask = (child: ChildProcess, order: Order) =>
  Effect.callback<Reply & { readonly at: number }>((resume) => {
    child.once("message", (reply: Reply) => resume(Effect.succeed({ ...reply, at: performance.now() })))
    child.send(order)
  })

describe("processes whose clocks are a minute apart (I92, W36)", () => {
  it.live("open a circuit for the same time, and admit calls at the same instant of the server", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const fleet = yield* all([30_000, 0, -30_000].map((skewMillis) => skewed(server.url, skewMillis)))
      const every = (order: Order) => all(fleet.map((process) => process.order(order)))

      const times = yield* every("what time is it")
      for (const [index, { skewMillis }] of fleet.entries()) {
        const [wall, , hrtime] = times[index]!.clocks
        assert.approximately(wall - Date.now(), skewMillis, 5000)
        assert.approximately(hrtime - Number(process.hrtime.bigint() / 1_000_000n), skewMillis, 5000)
      }

      for (const [round, opener] of fleet.entries()) {
        assert.deepStrictEqual((yield* every("up")).map(({ result }) => result), Array(3).fill("hello"))
        const opened = yield* opener.order("down")
        assert.strictEqual(opened.result, "503")
        if (round === 1) yield* every("jump")
        yield* Effect.sleep("100 millis")
        assert.deepStrictEqual((yield* every("up")).map(({ result }) => result), Array(3).fill("CircuitOpen"))

        const admitted = yield* every("until admitted")
        const waits = admitted.map(({ at }) => at - opened.at)
        for (const wait of waits) {
          // The server opened the circuit a moment before its opener said so.
          assert.isAbove(wait, openMillis - 50)
          assert.isBelow(wait, openMillis + noise)
        }
        assert.isBelow(Math.max(...waits) - Math.min(...waits), noise)
      }
    }))
})
