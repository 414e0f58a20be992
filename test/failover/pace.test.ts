// How calls come back behind a gate, and how often the same is announced.
import { assert, describe, it } from "@effect/vitest"
import { GateRamp } from "../../src/internal/failover/gateRamp.ts"
import { Tally } from "../../src/internal/failover/tally.ts"
import { earn } from "../../src/internal/machine/ramp.ts"

/** How many of ten calls go to the target at a moment. */
const shares = (ramp: GateRamp, now: number) => Array.from({ length: 10 }, () => ramp.takes(now)).filter(Boolean).length

describe("a share of a ramp", () => {
  it("is earned with each call, and a whole one lets it through", () => {
    assert.deepStrictEqual(earn(0, 400, 1000), { passes: false, credit: 400 })
    assert.deepStrictEqual(earn(800, 400, 1000), { passes: true, credit: 200 })
    assert.deepStrictEqual(earn(600, 400, 1000), { passes: true, credit: 0 })
  })
})

describe("after a gate", () => {
  it("calls come back over the time for which it was shut, the first at once", () => {
    const ramp = new GateRamp()
    ramp.note(1_000, 10_000)
    assert.isTrue(ramp.takes(11_000))
    assert.strictEqual(shares(ramp, 11_000), 0)
    assert.strictEqual(shares(ramp, 16_000), 5)
    assert.isFalse(ramp.isOver)
    assert.strictEqual(shares(ramp, 20_999), 9)
    assert.isTrue(ramp.takes(21_000))
    assert.isTrue(ramp.isOver)
    assert.strictEqual(shares(ramp, 21_001), 10)
  })

  it("the ramp takes one second at least and half a minute at most", () => {
    const short = new GateRamp()
    short.note(0, 10)
    assert.isTrue(short.takes(10))
    assert.strictEqual(shares(short, 510), 5)
    assert.strictEqual(shares(short, 1009), 9)
    assert.isTrue(short.takes(1010))
    assert.isTrue(short.isOver)
    const long = new GateRamp()
    long.note(0, 600_000)
    assert.isTrue(long.takes(600_000))
    assert.strictEqual(shares(long, 615_000), 5)
    assert.isTrue(long.takes(630_000))
    assert.isTrue(long.isOver)
  })

  it("a gate that is shut for longer is measured from when it was shut first", () => {
    const ramp = new GateRamp()
    ramp.note(0, 2_000)
    ramp.note(1_500, 2_500)
    assert.isTrue(ramp.takes(4_000))
    assert.strictEqual(shares(ramp, 6_000), 5)
  })

  it("while it is shut, and before it ever was, nothing is left to others", () => {
    const ramp = new GateRamp()
    assert.isTrue(ramp.isOver)
    assert.strictEqual(shares(ramp, 5), 10)
    ramp.note(1_000, 1_000)
    assert.isFalse(ramp.isOver)
    assert.strictEqual(shares(ramp, 1_999), 10)
  })
})

describe("what is announced of many", () => {
  const tally = () => {
    const said: Array<string> = []
    const counts = new Tally()
    const count = (kind: string, now: number) => counts.count(kind, now, (calls) => said.push(`${kind} ${calls}`))
    return { counts, count, said }
  }

  it("is the first of a kind at once, and within a minute nothing more", () => {
    const { count, said } = tally()
    count("a", 1_000)
    count("a", 60_999)
    count("b", 2_000)
    assert.deepStrictEqual(said, ["a 1", "b 1"])
  })

  it("after a minute the next one brings those that were not announced", () => {
    const { count, said } = tally()
    count("a", 1_000)
    count("a", 2_000)
    count("a", 3_000)
    count("a", 61_000)
    assert.deepStrictEqual(said, ["a 1", "a 3"])
    count("a", 121_000)
    assert.deepStrictEqual(said, ["a 1", "a 3", "a 1"])
  })

  it("says of a call that it is the first to wait for its announcement, of which nobody would come to think", () => {
    const { count } = tally()
    assert.deepStrictEqual([count("a", 1_000), count("a", 2_000), count("a", 3_000), count("b", 4_000)], [
      false,
      true,
      false,
      false
    ])
  })

  it("is due a minute after the last announcement, and then what has waited is announced once", () => {
    const { count, counts, said } = tally()
    assert.strictEqual(counts.untilDue(0), Infinity)
    count("a", 1_000)
    assert.strictEqual(counts.untilDue(1_000), Infinity)
    count("a", 2_000)
    assert.strictEqual(counts.untilDue(2_000), 59_000)
    assert.strictEqual(counts.untilDue(70_000), 0)
    counts.flush(60_999)
    assert.deepStrictEqual(said, ["a 1"])
    counts.flush(61_000)
    assert.deepStrictEqual(said, ["a 1", "a 1"])
    assert.strictEqual(counts.untilDue(61_000), Infinity)
    counts.flush(121_000)
    assert.deepStrictEqual(said, ["a 1", "a 1"])
    count("a", 120_999)
    assert.strictEqual(counts.untilDue(120_999), 1)
  })
})
