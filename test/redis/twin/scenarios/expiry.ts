/** How long a record lives. */
import { assert } from "@effect/vitest"
import { Circuit, TripPolicy } from "effect-resilience"
import { Kept, type Scenarios } from "../kept.ts"
import { start } from "../machine.ts"

const minute = 60_000
const hour = 60 * minute

// What the record says of its expiry, and that Redis was told the same.
const expireAt = async (circuit: Kept): Promise<number> => {
  const told = Number((await circuit.stored())["expireAt"])
  const time = `local time = redis.call("TIME") return time[1] * 1000 + time[2] / 1000 + redis.call("PTTL", KEYS[1])`
  const left = await circuit.redis.pttl(circuit.key)
  if (told === Circuit.never) assert.strictEqual(left, -1)
  else assert.closeTo(Number(await circuit.redis.eval(time, 1, circuit.key)), told, 5)
  return told
}

export const expiry = {
  "I93: an open record outlives its deadline by a minute, or by the idle time if that is longer": async (script) => {
    for (const [idleMillis, margin] of [[1000, minute], [hour, hour]] as const) {
      const circuit = new Kept(script)
      circuit.asking = { ...circuit.asking, idleMillis }
      await circuit.open(2 * minute)
      assert.strictEqual(await expireAt(circuit), start + 2 * minute + margin)
    }
  },

  "I93: a forced record outlives its deadline, and one without an end does not expire": async (script) => {
    const circuit = new Kept(script)
    await circuit.ask("force", { forMillis: hour })
    assert.strictEqual(await expireAt(circuit), start + hour + minute)
    await circuit.ask("force", { forMillis: Circuit.never })
    assert.strictEqual(await expireAt(circuit), Circuit.never)
    await circuit.ask("reset")
    assert.strictEqual(await expireAt(circuit), start + 1000)
  },

  "a disabled record does not expire, until it is enabled": async (script) => {
    const circuit = new Kept(script)
    await circuit.ask("disable")
    assert.strictEqual(await expireAt(circuit), Circuit.never)
    await circuit.ask("report", { outcome: "Failure" })
    assert.strictEqual(await expireAt(circuit), Circuit.never)
    await circuit.ask("enable")
    assert.strictEqual(await expireAt(circuit), start + 1000)
  },

  "I94: a half-open record outlives the lease of its probes": async (script) => {
    const circuit = new Kept(script, { probes: 2 })
    await circuit.probe(hour)
    const first = start + 1000 + hour + minute
    assert.strictEqual(await expireAt(circuit), first)
    await circuit.ask("claim", { leaseMillis: 1 })
    assert.strictEqual(await expireAt(circuit), first)
    await circuit.ask("renew", { probe: 2, leaseMillis: 2 * hour })
    assert.strictEqual(await expireAt(circuit), first + hour)
  },

  "I95: a write that shortens no deadline takes all of them into account": async (script) => {
    const circuit = new Kept(script)
    await circuit.open(2 * minute)
    await circuit.ask("force", { forMillis: 1 })
    assert.strictEqual(await expireAt(circuit), start + 3 * minute)
    const other = new Kept(script)
    await other.probe(1)
    await other.ask("report", { probe: 1, outcome: "Throttled", kind: "rate_limited", hintMillis: 5 * minute })
    assert.strictEqual(await expireAt(other), start + 1000 + 6 * minute)
  },

  "I96: counting never shortens the expiry": async (script) => {
    const circuit = new Kept(script, { tripPolicy: TripPolicy.consecutive(9) })
    const patient = { idleMillis: hour }
    await circuit.ask("report", { outcome: "Failure" }, patient)
    for (const counted of [{ outcome: "Failure" }, { outcome: "Ignored" }, { calls: 3, endsStreak: 1 }, { calls: 3 }]) {
      await circuit.ask("report", counted)
      assert.strictEqual(await expireAt(circuit), start + hour, JSON.stringify(counted))
    }
  },

  "I97: a closed record lives for the idle time from its last write": async (script) => {
    const circuit = new Kept(script)
    circuit.asking = { ...circuit.asking, idleMillis: 123_000 }
    await circuit.ask("report", { outcome: "Failure" })
    circuit.wait(1000)
    assert.strictEqual(await expireAt(circuit), start + 123_000)
    await circuit.ask("read")
    assert.strictEqual(await expireAt(circuit), start + 123_000)
    await circuit.ask("report", { calls: 1 })
    assert.strictEqual(await expireAt(circuit), start + 124_000)
  },

  "a closed record outlives its gate, its ramp and its windows": async (script) => {
    const gated = new Kept(script)
    await gated.ask("report", { outcome: "Throttled", kind: "rate_limited", hintMillis: minute })
    assert.strictEqual(await expireAt(gated), start + minute + 1000)

    const ramping = new Kept(script, { ramp: "1 hour" })
    await ramping.probe()
    const { circuit } = await ramping.ask("report", { probe: 1, outcome: "Success" })
    assert.strictEqual(circuit.state, "closed")
    assert.strictEqual(await expireAt(ramping), start + 1000 + hour + 1000)

    const windows = TripPolicy.failureRate({ threshold: 1, window: "1 hour" })
    const remembering = new Kept(script, { tripPolicy: TripPolicy.anyOf(TripPolicy.consecutive(1), windows) })
    await remembering.ask("report", { calls: 1 })
    assert.strictEqual(await expireAt(remembering), start + hour)
  },

  "I97: the expiry is that of the server's clock, and the longest is still a number": async (script) => {
    const circuit = new Kept(script)
    circuit.asking = { ...circuit.asking, now: undefined }
    const { circuit: { openUntil, openedAt } } = await circuit.open(2 * minute)
    assert.strictEqual(openUntil, openedAt + 2 * minute)
    assert.strictEqual(await expireAt(circuit), openUntil + minute)
    await circuit.ask("force", { forMillis: Circuit.never - 1 })
    assert.strictEqual(await expireAt(circuit), Circuit.never - 1)
  },

  "I107: a record whose expiry was lost is whole, and gets one at the next write": async (script) => {
    const circuit = new Kept(script)
    const before = await circuit.open(2 * minute)
    await circuit.redis.persist(circuit.key)
    const { circuit: read, corrupt } = await circuit.ask("read")
    assert.deepStrictEqual({ read, corrupt }, { read: before.circuit, corrupt: false })
    await circuit.ask("force", { forMillis: 1 })
    assert.strictEqual(await expireAt(circuit), start + 3 * minute)
  }
} satisfies Scenarios
