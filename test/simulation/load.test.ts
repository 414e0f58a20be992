/** What a fleet makes of calls at a rate: how often chance opens its circuit, and how soon an outage does. */
import { assert, describe, it } from "@effect/vitest"
import { TripPolicy } from "effect-resilience"
import { falseTrips, pooled, shown } from "./falseTrips.ts"
import { Load } from "./Load.ts"

const sizes = [2, 4, 8]

describe("three failures in a row", () => {
  // 1 % is measured by `npm run simulate -- --false-trips`, because chance needs a million calls for one of them.
  it("open the circuit of a fleet by chance at most twice as often as in one sequence", () => {
    const all = sizes.flatMap((processes) =>
      [800, 2000].map((rate) => {
        const trips = falseTrips(processes, rate, 0.05, 100, 200)
        console.log(`${processes} processes, ${rate} calls/s, 5 %: ${shown(trips)}`)
        return trips
      })
    )
    const together = pooled(all)
    console.log(`all of them: ${shown(together)}`)
    assert.isAbove(together.inOrder, 5)
    assert.isAtMost(together.most, 2)
  })

  it.each(sizes.flatMap((processes) => [20, 800, 2000].map((rate) => ({ processes, rate }))))(
    "open the circuit of $processes processes within as many calls, or 100 ms, when an outage begins at $rate calls/s",
    ({ processes, rate }) => {
      const policy = { tripPolicy: TripPolicy.consecutive(3), openDuration: 60_000 }
      for (let seed = 1; seed <= 10; seed++) {
        const load = new Load(`outage ${seed}`, Array.from({ length: processes }, () => policy), false)
        for (let call = 0; call < 50; call++) {
          load.call(load.dice.between(0, processes - 1), false)
          load.time.advance(1000 / rate)
        }
        const began = load.time.now
        let calls = 0
        while (load.trips === 0) {
          assert.isTrue(calls <= 3 || load.time.now - began <= 102, `${calls} calls, ${load.time.now - began} ms`)
          calls++
          load.call(load.dice.between(0, processes - 1), true)
          load.time.advance(1000 / rate)
        }
      }
    }
  )
})

describe("a rate policy that is tried by some of a fleet", () => {
  const rate = (threshold: number, window: number) => ({
    tripPolicy: TripPolicy.failureRate({ threshold, window }),
    openDuration: 60_000
  })
  const trials = [
    { what: "another threshold", tried: rate(0.5, 50), usual: rate(0.6, 50) },
    { what: "another window", tried: rate(0.5, 50), usual: rate(0.5, 100) }
  ]

  it.each(
    trials.flatMap((trial) =>
      [2, 5, 11].flatMap((of) => [0, 200].map((served) => ({ trial, of, served, what: trial.what })))
    )
  )(
    "with $what for 1 in $of calls, after $served served, opens within twice the calls that one policy needs",
    ({ of, served, trial: { tried, usual } }) => {
      const load = new Load("canary", [usual, tried], false)
      const process = (call: number) => call % of === 0 ? 1 : 0
      for (let call = 0; call < served; call++) {
        load.call(process(call), false)
        load.time.advance(20)
      }
      let fleet: number | undefined
      let inOrder: number | undefined
      for (let call = 1; call <= 400 && (fleet === undefined || inOrder === undefined); call++) {
        load.call(process(call), true)
        load.time.advance(20)
        if (load.trips > 0) fleet ??= call
        if (load.tripsInOrder > 0) inOrder ??= call
      }
      console.log(`1 in ${of}, after ${served}: ${fleet} calls, ${inOrder} of one policy`)
      assert.isAtMost(fleet!, 2 * inOrder!)
    }
  )
})
