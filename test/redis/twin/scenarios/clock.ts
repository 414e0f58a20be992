/** Whose time it is, and what generations come of it. */
import { assert } from "@effect/vitest"
import { Circuit } from "effect-resilience"
import { readAnswer, readMessage, writeCircuit } from "../../../../src/redis/internal/record.ts"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"

/** The clocks of three processes, at the instant at which the server's says `start`. */
const clocks = [start - 30_000, start, start + 30_000]

export const clock = {
  "I92: processes whose clocks differ by a minute see the same remainders": async (script) => {
    const circuit = new Kept(script, { ramp: "5 seconds" })
    await circuit.open()
    await circuit.ask("report", { outcome: "Ignored" })
    const reply = await script.run(circuit.key, circuit.argumentsOf("read"))
    const seen = clocks.map((now) => {
      const answer = readAnswer(reply, now)
      return typeof answer === "object" ? { answer, now } : assert.fail()
    })
    for (const { answer, now } of seen) {
      assert.strictEqual(Circuit.rejectsFor(answer.circuit, now), 60_000)
      assert.strictEqual(Circuit.admit(answer.circuit, circuit.asking.policy.rules, now + 60_000)._tag, "Admitted")
    }
    const [, , , , , , ...record] = reply as ReadonlyArray<string>
    const message = JSON.stringify(["id", "owner", String(start), ...record])
    for (const { answer, now } of seen) assert.deepStrictEqual(readMessage(message, now)?.read.circuit, answer.circuit)
  },

  "I92: what a process brings in does not depend on its clock": async (script) => {
    const known = (now: number): Circuit.Circuit => ({
      ...Circuit.initial(start * 1000),
      state: "open",
      reason: "threshold",
      openedAt: now - 500,
      openMillis: 7500,
      openUntil: now + 7000,
      openings: 2,
      outage: 17,
      outageAt: now - 9000,
      gateUntil: now + 8000
    })
    const written = clocks.map((now) => writeCircuit(known(now), 0, undefined, now))
    assert.strictEqual(new Set(written).size, 1)
    const circuit = new Kept(script)
    const { circuit: merged } = await circuit.ask("merge", { circuit: written[0]! })
    assert.deepStrictEqual(merged, known(start))
  },

  "I92: without a time it is the server's, and nothing else is told the time": async (script) => {
    const circuit = new Kept(script)
    circuit.asking = { ...circuit.asking, now: undefined }
    const time = async () => {
      const [seconds, micros] = await circuit.redis.time()
      return Number(seconds) * 1_000_000 + Number(micros)
    }
    const before = await time()
    const { circuit: { generation, openedAt } } = await circuit.open()
    const after = await time()
    assert.isTrue(before <= generation && generation <= after, "the generation is the server's time")
    assert.strictEqual(openedAt, Math.floor(generation / 1000))
  },

  "a generation rises with every transition, and never comes again after the record is gone": async (script) => {
    const circuit = new Kept(script)
    circuit.asking = { ...circuit.asking, now: undefined }
    let last = 0
    const rises = async (operation: Parameters<Kept["ask"]>[0], named = {}) => {
      const { circuit: { generation } } = await circuit.ask(operation, named)
      assert.isAbove(generation, last)
      last = generation
    }
    for (let life = 0; life < 3; life++) {
      await rises("force", { forMillis: 0 })
      await rises("claim")
      await rises("report", { probe: 1, outcome: "Success" })
      await rises("report", { outcome: "OpenNow" })
      await rises("reset")
      await rises("disable")
      await rises("enable")
      await circuit.redis.del(circuit.key)
      circuit.generation = 0
    }
  },

  "a generation follows the one before, if that is ahead of the clock": async (script) => {
    const circuit = new Kept(script)
    await circuit.open()
    await circuit.redis.hset(circuit.key, "generation", start * 1000 + 5_000_000)
    const { circuit: { generation } } = await circuit.ask("reset")
    assert.strictEqual(generation, start * 1000 + 5_000_001)
  }
} satisfies Scenarios
