/** The probes that a fiber is part of, because a call inside a probe of the same circuit must not be turned away. */
import { Context, Fiber } from "effect"
import type { Permit } from "../../Circuit.ts"
import type { CircuitHandle } from "../../CircuitStore.ts"

export interface Probing {
  readonly circuit: CircuitHandle
  /** The circuit's generation when the probe began. In a later one the probe decides nothing. */
  readonly generation: number
  readonly outer: Probing | undefined
  /** Whether the probe has ended, because fibers that outlive it still have its context. */
  ended: boolean
}

export const CurrentProbe: Context.Reference<Probing | undefined> = Context.Reference(
  "effect-resilience/internal/CurrentProbe",
  { defaultValue: () => undefined as Probing | undefined }
)

export const beginProbe = (circuit: CircuitHandle, { generation }: Permit): Probing => ({
  circuit,
  generation,
  outer: current(),
  ended: false
})

export const isPartOfProbe = (circuit: CircuitHandle): boolean => {
  for (let probing = current(); probing !== undefined; probing = probing.outer) {
    if (probing.circuit === circuit && !probing.ended && probing.generation === circuit.generation) return true
  }
  return false
}

const current = () => Fiber.getCurrent()?.getRef(CurrentProbe)
