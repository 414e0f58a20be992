import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TripPolicy } from "effect-resilience"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { stateIn } from "../support/redis/records.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { all, settings } from "./outages/faults.ts"
import type { Order, Reply, Setup } from "./skewed.ts"

const openMillis = 1500

// As many probes as processes: every process that comes at the deadline is let in.
const policy = {
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: openMillis,
  gateJitter: 0,
  probes: 3,
  successesToClose: 3
}

interface Skewed {
  readonly skewMillis: number
  readonly order: (order: Order) => Effect.Effect<Reply>
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
  Effect.callback<Reply>((resume) => {
    child.once("message", (reply: Reply) => resume(Effect.succeed(reply)))
    child.send(order)
  })

const clocks = () => [Date.now(), Number(process.hrtime.bigint() / 1_000_000n)]

const serverMillis = ({ command }: RedisServer.RedisServer) =>
  Effect.map(command("TIME"), (time) => {
    const [seconds, micros] = (time as ReadonlyArray<string>).map(Number)
    return seconds! * 1000 + Math.floor(micros! / 1000)
  })

describe("processes whose clocks are a minute apart (I92, W36)", () => {
  it.live("open a circuit for the same time, and admit calls at the same instant of the server", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const fleet = yield* all([30_000, 0, -30_000].map((skewMillis) => skewed(server.url, skewMillis)))
      const every = (order: Order) => all(fleet.map((process) => process.order(order)))

      const before = clocks()
      const times = yield* every("what time is it")
      const after = clocks()
      for (const [index, { skewMillis }] of fleet.entries()) {
        const [wall, , hrtime] = times[index]!.clocks
        for (const [clock, at] of [wall, hrtime].entries()) {
          assert.isAtLeast(at - before[clock]!, skewMillis - 1)
          assert.isAtMost(at - after[clock]!, skewMillis + 1)
        }
      }

      for (const [round, opener] of fleet.entries()) {
        assert.deepStrictEqual((yield* every("up")).map(({ result }) => result), Array(3).fill("hello"))
        const opened = yield* opener.order("down")
        assert.strictEqual(opened.result, "503")
        if (round === 1) yield* every("jump")
        yield* Effect.sleep("100 millis")
        assert.deepStrictEqual((yield* every("up")).map(({ result }) => result), Array(3).fill("CircuitOpen"))

        // Whose clock would count 30 seconds more would not be admitted in the time of a test.
        const openUntil = (yield* stateIn(server, "effect-resilience:records:{key}")).openUntil!
        yield* Effect.forEach(fleet, (process) =>
          Effect.gen(function*() {
            assert.strictEqual((yield* process.order("until admitted")).result, "hello")
            assert.isAtLeast(yield* serverMillis(server), openUntil)
          }), { concurrency: "unbounded" })
      }
    }))
})
