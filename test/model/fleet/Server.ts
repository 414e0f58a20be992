/**
 * The server of the model: what the script does, step by step, with the machine of `Circuit.ts` in the place of its
 * twin in Lua. It stands for `luaOperations.ts` and `luaRecord.ts`; `server.redis.test.ts` holds it to them. It knows trip
 * policies that count failures in a row, and no others.
 */
import { Circuit, type Outcome } from "effect-resilience"
import { type Operation, operations } from "../../../src/redis/internal/luaOperations.ts"
import type { Transitions } from "../Transitions.ts"
import { merge, readTold } from "./merge.ts"
import { absent, type Message, type Reply, type Stored } from "./record.ts"

interface Policy {
  readonly probes: number
  readonly successesToClose: number
  readonly rampMillis: number
  readonly maxHintMillis: number
  readonly criteria: ReadonlyArray<{ readonly failures: number }>
}

/** What one operation did: its answer, and the message if it made one. */
export interface Served {
  readonly reply: Reply
  readonly message: Message | undefined
  /** The call that it ended, and the one that it admitted. */
  readonly ended: Circuit.Permit | undefined
  readonly admitted: Circuit.Permit | undefined
}

export class Server {
  /** Undefined while the key does not exist. */
  stored: Stored | undefined
  private readonly transitions: Transitions
  private readonly policies = new Map<string, Policy>()
  /** Operations so far: no two of them are in the same microsecond. */
  private served = 0

  constructor(transitions: Transitions) {
    this.transitions = transitions
  }

  private policyOf(text: string): Policy {
    const policy = this.policies.get(text) ?? JSON.parse(text) as Policy
    this.policies.set(text, policy)
    return policy
  }

  /** Forgets what has expired, as the server does by itself. */
  expire(now: number): boolean {
    if (this.stored === undefined || this.stored.expireAt > now) return false
    this.stored = undefined
    return true
  }

  serve(args: ReadonlyArray<string>, now: number, micros = now * 1000 + ++this.served): Served {
    const [operation, , known, id, , idle, policyText, owner, ...rest] = args as [Operation, ...Array<string>]
    const policy = this.policyOf(policyText!)
    const before = this.stored ?? absent
    const rules: Circuit.Rules = { ...policy, probeLeaseMillis: 0 }
    const failureThreshold = Math.min(...policy.criteria.map(({ failures }) => failures))
    const arg = (name: string) => rest[operations[operation].findIndex((one: string) => one.replace(":", "") === name)]!
    const int = (name: string) => Number(arg(name))
    const after = (millis: number) => Math.min(now + millis, Circuit.never - 1)
    let message: Message | undefined
    const answer = (stored: Stored, given: ReadonlyArray<number> = [], status: Reply["status"] = "ok") => ({
      reply: { status, at: now, stored, failureThreshold, given },
      message,
      ended: undefined,
      admitted: undefined
    })
    const save = (stored: Stored): Stored => {
      const moved = stored.circuit.generation !== before.circuit.generation
      const expireAt = expiry(stored.circuit, now, Number(idle))
      this.stored = {
        ...stored,
        expireAt: moved ? expireAt : Math.max(expireAt, before.expireAt),
        revision: Math.max(stored.revision + 1, micros)
      }
      if (!isCounting(before.circuit, stored.circuit)) {
        message = { id: id!, owner: owner!, at: now, stored: this.stored }
      }
      return this.stored
    }
    /** The step of the machine, with the generation that the script would give. */
    const moved = (circuit: Circuit.Circuit): Circuit.Circuit => {
      const old = before.circuit.generation
      if (circuit.generation === old) return circuit
      const generation = this.transitions.nextGeneration(old, micros)
      return { ...circuit, generation, outage: circuit.outage > old ? generation : circuit.outage }
    }

    if (operation !== "merge" && before.circuit.generation < Number(known)) return answer(before, [], "stale")
    switch (operation) {
      case "read":
        return answer(before)
      case "claim": {
        const { state } = before.circuit
        if (state === "closed" || state === "disabled") return answer(before, [0])
        const lease = { ...rules, probeLeaseMillis: int("leaseMillis") }
        const admission = this.transitions.admit(before.circuit, lease, now)
        if (admission._tag === "Rejected") return answer(before, [0])
        const circuit = moved(admission.circuit)
        const { probe } = admission.permit
        const kept = [...before.owners].filter(([id]) => circuit.probes.some((one) => one.id === id))
        const stored = save({ ...before, circuit, owners: new Map([...kept, [probe, owner!]]) })
        return { ...answer(stored, [probe]), admitted: { generation: circuit.generation, probe } }
      }
      case "renew": {
        const { generation, probes } = before.circuit
        const mine = generation === int("generation") && before.owners.get(int("probe")) === owner &&
          probes.some(({ id }) => id === int("probe"))
        if (!mine) return answer(before, [0])
        const leaseUntil = after(int("leaseMillis"))
        const renewed = probes.map(({ id, leaseUntil: until }) => ({
          id,
          leaseUntil: id === int("probe") ? Math.max(until, leaseUntil) : until
        }))
        return answer(save({ ...before, circuit: { ...before.circuit, probes: renewed } }), [1])
      }
      case "report": {
        const permit = { generation: int("generation"), probe: int("probe") }
        const { circuit } = before
        const isMine = permit.probe === 0 || before.owners.get(permit.probe) === owner
        if (!isMine || !this.transitions.hears(circuit, permit)) {
          return { ...answer(before, [], "late"), ended: permit }
        }
        const openMillis = int(Circuit.nextOpening(circuit, now) === 1 ? "firstMillis" : "nextMillis")
        const verdict = (outcome: Outcome.Outcome["_tag"], kind: string, hintMillis: number): Circuit.Verdict => ({
          outcome,
          kind,
          hintMillis,
          slow: false,
          unhealthy: false,
          failureThreshold,
          openMillis
        })
        let settled = circuit
        if (int("endsStreak") > 0) {
          settled = this.transitions.settle(settled, rules, now, permit, verdict("Success", "", 0))
        }
        const outcome = arg("outcome")
        if (outcome !== "") {
          const said = verdict(outcome as Outcome.Outcome["_tag"], arg("kind"), int("hintMillis"))
          settled = this.transitions.settle(settled, rules, now, permit, said)
        }
        const next = moved(settled)
        const forgets = next.generation !== circuit.generation && (!before.held || next.state === "closed")
        const words = forgets ? { held: false, note: "", actor: "" } : {}
        const owners = new Map([...before.owners].filter(([id]) => next.probes.some((one) => one.id === id)))
        const stored = save({ ...before, ...words, circuit: next, owners })
        const given = [circuit.generation, circuit.gateUntil, circuit.openings, 0]
        return { ...answer(stored, given), ended: permit }
      }
      case "merge": {
        const told = readTold(arg("circuit"), now)
        let merged = merge(before, told, now, micros)
        const { generation, state } = merged.circuit
        if (generation < told.announced && state !== "half_open") {
          merged = { ...merged, circuit: { ...merged.circuit, generation: Math.max(told.announced + 1, micros) } }
        }
        return answer(save(released(before, merged)))
      }
      default: {
        const nothing = (this.stored === undefined && (operation === "reset" || operation === "enable")) ||
          (operation === "disable" && before.circuit.state === "disabled") ||
          (operation === "enable" && before.circuit.state !== "disabled")
        if (nothing) return answer(before)
        const until = () => int("forMillis") === Circuit.never ? Circuit.never : after(int("forMillis"))
        const circuit = operation === "force"
          ? this.transitions.force(before.circuit, now, until())
          : this.transitions[operation](before.circuit)
        const steered = { ...before, circuit: moved(circuit), note: arg("note"), actor: arg("actor") }
        const held = operation === "force" || before.held
        return answer(save(released(before, { ...steered, held, owners: new Map() })))
      }
    }
  }
}

const isCalm = ({ state }: Circuit.Circuit) => state === "closed" || state === "disabled"

const released = (before: Stored, after: Stored): Stored =>
  after.circuit.generation !== before.circuit.generation && isCalm(after.circuit) ? { ...after, held: false } : after

const isCounting = (before: Circuit.Circuit, after: Circuit.Circuit) =>
  isCalm(after) && after.generation === before.generation && after.gateUntil === before.gateUntil &&
  after.openings === before.openings && (after.failures > 0) === (before.failures > 0)

const expiry = ({ gateUntil, openUntil, probes, rampUntil, state }: Circuit.Circuit, now: number, idle: number) => {
  if (state === "disabled" || openUntil === Circuit.never) return Circuit.never
  const latest = Math.max(now, openUntil, gateUntil, rampUntil, ...probes.map(({ leaseUntil }) => leaseUntil))
  return Math.min(latest + Math.max(idle, state === "closed" ? 0 : 60_000), Circuit.never - 1)
}
