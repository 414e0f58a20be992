/** Two and three processes on long random runs: operations, answers and messages all come when chance lets them. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import { Circuit } from "effect-resilience"
import { mutants } from "./fleet/mutants.ts"
import { type Command, commands, Policy, run } from "./fleet/randomRun.ts"
import { sound } from "./Transitions.ts"
import { Violation } from "./walk.ts"

interface Run {
  readonly policy: Policy
  readonly commands: ReadonlyArray<Command>
}

const runs = Arbitrary.all({ policy: Arbitrary.schema(Policy), commands })

describe("two and three processes on long random runs", () => {
  const seen = new Map<string, number>()
  const see = (sight: string) => seen.set(sight, (seen.get(sight) ?? 0) + 1)

  it.prop("keep every promise", { policy: Policy, commands }, ({ commands, policy }) => {
    run(policy, commands, {}, (fleet, { _tag }) => {
      see("steps")
      see(_tag)
      see(fleet.record.reason)
    })
  }, { arbitrary: { runs: 60, size: 3000 } })

  it("have been through everything", () => {
    console.log(`random runs: ${seen.get("steps")} steps`)
    assert.isAbove(seen.get("steps") ?? 0, 10_000)
    // A shared circuit is never closed by a call of the last resort.
    const reasons = Circuit.reasons.filter((reason) => reason !== "last_resort")
    for (const sight of [...reasons, "Die", "LoseRecord", "HearTwice", "Lose", "Beat", "Interrupt"]) {
      assert.isAbove(seen.get(sight) ?? 0, 2, sight)
    }
  })
})

describe("a long random run finds a fleet, and is shrunk to a few steps, that", () => {
  const kept = (broken: Parameters<typeof run>[2]) => ({ commands, policy }: Run) =>
    Effect.try({
      try: () => {
        run(policy, commands, broken)
        return true
      },
      catch: (error) => {
        if (error instanceof Violation) return error
        throw error
      }
    })

  // Some need a certain place to begin, and chance may be long in coming there.
  const found = mutants.filter(({ chance }) => chance)

  it.effect.each(found)("$name", ({ breaks, makeCircuit, transitions }) =>
    Effect.gen(function*() {
      const broken = { invariants: [breaks], transitions: { ...sound, ...transitions }, makeCircuit }
      const options = { runs: 300, size: 3000, maxShrinks: 2000, seed: 1 }
      const result = yield* Arbitrary.checkEffect(runs, kept(broken), options)
      if (result._tag !== "Falsified" || result.failure._tag !== "PropertyError") return assert.fail(result._tag)
      const { path, message } = result.failure.error
      assert.include(message, breaks.title)
      assert.isAtMost(path.length, 25, message)
    }))
})
