/** The windows of a fleet: calls counted in slots. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { anyMarked, count, expired, ofCalls, ofTime, seconds } from "../../src/internal/machine/slots.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const runs = { timeout: 30_000, arbitrary: { runs: 300, size: 60 } }

interface Seen {
  readonly at: number
  readonly marked: boolean
}
const Calls = Schema.Array(Schema.Struct({
  // Mostly bursts, now and then a pause of a minute.
  wait: Schema.Union([int(0, 30), int(0, 3_000), int(0, 60_000)]),
  marked: Schema.Boolean
}))
const start = 1_700_000_000_000

const play = (calls: typeof Calls.Type) => {
  const counters = new Map<string, number>()
  const seen: Array<Seen> = []
  let now = start
  for (const { marked, wait } of calls) {
    now += wait
    count(counters, "f", now, { calls: 1, marked: marked ? 1 : 0 })
    seen.push({ at: now, marked })
  }
  return { counters, now, seen }
}
const totals = (seen: ReadonlyArray<Seen>) => ({
  calls: seen.length,
  marked: seen.filter(({ marked }) => marked).length
})

/** How long a slot may be for a window, as the module says. */
const slotOf = (millis: number) =>
  millis <= 3_900 ? 100 : millis <= 63_000 ? 1_000 : millis <= 630_000 ? 10_000 : 120_000

describe("a window of time", () => {
  it.prop(
    "has every call of the window, and none that is older than the window and one slot",
    { calls: Calls, millis: Schema.Union([int(1, 5_000), int(1, 100_000), int(1, 3_000_000)]), later: int(0, 5_000) },
    ({ calls, later, millis }) => {
      const { counters, now: last, seen } = play(calls)
      const now = last + later
      const { calls: counted, marked } = ofTime(counters, "f", now, millis)
      const least = totals(seen.filter(({ at }) => now - at < millis))
      const most = totals(seen.filter(({ at }) => now - at < millis + slotOf(millis)))
      assert.isAtLeast(counted, least.calls)
      assert.isAtMost(counted, most.calls)
      assert.isAtLeast(marked, least.marked)
      assert.isAtMost(marked, most.marked)
    },
    runs
  )

  it("that is no multiple of a slot has no call that is older than it and one slot", () => {
    const { counters } = play([{ wait: 0, marked: true }])
    assert.deepStrictEqual(ofTime(counters, "f", start + 248, 150), { calls: 1, marked: 1 })
    assert.deepStrictEqual(ofTime(counters, "f", start + 249, 150), { calls: 0, marked: 0 })
  })

  it("that is longer than the ladder has what the ladder has", () => {
    const { counters, now } = play([{ wait: 0, marked: true }])
    assert.deepStrictEqual(ofTime(counters, "f", now + 3_600_000, 1e10), { calls: 1, marked: 1 })
    assert.deepStrictEqual(ofTime(counters, "f", now + 32 * 120_000, 1e10), { calls: 0, marked: 0 })
  })
})

describe("a window of calls", () => {
  it.prop(
    "has as many calls as it shall if they were made, and only whole slots more",
    { calls: Calls, size: int(1, 40) },
    ({ calls, size }) => {
      const { counters, now, seen } = play(calls)
      const known = seen.filter(({ at }) => now - at < 31 * 120_000)
      const tally = ofCalls(counters, "f", now, size)
      assert.isAtLeast(tally.calls, Math.min(size, known.length))
      // Without its oldest slot it would be too small.
      const newest = seen.slice(-size)
      assert.isAtLeast(tally.marked, known.length >= size ? totals(newest).marked : totals(known).marked)
    },
    runs
  )

  it("opens no later than after n calls, or one slot: an outage fills it with failures", () => {
    const counters = new Map<string, number>()
    for (let at = 0; at < 1_000; at++) count(counters, "f", start + at, { calls: 1, marked: 0 })
    for (let at = 0; at < 20; at++) count(counters, "f", start + 1_100 + at, { calls: 1, marked: 1 })
    assert.deepStrictEqual(ofCalls(counters, "f", start + 1_120, 20), { calls: 20, marked: 20 })
  })
})

describe("slots", () => {
  it("are of one measure", () => {
    const counters = new Map<string, number>()
    count(counters, "f", start, { calls: 3, marked: 1 })
    count(counters, "s20000", start, { calls: 5, marked: 4 })
    assert.deepStrictEqual(ofTime(counters, "f", start, 1_000), { calls: 3, marked: 1 })
    assert.deepStrictEqual(ofTime(counters, "s20000", start, 1_000), { calls: 5, marked: 4 })
    assert.deepStrictEqual(ofTime(counters, "s2000", start, 1_000), { calls: 0, marked: 0 })
  })

  it.prop(
    "that have expired are of no window, and those that have not are of some",
    {
      calls: Calls,
      later: Schema.Union([int(0, 100_000), int(0, 5_000_000)]),
      millis: int(1, 4_000_000),
      size: int(1, 30)
    },
    ({ calls, later, millis, size }) => {
      const { counters, now: last } = play(calls)
      const now = last + later
      const left = new Map(counters)
      for (const name of expired(counters, now)) left.delete(name)
      assert.deepStrictEqual(ofTime(left, "f", now, millis), ofTime(counters, "f", now, millis))
      assert.deepStrictEqual(ofCalls(left, "f", now, size), ofCalls(counters, "f", now, size))
      assert.isAtMost(left.size, 40 + 64 + 64 + 32)
    },
    runs
  )

  it("of a future that a clock has left behind have expired, and so has what is no slot", () => {
    const counters = new Map([["x", 1], ["f.9:1", 1]])
    count(counters, "f", start + 86_400_000, { calls: 1, marked: 1 })
    assert.sameMembers([...expired(counters, start)], [...counters.keys()])
  })

  it("know whether a call is marked", () => {
    const counters = new Map<string, number>()
    assert.isFalse(anyMarked(counters))
    count(counters, "f", start, { calls: 1_000_000, marked: 0 })
    assert.isFalse(anyMarked(counters))
    count(counters, "f", start, { calls: 1, marked: 1 })
    assert.isTrue(anyMarked(counters))
  })

  it.prop(
    "of a second each are found once, the oldest first, after a time",
    { calls: Calls, since: int(0, 60) },
    ({ calls, since }) => {
      const { counters, now, seen } = play(calls)
      const from = Math.floor(now / 1000) - since
      const found = seconds(counters, from * 1000, now)
      assert.deepStrictEqual([...found].sort((one, other) => one.atMillis - other.atMillis), found)
      const expected = totals(seen.filter(({ at }) => Math.floor(at / 1000) > from))
      assert.strictEqual(found.reduce((sum, { calls }) => sum + calls, 0), expected.calls)
      assert.strictEqual(found.reduce((sum, { marked }) => sum + marked, 0), expected.marked)
    },
    runs
  )
})
