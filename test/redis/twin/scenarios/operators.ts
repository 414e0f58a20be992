/** What operators do, and for how long their words stay. */
import { assert } from "@effect/vitest"
import { Circuit } from "effect-resilience"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"

const incident = { note: "provider incident", actor: "ops" }
const words = { reason: "provider incident", actor: "ops" }
const none = { reason: undefined, actor: undefined }

export const operators = {
  "I91: a hold is never shortened, not by a later one and not by an opening": async (script) => {
    const circuit = new Kept(script)
    await circuit.open(5000)
    const shorter = await circuit.ask("force", { forMillis: 10 })
    assert.strictEqual(shorter.circuit.openUntil, start + 5000)
    await circuit.ask("force", { forMillis: Circuit.never })
    const never = await circuit.ask("force", { forMillis: 10 })
    assert.strictEqual(never.circuit.openUntil, Circuit.never)
    const longest = await new Kept(script).ask("force", { forMillis: Circuit.never - 1 })
    assert.strictEqual(longest.circuit.openUntil, Circuit.never - 1)
  },

  "the words of a hold stay until the circuit is closed": async (script) => {
    const circuit = new Kept(script)
    const stands = ({ circuit: { state }, held, words: said }: Awaited<ReturnType<Kept["ask"]>>) =>
      assert.deepStrictEqual({ state, held, said }, {
        state,
        held: state !== "closed",
        said: state === "closed" ? none : words
      })
    stands(await circuit.ask("force", { ...incident, forMillis: 1000 }))
    circuit.wait(1000)
    stands(await circuit.ask("claim"))
    stands(await circuit.ask("report", { probe: 1, outcome: "Failure", kind: "timeout", openMillis: 500 }))
    circuit.wait(500)
    stands(await circuit.ask("claim"))
    const closed = await circuit.ask("report", { probe: 1, outcome: "Success" })
    assert.strictEqual(closed.circuit.state, "closed")
    stands(closed)
  },

  "whoever steers leaves his words, and only a hold is held": async (script) => {
    for (const operation of ["reset", "disable", "enable"] as const) {
      const circuit = new Kept(script)
      await circuit.ask(operation === "enable" ? "disable" : "force", { note: "before", actor: "somebody" })
      const { held, words: said } = await circuit.ask(operation, incident)
      assert.deepStrictEqual({ held, said }, { held: false, said: words }, operation)
    }
  },

  "the words of a reset go with the next opening": async (script) => {
    const circuit = new Kept(script)
    await circuit.open()
    await circuit.ask("reset", incident)
    const failed = await circuit.ask("report", { outcome: "Failure", kind: "timeout" })
    assert.deepStrictEqual(failed.words, words)
    assert.deepStrictEqual((await circuit.open()).words, none)
  },

  "nobody resets or enables a circuit that nobody has used": async (script) => {
    const circuit = new Kept(script)
    for (const operation of ["reset", "enable", "claim", "read"] as const) {
      const answer = await circuit.ask(operation)
      assert.deepStrictEqual(answer.circuit, Circuit.initial(0), operation)
    }
    assert.strictEqual(await circuit.redis.exists(circuit.key), 0)
  }
} satisfies Scenarios
