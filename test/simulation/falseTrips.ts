/** How often chance opens the circuit of a fleet, beside one sequence of the same outcomes. */
import { TripPolicy } from "effect-resilience"
import { Load } from "./Load.ts"

export interface FalseTrips {
  readonly calls: number
  readonly fleet: number
  readonly inOrder: number
  /** The fleet's trips for each of the one sequence, with an interval of 95 %. */
  readonly ratio: number
  readonly least: number
  readonly most: number
}

export const falseTrips = (
  processes: number,
  callsPerSecond: number,
  share: number,
  seeds: number,
  callsOfSeed: number
): FalseTrips => {
  let fleet = 0
  let inOrder = 0
  const policy = { tripPolicy: TripPolicy.consecutive(3), openDuration: 60_000 }
  for (let seed = 1; seed <= seeds; seed++) {
    const load = new Load(
      `${processes} ${callsPerSecond} ${share} ${seed}`,
      Array.from({ length: processes }, () => policy),
      true
    )
    for (let call = 0; call < callsOfSeed; call++) {
      load.call(load.dice.between(0, processes - 1), load.dice.chance(share))
      load.time.advance(1000 / callsPerSecond)
    }
    fleet += load.trips
    inOrder += load.tripsInOrder
  }
  return pooled([{ calls: seeds * callsOfSeed, fleet, inOrder }])
}

export const pooled = (several: ReadonlyArray<Pick<FalseTrips, "calls" | "fleet" | "inOrder">>): FalseTrips => {
  const sum = (of: "calls" | "fleet" | "inOrder") => several.reduce((sum, counted) => sum + counted[of], 0)
  const [calls, fleet, inOrder] = [sum("calls"), sum("fleet"), sum("inOrder")]
  // Both are counts of rare events, and so is the spread of their ratio. Half an event more, because there may be none.
  const ratio = (fleet + 0.5) / (inOrder + 0.5)
  const spread = Math.exp(1.96 * Math.sqrt(1 / (fleet + 0.5) + 1 / (inOrder + 0.5)))
  return { calls, fleet, inOrder, ratio, least: ratio / spread, most: ratio * spread }
}

export const shown = ({ calls, fleet, inOrder, least, most, ratio }: FalseTrips): string =>
  `${fleet} trips of the fleet, ${inOrder} in order, of ${calls} calls: ${ratio.toFixed(2)} times (${
    least.toFixed(2)
  } to ${most.toFixed(2)})`
