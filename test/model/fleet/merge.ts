/** What a process tells of a circuit that the store has lost: `merge` of `luaMachine.ts` in TypeScript. */
import { Circuit } from "effect-resilience"
import type { Stored } from "./record.ts"

/** A circuit as `writeCircuit` tells it, in the time of the server. */
export interface Told extends Stored {
  /** The latest generation that the process has announced. */
  readonly announced: number
  /** Whether its operator took back what it brought in a moment ago. */
  readonly takesBack: boolean
}

const times = ["openedAt", "openUntil", "closedAt", "outageAt", "rampUntil", "gateUntil", "hintUntil"] as const

export const readTold = (text: string, now: number): Told => {
  const { actor, announced, held, latencyTripped: _, note, revision, takesBack, ...circuit } = JSON.parse(text)
  for (const name of times) {
    const left = circuit[name]
    circuit[name] = left === null ? Circuit.never : left === false ? 0 : Math.max(1, now + left)
  }
  return {
    circuit,
    revision,
    owners: new Map(),
    held: held === "1",
    note,
    actor,
    expireAt: 0,
    announced,
    takesBack: takesBack === 1
  }
}

export const merge = (stored: Stored, told: Told, now: number, micros: number): Stored => {
  const [mine, other] = [stored.circuit, told.circuit]
  const holds = ({ openUntil, state }: Circuit.Circuit) =>
    (state === "open" || state === "forced_open") && openUntil > now
  const newer = other.generation > mine.generation
  if (mine.state === "disabled" && !newer) return stored
  const forced = holds(mine) && mine.state === "forced_open"
  let taken = newer
  if (holds(mine) !== holds(other) && !(newer && other.state === "disabled")) taken = holds(other)
  if (
    other.generation === mine.generation && mine.state === "closed" &&
    (other.state === "open" || other.state === "half_open")
  ) taken = true
  if (told.takesBack && other.generation === mine.generation) taken = true
  let fenced = taken !== newer
  const generation = Math.max(mine.generation, other.generation)
  const openUntil = Math.max(holds(mine) ? mine.openUntil : 0, holds(other) ? other.openUntil : 0)
  const gateUntil = Math.max(mine.gateUntil, other.gateUntil)
  const { expireAt } = stored
  const merged = { ...(taken ? told : stored), revision: Math.max(stored.revision, told.revision), expireAt }
  let circuit: Circuit.Circuit = { ...merged.circuit }
  if (taken && circuit.state === "half_open") {
    circuit = { ...circuit, state: "open", openUntil: now, probes: [], issued: 0, successes: 0 }
    fenced = true
  }
  let words = merged
  const hold = (of: Stored) => {
    circuit = { ...circuit, state: "forced_open", reason: "forced" }
    words = { ...merged, held: of.held, note: of.note, actor: of.actor }
    fenced = true
  }
  if (circuit.state === "open" && forced) hold(stored)
  else if (circuit.state === "open" && holds(circuit) && other.state === "forced_open" && holds(other)) hold(told)
  if (holds(circuit)) circuit = { ...circuit, openUntil }
  if (circuit.state !== "disabled") circuit = { ...circuit, gateUntil }
  return { ...words, circuit: { ...circuit, generation: fenced ? Math.max(generation + 1, micros) : generation } }
}
