/** A trip policy that judges what a fleet has counted, beside one that judges the calls of one process. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { TripPolicy } from "effect-resilience"
import { nothing } from "../../src/internal/machine/adaptive.ts"
import { make } from "../../src/internal/machine/health.ts"
import { judge, learn } from "../../src/internal/machine/judge.ts"
import { count, type Counters, measuresOf } from "../../src/internal/machine/slots.ts"
import { tripCriteria } from "../../src/internal/options/tripCriteria.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const runs = { timeout: 30_000, arbitrary: { runs: 300, size: 60 } }
const start = 1_700_000_000_000

const criteriaOf = (policy: TripPolicy.TripPolicy) => tripCriteria(policy, "tripPolicy")
const judged = (policy: TripPolicy.TripPolicy, counters: Counters, nowMillis = start) =>
  judge(criteriaOf(policy), { counters, learnt: nothing, nowMillis })
const counted = (measure: "f" | `s${number}`, calls: number, marked: number, at = start) => {
  const counters = new Map<string, number>()
  count(counters, measure, at, { calls, marked })
  return counters
}

describe("a judgement", () => {
  it("of nothing opens nothing", () => {
    for (
      const policy of [
        TripPolicy.failureCount({ failures: 1, window: "1 minute" }),
        TripPolicy.failureRate({ threshold: 0.01, minimumCalls: 1, window: 10 }),
        TripPolicy.slowCallRate({ threshold: 0.01, minimumCalls: 1, window: 10, slowerThan: 5 })
      ]
    ) assert.deepInclude(judged(policy, new Map()), { unhealthy: false, slowness: false, failureThreshold: 0 })
  })

  it.prop(
    "of the calls of one slot is that of one process",
    { failed: Schema.Array(Schema.Boolean), threshold: int(1, 100), minimumCalls: int(1, 20), failures: int(1, 20) },
    ({ failed, failures, minimumCalls, threshold }) => {
      for (
        const policy of [
          TripPolicy.failureRate({ threshold: threshold / 100, minimumCalls, window: "10 seconds" }),
          TripPolicy.failureCount({ failures, window: "10 seconds" })
        ]
      ) {
        const health = make(criteriaOf(policy))
        let opens = false
        for (const failure of failed) opens = health.record(start, failure, 0)
        const { failureRatePpm, unhealthy } = judged(policy, counted("f", failed.length, failed.filter(Boolean).length))
        assert.strictEqual(unhealthy, opens)
        assert.strictEqual(failureRatePpm, health.failureRatePpm(start))
      }
    },
    runs
  )

  it("counts failures of the window only, whatever succeeded", () => {
    const policy = TripPolicy.failureCount({ failures: 3, window: "30 seconds" })
    assert.isFalse(judged(policy, counted("f", 1_000, 2)).unhealthy)
    assert.isTrue(judged(policy, counted("f", 1_000, 3)).unhealthy)
    assert.isTrue(judged(policy, counted("f", 1_000, 3), start + 29_999).unhealthy)
    assert.isFalse(judged(policy, counted("f", 1_000, 3), start + 31_000).unhealthy)
  })

  it("says whether none but slow calls open, each threshold by calls of its own", () => {
    const slow = TripPolicy.slowCallRate({ threshold: 0.5, minimumCalls: 2, window: 10, slowerThan: "20 seconds" })
    const both = TripPolicy.anyOf(slow, TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 2, window: 10 }))
    const counters = counted("s20000", 4, 2)
    assert.deepInclude(judged(both, counters), { unhealthy: true, slowness: true })
    count(counters, "f", start, { calls: 4, marked: 2 })
    assert.deepInclude(judged(both, counters), { unhealthy: true, slowness: false })
    assert.deepInclude(judged(slow, counted("s2000", 4, 4)), { unhealthy: false, slowness: false })
  })

  it("takes the lowest number of failures in a row", () => {
    const policy = TripPolicy.anyOf(
      TripPolicy.consecutive(7),
      TripPolicy.consecutive(4),
      TripPolicy.adaptive({ failures: 5 })
    )
    assert.strictEqual(judged(policy, new Map()).failureThreshold, 4)
  })

  it("shows the rate of the first window, unknown below its minimum, and else the one that was learnt", () => {
    const rate = TripPolicy.failureRate({ threshold: 0.9, minimumCalls: 4, window: 10 })
    const other = TripPolicy.failureRate({ threshold: 0.9, minimumCalls: 1, window: 10 })
    assert.strictEqual(judged(TripPolicy.anyOf(rate, other), counted("f", 3, 1)).failureRatePpm, undefined)
    assert.strictEqual(judged(TripPolicy.anyOf(rate, other), counted("f", 4, 1)).failureRatePpm, 250_000)
    assert.isAbove(judged(TripPolicy.adaptive(), counted("f", 10, 10)).failureRatePpm ?? 0, 0)
  })

  it("learns from each second once", () => {
    const [criterion] = criteriaOf(TripPolicy.adaptive())
    assert(criterion?._tag === "Adaptive")
    const counters = counted("f", 10, 5)
    const once = learn(criterion, { counters, learnt: nothing, nowMillis: start + 500 })
    assert.notStrictEqual(once.rate, nothing.rate)
    assert.deepStrictEqual(learn(criterion, { counters, learnt: once, nowMillis: start + 900 }), once)
    count(counters, "f", start + 2_000, { calls: 10, marked: 10 })
    assert.isAbove(learn(criterion, { counters, learnt: once, nowMillis: start + 2_000 }).rate, once.rate)
  })

  it("has a measure for each count that it needs, once", () => {
    const slow = (slowerThan: number) => TripPolicy.slowCallRate({ threshold: 0.5, window: 10, slowerThan })
    const policy = TripPolicy.anyOf(
      TripPolicy.consecutive(3),
      TripPolicy.failureCount({ failures: 3, window: "1 minute" }),
      TripPolicy.adaptive(),
      slow(5),
      slow(7),
      slow(5)
    )
    assert.deepStrictEqual(measuresOf(criteriaOf(policy)), ["f", "s5", "s7"])
    assert.deepStrictEqual(measuresOf(criteriaOf(TripPolicy.consecutive(3))), [])
  })
})
