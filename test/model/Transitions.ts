/** The machine that the server of the model runs: that of `Circuit.ts`, or one that is broken on purpose. */
import { Circuit } from "effect-resilience"

export interface Transitions
  extends Pick<typeof Circuit, "admit" | "settle" | "force" | "reset" | "disable" | "enable">
{
  /** Whether a report is listened to: what `report` of `luaOperations.ts` asks first. */
  readonly hears: (circuit: Circuit.Circuit, permit: Circuit.Permit) => boolean
  /** `nextGeneration` of `luaMachine.ts`. */
  readonly nextGeneration: (last: number, micros: number) => number
}

export const sound: Transitions = {
  ...Circuit,
  hears: (circuit, permit) =>
    Circuit.isCurrent(circuit, permit) &&
    (permit.probe > 0 || circuit.state === "closed" || circuit.state === "disabled"),
  nextGeneration: (last, micros) => Math.max(last + 1, micros)
}
