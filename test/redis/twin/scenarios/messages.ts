/** What the other processes are told. */
import { assert } from "@effect/vitest"
import { TripPolicy } from "effect-resilience"
import type { Operation } from "../../../../src/redis/internal/luaOperations.ts"
import { type Read, readMessage } from "../../../../src/redis/internal/record.ts"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"
import type { Script } from "../script.ts"

/** A circuit whose messages are heard: those of one operation, which all came when the end of them did. */
const heard = async (script: Script, use: (circuit: Kept, messages: Messages) => Promise<void>) => {
  const circuit = new Kept(script, { tripPolicy: TripPolicy.consecutive(3), successesToClose: 2, probes: 2 })
  const channel = circuit.key
  circuit.asking = { ...circuit.asking, channel }
  const subscriber = circuit.redis.duplicate()
  try {
    await subscriber.subscribe(channel)
    await use(circuit, async (operation, named, owner = "twin") => {
      const messages: Array<string> = []
      const end = new Promise<void>((resolve) => {
        subscriber.removeAllListeners("message")
        subscriber.on("message", (_, message) => message === "end" ? resolve() : messages.push(message))
      })
      const answer = await circuit.ask(operation, named, { owner })
      await circuit.redis.publish(channel, "end")
      await end
      assert.isAtMost(messages.length, 1)
      const [message] = messages
      if (message === undefined) return false
      const { id, owner: by, read } = readMessage(message, circuit.asking.now!)!
      assert.deepStrictEqual({ id, by, told: known(read) }, { id: "id", by: owner, told: known(answer) })
      return true
    })
  } finally {
    subscriber.disconnect()
  }
}
const known = ({ circuit, held, revision, words }: Read) => ({ circuit, held, revision, words })
type Messages = (operation: Operation, named?: Record<string, string | number>, owner?: string) => Promise<boolean>

const failure = { outcome: "Failure", kind: "timeout" }

export const messages = {
  "every transition is told, with the whole record": (script) =>
    heard(script, async (circuit, told) => {
      assert.isTrue(await told("report", { outcome: "OpenNow", openMillis: 100 }), "open")
      circuit.wait(100)
      assert.isTrue(await told("claim"), "half open")
      assert.isTrue(await told("report", { probe: 1, ...failure, openMillis: 100 }), "open again")
      circuit.wait(100)
      await told("claim")
      await told("report", { probe: 1, outcome: "Success" })
      await told("claim")
      assert.isTrue(await told("report", { probe: 2, outcome: "Success" }), "closed")
      assert.isTrue(await told("force", { note: "incident", actor: "ops" }), "forced")
      assert.isTrue(await told("reset"), "reset")
      assert.isTrue(await told("disable"), "disabled")
      assert.isTrue(await told("enable"), "enabled")
      const { circuit: known } = await circuit.ask("read")
      const lost = { ...known, generation: known.generation + 1, openedAt: false, openUntil: 5, closedAt: false }
      const none = { outageAt: false, rampUntil: false, gateUntil: false, hintUntil: false, probes: [] }
      const merged = JSON.stringify({
        ...lost,
        ...none,
        state: "open",
        announced: 0,
        takesBack: 0,
        revision: 0,
        latencyTripped: "",
        held: "",
        note: "",
        actor: ""
      })
      assert.isTrue(await told("merge", { circuit: merged }), "merged")
    }),

  "what others need to know of a circuit that stays as it is, is told": (script) =>
    heard(script, async (circuit, told) => {
      assert.isTrue(await told("report", failure), "a streak begins")
      assert.isTrue(await told("report", { endsStreak: 1 }), "a streak ends")
      assert.isTrue(await told("report", { outcome: "Throttled", hintMillis: 50 }), "a gate")
      assert.isTrue(await told("report", { outcome: "Throttled", hintMillis: 60 }), "a later gate")
      assert.isTrue(await told("force", { forMillis: 100 }), "forced")
      assert.isTrue(await told("force", { forMillis: 200 }), "forced for longer")
      circuit.wait(200)
      assert.isTrue(await told("claim"), "the first probe")
      assert.isTrue(await told("claim"), "the second probe")
      assert.isTrue(await told("renew", { probe: 2, leaseMillis: 70_000 }), "a longer lease")
      assert.isTrue(await told("report", { probe: 1, outcome: "Ignored" }), "a free slot")
      assert.isTrue(await told("report", { probe: 2, outcome: "Success" }), "a success of two")
      await told("disable")
      for (let call = 0; call < 2; call++) await told("report", failure)
      assert.isTrue(await told("report", failure), "an opening that did not happen")
      assert.isTrue(await told("report", { outcome: "OpenNow" }), "one without a streak")
    }),

  "counting is not told, nor is what changes nothing": (script) =>
    heard(script, async (circuit, told) => {
      await told("report", failure)
      assert.isFalse(await told("report", failure), "a streak goes on")
      await told("report", { endsStreak: 1 })
      assert.isFalse(await told("report", { calls: 4 }), "clean calls")
      assert.isFalse(await told("report", { outcome: "Ignored" }), "an ignored call")
      assert.isFalse(await told("report", { ...failure, generation: 1 }), "a late call")
      assert.isFalse(await told("read"), "a look")
      assert.isFalse(await told("claim"), "a claim for nothing")
      await told("report", { outcome: "OpenNow", openMillis: 100 })
      assert.isFalse(await told("claim"), "a claim too early")
      circuit.wait(100)
      await told("claim")
      assert.isFalse(await told("renew", { probe: 1 }, "other"), "a lease of somebody else")
      assert.isFalse(await told("report", { probe: 1, ...failure }, "other"), "a probe of somebody else")
      await told("disable")
      await told("report", failure)
      assert.isFalse(await told("report", failure), "counting while disabled")
    }),

  "a write counts, even if nobody may be told of it": async (script) => {
    const circuit = new Kept(script)
    await circuit.redis.acl("SETUSER", "mute", "on", "nopass", "~*", "+@all", "resetchannels")
    const mute = circuit.redis.duplicate({ username: "mute", password: "any" })
    try {
      const args = circuit.argumentsOf("report", { outcome: "OpenNow" })
      const reply: unknown = await script.run(circuit.key, args, mute).catch((error: unknown) => error)
      assert.isArray(reply, String(reply))
      assert.strictEqual((await circuit.stored())["openUntil"], String(start + 60_000))
    } finally {
      mute.disconnect()
    }
  }
} satisfies Scenarios
