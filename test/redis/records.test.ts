import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../support/eventually.ts"
import { sharedServer } from "../support/redis/sharedServer.ts"
import { assertNoOutage, cooldown, down, type Member, memberAt, repeated, stateOf, trip, up } from "./outages/faults.ts"

const server = await sharedServer()
const { command, port } = server

let tests = 0
const fleet = Effect.gen(function*() {
  const prefix = `records-${++tests}`
  return {
    members: [yield* memberAt(port, { prefix }), yield* memberAt(port, { prefix })] as const,
    newcomer: memberAt(port, { prefix }),
    recordOf: (key: string) => `${prefix}:records:{${key}}`
  }
})

const problems = ({ recorded }: Member) =>
  Effect.map(recorded.of("store.corrupt"), (events) => events.map(({ key, problem }) => `${key}: ${problem}`))

describe.concurrent("a key that is not ours to write:", () => {
  const foreign: ReadonlyArray<readonly [name: string, put: (key: string) => ReadonlyArray<string>, problem: string]> =
    [
      ["a string", (key) => ["SET", key, "theirs"], "wrong_type"],
      ["a list", (key) => ["RPUSH", key, "theirs"], "wrong_type"],
      ["a set", (key) => ["SADD", key, "theirs"], "wrong_type"],
      ["a stream", (key) => ["XADD", key, "1-1", "field", "theirs"], "wrong_type"],
      [
        "a record of a newer version",
        (key) => ["HSET", key, "r", "1", "s", `{"v":2,"state":"ajar"}`, "novelty", "1"],
        "newer_version"
      ]
    ]

  it.live.each(foreign)(
    "%s stays as it is byte for byte, reported once, and followed again when it is gone",
    ([, put, problem]) =>
      Effect.gen(function*() {
        const { members: [one, other], recordOf } = yield* fleet
        yield* up(one, "neighbour")
        // One finds it at the first use of the key, the other has a view already.
        yield* up(other, "key")
        const [name = "", ...args] = put(recordOf("key"))
        yield* command(name, ...args)
        const bytes = yield* command("DUMP", recordOf("key"))

        for (const member of [one, other]) {
          assert.strictEqual(yield* up(member, "key"), "hello")
          assert.deepStrictEqual(yield* repeated(3, down(member, "key")), ["503", "503", "CircuitOpen"])
          yield* cooldown
          assert.strictEqual(yield* up(member, "key"), "hello")
          assert.strictEqual(yield* stateOf(member, "key"), "Closed")
          yield* member.breaker.forceOpen("key", { for: "500 millis" })
          assert.strictEqual(yield* up(member, "key"), "CircuitForcedOpen")
          assert.deepStrictEqual(yield* problems(member), [`key: ${problem}`])
          yield* assertNoOutage(member)
        }
        assert.strictEqual(yield* command("DUMP", recordOf("key")), bytes)
        assert.strictEqual(yield* command("PTTL", recordOf("key")), -1)

        // All the while the other circuits are the fleet's.
        yield* trip(other, "neighbour")
        yield* eventually(Effect.map(up(one, "neighbour"), (result) => result === "CircuitOpen"))

        yield* command("DEL", recordOf("key"))
        yield* one.breaker.reset("key")
        yield* other.breaker.reset("key")
        yield* eventually(Effect.andThen(
          one.breaker.forceOpen("key"),
          Effect.map(up(other, "key"), (result) => result === "CircuitForcedOpen")
        ))
        assert.deepStrictEqual(yield* problems(one), [`key: ${problem}`])
      })
  )
})

const rejections = ["CircuitOpen", "CircuitHalfOpen", "CircuitForcedOpen"]

/** Puts junk into the record of one key after the other, and sees that no call suffers and that a write heals it. */
const survives = (
  junk: ReadonlyArray<string>,
  put: (record: string, value: string) => Effect.Effect<unknown, unknown>,
  problemsSeen: (members: ReadonlyArray<Member>) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const { members: [one, other], newcomer, recordOf } = yield* fleet
    const [late, healed] = [yield* newcomer, yield* newcomer]
    for (const [index, value] of junk.entries()) {
      const key = `key-${index}`
      yield* up(other, key)
      yield* one.breaker.forceOpen(key, { for: "1 millis" })
      yield* Effect.sleep("2 millis")
      yield* put(recordOf(key), value)
      for (const member of [late, other, one]) {
        assert.include(["hello", ...rejections], yield* up(member, key), value)
        assert.include(["503", ...rejections], yield* down(member, key), value)
        yield* stateOf(member, key)
      }
      yield* one.breaker.forceOpen(key, { for: "1 hour" })
      assert.strictEqual(yield* up(healed, key), "CircuitForcedOpen", value)
      yield* other.breaker.reset(key)
      yield* eventually(Effect.map(up(healed, key), (result) => result === "hello"))
    }
    assert.deepStrictEqual(yield* problems(healed), [])
    yield* problemsSeen([late])
    yield* Effect.forEach([one, other], assertNoOutage)
  })

describe.concurrent("junk in the field", () => {
  const junk = ["x", "", "-1", "1.5", "1e300", "nan", "9007199254740993", "\u0000\u00ff\n"]

  it.live.each(["r", "g", "w", "cf.1:1", "c", "novelty"])(
    "%s costs no call anything, and a write heals it (I105, W41)",
    (field) => survives(junk, (record, value) => command("HSET", record, field, value), () => Effect.void)
  )

  const names = [
    "state",
    "reason",
    "kind",
    "openedAt",
    "openUntil",
    "closedAt",
    "outageAt",
    "rampUntil",
    "gateUntil",
    "hintUntil",
    "openMillis",
    "openings",
    "outage",
    "issued",
    "successes",
    "probes",
    "slow",
    "words",
    "held",
    "streak",
    "learnt",
    "failed"
  ]
  const values = [`"x"`, "-1", "1.5", "1e300", "null", "[1]", `[["1",{},3]]`, "{}", "[[1,-1]]"]

  it.live.each(names)(
    "%s of the state costs no call anything, is reported once, and healed by the next write",
    (name) =>
      survives(
        values,
        (record, value) =>
          Effect.flatMap(command("HGET", record, "s"), (text) => {
            const fields = JSON.parse(String(text)) as Record<string, unknown>
            return command("HSET", record, "s", JSON.stringify({ ...fields, [name]: JSON.parse(value) }))
          }),
        ([late]) =>
          Effect.map(problems(late!), (seen) => {
            assert.deepStrictEqual(seen, [...new Set(seen)])
            // Null is none of these, and "x" a text.
            const isText = name === "reason"
            assert.strictEqual(seen.includes("key-0: unreadable_fields"), !isText)
          })
      )
  )

  it.live("that is the whole state, or has a part of it, costs no call anything, is reported once, and healed (I82)", () =>
    survives(
      ["x", "{", "[]", "null", "1", `"closed"`, "{}"],
      (record, value) => command("HSET", record, "s", value),
      ([late]) =>
        Effect.map(
          problems(late!),
          (seen) =>
            assert.deepStrictEqual(seen, Array.from({ length: 7 }, (_, index) => `key-${index}: unreadable_fields`))
        )
    ))
})

describe("asking for the state of a circuit that is not used here", () => {
  it.live("tells of nothing, however often", () =>
    Effect.gen(function*() {
      const { members: [one, other], recordOf } = yield* fleet
      yield* one.breaker.forceOpen("key")
      yield* command("HSET", recordOf("key"), "s", `{"state":"forced_open","openUntil":9007199254740991}`)
      yield* up(other, "another")
      assert.deepStrictEqual(yield* repeated(3, stateOf(other, "key")), Array(3).fill("ForcedOpen"))
      assert.deepStrictEqual(yield* other.recorded.names, [])
    }))
})

describe("a record whose expiry was lost", () => {
  it.live("is readable, and gets one with the next write (I107)", () =>
    Effect.gen(function*() {
      const { members: [one, other], recordOf } = yield* fleet
      yield* trip(one, "long/key")
      yield* command("PERSIST", recordOf("long/key"))
      assert.strictEqual(yield* up(other, "long/key"), "CircuitOpen")
      yield* other.breaker.reset("long/key")
      assert.isAbove(Number(yield* command("PTTL", recordOf("long/key"))), 0)
    }))
})
