/** The transitions among the events of a process. */
import type { CircuitEvent } from "effect-resilience"
import type { Told } from "./history.ts"

export const transitionsOf = (process: string, events: ReadonlyArray<CircuitEvent.CircuitEvent>): ReadonlyArray<Told> =>
  events.flatMap((event) =>
    "to" in event ? [{ process, generation: event.generation, from: event.from, to: event.to }] : []
  )
