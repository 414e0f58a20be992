/** Records that are not this process's to change, and those it knows more of than the store. */
import { assert } from "@effect/vitest"
import { Circuit, TripPolicy } from "effect-resilience"
import { type Operation, operations } from "../../../../src/redis/internal/luaOperations.ts"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"

const all = Object.keys(operations) as ReadonlyArray<Operation>
const merged = { circuit: "{}" }
const outcome = { outcome: "OpenNow" }

export const records = {
  "a record of a newer version is left alone": async (script) => {
    for (const operation of all) {
      const circuit = new Kept(script)
      await circuit.redis.hset(circuit.key, { version: "2", state: "molten", generation: "17" })
      const reply = await script.run(circuit.key, circuit.argumentsOf(operation, { ...outcome, ...merged }))
      assert.deepStrictEqual(reply, ["newer", String(start)], operation)
      assert.deepStrictEqual(await circuit.stored(), { version: "2", state: "molten", generation: "17" })
      assert.strictEqual(await circuit.redis.pttl(circuit.key), -1)
    }
  },

  "a key of another type is left alone": async (script) => {
    for (const operation of all) {
      const circuit = new Kept(script)
      await circuit.redis.set(circuit.key, "somebody else's")
      const asked = script.run(circuit.key, circuit.argumentsOf(operation, { ...outcome, ...merged }))
      const error: unknown = await asked.catch((error: unknown) => error)
      assert.match(String(error), /WRONGTYPE/, operation)
      assert.strictEqual(await circuit.redis.get(circuit.key), "somebody else's")
      assert.strictEqual(await circuit.redis.pttl(circuit.key), -1)
    }
  },

  "who knows a later generation than the store is told so, and nothing is done": async (script) => {
    for (const operation of all.filter((operation) => operation !== "merge")) {
      for (const lost of [true, false]) {
        const circuit = new Kept(script)
        await circuit.open(100)
        circuit.wait(100)
        if (lost) await circuit.redis.del(circuit.key)
        const before = await circuit.stored()
        const { status } = await circuit.ask(operation, outcome, { known: circuit.generation + 1 })
        assert.strictEqual(status, "stale", operation)
        assert.deepStrictEqual(await circuit.stored(), before, operation)
      }
      const circuit = new Kept(script)
      await circuit.open(100)
      const { status } = await circuit.ask(operation, outcome, { known: circuit.generation })
      assert.notStrictEqual(status, "stale", operation)
    }
  },

  "who follows another policy than the last writer is told so": async (script) => {
    const circuit = new Kept(script)
    assert.isFalse((await circuit.ask("read")).mismatch)
    await circuit.ask("report", { outcome: "Failure" })
    assert.isFalse((await circuit.ask("read")).mismatch)
    const { asking: { policy } } = new Kept(script, { tripPolicy: TripPolicy.consecutive(3) })
    assert.isTrue((await circuit.ask("read", {}, { policy })).mismatch)
    assert.isTrue((await circuit.ask("report", { outcome: "Failure" }, { policy })).mismatch)
    assert.isTrue((await circuit.ask("read")).mismatch)
    assert.isFalse((await circuit.ask("read", {}, { policy })).mismatch)
  },

  "a policy starts with windows of its own, and the streak goes on": async (script) => {
    const window = (minimumCalls: number) => TripPolicy.failureRate({ threshold: 0.5, minimumCalls, window: 10 })
    const circuit = new Kept(script, { tripPolicy: window(1) })
    await circuit.ask("report", { calls: 9 })
    assert.strictEqual((await circuit.ask("report", { outcome: "Failure" })).failureRatePpm, 100_000)
    const { asking: { policy } } = new Kept(script, { tripPolicy: window(2) })
    const { circuit: { failures, state }, failureRatePpm } = await circuit.ask("report", { outcome: "Failure" }, {
      policy
    })
    assert.deepStrictEqual({ failures, state, failureRatePpm }, {
      failures: 2,
      state: "closed",
      failureRatePpm: undefined
    })
  },

  "every write raises the revision, and nothing else does": async (script) => {
    const circuit = new Kept(script)
    let last = 0
    const writes = [
      ["report", { calls: 1 }],
      ["report", { outcome: "Failure" }],
      ["report", { outcome: "Ignored" }],
      ["force", { forMillis: 0 }],
      ["claim", {}],
      ["renew", { probe: 1 }],
      ["report", { probe: 1, outcome: "Success" }],
      ["reset", {}],
      ["disable", {}],
      ["enable", {}]
    ] as const
    for (const [operation, named] of writes) {
      const { revision } = await circuit.ask(operation, named)
      assert.isAbove(revision, last, operation)
      const looks = [await circuit.ask("read"), await circuit.ask("report", { generation: 1 })]
      for (const look of looks) assert.strictEqual(look.revision, revision, operation)
      last = revision
    }
    // After a loss the time carries on where the counting was.
    await circuit.redis.del(circuit.key)
    circuit.wait(1)
    circuit.generation = 0
    assert.isAbove((await circuit.ask("report", { outcome: "Failure" })).revision, last)
  },

  "a circuit without a record is a closed one without a past": async (script) => {
    const circuit = new Kept(script)
    const { circuit: { failures, generation, state } } = await circuit.ask("report", { outcome: "Failure" })
    assert.deepStrictEqual({ failures, generation, state }, { failures: 1, generation: 0, state: "closed" })
    const opened = await circuit.open()
    assert.strictEqual(opened.circuit.generation, start * 1000)
    assert.notStrictEqual(opened.circuit.openUntil, Circuit.never)
  }
} satisfies Scenarios
