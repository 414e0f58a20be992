/** Which probes a fiber is a part of, so that a call inside a probe of its own circuit is not turned away by it. */
import { Context, Fiber } from "effect"
import type { Permit } from "../../Circuit.ts"
import type { CircuitHandle } from "../../CircuitStore.ts"

export interface Probing {
  readonly circuit: CircuitHandle
  /** Of the circuit on trial: when that has moved on, the probe no longer speaks for anybody. */
  readonly generation: number
  readonly outer: Probing | undefined
  /** Fibers that outlive the probe still have its context. */
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
