/** The transitions among the events of a circuit, and which there may be. */
import type { Circuit, CircuitEvent } from "effect-resilience"
import { isLegal } from "../model/isLegal.ts"

export interface Transition {
  readonly key: string
  readonly generation: number
  readonly from: Circuit.State
  readonly to: Circuit.State
  readonly reason: Circuit.Reason
  readonly at: number
  /** Until when no probe may come, as this event says it. */
  readonly openUntil: number
}

/** The transition that an event tells of, if it does. */
export const transitionOf = (event: CircuitEvent.CircuitEvent): Transition | undefined => {
  if (!("from" in event)) return undefined
  const { at, from, generation, key, reason } = event
  const openFor = "open_for_ms" in event ? event.open_for_ms : undefined
  const held = event.event === "circuit.forced" ? Infinity : 0
  return { key, generation, from, to: states[event.event], reason, at, openUntil: at + (openFor ?? held) }
}

/** Why there cannot be such a transition, if so: an event tells of a change of state, so closed circuits are not reset. */
export const illegal = ({ from, reason, to }: Transition): string | undefined =>
  from !== to && isLegal(from, reason, to) ? undefined : `"${reason}" does not lead from ${from} to ${to}`

const states = {
  "circuit.opened": "open",
  "circuit.half_open": "half_open",
  "circuit.closed": "closed",
  "circuit.forced": "forced_open",
  "circuit.reset": "closed",
  "circuit.disabled": "disabled",
  "circuit.enabled": "closed"
} as const
