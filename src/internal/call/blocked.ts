import type { CircuitHandle } from "../../CircuitStore.ts"

// By error, because a retry has the error and nothing else, and the note is collected with it.
const blocked = new WeakMap<object, { readonly at: number; readonly millis: number }>()
let notes = 0
export const noted = (): number => notes

/** Notes, after a failed call was settled, for how long its circuit will turn calls away. */
export const note = (error: unknown, circuit: CircuitHandle, now: number, since: number): undefined => {
  if (typeof error !== "object" || error === null) return
  const millis = circuit.rejectsFor(now)
  const earlier = blocked.get(error)
  // A note that is younger than the call comes from a circuit inside this one.
  const inner = earlier !== undefined && earlier.at > since ? earlier.millis : 0
  if (millis > 0 || inner > 0) blocked.set(error, { at: ++notes, millis: Math.max(millis, inner) })
  else blocked.delete(error)
}

/**
 * For how long the circuit of the call that failed with this error turned calls away when it failed: the failure
 * opened the circuit or shut its gate. 0 if the next call may be admitted, or nothing is known.
 */
export const blockedMillis = (error: unknown): number =>
  typeof error === "object" && error !== null ? blocked.get(error)?.millis ?? 0 : 0
