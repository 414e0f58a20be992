import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { type Health, make } from "../../src/internal/machine/health.ts"
import { countWindow, timeWindow } from "../../src/internal/machine/window.ts"
import { tripCriteria } from "../../src/internal/options/tripCriteria.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const runs = { arbitrary: { runs: 500, size: 100 } }

interface Seen {
  readonly at: number
  readonly marked: boolean
}
const totals = (seen: ReadonlyArray<Seen>) => ({
  calls: seen.length,
  marked: seen.filter(({ marked }) => marked).length
})

describe("countWindow", () => {
  const Step = Schema.Union([Schema.Boolean, Schema.Boolean, Schema.Boolean, Schema.Literal("clear")])

  it.prop("holds exactly the last n calls", { size: int(1, 20), steps: Schema.Array(Step) }, ({ size, steps }) => {
    const window = countWindow(size)
    let seen: Array<Seen> = []
    for (const step of steps) {
      if (step === "clear") {
        window.clear()
        seen = []
      } else {
        window.record(0, step)
        seen.push({ at: 0, marked: step })
      }
      assert.deepInclude(window, totals(seen.slice(-size)))
    }
  }, runs)

  it("is not emptied by time", () => {
    const window = countWindow(3)
    window.record(0, true)
    window.expire(1e12)
    assert.deepInclude(window, { calls: 1, marked: 1 })
  })
})

describe("timeWindow", () => {
  const Step = Schema.Struct({
    // Mostly bursts, now and then a pause longer than any window.
    wait: Schema.Union([int(0, 3), int(0, 3), int(0, 3), int(0, 200)]),
    does: Schema.Literals(["mark", "record", "record", "expire", "clear"])
  })
  const Steps = Schema.Array(Step)

  /** Plays the steps at a scale of time and shows, after each, what was seen since the last clear. */
  const play = (
    millis: number,
    scale: number,
    steps: typeof Steps.Type,
    look: (window: ReturnType<typeof timeWindow>, seen: ReadonlyArray<Seen>, now: number) => void
  ) => {
    const window = timeWindow(millis)
    let seen: ReadonlyArray<Seen> = []
    let now = 1000
    for (const { does, wait } of steps) {
      now += wait * scale
      if (does === "clear" && wait > 1) {
        window.clear()
        seen = []
      } else if (does === "expire") window.expire(now)
      else {
        window.record(now, does === "mark")
        seen = [...seen, { at: now, marked: does === "mark" }]
      }
      look(window, seen, now)
    }
  }

  it.prop("holds exactly the calls of the last d ms", { millis: int(1, 100), steps: Steps }, ({ millis, steps }) => {
    play(millis, 1, steps, (window, seen, now) => {
      assert.deepInclude(window, totals(seen.filter(({ at }) => now - at < millis)))
    })
  }, runs)

  it.prop(
    "beyond a minute lets a call go up to 1/60,000 of the window early, never late",
    { millis: int(60_001, 3_600_000), steps: Steps },
    ({ millis, steps }) => {
      play(millis, Math.floor(millis / 60) + 1, steps, (window, seen, now) => {
        const early = seen.filter(({ at }) => now - at < millis - Math.ceil(millis / 60_000) + 1)
        const exact = seen.filter(({ at }) => now - at < millis)
        assert.isAtLeast(window.calls, early.length)
        assert.isAtMost(window.calls, exact.length)
        assert.isAtLeast(window.marked, totals(early).marked)
        assert.isAtMost(window.marked, totals(exact).marked)
      })
    },
    runs
  )

  it("lets a call go at t + d, not a millisecond earlier", () => {
    const window = timeWindow(60_000)
    window.record(5, true)
    window.expire(60_004)
    assert.deepInclude(window, { calls: 1, marked: 1 })
    window.expire(60_005)
    assert.deepInclude(window, { calls: 0, marked: 0 })
  })

  it("tells times apart to 1/60,000 of a window longer than a minute", () => {
    const window = timeWindow(600_000)
    window.record(7, true)
    window.record(10, false)
    window.expire(599_999)
    assert.deepInclude(window, { calls: 2, marked: 1 })
    window.expire(600_000)
    assert.deepInclude(window, { calls: 1, marked: 0 })
    window.expire(600_009)
    assert.strictEqual(window.calls, 1)
    window.expire(600_010)
    assert.strictEqual(window.calls, 0)
  })

  it("makes room first for the calls that are still in it", () => {
    const window = timeWindow(100)
    for (let now = 1; now <= 1000; now++) window.record(now, now % 2 === 0)
    assert.deepInclude(window, { calls: 100, marked: 50 })
    for (let now = 1001; now <= 1050; now++) window.record(now, true)
    assert.deepInclude(window, { calls: 100, marked: 75 })
  })

  it("counts any number of calls of one instant", () => {
    const window = timeWindow(10)
    for (let i = 0; i < 1000; i++) window.record(7, i < 300)
    assert.deepInclude(window, { calls: 1000, marked: 300 })
    window.expire(17)
    assert.strictEqual(window.calls, 0)
  })

  it("takes memory for the instants it holds, not for the calls", () => {
    const sizes: Array<number> = []
    vi.stubGlobal(
      "Float64Array",
      new Proxy(Float64Array, {
        construct: (target, [size]: [number]) => {
          sizes.push(size)
          return new target(size)
        }
      })
    )
    const window = timeWindow(8)
    for (let now = 1; now <= 40; now++) for (let call = 0; call < 10; call++) window.record(now, false)
    vi.unstubAllGlobals()
    assert.strictEqual(window.calls, 80)
    // Three numbers for each of eight instants.
    assert.deepStrictEqual(sizes, [0, 24])
  })
})

const healthOf = (policy: TripPolicy.TripPolicy) => make(tripCriteria(policy, "tripPolicy"))

/** Tells a health of calls of one instant; F is a failure, S a success. Returns what it said of the last. */
const tell = (health: Health, calls: string, durationMillis = 0) =>
  Array.from(calls, (call) => health.record(0, call === "F", durationMillis)).at(-1)

describe("failure rate", () => {
  it("is unknown, and opens nothing, below its minimum of calls", () => {
    const health = healthOf(TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: 10 }))
    assert.strictEqual(tell(health, "FFF"), false)
    assert.strictEqual(health.failureRatePpm(0), undefined)
    assert.strictEqual(tell(health, "F"), true)
    assert.strictEqual(health.failureRatePpm(0), 1_000_000)
  })

  it.each([
    [0.1, "S".repeat(27) + "FF", "F"],
    [2 / 3, "SF", "F"],
    [1 / 3, "SSSSF", "F"],
    [0.29, "S".repeat(71) + "F".repeat(28), "F"],
    [1, "", "F"]
  ])("opens at a rate of exactly %f and not below", (threshold, before, last) => {
    const window = before.length + last.length
    const health = healthOf(TripPolicy.failureRate({ threshold, minimumCalls: 1, window }))
    if (before !== "") assert.strictEqual(tell(health, before), false)
    assert.strictEqual(tell(health, last), true)
  })

  it.prop(
    "opens if and only if the failures in the window reach the share",
    { of: int(1, 50), parts: int(1, 50), failed: Schema.Array(Schema.Boolean), window: int(1, 60) },
    ({ failed, of, parts, window }) => {
      const share = Math.min(of, parts)
      const health = healthOf(TripPolicy.failureRate({ threshold: share / of, minimumCalls: 1, window }))
      failed.forEach((failure, index) => {
        const { calls, marked } = totals(
          failed.slice(0, index + 1).slice(-window).map((marked) => ({ at: 0, marked }))
        )
        assert.strictEqual(health.record(0, failure, 0), marked * of >= share * calls)
        assert.strictEqual(health.failureRatePpm(0), Math.round(marked * 1_000_000 / calls))
      })
    },
    runs
  )

  it("is that of the moment it is read, even if nobody has called since", () => {
    const health = healthOf(TripPolicy.failureRate({ threshold: 1, minimumCalls: 2, window: "10 seconds" }))
    health.record(0, true, 0)
    health.record(1000, false, 0)
    health.record(2000, false, 0)
    assert.strictEqual(health.failureRatePpm(2000), 333_333)
    assert.strictEqual(health.failureRatePpm(10_000), 0)
    assert.strictEqual(health.failureRatePpm(11_000), undefined)
  })

  it("can open with a success that makes the rate known", () => {
    assert.strictEqual(
      tell(healthOf(TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 3, window: 3 })), "FFS"),
      true
    )
  })

  it("starts again after a clear", () => {
    const health = healthOf(TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 2, window: 10 }))
    tell(health, "FF")
    health.clear(false)
    assert.strictEqual(health.failureRatePpm(0), undefined)
    assert.strictEqual(tell(health, "F"), false)
  })

  it("asks for ten calls by default, or for as many as a smaller window holds", () => {
    assert.deepInclude(TripPolicy.failureRate({ threshold: 0.5, window: 100 }), { minimumCalls: 10 })
    assert.deepInclude(TripPolicy.failureRate({ threshold: 0.5, window: 4 }), { minimumCalls: 4 })
    assert.deepInclude(TripPolicy.failureRate({ threshold: 0.5, window: "1 minute" }), { minimumCalls: 10 })
  })
})

describe("failure count", () => {
  const Calls = Schema.Array(Schema.Struct({ wait: int(0, 40), failed: Schema.Boolean }))

  it.prop(
    "opens if and only if a failure is the n-th of the window, whatever succeeded in between",
    { failures: int(1, 6), millis: int(1, 100), calls: Calls },
    ({ calls, failures, millis }) => {
      const health = healthOf(TripPolicy.failureCount({ failures, window: millis }))
      let now = 1000
      let failed: Array<number> = []
      for (const call of calls) {
        now += call.wait
        if (call.failed) failed.push(now)
        const opens = call.failed && failed.filter((at) => now - at < millis).length >= failures
        assert.strictEqual(health.record(now, call.failed, 0), opens)
        if (opens) {
          health.clear(false)
          failed = []
        }
      }
    },
    runs
  )

  it("is no rate, no streak and no slowness", () => {
    const health = healthOf(TripPolicy.failureCount({ failures: 2, window: "1 second" }))
    tell(health, "F", 60_000)
    assert.strictEqual(health.failureRatePpm(0), undefined)
    assert.strictEqual(health.failureThreshold(), 0)
    assert.strictEqual(health.slowness(), false)
  })

  it.effect("opens a circuit whose other calls succeed", () =>
    Effect.gen(function*() {
      const call = (self: Effect.Effect<unknown, string>) =>
        Effect.exit(self.pipe(CircuitBreaker.execute({ key: "model" })))
      const states: Array<string> = []
      for (let failure = 1; failure <= 4; failure++) {
        yield* call(Effect.fail("503"))
        states.push((yield* CircuitBreaker.state("model"))._tag)
        yield* call(Effect.succeed("hello"))
        // The first one has left the window when the third comes.
        yield* TestClock.adjust(failure <= 2 ? "5 seconds" : "1 second")
      }
      assert.deepStrictEqual(states, ["Closed", "Closed", "Closed", "Open"])
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.failureCount({ failures: 3, window: "7 seconds" })
    }))))
})

describe("slow call rate", () => {
  const policy = TripPolicy.slowCallRate({ threshold: 0.5, slowerThan: "1 second", minimumCalls: 2, window: 4 })

  it("calls slow what took longer than the limit, not what took just as long", () => {
    assert.strictEqual(tell(healthOf(policy), "SS", 1000), false)
    assert.strictEqual(tell(healthOf(policy), "SS", 1000.001), true)
  })

  it("counts slow failures like slow successes, and fast failures not at all", () => {
    assert.strictEqual(tell(healthOf(policy), "FF", 1001), true)
    assert.strictEqual(tell(healthOf(policy), "FFFF", 10), false)
  })

  it("has no failure rate and no streak", () => {
    assert.strictEqual(healthOf(policy).failureRatePpm(0), undefined)
    assert.strictEqual(healthOf(policy).failureThreshold(), 0)
  })
})

describe("any of", () => {
  const failing = TripPolicy.failureRate({ threshold: 1, minimumCalls: 2, window: 4 })
  const slowing = TripPolicy.slowCallRate({ threshold: 1, slowerThan: "1 second", minimumCalls: 2, window: 4 })
  const slowest = TripPolicy.slowCallRate({ threshold: 0.25, slowerThan: "1 minute", minimumCalls: 4, window: 4 })

  it("opens as soon as one of them would, each with its own window and limit", () => {
    assert.strictEqual(tell(healthOf(TripPolicy.anyOf(failing, slowing)), "FF"), true)
    assert.strictEqual(tell(healthOf(TripPolicy.anyOf(failing, slowing)), "SS", 2000), true)
    assert.strictEqual(tell(healthOf(TripPolicy.anyOf(failing, slowest)), "SSSS", 2000), false)
    assert.strictEqual(tell(healthOf(TripPolicy.anyOf(failing, slowest)), "SSSS", 61_000), true)
  })

  it("tells slowness from failure, and failure has the last word", () => {
    const health = healthOf(TripPolicy.anyOf(failing, slowing))
    tell(health, "SS", 2000)
    assert.isTrue(health.slowness())
    tell(health, "FFFF", 2000)
    assert.isFalse(health.slowness())
  })

  it("takes the smallest streak and the smallest limit of them, also of nested ones", () => {
    const health = healthOf(
      TripPolicy.anyOf(
        TripPolicy.consecutive(7),
        TripPolicy.anyOf(TripPolicy.consecutive(3), slowest),
        slowing,
        TripPolicy.consecutive(5)
      )
    )
    assert.strictEqual(health.failureThreshold(), 3)
    assert.strictEqual(health.slowerThanMillis, 1000)
  })

  it("remembers nothing, and finds nothing slow, where only a streak counts", () => {
    const health = healthOf(TripPolicy.consecutive(3))
    assert.isFalse(health.remembers)
    assert.strictEqual(health.slowerThanMillis, Number.POSITIVE_INFINITY)
    assert.strictEqual(tell(health, "FFFFFF", 1e9), false)
  })
})

describe("a circuit with windows", () => {
  const key = "model"
  const up = Effect.void.pipe(CircuitBreaker.execute({ key }))
  const down = Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
  const stateTag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)

  it.effect("W8: opens at half of the calls failing, mixed with successes, by the call that makes the rate known", () =>
    Effect.gen(function*() {
      yield* down
      yield* up
      yield* down
      assert.strictEqual(yield* stateTag, "Closed")
      yield* up
      assert.strictEqual(yield* stateTag, "Open")
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: 10 })
    }))))

  it.effect("W8: forgets failures that are older than its window", () =>
    Effect.gen(function*() {
      yield* down
      yield* TestClock.adjust("10 seconds")
      yield* down
      assert.strictEqual(yield* stateTag, "Closed")
      yield* TestClock.adjust("9999 millis")
      yield* down
      assert.strictEqual(yield* stateTag, "Open")
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: 2, window: "10 seconds" })
    }))))

  it.effect("starts with empty windows after it has closed", () =>
    Effect.gen(function*() {
      yield* down
      yield* down
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      yield* down
      assert.strictEqual(yield* stateTag, "Closed")
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 2, window: 10 })
    }))))

  it.effect("returns the value of the slow call that opens it, and says that slowness did", () =>
    Effect.gen(function*() {
      const slow = Effect.succeed("late").pipe(Effect.delay("2 seconds"), CircuitBreaker.execute({ key }))
      const fiber = yield* Effect.forkChild(slow)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
      const recorded = yield* RecordedEvents.RecordedEvents
      const [opened] = yield* recorded.of("circuit.opened")
      assert.deepInclude(opened, { latency_tripped: true, failure_kind: "slow" })
    }).pipe(Effect.provide(CircuitTest.layer({
      tripPolicy: TripPolicy.slowCallRate({ threshold: 1, slowerThan: "1 second", minimumCalls: 1, window: 1 })
    }))))
})
