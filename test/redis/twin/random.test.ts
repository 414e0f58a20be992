import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Circuit } from "effect-resilience"
import { circuitLua } from "../../../src/redis/internal/circuitScript.ts"
import { compareRuns } from "./randomRun.ts"
import { ownRedis, Script } from "./script.ts"
import type { Taken } from "./twin.ts"

const script = await Script.load(await ownRedis(), circuitLua)

/** What is worth having been compared. */
const sights = ({ before, said, step }: Taken): ReadonlyArray<string> => {
  const { circuit, given, late } = said
  const wouldOpen = circuit.state === "disabled" && circuit.openings > before.openings
  return [
    `in ${before.state}`,
    `threshold ${said.failureThreshold}`,
    ...circuit.generation === before.generation ? [] : [circuit.reason],
    ...late ? ["late"] : [],
    ...given[3] === 1 ? [`slow while ${before.state}`] : [],
    ...wouldOpen ? ["would open"] : [],
    ...circuit.probes.length > 1 ? ["probes at once"] : [],
    ...said.failureRatePpm === undefined ? [] : ["a rate"],
    ...step._tag === "Settle" && step.batched && circuit.state === "open" ? ["opened by a success"] : []
  ]
}

const worthSeeing = [
  ...Circuit.states.map((state) => `in ${state}`),
  // Nothing leads to the first of these, and the script does not know the other.
  ...Circuit.reasons.filter((reason) => reason !== "initial" && reason !== "last_resort"),
  "late",
  "slow while closed",
  "slow while half_open",
  "opened by a success",
  "would open",
  "probes at once",
  "a rate",
  "threshold 1",
  "threshold 5"
]

describe("the machine and the script", () => {
  it.live("agree on random runs under policies that remember and learn", () =>
    Effect.gen(function*() {
      const seen = new Map<string, number>()
      yield* compareRuns(script, { runs: 1200, size: 100 }, (taken) => {
        for (const sight of ["a step", ...sights(taken)]) seen.set(sight, (seen.get(sight) ?? 0) + 1)
      })
      const times = (sight: string) => seen.get(sight) ?? 0
      assert.isAbove(times("a step"), 12_000)
      for (const sight of worthSeeing) assert.isAbove(times(sight), 3, sight)
    }))
})
