/** Records that somebody else has written in. */
import { assert } from "@effect/vitest"
import { Circuit, TripPolicy } from "effect-resilience"
import type { Operation } from "../../../../src/redis/internal/luaOperations.ts"
import { numbers, texts } from "../../../../src/redis/internal/luaRecord.ts"
import { type Answer } from "../../../../src/redis/internal/record.ts"
import { Kept, type Scenarios } from "../kept.ts"
import type { Script } from "../script.ts"
import { recordOf } from "../twin.ts"

const junk = ["", "junk", "-1", "1.5", "9007199254740992", "\u0000\u00ff"]
/** Any text is one. */
const free = ["note", "actor", "held", "latencyTripped"]
/** Any text is read, and what is none of ours is none. */
const words = ["reason", "lastFailureKind"]
const fields = ["version", "expireAt", ...texts, ...numbers].filter((name) => ![...free, ...words].includes(name))

const policy = {
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(5),
    TripPolicy.failureRate({ threshold: 1, window: 10 }),
    TripPolicy.adaptive()
  )
}

/** A record of each state, made by the script itself. */
const made = async (script: Script): Promise<ReadonlyArray<Kept>> => {
  const [closed, open, halfOpen, forced, disabled] = Array.from({ length: 5 }, () => new Kept(script, policy))
  await closed!.ask("report", { calls: 3, outcome: "Failure", kind: "timeout", hintMillis: 50 })
  await open!.open()
  await halfOpen!.probe()
  await forced!.ask("force")
  await disabled!.ask("disable")
  return [closed!, open!, halfOpen!, forced!, disabled!]
}

const uses: ReadonlyArray<readonly [Operation, Record<string, string | number>]> = [
  ["read", {}],
  ["claim", {}],
  ["renew", { probe: 1 }],
  ["report", { outcome: "Failure", kind: "timeout" }],
  ["report", { outcome: "OpenNow", probe: 1 }],
  ["force", {}],
  ["reset", {}],
  ["disable", {}],
  ["enable", {}]
]

const whole = ({ circuit }: Answer) => {
  for (const value of Object.values(circuit)) {
    assert.isTrue(typeof value !== "number" || (Number.isSafeInteger(value) && value >= 0))
  }
}

/** Reads it, and then writes to it: flagged before and healed after, and of use in between. */
const heals = async (kept: Kept, what: string) => {
  const read = await kept.ask("read")
  whole(read)
  assert.isTrue(read.corrupt, `${what} is not flagged`)
  await kept.ask("force", { forMillis: 1 })
  assert.isFalse((await kept.ask("read")).corrupt, `${what} is not healed`)
  kept.wait(100_000)
  whole(await kept.ask("claim"))
}

export const corrupt = {
  "I105: junk in any one field is flagged, read as something safe, and healed by the next write": async (script) => {
    for (const field of fields) {
      for (const text of junk) {
        if (field === "probes" && text === "") continue
        for (const kept of await made(script)) {
          await kept.redis.hset(kept.key, field, text)
          await heals(kept, `${text} as ${field}`)
        }
      }
    }
  },

  "I105: no operation fails for it": async (script) => {
    for (const [operation, named] of uses) {
      for (const field of [...fields, ...free, ...words, "health", "policy"]) {
        for (const text of junk) {
          const kept = new Kept(script, policy)
          await kept.redis.hset(kept.key, { ...recordOf({ circuit: Circuit.initial(1), held: false }), [field]: text })
          whole(await kept.ask(operation, named))
        }
      }
    }
  },

  "I105: junk in all fields at once is a closed circuit": async (script) => {
    for (const text of junk) {
      for (const kept of await made(script)) {
        const names = Object.keys(await kept.stored())
        await kept.redis.hset(kept.key, Object.fromEntries(names.map((name) => [name, text])))
        const { circuit } = await kept.ask("read")
        assert.deepStrictEqual(circuit, Circuit.initial(0), text)
        await heals(kept, text)
      }
    }
  },

  "I105: of a reason and a kind that are none of ours nothing is left but one that leads to the state": async (
    script
  ) => {
    for (const kept of await made(script)) {
      for (const junk of ["boredom", "enabled"]) {
        await kept.redis.hset(kept.key, { reason: junk, lastFailureKind: "bad hair" })
        const { circuit: { lastFailureKind, reason, state } } = await kept.ask("read")
        assert.strictEqual(lastFailureKind, "")
        assert.strictEqual(Circuit.edges[reason].to, state)
      }
    }
  },

  "I105: windows that make no sense are flagged, and start again": async (script) => {
    const kept = new Kept(script, policy)
    await kept.ask("report", { calls: 3 })
    const { health = "" } = await kept.stored()
    const [fingerprint, window, learnt] = health.split("|")
    assert.match(window!, /^(\d+,\d+,\d+;)+$/)
    assert.strictEqual(learnt!.split(",").length, 5)
    const spoilt = ["junk", "0,1;", "0,1,2;", "1,1,0", "0,-1,0;", "0,1,0;x", `0,9007199254740992,0;`]
    const unlearnt = ["junk", "1,2,3", "-1,0,0,middle,", "1000001,0,0,middle,", "1,x,0,middle,", "1e,0,0,middle,"]
    for (
      const text of [
        ...spoilt.map((text) => `${fingerprint}|${text}|${learnt}`),
        ...unlearnt.map((text) => `${fingerprint}|${window}|${text}`),
        `${fingerprint}|${window}`,
        `${fingerprint}`
      ]
    ) {
      await kept.redis.hset(kept.key, "health", text)
      assert.isTrue((await kept.ask("read")).corrupt, text)
      await kept.ask("report", { calls: 1 })
      assert.isFalse((await kept.ask("read")).corrupt, text)
      const { health: healed = "" } = await kept.stored()
      assert.match(healed, new RegExp(`^${fingerprint}\\|(\\d+,\\d+,\\d+;)+\\|[\\d.]+,\\d+,\\d+,[a-z]+,\\d*$`))
    }
  },

  "I82, I107: a record of which only a part is there is flagged, completed, and healed": async (script) => {
    for (const state of Circuit.states) {
      const kept = new Kept(script, policy)
      await kept.redis.hset(kept.key, { state, extra: "somebody's" })
      const { circuit } = await kept.ask("read")
      const reason = Circuit.reasons.find((reason) => Circuit.edges[reason].to === state)!
      assert.deepStrictEqual(circuit, { ...Circuit.initial(0), state, reason })
      await heals(kept, state)
      assert.strictEqual((await kept.stored())["extra"], "somebody's")
    }
    for (const field of Object.keys(await (await made(script))[0]!.stored())) {
      for (const kept of await made(script)) {
        await kept.redis.hdel(kept.key, field)
        await heals(kept, `no ${field}`)
      }
    }
  },

  "I20: an open circuit without a deadline lets a probe through": async (script) => {
    for (const state of ["open", "forced_open"] as const) {
      const kept = new Kept(script, policy)
      await kept.redis.hset(kept.key, recordOf({ circuit: { ...Circuit.initial(1), state }, held: false }))
      assert.deepStrictEqual((await kept.ask("claim")).given, [1])
    }
  },

  "I105: the largest number in a field does not make the record unreadable for good": async (script) => {
    for (const field of [...numbers, "expireAt"]) {
      for (const kept of await made(script)) {
        await kept.redis.hset(kept.key, field, String(Circuit.never))
        for (const operation of ["read", "force", "reset", "disable", "enable"] as const) {
          whole(await kept.ask(operation))
        }
      }
    }
  }
} satisfies Scenarios
