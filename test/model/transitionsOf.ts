/** The transitions among the events of a process. */
import type { Circuit, CircuitEvent } from "effect-resilience"
import type { Told } from "./history.ts"

const states: { readonly [Name in CircuitEvent.CircuitEvent["event"]]?: Circuit.State } = {
  "circuit.opened": "open",
  "circuit.half_open": "half_open",
  "circuit.closed": "closed",
  "circuit.forced": "forced_open",
  "circuit.reset": "closed",
  "circuit.disabled": "disabled",
  "circuit.enabled": "closed"
}

export const transitionsOf = (process: string, events: ReadonlyArray<CircuitEvent.CircuitEvent>): ReadonlyArray<Told> =>
  events.flatMap((event) => {
    const to = states[event.event]
    if (to === undefined || !("from" in event)) return []
    return [{ process, generation: event.generation, from: event.from, to }]
  })
