import { assert, describe, it } from "@effect/vitest"
import { TripPolicy } from "effect-resilience"
import { circuitLua } from "../../../src/redis/internal/circuitScript.ts"
import { inFull } from "../../support/inFull.ts"
import { compiled } from "./machine.ts"
import { ownRedis, Script } from "./script.ts"
import { walk } from "./walk.ts"

const script = await Script.load(await ownRedis(), circuitLua)

// Hints are capped at 2 ms: they outlast the short opening, and not the longer one.
const timings = [{ openDuration: 1 }, { openDuration: 3, ramp: 2 }] as const

const everyRules = (inFull ? [1, 2, 3] : [2]).flatMap((failures) =>
  [1, 2].flatMap((probes) => [1, 2].map((successesToClose) => ({ failures, probes, successesToClose })))
)

describe("the machine and the script", () => {
  it.each(timings)("agree on every circuit that small rules can reach, with %o", async (timing) => {
    const walks = await Promise.all(everyRules.map(({ failures, ...rules }) =>
      walk(
        script,
        compiled({
          ...rules,
          ...timing,
          tripPolicy: TripPolicy.consecutive(failures),
          maxOpenDuration: 2,
          // Two probes that began at different times are only seen if a lease lasts for longer than a step.
          probeLease: rules.probes
        })
      )
    ))
    const total = (count: "steps" | "shapes") => walks.reduce((sum, walk) => sum + walk[count], 0)
    assert.isAbove(total("shapes"), inFull ? 3000 : 1500)
    assert.isAbove(total("steps"), inFull ? 40_000 : 22_000)
  })
})
