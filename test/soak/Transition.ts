/** The transitions among the events of a circuit, and which there may be: a second opinion on `Circuit.ts`. */
import type { Circuit, CircuitEvent } from "effect-resilience"

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

/** Why there cannot be such a transition, if so. */
export const illegal = ({ from, reason, to }: Transition): string | undefined => {
  const [sources, target] = legal[reason]
  if (to !== target) return `"${reason}" does not lead to ${to}`
  return sources.includes(from) ? undefined : `"${reason}" does not lead away from ${from}`
}

const states = {
  "circuit.opened": "open",
  "circuit.half_open": "half_open",
  "circuit.closed": "closed",
  "circuit.forced": "forced_open",
  "circuit.reset": "closed",
  "circuit.disabled": "disabled",
  "circuit.enabled": "closed"
} as const

/** Where each reason leads from, and to. A transition that is told changes the state, so closed circuits are not reset. */
const legal: Record<Circuit.Reason, readonly [from: ReadonlyArray<Circuit.State>, to: Circuit.State]> = {
  initial: [[], "closed"],
  threshold: [["closed"], "open"],
  open_now: [["closed", "half_open"], "open"],
  probe_failed: [["half_open"], "open"],
  probe_succeeded: [["half_open"], "closed"],
  cooldown_elapsed: [["open", "forced_open"], "half_open"],
  forced: [["closed", "open", "half_open", "disabled"], "forced_open"],
  reset: [["open", "half_open", "forced_open", "disabled"], "closed"],
  disabled: [["closed", "open", "half_open", "forced_open"], "disabled"],
  enabled: [["disabled"], "closed"]
}
