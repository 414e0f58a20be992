// Who serves and whom a call asks, as pure functions.
import { assert, describe, it } from "@effect/vitest"
import {
  type Availability,
  availability,
  awayMillis,
  causeOf,
  gateMillis,
  home,
  type Lead,
  lead,
  order,
  untilBetter
} from "../../src/internal/failover/choice.ts"
import { closed, compiled, disabled, forcedOpen, halfOpen, open } from "./places.ts"

describe("a circuit", () => {
  it.each(
    [
      ["closed", closed(), "ready", 0],
      ["closed, behind a gate", closed(5), "gated", 5],
      ["half-open", halfOpen(), "due", 0],
      ["half-open, behind a gate", halfOpen(5), "away", 5],
      ["open", open(5), "away", 5],
      ["open, at its end", open(0), "due", 0],
      ["held for a time", forcedOpen(5), "away", 5],
      ["held for a time, at its end", forcedOpen(0), "due", 0],
      ["held without an end", forcedOpen(), "away", undefined],
      ["disabled", disabled, "ready", 0]
    ] as const
  )("that is %s takes calls so, and so long none", (_, state, expected, away) => {
    assert.strictEqual(availability(state), expected)
    assert.strictEqual(awayMillis(state), away)
  })

  it.each(
    [
      ["open by a kind of failure", open(5, "timeout"), "timeout"],
      ["open by an order of a process", open(5), "open"],
      ["half-open by a kind of failure", halfOpen(undefined, "timeout"), "timeout"],
      ["half-open by a hand", halfOpen(), "half_open"],
      ["held", forcedOpen(), "forced_open"],
      ["closed", closed(), "unknown"],
      ["disabled", disabled, "unknown"]
    ] as const
  )("that is %s is left for that cause", (_, state, cause) => {
    assert.strictEqual(causeOf(state), cause)
  })

  it("has a gate to wait for only while it is shut", () => {
    const gate = (passes: boolean, state: Parameters<typeof awayMillis>[0]) =>
      gateMillis({ key: "chat/us", passes, state })
    assert.strictEqual(gate(false, closed(5)), 5)
    assert.strictEqual(gate(true, closed(5)), 0)
    assert.strictEqual(gate(false, closed()), 0)
    assert.strictEqual(gate(false, open(5)), 0)
  })
})

// Two tiers of two, and one more.
const route = compiled({
  targets: ["a", "b", "c", "d", "e"].map((name, index) => ({ name, tier: [1, 1, 2, 2, 3][index]! })),
  minFailoverDuration: "1 second"
})
const [ready, away, gated, due] = ["ready", "away", "gated", "due"] as const satisfies ReadonlyArray<Availability>

/** Who serves after a look at these moments. */
const led = (before: Lead, now: number, ...circuits: ReadonlyArray<Availability>) =>
  lead(route, circuits, before, now, () => now)

describe("who serves", () => {
  it("is the first of the best tier, and stays while it is ready or behind its gate", () => {
    assert.strictEqual(led(home, 0, ready, ready, ready, ready, ready), home)
    assert.strictEqual(led(home, 0, gated, ready, ready, ready, ready), home)
    assert.strictEqual(led(home, 0, gated, away, ready, ready, ready), home)
  })

  it("is the next of its tier when it is away, and after that of the next tier", () => {
    const inTier = led(home, 10, away, ready, ready, ready, ready)
    assert.deepStrictEqual(inTier, { active: 1, leftAt: 10, tiersLeftAt: new Map() })
    const below = led(inTier, 20, away, away, away, ready, ready)
    assert.deepStrictEqual(below, { active: 3, leftAt: 10, tiersLeftAt: new Map([[1, 20]]) })
    const last = led(below, 30, away, away, away, away, ready)
    assert.deepStrictEqual(last, { active: 4, leftAt: 10, tiersLeftAt: new Map([[1, 20], [2, 30]]) })
  })

  it("is not one whose time for a probe has come", () => {
    assert.strictEqual(led(home, 0, due, due, ready, due, due).active, 2)
  })

  it("stays while nobody is ready", () => {
    const below = led(home, 0, away, away, ready, ready, ready)
    assert.strictEqual(led(below, 10, away, away, away, away, away), below)
  })

  it("is the same object while it is the same", () => {
    const below = led(home, 0, away, away, ready, ready, ready)
    assert.strictEqual(led(below, 10, away, away, ready, ready, ready), below)
  })

  it("comes back to a better tier when the least time has passed since that was left, and not before", () => {
    const below = led(home, 0, away, away, away, away, ready)
    assert.strictEqual(led(below, 999, ready, ready, away, away, ready), below)
    assert.strictEqual(led(below, 1000, ready, ready, away, away, ready), home)
  })

  it("comes back to what was left longest ago while the better one is too young", () => {
    const below = led(led(home, 0, away, away, ready, ready, ready), 900, away, away, away, away, ready)
    assert.deepStrictEqual(below.tiersLeftAt, new Map([[1, 0], [2, 900]]))
    const up = led(below, 1000, away, ready, ready, ready, ready)
    assert.deepStrictEqual(up, { active: 1, leftAt: 0, tiersLeftAt: new Map() })
  })

  it("forgets when it left the tiers that it is back in, and those below", () => {
    const last = led(led(home, 0, away, away, ready, ready, ready), 100, away, away, away, away, ready)
    const middle = led(last, 1100, away, away, ready, ready, ready)
    assert.deepStrictEqual(middle, { active: 2, leftAt: 0, tiersLeftAt: new Map([[1, 0]]) })
  })

  it("comes back at once to a tier that was never left", () => {
    const elsewhere: Lead = { active: 2, leftAt: 0, tiersLeftAt: new Map() }
    assert.strictEqual(led(elsewhere, 1, ready, ready, ready, ready, ready), home)
    assert.deepStrictEqual(led(elsewhere, 1, away, ready, ready, away, ready), { ...elsewhere, active: 1 })
  })

  it("holds where a clock went backwards", () => {
    const below = led(home, 5000, away, away, ready, ready, ready)
    assert.strictEqual(led(below, 10, ready, ready, ready, ready, ready), below)
  })
})

describe("the time until a better tier", () => {
  const below = led(home, 0, away, away, ready, ready, ready)
  it("is what is left of the least one, for a tier that is ready", () => {
    assert.strictEqual(untilBetter(route, [ready, away, ready, ready, ready], below, 400), 600)
    assert.strictEqual(untilBetter(route, [ready, away, ready, ready, ready], below, 1000), 0)
    assert.strictEqual(untilBetter(route, [away, away, ready, ready, ready], below, 400), Infinity)
    assert.strictEqual(untilBetter(route, [ready, ready, ready, ready, ready], home, 400), Infinity)
  })
})

describe("a call asks", () => {
  const asks = (
    circuits: ReadonlyArray<Availability>,
    serving = home,
    now = 0,
    call: Partial<Parameters<typeof order>[4]> = {}
  ) =>
    order(route, circuits, serving, now, {
      isAllowed: () => true,
      rank: () => 0,
      tries: true,
      leaves: () => false,
      ...call
    }).map((index) => "abcde"[index]).join("")

  it("by tier, and among equals in the order of the list", () => {
    assert.strictEqual(asks([ready, ready, ready, ready, ready]), "abcde")
  })

  it("by rank within a tier only", () => {
    assert.strictEqual(asks([ready, ready, ready, ready, ready], home, 0, { rank: (index) => index }), "badce")
  })

  it("nobody outside of its fence", () => {
    assert.strictEqual(asks([ready, ready, ready, ready, ready], home, 0, { isAllowed: (index) => index > 2 }), "de")
  })

  it("those on trial first, if calls are what tries them, and otherwise after all that are ready", () => {
    assert.strictEqual(asks([ready, due, ready, ready, due]), "bacde")
    assert.strictEqual(asks([ready, due, ready, ready, due], home, 0, { tries: false }), "acdbe")
  })

  it("one on trial of a better tier not before the least time has passed", () => {
    const below = led(home, 0, away, away, ready, ready, ready)
    assert.strictEqual(asks([due, away, ready, ready, ready], below, 999), "cdeab")
    assert.strictEqual(asks([due, away, ready, ready, ready], below, 1000), "acdeb")
  })

  it("a gated one in its place, because its gate may be open by then", () => {
    assert.strictEqual(asks([gated, ready, ready, ready, ready]), "abcde")
  })

  it("a gated one of another tier not before those of the serving one", () => {
    const below = led(home, 0, away, away, ready, ready, ready)
    assert.strictEqual(asks([gated, away, ready, ready, ready], below, 10), "cdaeb")
  })

  it("those whose gates have just opened after the others that are ready, and those that are away at last", () => {
    const leaves = (index: number) => index === 0
    assert.strictEqual(asks([ready, ready, due, ready, ready], home, 0, { leaves }), "bdeac")
    assert.strictEqual(asks([away, ready, due, ready, ready], home, 0, { leaves }), "bdeca")
  })

  it("those of the serving tier before those of other tiers, also better ones that are too young", () => {
    const below = led(home, 0, away, away, ready, ready, ready)
    assert.strictEqual(asks([ready, ready, ready, ready, ready], below, 10), "cdabe")
  })
})
