import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { RedisCircuitStore } from "effect-resilience/redis"
import { eventually } from "../../support/eventually.ts"
import { stateIn } from "../../support/redis/records.ts"
import * as RedisSentinel from "../../support/redis/RedisSentinel.ts"
import { assertOneOutage, member, settings, stateOf, tells, trip, up } from "./faults.ts"
import { assertHarmless } from "./outage.ts"

const fleet = Effect.gen(function*() {
  const sentinel = yield* RedisSentinel.make
  const { name, sentinels } = sentinel
  const store = RedisCircuitStore.layer({ redisOptions: { name, sentinels: [...sentinels] }, ...settings })
  return { ...sentinel, members: [yield* member(store), yield* member(store)] as const }
})

describe("a server behind Sentinels", () => {
  it.live("that is killed, is no outage of the breaker, and another takes its place", () =>
    Effect.gen(function*() {
      const { failover, master, members, replica } = yield* fleet
      yield* assertHarmless(members, { strikes: master.kill, ends: failover, codes: ["CONNECTION", "TIMEOUT"] })
      assert.strictEqual((yield* stateIn(replica, "effect-resilience:records:{long/opened}")).state, "open")
    }), 60_000)

  it.live("hands what it knew to the one that takes its place", () =>
    Effect.gen(function*() {
      const { failover, members, replica } = yield* fleet
      const [one, other] = members
      yield* up(other, "long/after")
      yield* trip(one, "long/before")
      yield* eventually(Effect.map(
        stateIn(replica, "effect-resilience:records:{long/before}"),
        ({ state }) => state === "open"
      ))
      yield* failover
      for (const member of members) yield* tells(member, "store.recovered")
      assert.strictEqual(yield* stateOf(other, "long/before"), "Open")
      assert.strictEqual(yield* up(other, "long/before"), "CircuitOpen")
      yield* up(other, "long/after")
      yield* trip(one, "long/after")
      yield* eventually(Effect.map(up(other, "long/after"), (result) => result === "CircuitOpen"))
    }), 60_000)

  it.live("that freezes, is replaced, and its return as a replica disturbs nobody", () =>
    Effect.gen(function*() {
      const { failover, master, members } = yield* fleet
      const [one, other] = members
      yield* up(one, "key")
      yield* up(other, "key")
      yield* master.freeze
      yield* trip(one, "long/away")
      yield* failover
      for (const member of members) yield* tells(member, "store.recovered")
      yield* master.restart
      yield* eventually(Effect.map(master.command("ROLE"), (role) => (role as Array<unknown>)[0] === "slave"))
      yield* Effect.sleep(2 * settings.maxStaleness)
      for (const member of members) {
        yield* assertOneOutage(member, ["CONNECTION", "TIMEOUT"])
        assert.strictEqual(yield* stateOf(member, "long/away"), "Open")
      }
    }), 60_000)
})
