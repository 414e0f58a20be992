import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Schedule, Schema } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import * as adaptive from "../../src/internal/machine/adaptive.ts"
import { tripCriteria } from "../../src/internal/options/tripCriteria.ts"

type Options = NonNullable<Parameters<typeof TripPolicy.adaptive>[0]>

const learner = (options: Options = {}): adaptive.Adaptive => {
  const [criterion] = tripCriteria(TripPolicy.adaptive({ minimumSamples: 1, ...options }), "tripPolicy")
  assert(criterion?._tag === "Adaptive")
  return adaptive.make(criterion)
}

/** Tells a learner of calls of one instant: F is a failure, S a success. */
const tell = (self: adaptive.Adaptive, calls: string, now = 0) => {
  for (const call of calls) self.record(now, call === "F")
  return self
}
const F = (n: number) => "F".repeat(n)
const S = (n: number) => "S".repeat(n)

describe("error rate", () => {
  it.each([
    ["one failure", F(1), 100_000, 100_000],
    ["200 failures", F(200), 990_000, 1_000_000],
    ["200 failures, then 200 successes", F(200) + S(200), 0, 10_000],
    ["200 alternating calls", "FS".repeat(100), 400_000, 600_000]
  ])("I122: after %s it is where a tenth of each call leads", (_, calls, minimum, maximum) => {
    const rate = tell(learner(), calls).errorRatePpm()
    assert.isAtLeast(rate, minimum)
    assert.isAtMost(rate, maximum)
  })

  it("I121, I122: a weight of 1 is allowed and makes it the last call", () => {
    const self = learner({ alpha: 1 })
    assert.strictEqual(tell(self, "F").errorRatePpm(), 1_000_000)
    assert.strictEqual(tell(self, "S").errorRatePpm(), 0)
  })

  it.prop(
    "I123: it stays a whole number from 0 to a million, whatever comes",
    {
      alphaPpm: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
      calls: Schema.Array(Schema.Boolean)
    },
    ({ alphaPpm, calls }) => {
      const self = learner({ alpha: alphaPpm / 1_000_000 })
      for (const failed of calls) {
        self.record(0, failed)
        const rate = self.errorRatePpm()
        assert.isTrue(Number.isSafeInteger(rate) && rate >= 0 && rate <= 1_000_000, `${rate}`)
      }
    },
    { arbitrary: { runs: 300, size: 100 } }
  )
})

describe("threshold", () => {
  it.each([
    ["half", F(100), 5],
    ["the same", "FS".repeat(100), 10],
    ["twice", S(100), 20]
  ])("I124: is %s of the base in its zone", (_, calls, threshold) => {
    assert.strictEqual(tell(learner({ failures: 10 }), calls).threshold(), threshold)
  })

  it.each([
    [{ failures: 100, maximumFailures: 5 }, S(100), 5],
    [{ failures: 1, minimumFailures: 3, maximumFailures: 9 }, F(100), 3],
    [{ failures: 1 }, F(100), 1],
    [{ failures: 5 }, F(100), 2]
  ])("I124: %o is kept within its limits", (options, calls, threshold) => {
    assert.strictEqual(tell(learner(options), calls).threshold(), threshold)
  })

  it("I124: is kept within its limits while the rate is not known yet", () => {
    assert.strictEqual(learner({ failures: 100, maximumFailures: 5, minimumSamples: 20 }).threshold(), 5)
  })

  it("W51: is the base until there are enough samples, so that it is never laxer from the start", () => {
    const self = tell(learner({ failures: 5, minimumSamples: 20 }), S(19))
    assert.strictEqual(self.threshold(), 5)
    assert.strictEqual(tell(self, "S").threshold(), 10)
  })

  it.each([
    ["upper", F(57), 5, "S", "S"],
    ["lower", "S" + F(2), 20, "F", "FF"]
  ])("W54: the zone at the %s border is left only once the rate has moved past it by the hysteresis", (...given) => {
    const [, into, threshold, near, past] = given
    const self = tell(learner({ failures: 10, alpha: 0.04 }), into)
    assert.strictEqual(self.threshold(), threshold)
    assert.strictEqual(tell(self, near).threshold(), threshold)
    assert.strictEqual(tell(self, past).threshold(), 10)
  })

  const halving = (low: number, high: number, hysteresis: number) =>
    learner({ failures: 10, alpha: 0.5, lowErrorRate: low, highErrorRate: high, hysteresis })

  it.each([
    ["the border of the upper zone", halving(0.1, 0.5, 0), "F", 5],
    ["the border of the lower zone", halving(0.5, 0.9, 0), "F", 20],
    ["the upper border less the hysteresis, from the upper zone", halving(0.1, 0.75, 0.375), "FFS", 5],
    ["the lower border and the hysteresis, from the lower zone", halving(0.3, 0.9, 0.2), "SF", 20]
  ])("W54: at %s the rate is still in the zone", (_, self, calls, threshold) => {
    assert.strictEqual(tell(self, calls).threshold(), threshold)
  })

  it("W54: the hysteresis widens a zone for who is in it, not for who comes near", () => {
    assert.strictEqual(tell(halving(0.3, 0.95, 0.2), "FFS").threshold(), 10)
    assert.strictEqual(tell(halving(0.1, 0.8, 0.1), "FF").threshold(), 10)
  })

  it("W54: a zone once left is entered at its border again", () => {
    const self = tell(learner({ failures: 10, alpha: 0.04 }), F(57) + "SS")
    assert.isAtLeast(tell(self, F(1)).errorRatePpm(), 830_000)
    assert.strictEqual(tell(self, F(1)).threshold(), 10)
    assert.strictEqual(tell(self, F(20)).threshold(), 5)
  })

  it("W54: the weight of old calls halves in a half-life, so that a silent circuit is neutral again", () => {
    const self = tell(learner({ minimumSamples: 20, halfLife: "5 minutes" }), S(20))
    assert.strictEqual(self.threshold(), 10)
    assert.strictEqual(tell(self, S(9), 300_000).threshold(), 5)
    assert.strictEqual(tell(self, "S", 300_000).threshold(), 10)
    assert.strictEqual(tell(self, "S", 86_400_000).threshold(), 5)
  })

  it("I133: a reset makes it neutral", () => {
    const self = tell(learner({ minimumSamples: 2 }), F(10))
    self.clear()
    assert.strictEqual(self.errorRatePpm(), 0)
    assert.strictEqual(tell(self, "S").threshold(), 5)
  })
})

describe("open time", () => {
  const minute = 60_000

  it("is that of the schedule until something was learnt", () => {
    assert.strictEqual(learner().openMillis(120_000, minute), 120_000)
  })

  it("I129, I137: is the average of the recoveries, the newest with its weight, and falls as well as rises", () => {
    const self = learner({ recoveryWeight: 0.5 })
    self.recovered(minute)
    assert.strictEqual(self.openMillis(minute, minute), minute)
    self.recovered(0)
    assert.strictEqual(self.openMillis(minute, minute), 30_000)
    self.recovered(100_000)
    assert.strictEqual(self.openMillis(minute, minute), 65_000)
  })

  it("scales the later steps of the schedule in proportion", () => {
    const self = learner()
    self.recovered(30_000)
    assert.deepStrictEqual([60_000, 120_000, 90_000].map((step) => self.openMillis(step, minute)), [
      30_000,
      minute,
      45_000
    ])
  })

  it.each(
    [
      [{}, 1e9, 600_000],
      [{}, 0, 6000],
      [{ minimumOpen: "20 seconds", maximumOpen: "2 minutes" }, 1e9, 120_000],
      [{ minimumOpen: "20 seconds", maximumOpen: "2 minutes" }, 0, 20_000]
    ] as const
  )("I135: with %o, a recovery after %i ms is held to %i ms", (options, recovery, expected) => {
    const self = learner(options)
    self.recovered(recovery)
    assert.strictEqual(self.openMillis(minute, minute), expected)
  })

  it("I135: keeps to its limits from the first opening on", () => {
    assert.strictEqual(learner({ minimumOpen: "10 seconds" }).openMillis(1000, 1000), 10_000)
  })

  it("I135: a limit that was given goes before the default of the other one", () => {
    assert.strictEqual(learner({ minimumOpen: "1 minute" }).openMillis(1000, 1000), minute)
    assert.strictEqual(learner({ maximumOpen: "1 second" }).openMillis(minute, minute), 1000)
  })

  it("I133: a reset keeps what was learnt of recoveries", () => {
    const self = learner()
    self.recovered(30_000)
    self.clear()
    assert.strictEqual(self.openMillis(minute, minute), 30_000)
  })
})

describe("a circuit that learns", () => {
  const key = "model"
  const up = Effect.void.pipe(CircuitBreaker.execute({ key }))
  const down = Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
  const stateTag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
  const openings = Effect.gen(function*() {
    const recorded = yield* RecordedEvents.RecordedEvents
    return (yield* recorded.of("circuit.opened")).map((opened) => opened.open_for_ms)
  })
  /** Fails until the circuit opens, then recovers at its first probe. */
  const outage = Effect.gen(function*() {
    yield* down
    yield* CircuitTest.adjustToProbe(key)
    yield* up
    yield* TestClock.adjust("10 minutes")
  })
  const learning = (options: Options = {}) =>
    CircuitTest.layer({ tripPolicy: TripPolicy.adaptive({ failures: 1, recoveryWeight: 1, ...options }) })

  it.effect("I125: judges the failure that crosses the line by the tighter threshold", () =>
    Effect.gen(function*() {
      yield* up
      assert.deepInclude(yield* CircuitBreaker.state(key), { failureThreshold: 4 })
      yield* down
      assert.strictEqual(yield* stateTag, "Open")
    }).pipe(Effect.provide(learning({ failures: 2, alpha: 1, minimumSamples: 1 }))))

  it.effect("I126: tells with each failure the threshold it was judged by", () =>
    Effect.gen(function*() {
      yield* Effect.repeat(up, { times: 3 })
      yield* Effect.repeat(down, { times: 3 })
      const recorded = yield* RecordedEvents.RecordedEvents
      const told = (yield* recorded.of("circuit.failure")).map((failure) => [
        failure.consecutive_failures,
        failure.failure_threshold
      ])
      // One call of two makes the rate a half, two of three three quarters; the third is past the high line.
      assert.deepStrictEqual(told, [[1, 6], [2, 6]])
      assert.deepInclude((yield* recorded.of("circuit.opened"))[0], { consecutive_failures: 3 })
    }).pipe(Effect.provide(learning({ failures: 6, alpha: 0.5, highErrorRate: 0.8, minimumSamples: 1 }))))

  it.effect("knows after an outage, but not after a reset, how many calls fail", () =>
    Effect.gen(function*() {
      yield* outage
      assert.deepInclude(yield* CircuitBreaker.state(key), { failureRate: 0.1 })
      yield* CircuitBreaker.reset(key)
      assert.deepInclude(yield* CircuitBreaker.state(key), { failureRate: 0 })
    }).pipe(Effect.provide(learning())))

  it.effect("I127: takes one sample of an outage: up to the last failed probe, and half of the last opening", () =>
    Effect.gen(function*() {
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* Effect.repeat(down, { times: 20 })
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      yield* TestClock.adjust("10 minutes")
      yield* down
      assert.deepStrictEqual(yield* openings, [60_000, 60_000, 90_000])
    }).pipe(Effect.provide(learning())))

  it.effect("W52: does not take the silence of an idle caller for an outage", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("50 minutes")
      yield* up
      yield* down
      assert.deepStrictEqual(yield* openings, [60_000, 30_000])
    }).pipe(Effect.provide(learning())))

  it.effect("I128: successes while closed teach nothing about recovery", () =>
    Effect.gen(function*() {
      yield* outage
      yield* Effect.repeat(up, { times: 10 })
      yield* down
      assert.deepStrictEqual(yield* openings, [60_000, 30_000])
    }).pipe(Effect.provide(learning())))

  it.effect("I133: an outage that a reset ends teaches nothing", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("50 minutes")
      yield* CircuitBreaker.reset(key)
      yield* down
      assert.deepStrictEqual(yield* openings, [60_000, 60_000])
    }).pipe(Effect.provide(learning())))

  it.effect("I133: a hold teaches nothing, also when a probe ends it", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "30 minutes" })
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      yield* down
      assert.deepStrictEqual(yield* openings, [60_000])
    }).pipe(Effect.provide(learning())))

  it.effect("I134: a hold lasts as long as the operator said, whatever was learnt", () =>
    Effect.gen(function*() {
      yield* outage
      yield* CircuitBreaker.forceOpen(key, { for: "45 seconds" })
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepInclude((yield* recorded.of("circuit.forced"))[0], { open_for_ms: 45_000 })
    }).pipe(Effect.provide(learning())))

  it.effect("scales a schedule of openings by what it has learnt", () =>
    Effect.gen(function*() {
      yield* outage
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* down
      assert.deepStrictEqual(yield* openings, [10_000, 5000, 10_000])
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.adaptive({ failures: 1, recoveryWeight: 1 }),
      openDuration: Schedule.exponential("10 seconds")
    }))))

  /** So many outages of so many seconds, with a caller who calls twice a second, and ten healthy minutes after each. */
  const outages = (times: number, seconds: number) =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const now = () => clock.currentTimeMillisUnsafe()
      for (let outage = 0; outage < times; outage++) {
        const end = now() + seconds * 1000
        const call = Effect.suspend(() => now() < end ? Effect.fail("503") : Effect.void).pipe(
          CircuitBreaker.execute({ key }),
          Effect.ignore
        )
        yield* call
        while (now() < end || (yield* stateTag) !== "Closed") {
          yield* TestClock.adjust("500 millis")
          yield* call
        }
        yield* TestClock.adjust("10 minutes")
      }
      return (yield* openings).at(-1)!
    })

  it.effect("I137, W52: sixty short outages bring the open time down to their length, and long ones up again", () =>
    Effect.gen(function*() {
      const short = yield* outages(60, 5)
      assert.isAtLeast(short, 4000)
      assert.isAtMost(short, 6000)
      const long = yield* outages(20, 40)
      assert.isAtLeast(long, 30_000)
      assert.isAtMost(long, 50_000)
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.adaptive({ failures: 1, minimumOpen: "1 second" })
    }))))
})
