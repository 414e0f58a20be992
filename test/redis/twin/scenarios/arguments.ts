/** Arguments that make no sense, and those that barely do. */
import { assert } from "@effect/vitest"
import { Circuit } from "effect-resilience"
import { type Operation, operations } from "../../../../src/redis/internal/luaOperations.ts"
import { readAnswer, writeCircuit } from "../../../../src/redis/internal/record.ts"
import { wirePolicy } from "../../../../src/redis/internal/wirePolicy.ts"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"
import type { Script } from "../script.ts"

const all = Object.entries(operations) as unknown as ReadonlyArray<readonly [Operation, ReadonlyArray<string>]>
/** Where the arguments of the operation begin. */
const common = 8
const circuit = writeCircuit({ ...Circuit.initial(1), state: "open", openUntil: start + 1 }, 0, undefined, start)
const named = { outcome: "OpenNow", probe: 1, circuit }
const notWhole = ["", "junk", "-1", "10.5", "nan", "inf", "1e400", "9007199254740992", "1 2"]

/** Asks with one argument replaced, of a circuit without a record and of a half-open one: nothing may be written. */
const refused = async (
  script: Script,
  operation: Operation,
  spoil: (args: ReadonlyArray<string>) => ReadonlyArray<string>
) => {
  const unused = new Kept(script)
  const used = new Kept(script)
  await used.probe()
  for (const kept of [unused, used]) {
    const before = await kept.stored()
    const args = spoil(kept.argumentsOf(operation, named))
    const answer: unknown = await script.run(kept.key, args).catch((error: unknown) => error)
    assert.instanceOf(answer, Error, JSON.stringify(args))
    assert.deepStrictEqual(await kept.stored(), before, JSON.stringify(args))
  }
}

export const malformed = {
  "I108: what should be a whole number and is not, is refused before anything is written": async (script) => {
    for (const [operation, names] of all) {
      for (const [index, name] of names.entries()) {
        if (name.startsWith(":")) continue
        for (const junk of notWhole) await refused(script, operation, (args) => args.with(common + index, junk))
      }
    }
  },

  "I97: the idle time, the known generation and the owner have to make sense": async (script) => {
    for (const [operation] of all) {
      for (const junk of notWhole) {
        await refused(script, operation, (args) => args.with(2, junk))
        await refused(script, operation, (args) => args.with(5, junk))
      }
      for (const owner of ["", "two words", "a:b", "a;"]) {
        await refused(script, operation, (args) => args.with(7, owner))
      }
    }
  },

  "no argument may be missing": async (script) => {
    for (const [operation, names] of all) {
      for (let count = 1; count < common + names.length; count++) {
        await refused(script, operation, (args) => args.slice(0, count))
      }
    }
  },

  "there are no other operations": async (script) => {
    for (const operation of ["", "drop", "READ"]) await refused(script, "read", (args) => args.with(0, operation))
  },

  "a policy that is none is refused": async (script) => {
    for (const policy of ["", "junk", "{", "{}", "[]", "7", "null"]) {
      for (const [operation] of all) await refused(script, operation, (args) => args.with(6, policy))
    }
  },

  "I108: a policy that is half of one is refused before anything is written": async (script) => {
    const { policy } = new Kept(script).asking
    for (const name of ["fingerprint", "windowMillis", "criteria"]) {
      const { [name]: _, ...rest } = JSON.parse(wirePolicy(policy)) as Record<string, unknown>
      for (const operation of ["force", "merge"] as const) {
        await refused(script, operation, (args) => args.with(6, JSON.stringify(rest)))
      }
    }
  },

  "a circuit that is none is not brought in": async (script) => {
    for (const text of ["", "junk", "[]", "7", "null"]) {
      await refused(script, "merge", (args) => args.with(common, text))
    }
  },

  "a circuit of which one field makes no sense is not brought in": async (script) => {
    const whole = JSON.parse(circuit) as Record<string, unknown>
    for (const [name, value] of Object.entries(whole)) {
      if (name === "probes") continue
      const { [name]: _, ...rest } = whole
      // A time is what is left of it, which may be less than nothing.
      const none = typeof value === "string" ? [-1, 7] : name.endsWith("At") || name.endsWith("Until") ? [] : [-1, null]
      const spoilt = [...none, ...typeof value === "string" ? [] : ["junk", 1.5, 1e300], {}, true]
      const texts = [rest, ...spoilt.map((junk) => Object.assign({}, rest, { [name]: junk }))].map((one) =>
        JSON.stringify(one)
      )
      for (const text of texts) await refused(script, "merge", (args) => args.with(common, text))
    }
    await refused(script, "merge", (args) => args.with(common, JSON.stringify({ ...whole, state: "molten" })))
  },

  "the largest numbers leave a record that can be read": async (script) => {
    for (const [operation, names] of all) {
      for (const [index, name] of names.entries()) {
        if (name.startsWith(":") || name === "generation" || name === "probe" || name === "calls") continue
        const kept = new Kept(script)
        await kept.probe()
        const args = kept.argumentsOf(operation, named).with(common + index, String(Circuit.never))
        const answer = readAnswer(await script.run(kept.key, args), start)
        assert.isObject(answer, `${operation} ${name}`)
        assert.isFalse((await kept.ask("read")).corrupt, `${operation} ${name}`)
      }
    }
  }
} satisfies Scenarios
