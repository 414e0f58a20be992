/** The walk of two processes finds every fleet that is broken on purpose, by the promise that it breaks. */
import { assert, describe, it } from "@effect/vitest"
import { mutants } from "./fleet/mutants.ts"
import { settingOf, smallest } from "./fleet/setting.ts"
import { ways } from "./fleet/ways.ts"
import { world } from "./fleet/world.ts"
import { sound } from "./Transitions.ts"
import { violationOf } from "./violationOf.ts"
import { walk } from "./walk.ts"

describe("a walk of two processes finds a fleet that", () => {
  it.each(mutants)("$name", ({ breaks, limits, makeCircuit, transitions, way }) => {
    const setting = {
      ...settingOf(smallest),
      invariants: [breaks],
      transitions: { ...sound, ...transitions },
      makeCircuit
    }
    const found = violationOf(() => walk(world(setting, limits, [ways[way]]), 6))
    assert.include(found.message, breaks.title)
    assert.isAtMost(found.path.length, 6, found.message)
  })
})
