/** The transitions that a process has announced to its observers, at the times of the recording. */
import type { CircuitEvent } from "../../src/index.ts"
import type { Recording } from "./protocol.ts"

export const transitionsOf = ({ events }: Recording): ReadonlyArray<CircuitEvent.Transition> =>
  events.flatMap(({ at, event }) => "to" in event ? [{ ...event, at }] : [])
