import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import { eventually } from "../../support/eventually.ts"
import { failuresIn } from "../../support/redis/records.ts"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import {
  all,
  assertNoOutage,
  call,
  cooldown,
  crowd,
  down,
  type Member,
  memberAt,
  repeated,
  settings,
  stateOf,
  trip,
  up
} from "./faults.ts"

type Loss = (server: RedisServer.RedisServer, key: string) => Effect.Effect<unknown, unknown>

const recordOf = (key: string) => `effect-resilience:records:{${key}}`

const flush: Loss = ({ command }) => command("FLUSHALL")

/** Fills the server until it gives up the record for the sake of others. */
const evict: Loss = (server, key) =>
  Effect.gen(function*() {
    const { command } = server
    yield* command("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "4mb")
    const fill = "for i = 1, 50 do redis.call('SET', ARGV[1] .. ':' .. i, string.rep('x', 10000)) end"
    let round = 0
    const full = Effect.suspend(() => command("EVAL", fill, 0, ++round))
    yield* eventually(Effect.map(Effect.andThen(full, exists(server, key)), (exists) => !exists))
    yield* command("CONFIG", "SET", "maxmemory", 0)
  })

const exists = ({ command }: RedisServer.RedisServer, key: string) =>
  Effect.map(command("EXISTS", recordOf(key)), (exists) => exists === 1)

describe.concurrent.each([["FLUSHALL", flush], ["eviction", evict]] as const)("%s of", (_, lose) => {
  const fleet = Effect.gen(function*() {
    const server = yield* RedisServer.make()
    const members = [yield* memberAt(server.port), yield* memberAt(server.port)] as const
    return { server, members, lost: (key: string) => lose(server, key) }
  })
  const unharmed = (members: ReadonlyArray<Member>) => Effect.forEach(members, assertNoOutage)

  it.live("a closed circuit costs what it has counted, and nothing else (I110)", () =>
    Effect.gen(function*() {
      const { lost, members, server } = yield* fleet
      const [one, other] = members
      yield* all([up(one, "key"), up(other, "key")])
      yield* down(one, "key")
      yield* lost("key")
      assert.strictEqual(yield* up(other, "key"), "hello")
      assert.strictEqual(yield* down(other, "key"), "503")
      assert.strictEqual(yield* failuresIn(server, recordOf("key")), 1)
      assert.strictEqual(yield* up(other, "key"), "hello")
      yield* unharmed(members)
    }))

  it.live("an open circuit leaves it open, and those who come later hear of it from a process that still calls", () =>
    Effect.gen(function*() {
      const { lost, members, server } = yield* fleet
      const [one, other] = members
      yield* up(other, "long/key")
      yield* trip(one, "long/key")
      yield* eventually(Effect.map(up(other, "long/key"), (result) => result === "CircuitOpen"))
      yield* lost("long/key")
      assert.strictEqual(yield* up(other, "long/key"), "CircuitOpen")
      yield* eventually(Effect.andThen(up(one, "long/key"), exists(server, "long/key")))
      const newcomer = yield* memberAt(server.port)
      assert.strictEqual(yield* up(newcomer, "long/key"), "CircuitOpen")
      yield* unharmed(members)
    }))

  it.live("an open circuit whose time is over lets one call of many go first (I111)", () =>
    Effect.gen(function*() {
      const { lost, members } = yield* fleet
      const [one, other] = members
      yield* up(other, "key")
      yield* trip(one, "key")
      yield* cooldown
      yield* lost("key")
      assert.strictEqual(yield* crowd(members, "key"), 1)
      for (const member of members) yield* eventually(Effect.map(up(member, "key"), (result) => result === "hello"))
      yield* unharmed(members)
    }))

  it.live("a half-open circuit lets one more go beside the probe that runs, whose verdict is ignored (I111)", () =>
    Effect.gen(function*() {
      const { lost, members } = yield* fleet
      const [one, other] = members
      yield* up(other, "key")
      yield* trip(one, "key")
      yield* cooldown
      const answered = Latch.makeUnsafe()
      const probe = yield* Effect.forkChild(call(one, "key", Effect.andThen(answered.await, Effect.fail("late 503"))))
      yield* eventually(Effect.map(stateOf(other, "key"), (state) => state === "HalfOpen"))
      yield* lost("key")
      assert.strictEqual(yield* crowd(members, "key"), 1)
      yield* answered.open
      assert.strictEqual(yield* Fiber.join(probe), "late 503")
      assert.deepStrictEqual(yield* all([up(one, "key"), up(other, "key")]), ["hello", "hello"])
      assert.strictEqual((yield* one.recorded.of("circuit.late_outcome")).length, 1)
      yield* unharmed(members)
    }))

  it.live("a circuit that is held open leaves it so for all, and with its words", () =>
    Effect.gen(function*() {
      const { lost, members, server } = yield* fleet
      const [one, other] = members
      yield* up(other, "key")
      yield* one.breaker.forceOpen("key", { reason: "maintenance", actor: "operator" })
      yield* eventually(Effect.map(up(other, "key"), (result) => result === "CircuitForcedOpen"))
      yield* lost("key")
      assert.strictEqual(yield* up(one, "key"), "CircuitForcedOpen")
      yield* eventually(Effect.andThen(up(other, "key"), exists(server, "key")))
      const state = yield* (yield* memberAt(server.port)).breaker.state("key")
      assert.isTrue(state._tag === "ForcedOpen")
      if (state._tag === "ForcedOpen") {
        assert.deepStrictEqual([state.note, state.actor, state.retryAfter], ["maintenance", "operator", undefined])
      }
      yield* unharmed(members)
    }))
})

describe("SCRIPT FLUSH", () => {
  it.live("costs one script that is sent again, and no call anything", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const members = [yield* memberAt(server.port), yield* memberAt(server.port)] as const
      const [one, other] = members
      yield* up(other, "long/key")
      for (const key of ["long/one", "long/other"]) {
        yield* server.command("SCRIPT", "FLUSH")
        assert.deepStrictEqual(yield* repeated(3, down(one, key)), ["503", "503", "CircuitOpen"])
        yield* server.command("SCRIPT", "FLUSH")
        assert.strictEqual(yield* up(other, key), "CircuitOpen")
      }
      yield* Effect.sleep(2 * settings.maxStaleness)
      yield* Effect.forEach(members, assertNoOutage)
    }))
})
