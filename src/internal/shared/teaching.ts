/** What a process brings into a record: what it decided by itself, or what it knows of a record that was lost. */
import type * as Circuit from "../../Circuit.ts"
import type { Operator } from "../../CircuitStore.ts"
import { merge } from "../machine/merge.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { Basis, Next } from "./change.ts"
import type { Known } from "./recordQueue.ts"
import { advanced, countedBy } from "./settlement.ts"

export interface Teacher {
  readonly mine: Circuit.Circuit
  /** The generation of the store from which this process has gone on. */
  readonly confirmed: number
  readonly hold: Operator | undefined
  /** Whether an operator has reset the circuit here after this process had brought it in. */
  readonly isReset: boolean
  /** The record that this process took over last. */
  readonly followed: Known
  readonly process: string
}

export const taught = (policy: CompiledPolicy, basis: Basis, teacher: Teacher): Next => {
  const { entry, now } = basis
  const { confirmed, followed, hold, isReset, mine, process } = teacher
  const stored = entry.circuit
  // Another process has taken the slot of a probe that ended here: its probe decides.
  const isProbedElsewhere = stored.state === "half_open" &&
    stored.probes.some(({ id, leaseUntil }) => leaseUntil > now && entry.owners.get(id) !== process)
  if (isProbedElsewhere && !isReset && (mine.state === "closed" || mine.state === "half_open")) return { entry }
  const isMoved = mine.generation !== followed.record.generation && mine.generation !== confirmed
  const merged = merge(stored, { ...mine, generation: confirmed }, now, isReset)
  const isEmpty = stored.reason === "initial" && entry.streak.length === 0
  const takesMine = merged.state === "mine"
  const streak = isEmpty && mine.failures > 0
    ? followed.entry.streak.length > 0
      ? followed.entry.streak
      : [{ at: now, by: process, failures: mine.failures }]
    : entry.streak
  const isSame = !takesMine && merged.circuit.gateUntil === stored.gateUntil &&
    merged.circuit.openUntil === stored.openUntil && merged.circuit.state === stored.state && streak === entry.streak
  // The record stays as it is, but this process has shown later generations.
  const shown = isMoved ? mine.generation : confirmed
  const isBehind = !takesMine && mine.reason !== "initial" &&
    (isMoved ? shown >= stored.generation : shown > stored.generation)
  // What was counted is brought back by the first process that comes, and is not lost with a generation.
  const add = isEmpty && basis.counters.size === 0 ? followed.record.counters : isBehind ? basis.counters : undefined
  if (isSame && !isBehind) return { entry, add }
  // A generation that this process has shown never names another opening.
  const generation = isBehind
    ? shown + 1
    : takesMine && (confirmed > stored.generation || merged.circuit.state !== stored.state || isMoved)
    ? Math.max(stored.generation + 1, mine.generation)
    : merged.circuit.state !== stored.state
    ? stored.generation + 1
    : stored.generation
  // Probes of an earlier generation end late, and free nothing.
  const probes = generation === stored.generation ? merged.circuit.probes : []
  const circuit = { ...merged.circuit, generation, probes, failures: lengthOf(streak) }
  const next = advanced(policy, entry, circuit, countedBy(basis))
  const isHeld = merged.hold === "mine" ? hold !== undefined : entry.held
  return {
    add,
    entry: {
      ...next,
      circuit: { ...next.circuit, outage: merged.circuit.outage },
      streak,
      held: isHeld,
      words: merged.hold === "mine" && hold !== undefined ? hold : entry.words
    }
  }
}

const lengthOf = (streak: Known["entry"]["streak"]) => streak.reduce((sum, { failures }) => sum + failures, 0)
