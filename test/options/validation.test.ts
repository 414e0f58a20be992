import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Layer, Schedule } from "effect"
import { CircuitBreaker, CircuitPolicy, CircuitState, CircuitStore, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { openSchedule } from "../../src/internal/options/openSchedule.ts"
import * as validation from "../../src/internal/options/validation.ts"

const invalidIn = (exit: Exit.Exit<unknown, unknown>): CircuitPolicy.InvalidOptions => {
  assert(Exit.isFailure(exit), "was accepted")
  const [defect] = exit.cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
  assert(defect instanceof CircuitPolicy.InvalidOptions, String(defect))
  return defect
}

const breaker = (policy: CircuitPolicy.CircuitPolicy) =>
  CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory))
/** How the build of a layer ends, before any call. */
const built = <A, E>(layer: Layer.Layer<A, E>) => Effect.exit(Effect.scoped(Layer.build(layer)))
const refusal = (policy: CircuitPolicy.CircuitPolicy) => Effect.map(built(breaker(policy)), invalidIn)

/** A field by name, and a policy that has a value in it. */
type Field = readonly [name: string, policy: (value: never) => CircuitPolicy.CircuitPolicy]

const rate = { threshold: 0.5, minimumCalls: 1, window: 100 }
const slowRate = { ...rate, slowerThan: "1 second" } as const
const trip = <A>(name: string, policy: (value: A) => TripPolicy.TripPolicy) =>
  [`tripPolicy.${name}`, (value: A) => ({ tripPolicy: policy(value) })] as const

const refuses = (fields: ReadonlyArray<Field>, values: ReadonlyArray<unknown>) =>
  it.effect.each(fields)("names %s and a value that it does not take", ([name, policy]) =>
    Effect.gen(function*() {
      for (const value of values) {
        const invalid = yield* refusal(policy(value as never))
        assert.strictEqual(invalid.field, name)
        const shown = typeof value === "string" ? JSON.stringify(value) : String(value)
        if (!Duration.isDuration(value)) assert.include(invalid.message, `but is ${shown}`)
        assert.strictEqual(invalid.message.indexOf(`${name} must be ${invalid.rule}, but is `), 0)
      }
    }))

const accepts = (fields: ReadonlyArray<Field>, values: ReadonlyArray<unknown>) =>
  it.effect.each(fields)("takes good values of %s", ([, policy]) =>
    Effect.gen(function*() {
      for (const value of values) {
        assert.strictEqual((yield* built(breaker(policy(value as never))))._tag, "Success", String(value))
      }
    }))

describe("W15: whole numbers", () => {
  const fields: ReadonlyArray<Field> = [
    ["probes", (probes: number) => ({ probes })],
    ["successesToClose", (successesToClose: number) => ({ successesToClose })],
    trip("failures", (failures: number) => TripPolicy.consecutive(failures)),
    trip("failures", (failures: number) => TripPolicy.failureCount({ failures, window: "1 minute" })),
    trip("minimumCalls", (minimumCalls: number) => TripPolicy.failureRate({ ...rate, minimumCalls })),
    trip("window", (window: number) => TripPolicy.failureRate({ ...rate, window })),
    trip("minimumCalls", (minimumCalls: number) => TripPolicy.slowCallRate({ ...slowRate, minimumCalls })),
    trip("window", (window: number) => TripPolicy.slowCallRate({ ...slowRate, window })),
    trip("failures", (failures: number) => TripPolicy.adaptive({ failures, maximumFailures: 9 })),
    trip("minimumFailures", (minimumFailures: number) => TripPolicy.adaptive({ minimumFailures })),
    trip("maximumFailures", (maximumFailures: number) => TripPolicy.adaptive({ maximumFailures })),
    trip("minimumSamples", (minimumSamples: number) => TripPolicy.adaptive({ minimumSamples }))
  ]
  refuses(fields, [0, -1, 1.5, Number.NaN, Infinity, -Infinity, 2 ** 53])
  accepts(fields, [1, 2])
})

describe("I121, W15: shares", () => {
  const aboveZero: ReadonlyArray<Field> = [
    trip("threshold", (threshold: number) => TripPolicy.failureRate({ ...rate, threshold })),
    trip("threshold", (threshold: number) => TripPolicy.slowCallRate({ ...slowRate, threshold })),
    trip("alpha", (alpha: number) => TripPolicy.adaptive({ alpha })),
    trip("recoveryWeight", (recoveryWeight: number) => TripPolicy.adaptive({ recoveryWeight }))
  ]
  const fromZero: ReadonlyArray<Field> = [
    trip("lowErrorRate", (lowErrorRate: number) => TripPolicy.adaptive({ lowErrorRate, highErrorRate: 1 })),
    trip("highErrorRate", (highErrorRate: number) => TripPolicy.adaptive({ lowErrorRate: 0, highErrorRate })),
    trip("hysteresis", (hysteresis: number) => TripPolicy.adaptive({ hysteresis }))
  ]
  const never = [-0.1, 1.000001, Number.NaN, Infinity, -Infinity, "0.5"]
  refuses(aboveZero, [0, ...never])
  refuses(fromZero, never)
  accepts(aboveZero, [1e-9, 0.5, 1])
  accepts(fromZero, [0.5])
  accepts(fromZero.filter(([name]) => name !== "tripPolicy.highErrorRate"), [0])

  it.effect("a high error rate of zero leaves no room for a low one", () =>
    Effect.gen(function*() {
      const { field } = yield* refusal({ tripPolicy: TripPolicy.adaptive({ lowErrorRate: 0, highErrorRate: 0 }) })
      assert.strictEqual(field, "tripPolicy.lowErrorRate")
    }))

  it.effect("say where they start", () =>
    Effect.gen(function*() {
      const hysteresis = yield* refusal({ tripPolicy: TripPolicy.adaptive({ hysteresis: -1 }) })
      assert.strictEqual(hysteresis.rule, "a number from 0 to 1")
      const alpha = yield* refusal({ tripPolicy: TripPolicy.adaptive({ alpha: 0 }) })
      assert.strictEqual(alpha.rule, "a number above 0 and up to 1")
    }))

  it("are counted in whole millionths, forgiving what floating point lost", () => {
    assert.strictEqual(validation.fraction("share", 1 - 0.9), 100_000)
    assert.strictEqual(validation.fraction("share", 2 / 3), 666_666)
    assert.strictEqual(validation.fractionAboveZero("share", 1e-9), 1)
    assert.strictEqual(validation.fraction("share", 1e-9), 0)
  })
})

describe("W15: durations", () => {
  const fields: ReadonlyArray<Field> = [
    ["openDuration", (openDuration: Duration.Input) => ({ openDuration })],
    ["maxOpenDuration", (maxOpenDuration: Duration.Input) => ({ maxOpenDuration })],
    ["probeLease", (probeLease: Duration.Input) => ({ probeLease })],
    ["ramp", (ramp: Duration.Input) => ({ ramp })],
    ["attemptTimeout", (attemptTimeout: Duration.Input) => ({ attemptTimeout })],
    trip("window", (window: Duration.Input) => TripPolicy.failureCount({ failures: 3, window })),
    trip("slowerThan", (slowerThan: Duration.Input) => TripPolicy.slowCallRate({ ...slowRate, slowerThan })),
    trip("halfLife", (halfLife: Duration.Input) => TripPolicy.adaptive({ halfLife })),
    trip("minimumOpen", (minimumOpen: Duration.Input) => TripPolicy.adaptive({ minimumOpen })),
    trip("maximumOpen", (maximumOpen: Duration.Input) => TripPolicy.adaptive({ maximumOpen }))
  ]
  const windows: ReadonlyArray<Field> = [
    trip("window", (window: Duration.Input) => TripPolicy.failureRate({ ...rate, window })),
    trip("window", (window: Duration.Input) => TripPolicy.slowCallRate({ ...slowRate, window }))
  ]
  const never = ["", "soon", "5", "-5 seconds", "0.5 millis", "3651 days", "Infinity", Duration.infinity, Duration.zero]
  refuses([...fields, ...windows], never)
  refuses(fields, [0, -1, 0.5, Number.NaN, Infinity, -Infinity, -1n])
  accepts([...fields, ...windows], ["1 millis", "3650 days", Duration.seconds(3), { minutes: 2 }])
  accepts(fields, [1, 1500.5])

  it("may start at zero, which a number that is none does not stand for", () => {
    assert.strictEqual(validation.millis("wait", 0, 0), 0)
    assert.strictEqual(validation.millis("wait", 0.2, 0), 1)
    assert.throws(() => validation.millis("wait", Number.NaN, 0), CircuitPolicy.InvalidOptions)
    assert.throws(() => validation.millis("wait", -1, 0), CircuitPolicy.InvalidOptions)
  })
})

describe("limits themselves", () => {
  it.effect.each<[string, TripPolicy.TripPolicy]>([
    ["a window of a million calls", TripPolicy.failureRate({ threshold: 0.5, window: 1_000_000 })],
    ["as many calls as the window holds", TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 5, window: 5 })],
    ["one length of all openings", TripPolicy.adaptive({ minimumOpen: "1 minute", maximumOpen: "1 minute" })],
    ["one number of failures", TripPolicy.adaptive({ minimumFailures: 4, maximumFailures: 4 })]
  ])("%s may be asked for", ([, tripPolicy]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* built(breaker({ tripPolicy })))._tag, "Success")
    }))

  it.effect("too few calls are named in a window of time, too", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 0, window: "1 minute" })
      assert.strictEqual((yield* refusal({ tripPolicy })).field, "tripPolicy.minimumCalls")
    }))

  it.effect("a policy that is missing is named by its place", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.anyOf(TripPolicy.consecutive(1), undefined as never)
      const { message } = yield* refusal({ tripPolicy })
      assert.strictEqual(message, "tripPolicy.policies[1] must be a policy made by TripPolicy, but is undefined")
    }))
})

describe("rules between options", () => {
  it.effect.each<[string, TripPolicy.TripPolicy, string]>([
    [
      "more calls than the window holds",
      TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 11, window: 10 }),
      "tripPolicy.minimumCalls must be no larger than the window, or its rate would never be known, but is 11"
    ],
    [
      "a window of too many calls",
      TripPolicy.failureRate({ ...rate, window: 1_000_001 }),
      "tripPolicy.window must be a window of at most 1,000,000 calls, but is 1000001"
    ],
    [
      "error rates that overlap",
      TripPolicy.adaptive({ lowErrorRate: 0.5, highErrorRate: 0.5 }),
      "tripPolicy.lowErrorRate must be below highErrorRate, but is 0.5"
    ],
    [
      "more failures at least than at most",
      TripPolicy.adaptive({ minimumFailures: 4, maximumFailures: 3 }),
      "tripPolicy.minimumFailures must be no larger than maximumFailures, but is 4"
    ],
    [
      "a longer opening at least than at most",
      TripPolicy.adaptive({ minimumOpen: "2 seconds", maximumOpen: "1 second" }),
      "tripPolicy.minimumOpen must be no longer than maximumOpen, but is \"2 seconds\""
    ],
    [
      "no policy to choose from",
      TripPolicy.anyOf(),
      "tripPolicy.policies must be a list of at least one policy, but is \"empty\""
    ],
    [
      "a bad policy among good ones",
      TripPolicy.anyOf(TripPolicy.consecutive(3), TripPolicy.anyOf(TripPolicy.consecutive(0))),
      "tripPolicy.policies[1].policies[0].failures must be a whole number of 1 or more, but is 0"
    ],
    [
      "something that is not a policy",
      { _tag: "Sometimes" } as never,
      "tripPolicy must be a policy made by TripPolicy, but is \"Sometimes\""
    ]
  ])("%s ends the build of the layer", ([, tripPolicy, message]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refusal({ tripPolicy })).message, message)
    }))

  it.effect("the window that was given is named, not the minimum of calls that follows from it", () =>
    Effect.gen(function*() {
      for (const window of [0, -1, 2.5, Number.NaN]) {
        const invalid = yield* refusal({ tripPolicy: TripPolicy.failureRate({ threshold: 0.5, window }) })
        assert.strictEqual(invalid.field, "tripPolicy.window")
      }
    }))

  it.effect("the failures that were given are named, not the maximum that follows from them", () =>
    Effect.gen(function*() {
      for (const failures of [0, -1, 2.5, Number.NaN, Infinity]) {
        const invalid = yield* refusal({ tripPolicy: TripPolicy.adaptive({ failures }) })
        assert.strictEqual(invalid.field, "tripPolicy.failures")
      }
    }))
})

describe("policies by key", () => {
  it.effect("an invalid policy of a function ends the call that first gets it, and no other", () =>
    Effect.gen(function*() {
      yield* Effect.void.pipe(CircuitBreaker.execute({ key: "good" }))
      const exit = yield* Effect.exit(Effect.void.pipe(CircuitBreaker.execute({ key: "bad" })))
      assert.strictEqual(invalidIn(exit).message, "probes must be a whole number of 1 or more, but is 0")
    }).pipe(Effect.provide(CircuitTest.layer((key) => ({ probes: key === "bad" ? 0 : 1 })))))
})

describe("openDuration as a schedule", () => {
  it.effect.each(
    [
      ["is over at once", Schedule.recurs(0)],
      ["has no delay", Schedule.forever],
      ["waits for ever", Schedule.spaced(Duration.infinity)]
    ] as const
  )("is refused when it %s", ([, openDuration]) =>
    Effect.gen(function*() {
      const { message } = yield* refusal({ openDuration })
      assert.strictEqual(
        message,
        "openDuration must be a schedule whose first delay is finite and at least 1 ms, but is \"a schedule without it\""
      )
    }))

  const steps = (schedule: Schedule.Schedule<unknown, number>, openings: ReadonlyArray<number>) =>
    openings.map(openSchedule(schedule, Context.empty()))

  it("W10: gives the n-th opening its n-th delay, and its last one when it has ended", () => {
    const doubling = Schedule.exponential("1 second")
    assert.deepStrictEqual(steps(doubling, [1, 2, 3, 4]), [1000, 2000, 4000, 8000])
    const thrice = doubling.pipe(Schedule.upTo({ times: 3 }))
    assert.deepStrictEqual(steps(thrice, [1, 2, 3, 4, 50]), [1000, 2000, 4000, 4000, 4000])
  })

  const delays = (delayOf: (opening: number) => Duration.Duration) =>
    Schedule.forever.pipe(Schedule.modifyDelay(({ attempt }) => Effect.succeed(delayOf(attempt))))

  it("may be as short as a millisecond", () => {
    assert.deepStrictEqual(steps(Schedule.spaced("1 millis"), [1, 2]), [1, 1])
  })

  it("stays at the hundredth delay", () => {
    assert.deepStrictEqual(steps(delays(Duration.seconds), [99, 100, 101, 1e9]), [99_000, 100_000, 100_000, 100_000])
  })

  it("falls back to the first delay where a later one is of no use", () => {
    const useless = [Duration.seconds(3), Duration.infinity, Duration.zero, Duration.seconds(4)]
    assert.deepStrictEqual(steps(delays((opening) => useless[opening - 1]!), [1, 2, 3, 4]), [3000, 3000, 3000, 4000])
  })

  it("takes for elapsed the time spent open", () => {
    const byAge = Schedule.forever.pipe(Schedule.modifyDelay(({ elapsed }) => Effect.succeed(elapsed + 1000)))
    assert.deepStrictEqual(steps(byAge, [1, 2, 3, 4]), [1000, 2000, 4000, 8000])
  })
})

describe("memory store", () => {
  it.effect.each(
    [
      [{ idleTimeToLive: 0 }, "idleTimeToLive"],
      [{ idleTimeToLive: Number.NaN }, "idleTimeToLive"],
      [{ idleTimeToLive: "never" as never }, "idleTimeToLive"],
      [{ idleTimeToLive: Duration.infinity }, "idleTimeToLive"],
      [{ maxCircuits: 0 }, "maxCircuits"],
      [{ maxCircuits: -1 }, "maxCircuits"],
      [{ maxCircuits: 1.5 }, "maxCircuits"],
      [{ maxCircuits: Number.NaN }, "maxCircuits"],
      [{ maxCircuits: Infinity }, "maxCircuits"]
    ] as const
  )("%o ends its build, naming %s", ([options, field]) =>
    Effect.gen(function*() {
      const invalid = invalidIn(yield* built(CircuitStore.layerMemoryWith(options)))
      assert.strictEqual(invalid.field, field)
    }))
})

describe("keys", () => {
  const refusesKey = (name: string, use: (key: string) => Effect.Effect<unknown, unknown, never>) =>
    [name, use] as const
  const provided = Effect.provide(CircuitTest.layer())

  it("an empty key is refused where the guarded effect is made", () => {
    assert.throws(() => CircuitBreaker.execute(Effect.void, { key: "" }), /key must be a string that is not empty/)
    assert.throws(() => Effect.void.pipe(CircuitBreaker.execute({ key: "" })), CircuitPolicy.InvalidOptions)
    assert.throws(() => Effect.void.pipe(CircuitBreaker.execute({ key: 7 as never })), /but is 7$/)
  })

  it.effect.each([
    refusesKey("acquire", (key) => provided(Effect.scoped(CircuitBreaker.acquire(key)))),
    refusesKey("forceOpen", (key) => provided(CircuitBreaker.forceOpen(key))),
    refusesKey("disable", (key) => provided(CircuitBreaker.disable(key)))
  ])("an empty key is refused by %s", ([, use]) =>
    Effect.gen(function*() {
      assert.strictEqual(invalidIn(yield* Effect.exit(use(""))).field, "key")
    }))

  it.effect("forceOpen refuses a bad duration and does nothing", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(CircuitBreaker.forceOpen("model", { for: Number.NaN }))
      assert.strictEqual(invalidIn(exit).field, "forceOpen.for")
      assert.deepStrictEqual(yield* CircuitBreaker.state("model"), CircuitState.unused("model"))
    }).pipe(provided))

  it.effect("any other string is a key, with a circuit of its own", () =>
    Effect.gen(function*() {
      const keys = ["k".repeat(10_000), "k".repeat(9999), " ", "\0", "\ud800", "é", "e\u0301", "👩‍🚀", "\u202e"]
        .concat("__proto__", "constructor", "a:b{c}*\r\n", "undefined")
      for (const key of keys) {
        yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
        assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Open")
      }
      assert.sameMembers((yield* CircuitBreaker.states).map(({ key }) => key), keys)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("circuit.opened")).map(({ key }) => key), keys)
    }).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("gateJitter", () => {
  it.effect("is a share: from 0 to 1", () =>
    Effect.gen(function*() {
      for (const gateJitter of [-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.strictEqual(invalidIn(yield* built(breaker({ gateJitter }))).field, "gateJitter")
      }
      for (const gateJitter of [0, 1]) assert.isTrue(Exit.isSuccess(yield* built(breaker({ gateJitter }))))
    }))
})
