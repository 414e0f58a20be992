/** What comes of a circuit that a process brings in, after the store lost it or was out of its reach. */
import { assert } from "@effect/vitest"
import { Circuit } from "effect-resilience"
import { writeCircuit } from "../../../../src/redis/internal/record.ts"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"
import type { Script } from "../script.ts"
import { recordOf } from "../twin.ts"

/** A generation that the store gave a while ago, and the one it would give now. */
const old = start * 1000 - 1_000_000
const fresh = start * 1000

const initial = { ...Circuit.initial(old), reason: "reset" as const }
const outage = { openedAt: start - 50, openMillis: 5000, openings: 1, outage: old, outageAt: start - 50 }
const open = { ...initial, ...outage, state: "open", reason: "threshold", openUntil: start + 5000 } as const
const forced = { ...open, state: "forced_open", reason: "forced", openUntil: start + 3000 } as const
const elapsed = { ...open, openUntil: start - 10 }
const halfOpen = {
  ...open,
  state: "half_open",
  reason: "cooldown_elapsed",
  openUntil: 0,
  issued: 1,
  probes: [{ id: 1, leaseUntil: start + 100 }]
} as const
const disabled = { ...initial, state: "disabled", reason: "disabled" } as const

const incident = { reason: "provider incident", actor: "ops" }

/** Brings a circuit in over what is stored, and says what came of it. */
const bring = async (
  script: Script,
  stored: Circuit.Circuit | undefined,
  other: Circuit.Circuit,
  told = other.generation,
  takesBack = false
) => {
  const kept = new Kept(script)
  const hold = ({ state }: Circuit.Circuit) => state === "forced_open"
  if (stored !== undefined) {
    const words = hold(stored) ? { note: incident.reason, actor: incident.actor } : {}
    await kept.redis.hset(kept.key, { ...recordOf({ circuit: stored, held: hold(stored) }), ...words })
  }
  const circuit = writeCircuit(other, 1, hold(other) ? incident : undefined, start, told, takesBack)
  const merged = await kept.ask("merge", { circuit })
  return { kept, merged, again: await kept.ask("merge", { circuit }) }
}

const later = <C extends Circuit.Circuit>(circuit: C): C => ({ ...circuit, generation: old + 1 })

export const merging = {
  "a circuit that the store lost is what it was": async (script) => {
    for (const circuit of [open, forced, elapsed, disabled, { ...initial, failures: 2, gateUntil: start + 7 }]) {
      const { merged } = await bring(script, undefined, circuit)
      assert.deepStrictEqual(merged.circuit, circuit)
      assert.strictEqual(merged.held, circuit.state === "forced_open")
      if (merged.held) assert.deepStrictEqual(merged.words, incident)
    }
  },

  "of two deadlines the later one survives, whoever brings it": async (script) => {
    const longer = { ...open, openUntil: start + 9000 }
    for (const [stored, other] of [[open, longer], [longer, open]] as const) {
      for (const [one, two] of [[stored, other], [later(stored), other], [stored, later(other)]] as const) {
        const { merged: { circuit } } = await bring(script, one, two)
        assert.deepStrictEqual([circuit.state, circuit.openUntil], ["open", start + 9000])
        assert.strictEqual(circuit.generation, Math.max(one.generation, two.generation))
      }
    }
  },

  "what is still held open wins over what is not, and gets a generation of its own if it is older": async (script) => {
    for (const held of [open, forced]) {
      for (const other of [initial, elapsed, halfOpen]) {
        for (const [stored, brought] of [[held, later(other)], [later(other), held]] as const) {
          const { merged: { circuit } } = await bring(script, stored, brought)
          assert.deepStrictEqual([circuit.state, circuit.openUntil], [held.state, held.openUntil])
          assert.strictEqual(circuit.generation, fresh)
        }
        for (const [stored, brought] of [[later(held), other], [other, later(held)]] as const) {
          const { merged: { circuit } } = await bring(script, stored, brought)
          assert.deepStrictEqual([circuit.state, circuit.openUntil], [held.state, held.openUntil])
          assert.strictEqual(circuit.generation, old + 1)
        }
      }
    }
  },

  "otherwise the later generation wins": async (script) => {
    for (const [one, two] of [[initial, elapsed], [elapsed, initial]] as const) {
      for (const [stored, brought] of [[one, later(two)], [later(two), one]] as const) {
        const { merged: { circuit } } = await bring(script, stored, brought)
        assert.deepStrictEqual(circuit, later(two))
      }
    }
  },

  "a hold survives an opening, and takes over its deadline": async (script) => {
    for (const [stored, brought] of [[forced, later(open)], [open, later(forced)], [later(open), forced]] as const) {
      const { merged: { circuit, held, words } } = await bring(script, stored, brought)
      assert.deepStrictEqual([circuit.state, circuit.reason, circuit.openUntil], [
        "forced_open",
        "forced",
        start + 5000
      ])
      assert.deepStrictEqual({ held, words }, { held: true, words: incident })
    }
    const endless = { ...forced, openUntil: Circuit.never }
    for (const [stored, brought] of [[endless, later(open)], [later(open), endless]] as const) {
      const { merged: { circuit } } = await bring(script, stored, brought)
      assert.deepStrictEqual([circuit.state, circuit.openUntil], ["forced_open", Circuit.never])
    }
  },

  "what a process brought in and took back is closed, and only that": async (script) => {
    for (const held of [forced, { ...forced, openUntil: Circuit.never }]) {
      const { merged: { circuit, held: still } } = await bring(script, held, initial, old + 2, true)
      assert.deepStrictEqual([circuit.state, circuit.reason, circuit.openUntil], ["closed", "reset", 0])
      assert.strictEqual(circuit.generation, fresh)
      assert.isFalse(still)
      for (const [stored, takesBack] of [[later(held), true], [held, false]] as const) {
        const { merged: { circuit } } = await bring(script, stored, initial, old + 2, takesBack)
        assert.strictEqual(circuit.state, "forced_open")
      }
    }
  },

  "a generation that a process saw go by does not come again with another state": async (script) => {
    const { merged: { circuit } } = await bring(script, undefined, initial, old + 1)
    assert.deepStrictEqual(circuit, { ...initial, generation: fresh })
  },

  "a half-open circuit is brought in as one whose next caller probes": async (script) => {
    for (const stored of [undefined, initial, elapsed]) {
      const { kept, merged } = await bring(script, stored, later(halfOpen))
      const { generation, issued, openUntil, probes, state } = merged.circuit
      assert.deepStrictEqual([state, openUntil, probes, issued], ["open", start, [], 0])
      assert.strictEqual(generation, fresh)
      assert.deepStrictEqual((await kept.ask("claim")).given, [1])
      assert.deepStrictEqual((await kept.ask("claim")).given, [0])
    }
    const { merged: { circuit } } = await bring(script, later(halfOpen), halfOpen)
    assert.deepStrictEqual(circuit, later(halfOpen), "one that the store has goes on")
  },

  "a disabled circuit stays so, and becomes so only by a later generation": async (script) => {
    for (const other of [initial, open, forced, halfOpen]) {
      for (const brought of [other, { ...other, generation: old - 1 }]) {
        const { merged: { circuit } } = await bring(script, disabled, brought)
        assert.deepStrictEqual(circuit, disabled)
      }
      const { merged: { circuit } } = await bring(script, other, later(disabled))
      assert.strictEqual(circuit.state, "disabled")
    }
    for (const stored of [initial, open, forced]) {
      const { merged: { circuit } } = await bring(script, stored, disabled)
      assert.strictEqual(circuit.state, stored.state)
    }
  },

  "of two gates the later one survives": async (script) => {
    const gates = [start + 100, start + 200]
    for (const [mine, theirs] of [gates, gates.toReversed()] as Array<[number, number]>) {
      const { merged: { circuit } } = await bring(
        script,
        { ...initial, gateUntil: mine },
        later({ ...open, gateUntil: theirs })
      )
      assert.strictEqual(circuit.gateUntil, start + 200)
    }
  },

  "a generation never stands for two states, is never taken back, and what is brought twice is brought once": async (
    script
  ) => {
    const all = [initial, open, forced, elapsed, halfOpen, disabled, { ...open, openUntil: start + 9000 }]
    const generations = [old - 1, old, old + 1]
    for (const stored of all) {
      for (const one of all) {
        for (const generation of generations) {
          const brought: Circuit.Circuit = { ...one, generation }
          const { again, merged: { circuit } } = await bring(script, stored, brought)
          const what = JSON.stringify({ stored, brought, circuit })
          assert.deepStrictEqual(again.circuit, circuit, what)
          assert.isAtLeast(circuit.generation, Math.max(stored.generation, brought.generation), what)
          if (circuit.generation === stored.generation) assert.strictEqual(circuit.state, stored.state, what)
          else if (circuit.generation === brought.generation) assert.strictEqual(circuit.state, brought.state, what)
          else assert.strictEqual(circuit.generation, fresh, what)
        }
      }
    }
  }
} satisfies Scenarios
