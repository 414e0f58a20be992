/** Others on the same server, whatever they are and say. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../support/eventually.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { memberAt, stateOf, tells, trip, up } from "./outages/faults.ts"

describe.concurrent("a stranger on the same server", () => {
  it.live("that uses another database keeps its circuits to itself", () =>
    Effect.gen(function*() {
      const { url } = yield* RedisServer.make()
      const staging = yield* memberAt(`${url}/0`)
      const production = yield* memberAt(`${url}/1`)
      yield* up(staging, "long/provider")
      yield* up(production, "long/provider")
      yield* trip(staging, "long/provider")
      yield* eventually(Effect.map(stateOf(staging, "long/provider"), (state) => state === "Open"))
      yield* Effect.sleep("500 millis")
      assert.strictEqual(yield* up(production, "long/provider"), "hello")
      assert.strictEqual(yield* stateOf(production, "long/provider"), "Closed")
    }))

  it.live("that calls a process by a number of the future does not deafen it", () =>
    Effect.gen(function*() {
      const { command, port } = yield* RedisServer.make()
      const member = yield* memberAt(port)
      yield* up(member, "used")
      const [process] = (yield* command("ZRANGE", "effect-resilience:processes", 0, -1)) as ReadonlyArray<string>
      const beat = JSON.stringify(["", 1e300, process])
      yield* eventually(Effect.map(command("PUBLISH", "effect-resilience:changes", beat), (heard) => heard === 1))
      yield* command("CLIENT", "KILL", "TYPE", "pubsub")
      yield* tells(member, "store.degraded")
      yield* tells(member, "store.recovered")
    }))
})
