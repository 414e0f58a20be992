/** The walk of one process finds every circuit that is broken on purpose, by the promise that it breaks. */
import { assert, describe, it } from "@effect/vitest"
import { TripPolicy } from "effect-resilience"
import { compiled } from "./compiled.ts"
import { mutants } from "./mutants.ts"
import { oneProcess } from "./oneProcess.ts"
import { violationOf } from "./violationOf.ts"
import { walk } from "./walk.ts"

const policy = compiled({
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: 2,
  probeLease: 2,
  maxOpenDuration: 2,
  successesToClose: 2
})

describe("a walk of one process finds a circuit that", () => {
  it.each(mutants)("$name", ({ breaks, taker }) => {
    const found = violationOf(() => walk(oneProcess(policy, [breaks], taker)))
    assert.include(found.message, breaks.title)
    // Breadth first: nothing shorter leads there.
    assert.isAtMost(found.path.length, 8, found.message)
  })
})
