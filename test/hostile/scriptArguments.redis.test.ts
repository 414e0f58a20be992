// What nobody vouches for in the arguments of the script: texts of any content and any length, and their number.
import { assert, describe, it } from "@effect/vitest"
import { circuitLua } from "../../src/redis/internal/circuitScript.ts"
import { type Operation, operations } from "../../src/redis/internal/luaOperations.ts"
import { Kept } from "../redis/twin/kept.ts"
import { ownRedis, Script } from "../redis/twin/script.ts"

const redis = await ownRedis()
const script = await Script.load(redis, circuitLua)

const all = Object.keys(operations) as ReadonlyArray<Operation>
/** Where the arguments of the operation begin. */
const common = 8

const texts = [
  "",
  "\u0000",
  "\n\r\n",
  "{}",
  "*",
  "__proto__",
  "%s%n",
  "]]--",
  "'; return 1 --",
  "\ud83d\ude00",
  "nan",
  "-1"
]
const long = "x".repeat(1_000_000)

const used = async () => {
  const kept = new Kept(script)
  await kept.probe()
  return kept
}

/** Asks, and gives what was wrong with it if it was refused. */
const run = (kept: Kept, args: ReadonlyArray<string>) =>
  script.run(kept.key, args).then(() => undefined, (error: unknown) => String(error))

/** The record can be read, and no field of it is anything but what it may be. */
const assertUnharmed = async (kept: Kept, what: string) => {
  const { circuit, corrupt } = await kept.ask("read")
  assert.isFalse(corrupt, what)
  for (const value of Object.values(circuit)) {
    assert.isTrue(typeof value !== "number" || (Number.isSafeInteger(value) && value >= 0), what)
  }
}

describe("the script, given", () => {
  it("any words of an operator, keeps them as they are", async () => {
    for (const operation of ["force", "reset", "disable", "enable"] as const) {
      for (const text of [...texts, long]) {
        const kept = await used()
        assert.isUndefined(await run(kept, kept.argumentsOf(operation, { note: text, actor: text })))
        await assertUnharmed(kept, `${operation} ${text.slice(0, 20)}`)
        const { actor, note, state } = await kept.stored()
        if (operation !== "enable") assert.deepStrictEqual([note, actor], [text, text], operation)
        assert.include(["closed", "forced_open", "disabled", "half_open"], state)
      }
    }
  })

  it("an outcome that is none, changes nothing but who has the slot", async () => {
    for (const outcome of [...texts.filter((text) => text !== ""), "success", "Bogus", long]) {
      const kept = await used()
      const before = await kept.stored()
      await run(kept, kept.argumentsOf("report", { outcome, kind: outcome, probe: 1 }))
      await assertUnharmed(kept, outcome.slice(0, 20))
      const { generation, openUntil, state } = await kept.stored()
      assert.deepStrictEqual([state, generation, openUntil], [
        before["state"],
        before["generation"],
        before["openUntil"]
      ])
    }
  })

  it("a kind that is none, keeps no such word for others to read", async () => {
    for (const kind of [...texts, "Timeout", long]) {
      const kept = new Kept(script)
      await kept.ask("report", { outcome: "Failure", kind })
      await assertUnharmed(kept, kind.slice(0, 20))
      assert.strictEqual((await kept.ask("read")).circuit.lastFailureKind, "")
    }
  })

  it("a duration that is no number, or none that can be, has a call that took no time or very long", async () => {
    for (const duration of [...texts, "inf", "-inf", "1e400", "-1e400", "0x10", "1e308", "9007199254740993", long]) {
      const kept = new Kept(script)
      await kept.ask("report", { outcome: "Failure", kind: "timeout", durationMillis: duration })
      await assertUnharmed(kept, duration.slice(0, 20))
      assert.strictEqual((await kept.stored())["failures"], "1")
    }
  })

  it("more arguments than it takes, does as if it had not been given them", async () => {
    for (const operation of all) {
      if (operation === "merge") continue
      const kept = await used()
      assert.isUndefined(
        await run(kept, [...kept.argumentsOf(operation, { outcome: "Success", probe: 1 }), "more", long])
      )
      await assertUnharmed(kept, operation)
    }
  })

  it("a number of a million digits, refuses it and writes nothing", async () => {
    for (const operation of all) {
      for (const [index, name] of operations[operation].entries()) {
        if (name.startsWith(":")) continue
        for (const number of ["9".repeat(1_000_000), `-${"9".repeat(1000)}`, `1.${"0".repeat(1000)}1e-1`]) {
          const kept = await used()
          const before = await kept.stored()
          const refused = await run(kept, kept.argumentsOf(operation).with(common + index, number))
          assert.include(refused, "needs a whole number", `${operation} ${name}`)
          assert.isBelow(refused!.length, 300)
          assert.deepStrictEqual(await kept.stored(), before)
        }
      }
    }
  })

  it("a policy or a circuit too large or too deep to be one, refuses it and writes nothing", async () => {
    for (
      const text of ["[".repeat(100_000), `{"criteria":${"[".repeat(2000)}${"]".repeat(2000)}}`, `{"a":"${long}"}`]
    ) {
      for (const [index, operation] of [[6, "force"], [common, "merge"]] as const) {
        const kept = await used()
        const before = await kept.stored()
        assert.isDefined(await run(kept, kept.argumentsOf(operation).with(index, text)), operation)
        assert.deepStrictEqual(await kept.stored(), before)
      }
    }
  })

  it("another number of keys than one, or a key of another type, fails and writes nothing", async () => {
    const kept = await used()
    const before = await kept.stored()
    const sha1 = String(await redis.script("LOAD", circuitLua))
    const none = await redis.evalsha(sha1, 0, ...kept.argumentsOf("force")).catch((error: unknown) => error)
    assert.instanceOf(none, Error)
    await redis.set(`${kept.key}:text`, "text")
    const other = await script.run(`${kept.key}:text`, kept.argumentsOf("force")).catch((error: unknown) => error)
    assert.match(String(other), /WRONGTYPE/)
    assert.strictEqual(await redis.get(`${kept.key}:text`), "text")
    assert.deepStrictEqual(await kept.stored(), before)
  })

  it("a time that is none, takes the server's", async () => {
    for (const now of ["", "junk", "-1", "nan", "1e400"]) {
      const kept = new Kept(script)
      assert.isUndefined(await run(kept, kept.argumentsOf("force").with(1, now)))
      const { openUntil } = await kept.stored()
      assert.approximately(Number(openUntil), Date.now() + 60_000, 30_000)
    }
  })
})
