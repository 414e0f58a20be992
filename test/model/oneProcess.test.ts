import { assert, describe, it } from "@effect/vitest"
import { TripPolicy } from "effect-resilience"
import { compiled } from "./compiled.ts"
import { invariants } from "./invariants.ts"
import { oneProcess } from "./oneProcess.ts"
import { walk } from "./walk.ts"

const everyRules = [1, 2].flatMap((probes) =>
  [1, 2].flatMap((successesToClose) =>
    [1, 2].flatMap((failures) => [undefined, 2].map((ramp) => ({ probes, successesToClose, failures, ramp })))
  )
)

describe("one process", () => {
  it("keeps every promise in every run under small rules", () => {
    const walks = everyRules.map(({ failures, ...rules }) =>
      walk(oneProcess(
        compiled({
          ...rules,
          tripPolicy: TripPolicy.consecutive(failures),
          openDuration: 1,
          probeLease: 2,
          maxOpenDuration: 2
        }),
        invariants
      ))
    )
    const total = (count: "states" | "steps") => walks.reduce((sum, walk) => sum + walk[count], 0)
    console.log(`one process: ${total("states")} states, ${total("steps")} steps`)
    assert.isAbove(total("states"), 15_000)
    assert.isAbove(total("steps"), 300_000)
  })
})
