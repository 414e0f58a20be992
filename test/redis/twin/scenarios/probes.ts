/** Whose probes they are, and for how long. */
import { assert } from "@effect/vitest"
import { Kept, type Scenarios } from "../kept.ts"

const other = { owner: "other" }
const failed = { outcome: "Failure", kind: "timeout" }

export const probes = {
  "a probe is ended by its owner alone": async (script) => {
    const circuit = new Kept(script)
    await circuit.probe()
    const before = await circuit.stored()
    for (const outcome of ["Success", "Failure", "Ignored", "Throttled", "OpenNow"]) {
      const { status } = await circuit.ask("report", { probe: 1, outcome, hintMillis: 5 }, other)
      assert.strictEqual(status, "late", outcome)
    }
    assert.deepStrictEqual(await circuit.stored(), before)
    const { circuit: { state }, status } = await circuit.ask("report", { probe: 1, outcome: "Success" })
    assert.deepStrictEqual({ status, state }, { status: "ok", state: "closed" })
  },

  "a slot is taken for all until its lease has run out, and then for the late one": async (script) => {
    const circuit = new Kept(script)
    await circuit.probe(100)
    circuit.wait(99)
    for (const owner of ["twin", "other"]) {
      assert.deepStrictEqual((await circuit.ask("claim", {}, { owner })).given, [0])
    }
    circuit.wait(1)
    assert.deepStrictEqual((await circuit.ask("claim", {}, other)).given, [2])
    for (const probe of [1, 2]) assert.strictEqual((await circuit.ask("report", { probe, ...failed })).status, "late")
    assert.deepStrictEqual((await circuit.ask("renew", { probe: 1 })).given, [0])
    const { circuit: { state } } = await circuit.ask("report", { probe: 2, outcome: "Success" }, other)
    assert.strictEqual(state, "closed")
  },

  "a lease is renewed for its owner, as long as the probe is his": async (script) => {
    const circuit = new Kept(script)
    const { circuit: { probes: [probe] } } = await circuit.probe(100)
    const leaseUntil = probe!.leaseUntil
    circuit.wait(50)
    const before = await circuit.stored()
    const refused = [
      await circuit.ask("renew", { probe: 1 }, other),
      await circuit.ask("renew", { probe: 2 }),
      await circuit.ask("renew", { probe: 1, generation: circuit.generation - 1 })
    ]
    for (const { given, status } of refused) assert.deepStrictEqual({ given, status }, { given: [0], status: "ok" })
    assert.deepStrictEqual(await circuit.stored(), before)

    const renewed = await circuit.ask("renew", { probe: 1, leaseMillis: 100 })
    assert.deepStrictEqual(renewed.given, [1])
    assert.deepStrictEqual(renewed.circuit.probes, [{ id: 1, leaseUntil: leaseUntil + 50 }])
    const shorter = await circuit.ask("renew", { probe: 1, leaseMillis: 1 })
    assert.deepStrictEqual(shorter.circuit.probes, renewed.circuit.probes)
    circuit.wait(99)
    assert.deepStrictEqual((await circuit.ask("claim", {}, other)).given, [0])
    circuit.wait(1)
    assert.deepStrictEqual((await circuit.ask("claim", {}, other)).given, [2])
  },

  "I15, I19: nothing that is reported of an open circuit changes it": async (script) => {
    for (const operation of ["report", "force"] as const) {
      for (const outcome of ["Success", "Failure", "Ignored", "Throttled", "OpenNow"]) {
        const circuit = new Kept(script)
        const { circuit: before } = await circuit.ask(operation, { outcome: "OpenNow" })
        circuit.wait(10)
        for (const probe of [0, 1]) {
          const { circuit: after } = await circuit.ask("report", { probe, outcome, hintMillis: 90_000, calls: 1 })
          assert.deepStrictEqual(after, before, outcome)
        }
      }
    }
  },

  "probes of two processes do not exceed the limit": async (script) => {
    const circuit = new Kept(script, { probes: 2 })
    await circuit.probe()
    assert.deepStrictEqual((await circuit.ask("claim", {}, other)).given, [2])
    for (const owner of ["twin", "other", "third"]) {
      assert.deepStrictEqual((await circuit.ask("claim", {}, { owner })).given, [0])
    }
    await circuit.ask("report", { probe: 2, outcome: "Ignored" }, other)
    assert.deepStrictEqual((await circuit.ask("claim", {}, { owner: "third" })).given, [3])
  }
} satisfies Scenarios
