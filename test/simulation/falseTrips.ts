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
    const load = new Load(`${processes} ${callsPerSecond} ${share} ${seed}`, Array.from({ length: processes }, () => policy), true)
    for (let call = 0; call < callsOfSeed; call++) {
      load.call(load.dice.between(0, processes - 1), load.dice.chance(share))
      load.time.advance(1000 / callsPerSecond)
    }
    fleet += load.trips
    inOrder += load.tripsInOrder
  }
  // Both are counts of rare events, and so is the spread of their ratio.
  const ratio = fleet / inOrder
  const spread = Math.exp(1.96 * Math.sqrt(1 / Math.max(1, fleet) + 1 / Math.max(1, inOrder)))
  return { calls: seeds * callsOfSeed, fleet, inOrder, ratio, least: ratio / spread, most: ratio * spread }
}

export const shown = ({ calls, fleet, inOrder, least, most, ratio }: FalseTrips): string =>
  `${fleet} trips of the fleet, ${inOrder} in order, of ${calls} calls: ${ratio.toFixed(2)} times (${least.toFixed(2)} to ${most.toFixed(2)})`
