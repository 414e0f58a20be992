/** The transitions among the events of a circuit, and which there may be. */
import type { CircuitEvent } from "effect-resilience"
import { isLegal } from "../model/isLegal.ts"

export interface Transition
  extends Pick<CircuitEvent.Transition, "key" | "generation" | "from" | "to" | "reason" | "at">
{
  /** Until when no probe may come, as this event says it. */
  readonly openUntil: number
}

/** The transition that an event tells of, if it does. */
export const transitionOf = (event: CircuitEvent.CircuitEvent): Transition | undefined => {
  if (!("to" in event)) return undefined
  const { at, from, generation, key, reason, to } = event
  const openFor = "open_for_ms" in event ? event.open_for_ms : undefined
  const held = event.event === "circuit.forced" ? Infinity : 0
  return { key, generation, from, to, reason, at, openUntil: at + (openFor ?? held) }
}

/** Why there cannot be such a transition, if so: an event tells of a change of state, so closed circuits are not reset. */
export const illegal = ({ from, reason, to }: Transition): string | undefined =>
  from !== to && isLegal(from, reason, to) ? undefined : `"${reason}" does not lead from ${from} to ${to}`
