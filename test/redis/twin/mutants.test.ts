import { assert, describe, it } from "@effect/vitest"
import { circuitLua } from "../../../src/redis/internal/circuitScript.ts"
import { ofHealth } from "./mutants/health.ts"
import { ofMachine } from "./mutants/machine.ts"
import { ofRecord } from "./mutants/record.ts"
import { ownRedis, Script } from "./script.ts"

const redis = await ownRedis()
const all = [...ofMachine, ...ofHealth, ...ofRecord]

describe("a fault of the script is found:", () => {
  for (const { check, faults } of all) {
    it.each(faults)("%s", async (_, from, to) => {
      const [before, after, ...more] = circuitLua.split(from)
      assert.isTrue(after !== undefined && more.length === 0, "it replaces nothing, or more than one thing")
      const script = await Script.load(redis, `${before}${to}${after}`)
      const found: unknown = await check(script).then(() => undefined, (error: unknown) => error)
      assert.include(["Difference", "AssertionError"], found instanceof Error ? found.name : "nothing", String(found))
      assert.notMatch(String(found), /attempt to/, "what does not run would be found by anything")
    })
  }

  it("nothing, where there is none", async () => {
    const script = await Script.load(redis, circuitLua)
    for (const { check } of all) await check(script)
  })
})
