/**
 * Every run of two processes with one record for so many steps from each of some places, and one step less in `npm test`. Both run the library's own
 * code, and the server the machine of `Circuit.ts`. Every operation reaches the server at once, and its answer when the
 * walk lets it; runs in which both are late are in `random.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "effect-resilience"
import { inFull } from "../support/inFull.ts"
import type { Step } from "./fleet/Fleet.ts"
import { calm, type Rules, settingOf, smallest } from "./fleet/setting.ts"
import type { Limits } from "./fleet/steps.ts"
import { ways } from "./fleet/ways.ts"
import { world } from "./fleet/world.ts"
import { walk, type Walked } from "./walk.ts"

interface Scenario {
  readonly name: string
  readonly rules: Rules
  readonly limits: Limits
  readonly starts: ReadonlyArray<ReadonlyArray<Step>>
  /** How many steps it takes in full; a share takes one less. */
  readonly depth: number
  /** Fewer states or steps than this would be another walk. */
  readonly full: Walked
  readonly share: Walked
}

const everywhere = Object.values(ways)

const scenarios: ReadonlyArray<Scenario> = [
  {
    name: "while messages are lost, repeated and overtaken",
    rules: smallest,
    limits: { ...calm, lostMessages: 1, repeatedMessages: 1 },
    starts: everywhere,
    depth: 5,
    full: { states: 7000, steps: 19_000 },
    share: { states: 1900, steps: 5000 }
  },
  {
    name: "while an operator steers",
    rules: smallest,
    limits: { ...calm, orders: 1, holds: [2, undefined], waits: 2 },
    starts: [ways.closed, ways.halfOpen, ways.held],
    depth: 4,
    full: { states: 7500, steps: 19_000 },
    share: { states: 1700, steps: 3800 }
  },
  {
    name: "while a process dies and the record is lost",
    rules: smallest,
    limits: { ...calm, deaths: 1, lostRecords: 1, waits: 2 },
    starts: everywhere,
    depth: 4,
    full: { states: 2800, steps: 7000 },
    share: { states: 700, steps: 1700 }
  },
  {
    name: "with two probes at once, two successes to close, hints and a ramp",
    rules: { probes: 2, successesToClose: 2, failures: 1, ramp: 2 },
    limits: {
      ...calm,
      outcomes: [Outcome.success, Outcome.failure("overloaded", 9), Outcome.throttled(1), Outcome.openNow("overloaded")]
    },
    starts: [ways.closed, ways.open, ways.halfOpen],
    depth: 4,
    full: { states: 2700, steps: 5400 },
    share: { states: 550, steps: 1000 }
  },
  {
    name: "with a streak of two failures and two calls each",
    rules: { ...smallest, failures: 2 },
    limits: { ...calm, calls: 2, waits: 1 },
    starts: [ways.closed],
    depth: 5,
    full: { states: 950, steps: 3300 },
    share: { states: 310, steps: 1000 }
  }
]

describe("two processes keep every promise", () => {
  it.each(scenarios)("$name", ({ depth, full, limits, name, rules, share, starts }) => {
    const length = inFull ? depth : depth - 1
    const walks = starts.map((way) => walk(world(settingOf(rules), limits, [way]), length))
    const total = (count: "states" | "steps") => walks.reduce((sum, walk) => sum + walk[count], 0)
    console.log(
      `two processes ${name}: ${total("states")} states, ${total("steps")} steps`
    )
    const { states, steps } = inFull ? full : share
    assert.isAbove(total("states"), states)
    assert.isAbove(total("steps"), steps)
  })
})
