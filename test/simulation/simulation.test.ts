/** Fleets on the shared engine, by seeds. `npm run simulate` runs as many as one likes, and shrinks what it finds. */
import { assert, describe, it } from "@effect/vitest"
import { planOf } from "./plan.ts"
import { simulate } from "./simulation.ts"

const seeds = 200

describe("a simulated fleet", () => {
  it("keeps every promise, and goes through everything", () => {
    const seen = new Map<string, number>()
    for (let seed = 1; seed <= seeds; seed++) {
      const { sights, violation } = simulate(planOf(seed))
      assert.isUndefined(violation, `npm run simulate -- --seed ${seed}: ${violation?.promise}: ${violation?.detail}`)
      for (const [sight, times] of sights) seen.set(sight, (seen.get(sight) ?? 0) + times)
    }
    const expected = [
      ..."threshold open_now probe_failed probe_succeeded cooldown_elapsed forced reset disabled enabled".split(" "),
      ..."latency losesAnswer losesChange lateChange doublesChange away lose rollBack cut clock".split(" "),
      ..."die leave come calm interrupt outage probe".split(" ")
    ]
    for (const sight of expected) assert.isAbove(seen.get(sight) ?? 0, 0, sight)
  }, 120_000)

  it("goes the same way each time", () => {
    const lines = () => {
      const said: Array<string> = []
      simulate(planOf(3), { log: (line) => said.push(line) })
      return said
    }
    assert.deepStrictEqual(lines(), lines())
  })
})
