/** The probes that a fiber is part of, because a call inside a probe of the same circuit must not be turned away. */
import { Context, Fiber } from "effect"
import type { Permit } from "../../Circuit.ts"
import type { CircuitHandle } from "../../CircuitStore.ts"
import type { Outcome } from "../../Outcome.ts"

export interface Probing {
  readonly circuit: CircuitHandle
  /** The circuit's generation when the probe began. In a later one the probe decides nothing. */
  readonly generation: number
  readonly outer: Probing | undefined
  /** Hears what the calls come to that are a part of the probe, where their outcomes may be its own. */
  readonly heard: ((outcome: Outcome) => void) | undefined
  /** How many more calls may pass as a part of the probe that no context says to be one. */
  room: number
  /** Whether the probe has ended, because fibers that outlive it still have its context. */
  ended: boolean
}

export const CurrentProbe: Context.Reference<Probing | undefined> = Context.Reference(
  "effect-resilience/internal/CurrentProbe",
  { defaultValue: () => undefined as Probing | undefined }
)

// How many probes in a row were turned away by themselves, and the running probe of such a circuit.
const selfRejections = new WeakMap<CircuitHandle, number>()
const roomy = new WeakMap<CircuitHandle, Probing>()

// It doubles, because calls of others may take the room, but a failing dependency must not get a crowd for a probe.
const maxRoom = 64

export const beginProbe = (circuit: CircuitHandle, { generation }: Permit, heard?: Probing["heard"]): Probing => {
  const rejections = selfRejections.get(circuit) ?? 0
  const room = rejections === 0 ? 0 : Math.min(maxRoom, 2 ** (rejections - 1))
  const probing: Probing = { circuit, generation, outer: current(), heard, room, ended: false }
  if (room > 0) roomy.set(circuit, probing)
  return probing
}

/** The probe of a circuit that the calling fiber is a part of, or that has room for it. */
export const probeOf = (circuit: CircuitHandle): Probing | undefined => {
  for (let probing = current(); probing !== undefined; probing = probing.outer) {
    if (probing.circuit === circuit && isRunning(probing)) return probing
  }
  const probing = roomy.get(circuit)
  if (probing === undefined || probing.room === 0 || !isRunning(probing)) return undefined
  probing.room--
  return probing
}

/** Ends a probe that failed because a call of its own was turned away by it. How many in a row did so. */
export const rejectedItself = (probing: Probing): number => {
  const rejections = (selfRejections.get(probing.circuit) ?? 0) + 1
  selfRejections.set(probing.circuit, rejections)
  probing.ended = true
  return rejections
}

export const endProbe = (probing: Probing): void => {
  if (!probing.ended) selfRejections.delete(probing.circuit)
  probing.ended = true
}

const isRunning = ({ circuit, ended, generation }: Probing) => !ended && generation === circuit.generation

const current = (): Probing | undefined => {
  let probing = Fiber.getCurrent()?.getRef(CurrentProbe)
  while (probing?.ended === true) probing = probing.outer
  return probing
}
