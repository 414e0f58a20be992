/** What becomes of a record and of what a process has decided by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Circuit } from "effect-resilience"
import { merge } from "../../src/internal/machine/merge.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const runs = { timeout: 30_000, arbitrary: { runs: 1000, size: 50 } }
const now = 1000

const circuit = (
  state: Circuit.State,
  generation: number,
  changes: Partial<Circuit.Circuit> = {}
): Circuit.Circuit => ({
  ...Circuit.initial(generation),
  state,
  reason: Circuit.reasons.find((reason) => Circuit.edges[reason].to === state)!,
  ...state === "open" || state === "forced_open" ? { openedAt: 500, openUntil: 2000, openMillis: 1500 } : undefined,
  ...changes
})
const Side = Schema.Struct({
  state: Schema.Literals(Circuit.states),
  generation: int(1, 3),
  until: int(900, 1100),
  gate: int(900, 1100)
})
const circuitOf = ({ gate, generation, state, until }: typeof Side.Type) =>
  circuit(state, generation, {
    gateUntil: gate,
    ...state === "open" || state === "forced_open" ? { openUntil: until } : undefined
  })
const isShut = ({ openUntil, state }: Circuit.Circuit) =>
  (state === "open" || state === "forced_open") && openUntil > now

describe("a merge", () => {
  it("keeps an opening that lasts, whichever side has it", () => {
    const [open, closed] = [circuit("open", 1), circuit("closed", 2)]
    assert.deepInclude(merge(open, closed, now, false), { state: "stored", circuit: open })
    assert.deepInclude(merge(closed, open, now, false), { state: "mine", circuit: open })
  })

  it("takes the later generation otherwise", () => {
    const [older, newer] = [circuit("half_open", 1), circuit("closed", 2)]
    assert.strictEqual(merge(older, newer, now, false).state, "mine")
    assert.strictEqual(merge(newer, older, now, false).state, "stored")
    assert.strictEqual(
      merge(circuit("open", 1, { openUntil: now }), newer, now, false).state,
      "mine",
      "an opening that is over"
    )
  })

  it("takes what the circuit has come to here if no other process has moved the record", () => {
    for (const state of ["open", "half_open"] as const) {
      assert.strictEqual(merge(circuit("closed", 2), circuit(state, 2, { openUntil: 900 }), now, false).state, "mine")
    }
    const closed = (reason: Circuit.Reason) => circuit("closed", 2, { reason })
    assert.strictEqual(merge(circuit("half_open", 2), closed("probe_succeeded"), now, false).state, "mine")
    assert.strictEqual(merge(circuit("half_open", 2), closed("reset"), now, false).state, "stored", "an older order")
  })

  it("takes a reset of an operator in this process", () => {
    assert.strictEqual(merge(circuit("open", 1), circuit("closed", 2, { reason: "reset" }), now, true).state, "mine")
  })

  it("keeps disabled what an operator has disabled in the store, unless this process knows a later generation", () => {
    const disabled = circuit("disabled", 2)
    assert.strictEqual(merge(disabled, circuit("forced_open", 2), now, false).circuit, disabled)
    assert.strictEqual(merge(disabled, circuit("open", 1), now, false).circuit, disabled)
    assert.strictEqual(merge(disabled, circuit("open", 3), now, false).state, "mine")
    assert.strictEqual(merge(circuit("open", 1), circuit("disabled", 3), now, false).state, "mine")
  })

  it("keeps an operator's hold, and says whose it is", () => {
    const [open, forced] = [circuit("open", 2), circuit("forced_open", 1)]
    const mine = merge(forced, open, now, false)
    assert.deepInclude(mine, { state: "mine", hold: "stored" })
    assert.deepInclude(mine.circuit, { state: "forced_open", reason: "forced", generation: 2 })
    const stored = merge(open, forced, now, false)
    assert.deepInclude(stored, { state: "stored", hold: "mine" })
    assert.deepInclude(stored.circuit, { state: "forced_open", reason: "forced", generation: 2 })
  })

  it.prop("of a circuit and itself is that circuit", { side: Side }, ({ side }) => {
    const one = circuitOf(side)
    assert.deepStrictEqual(merge(one, one, now, false).circuit, one)
  }, runs)

  it.prop("loses no deadline, and no opening that lasts", { stored: Side, mine: Side }, ({ mine, stored }) => {
    const [one, other] = [circuitOf(stored), circuitOf(mine)]
    const merged = merge(one, other, now, false)
    const isOff = one.state === "disabled" || other.state === "disabled"
    if (!isOff) {
      assert.strictEqual(isShut(merged.circuit), isShut(one) || isShut(other))
      assert.strictEqual(merged.circuit.gateUntil, Math.max(one.gateUntil, other.gateUntil))
    }
    if (isShut(merged.circuit) && isShut(one) && isShut(other)) {
      assert.strictEqual(merged.circuit.openUntil, Math.max(one.openUntil, other.openUntil))
    }
    const winner = merged.state === "mine" ? other : one
    assert.strictEqual(merged.circuit.generation, winner.generation)
  }, runs)
})
