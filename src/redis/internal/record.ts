/** The record of a circuit as it travels between Redis and a process, whose clocks differ. */
import * as Circuit from "../../Circuit.ts"
import type { Operator } from "../../CircuitStore.ts"
import { kinds } from "../../Outcome.ts"
import { numbers, texts } from "./luaRecord.ts"

/** A record that was read: what a process takes over from it. */
export interface Read {
  readonly circuit: Circuit.Circuit
  readonly revision: number
  /** The processes of the probes, in the order of the probes. */
  readonly owners: ReadonlyArray<string>
  /** The reason and the name that the operator gave. */
  readonly words: Operator
  readonly held: boolean
  /** Whether the circuit opened for slow calls only. */
  readonly latencyTripped: boolean
}

/** An answer of the script. */
export interface Answer extends Read {
  readonly status: "ok" | "late" | "stale"
  readonly corrupt: boolean
  readonly mismatch: boolean
  readonly failureThreshold: number
  readonly failureRatePpm: number | undefined
  /** What to add to a time of the server to get one of this process. */
  readonly shift: number
  /** What the operation answered beside the record. */
  readonly given: ReadonlyArray<number>
}

const states = new Set<string>(Circuit.states)
const knownKinds = new Set<string>(kinds)
const size = texts.length + numbers.length

/** Reads an answer that arrived at `now`; undefined if it is malformed. */
export const readAnswer = (reply: unknown, now: number): Answer | "newer" | undefined => {
  if (!isTexts(reply)) return undefined
  const [status, serverNow, corrupt, mismatch, threshold, rate] = reply
  if (status === "newer") return "newer"
  if (status !== "ok" && status !== "late" && status !== "stale") return undefined
  const shift = now - Number(serverNow)
  const read = readRecord(reply.slice(6, 6 + size), shift, now)
  const failureThreshold = Number(threshold)
  const given = reply.slice(6 + size).map(Number)
  if (read === undefined || rate === undefined || ![failureThreshold, ...given].every(Number.isSafeInteger)) {
    return undefined
  }
  return {
    ...read,
    status,
    shift,
    corrupt: corrupt === "1",
    mismatch: mismatch === "1",
    failureThreshold,
    failureRatePpm: rate === "" ? undefined : Number(rate),
    given
  }
}

/** Reads a message about a transition; undefined if it is malformed. */
export const readMessage = (
  message: string,
  now: number
): { readonly id: string; readonly owner: string; readonly read: Read } | undefined => {
  let parsed: unknown
  try {
    parsed = JSON.parse(message)
  } catch {
    return undefined
  }
  if (!isTexts(parsed)) return undefined
  const [id, owner, serverNow, ...record] = parsed
  const read = readRecord(record, now - Number(serverNow), now)
  return id === undefined || owner === undefined || read === undefined ? undefined : { id, owner, read }
}

/** A time of the server as one of this process. */
export const toLocal = (at: number, shift: number): number => at === 0 || at === Circuit.never ? at : at + shift

const readRecord = (record: ReadonlyArray<string>, shift: number, now: number): Read | undefined => {
  const [state, reason, lastFailureKind, latencyTripped, probes, held, note, actor, ...rest] = record
  const fields = new Map(numbers.map((name, index) => [name, Number(rest[index])]))
  if (!Number.isSafeInteger(shift) || actor === undefined || state === undefined || !states.has(state)) return undefined
  if (rest.length !== numbers.length || ![...fields.values()].every(Number.isSafeInteger)) return undefined
  const number = (name: typeof numbers[number]) => fields.get(name)!
  const time = (name: typeof numbers[number]) => toLocal(number(name), shift)
  // A gate or a ramp that has ended is 0, as the machine has it.
  const later = (until: number) => until > now ? until : 0
  return {
    revision: number("revision"),
    owners: [...probes!.matchAll(/:(\w+);/g)].map(([, owner]) => owner!),
    words: { reason: note === "" ? undefined : note, actor: actor === "" ? undefined : actor },
    held: held === "1",
    latencyTripped: latencyTripped === "1",
    circuit: {
      state: state as Circuit.State,
      reason: reasonOf(state as Circuit.State, reason!),
      generation: number("generation"),
      failures: number("failures"),
      lastFailureKind: knownKinds.has(lastFailureKind!) ? lastFailureKind! : "",
      openedAt: time("openedAt"),
      openMillis: number("openMillis"),
      openUntil: time("openUntil"),
      openings: number("openings"),
      closedAt: time("closedAt"),
      outage: number("outage"),
      outageAt: time("outageAt"),
      probes: readProbes(probes!, shift),
      issued: number("issued"),
      successes: number("successes"),
      rampUntil: later(time("rampUntil")),
      rampCredit: number("rampCredit"),
      gateUntil: later(time("gateUntil")),
      hintUntil: time("hintUntil")
    }
  }
}

// A record that nobody wrote as it is may give a reason that leads elsewhere.
const reasonOf = (state: Circuit.State, reason: string): Circuit.Reason => {
  const reasons = Circuit.reasons.filter((reason) => Circuit.edges[reason].to === state)
  return reasons.find((known) => known === reason) ?? reasons[0]!
}

const readProbes = (text: string, shift: number): ReadonlyArray<Circuit.Probe> =>
  [...text.matchAll(/(\d+):(\d+):\w+;/g)].map(([, id, leaseUntil]) => ({
    id: Number(id),
    leaseUntil: toLocal(Number(leaseUntil), shift)
  }))

/**
 * A circuit for the script to merge: each time as the milliseconds that are left, `false` for none and `null` for no
 * end. `announced` is the latest generation that this process has announced.
 */
export const writeCircuit = (
  circuit: Circuit.Circuit,
  revision: number,
  hold: Operator | undefined,
  now: number,
  announced = circuit.generation,
  takesBack = false
): string => {
  const left = (at: number) => at === 0 ? false : at === Circuit.never ? null : at - now
  return JSON.stringify({
    ...circuit,
    announced,
    takesBack: takesBack ? 1 : 0,
    probes: [],
    openedAt: left(circuit.openedAt),
    openUntil: left(circuit.openUntil),
    closedAt: left(circuit.closedAt),
    outageAt: left(circuit.outageAt),
    rampUntil: left(circuit.rampUntil),
    gateUntil: left(circuit.gateUntil),
    hintUntil: left(circuit.hintUntil),
    revision: Math.max(0, revision),
    latencyTripped: "",
    held: hold === undefined ? "" : "1",
    note: wellFormed(hold?.reason),
    actor: wellFormed(hold?.actor)
  })
}

// Replaces halves of surrogate pairs, because the server's JSON parser rejects them.
const wellFormed = (text = "") => Buffer.from(text).toString()

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")
