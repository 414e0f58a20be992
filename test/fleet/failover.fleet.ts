// Processes that share their circuits decide alike who serves a route.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import * as RedisServer from "../support/redis/RedisServer.ts"
import type { FailoverOrder, Told } from "./failoverProtocol.ts"
import * as Process from "./Process.ts"

const replicas = Effect.gen(function*() {
  const redis = yield* RedisServer.make()
  const prefix = `failover-${randomUUID()}`
  const both = yield* Effect.forEach(["a", "b"], (name) => Process.make<FailoverOrder, Told>("failoverWorker.ts", name))
  for (const { order } of both) yield* order({ do: "join", url: redis.url, prefix })
  const [first, second] = both
  return { first: first!, second: second! }
})

const eventually = (self: Effect.Effect<Told>, isSo: (told: Told) => boolean) =>
  Effect.repeat(Effect.delay(self, "20 millis"), { until: isSo })

describe("a route of a fleet", () => {
  it.live("W60: leaves its primary everywhere when one process finds it down, and comes home everywhere", () =>
    Effect.gen(function*() {
      const { first, second } = yield* replicas
      const us = ["us"]
      // The first finds out.
      const found = yield* first.order({ do: "call", calls: 3, down: us })
      assert.deepStrictEqual(found.asked, ["us", "eu", "us", "eu", "eu"])
      assert.deepStrictEqual([found.active, found.isFailedOver], ["eu", true])

      // The second has never made a call, and knows.
      const told = yield* eventually(second.order({ do: "look" }), ({ isFailedOver }) => isFailedOver)
      assert.strictEqual(told.active, "eu")
      const spared = yield* second.order({ do: "call", calls: 2, down: us })
      assert.deepStrictEqual([spared.asked, spared.served], [["eu", "eu"], ["eu", "eu"]])

      // Both stay away for the time of the route, and then one call of the two tries the primary.
      yield* Effect.sleep("700 millis")
      const tried = yield* second.order({ do: "call", calls: 1, down: [] })
      assert.deepStrictEqual([tried.asked, tried.active], [["us"], "us"])
      const home = yield* eventually(first.order({ do: "look" }), ({ isFailedOver }) => !isFailedOver)
      assert.strictEqual(home.active, "us")
      assert.deepStrictEqual((yield* first.order({ do: "call", calls: 2, down: [] })).asked, ["us", "us"])
    }))

  it.live("W57: leaves a standby that fails too, wherever that is found", () =>
    Effect.gen(function*() {
      const { first, second } = yield* replicas
      const down = ["us", "eu"]
      const found = yield* first.order({ do: "call", calls: 2, down })
      assert.deepStrictEqual(found.served, ["asia", "asia"])
      yield* eventually(second.order({ do: "look" }), ({ active }) => active === "asia")
      const spared = yield* second.order({ do: "call", calls: 1, down })
      assert.deepStrictEqual(spared.asked, ["asia"])
    }))
})
