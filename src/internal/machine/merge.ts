/**
 * Brings together a record and what a process knows that has decided by itself, or that knows a record which the store
 * has lost. A circuit that is open wins over one that is not, and otherwise the later generation wins. Of two deadlines
 * the later one survives.
 */
import type { Circuit } from "../../Circuit.ts"

export interface Merged {
  readonly circuit: Circuit
  /** Whose state it is, and whose hold. */
  readonly state: "stored" | "mine"
  readonly hold: "stored" | "mine"
}

const holds = ({ openUntil, state }: Circuit, now: number): boolean =>
  (state === "open" || state === "forced_open") && openUntil > now

const isOrdered = ({ reason }: Circuit): boolean => reason === "reset" || reason === "disabled" || reason === "enabled"

/**
 * `isReset` says that an operator has reset the circuit in this process, after what it knew of the record.
 */
export const merge = (stored: Circuit, mine: Circuit, now: number, isReset: boolean): Merged => {
  const isNewer = mine.generation > stored.generation
  if (stored.state === "disabled" && !isNewer) return { circuit: stored, state: "stored", hold: "stored" }
  const [storedHolds, mineHolds] = [holds(stored, now), holds(mine, now)]
  const takesMine = isReset ||
    (storedHolds !== mineHolds && !(isNewer && mine.state === "disabled") ? mineHolds : isNewer) ||
    // No other process has moved the record: what the circuit of this one has come to since stays so.
    (mine.generation === stored.generation && mine.state !== stored.state && !storedHolds && !isOrdered(mine))
  const [winner, other] = takesMine ? [mine, stored] : [stored, mine]
  const isForced = winner.state === "open" && holds(other, now) && other.state === "forced_open"
  const circuit: Circuit = {
    ...winner,
    ...isForced ? { state: "forced_open", reason: "forced" } as const : undefined,
    openUntil: holds(winner, now)
      ? Math.max(winner.openUntil, holds(other, now) ? other.openUntil : 0)
      : winner.openUntil,
    gateUntil: winner.state === "disabled" ? winner.gateUntil : Math.max(stored.gateUntil, mine.gateUntil)
  }
  const state = takesMine ? "mine" : "stored"
  return { circuit, state, hold: isForced ? (takesMine ? "stored" : "mine") : state }
}
