/** The transitions that a process has told its observers of. */
import type { CircuitEvent } from "../../src/index.ts"
import type { Recording } from "./protocol.ts"

export interface Told {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly reason: string
  readonly generation: number
}

export const told = ({ events }: Recording): ReadonlyArray<Told> =>
  events.flatMap(({ at, event }) => {
    const to = states[event.event]
    if (to === undefined || !("from" in event)) return []
    return [{ at, from: event.from, to, reason: event.reason, generation: event.generation }]
  })

const states: { readonly [Name in CircuitEvent.CircuitEvent["event"]]?: string } = {
  "circuit.opened": "open",
  "circuit.half_open": "half_open",
  "circuit.closed": "closed",
  "circuit.forced": "forced_open",
  "circuit.reset": "closed",
  "circuit.disabled": "disabled",
  "circuit.enabled": "closed"
}
