import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Exit, Layer, Schema } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const up = Effect.succeed("hello").pipe(guarded)

type Program<A = unknown, E = unknown> = Effect.Effect<A, E, CircuitBreaker.CircuitBreaker>

// A lost slot would heal after its lease, so the lease lasts longer than every test.
const policy: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(3),
    TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: "10 seconds" })
  ),
  openDuration: "60 seconds",
  probeLease: "300 days",
  maxOpenDuration: "5 minutes",
  ramp: "10 seconds"
}

/** Longer than any deadline that a test can set, shorter than what makes a store forget. */
const pastAllDeadlines = TestClock.adjust("30 minutes")

const admitsAndReturns = Effect.gen(function*() {
  yield* pastAllDeadlines
  assert.strictEqual(yield* up, "hello")
  yield* pastAllDeadlines
  assert.strictEqual(yield* up, "hello")
  assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Closed")
})

const toProbe = Effect.andThen(
  Effect.repeat(Effect.exit(Effect.fail("503").pipe(guarded)), { times: 2 }),
  CircuitTest.adjustToProbe(key)
)

const starts: ReadonlyArray<readonly [name: string, start: Program, admits: boolean]> = [
  ["closed", up, true],
  ["closed with a streak", Effect.exit(Effect.fail("503").pipe(guarded)), true],
  ["open", Effect.repeat(Effect.exit(Effect.fail("503").pipe(guarded)), { times: 2 }), false],
  ["open, past its deadline", toProbe, true],
  ["half-open", Effect.andThen(toProbe, Effect.exit(Effect.interrupt.pipe(guarded))), true],
  ["forced open", CircuitBreaker.forceOpen(key, { for: "5 minutes" }), false],
  [
    "forced open, past its deadline",
    Effect.andThen(CircuitBreaker.forceOpen(key, { for: "1 minute" }), TestClock.adjust("1 minute")),
    true
  ],
  ["disabled", CircuitBreaker.disable(key), true],
  ["ramping", Effect.andThen(toProbe, up), true],
  [
    "throttled",
    Effect.void.pipe(CircuitBreaker.execute({ key, classify: () => Outcome.throttled("1 minute") })),
    false
  ]
]

const ends: Record<string, Exit.Exit<string, string>> = {
  succeeds: Exit.succeed("answer"),
  fails: Exit.fail("503"),
  dies: Exit.die("bug"),
  interrupts: Exit.interrupt(7)
}

/** Whether the call was admitted: then it ended as it would have without a breaker. */
const untouched = <A, E>(exit: Exit.Exit<A, E | CircuitError.CircuitBreakerError>, end: Exit.Exit<A, E>) => {
  const error = Exit.findError(exit)
  if (error._tag === "Success" && CircuitError.isCircuitBreakerError(error.success)) return false
  assert.deepStrictEqual(exit, end)
  return true
}

/** Runs a program once for every start and every way for a call to end, each time with a breaker of its own. */
const everywhere = <E>(
  program: (end: Exit.Exit<string, string>, admits: boolean) => Program<void, E>,
  layer: Layer.Layer<CircuitBreaker.CircuitBreaker> = CircuitTest.layer(policy)
) =>
  Effect.forEach(starts, ([name, start, admits]) =>
    Effect.forEach(Object.entries(ends), ([verb, end]) =>
      start.pipe(
        Effect.andThen(program(end, admits)),
        Effect.provide(layer),
        Effect.catchDefect((defect) => Effect.die(new Error(`a call that ${verb}, from ${name}`, { cause: defect })))
      )))

const throwing = () => {
  throw new Error("broken")
}

const returning = (junk: Record<string, unknown>): Record<string, () => Outcome.Outcome> =>
  Object.fromEntries(
    Object.entries(junk).map(([name, junk]) => [`returns ${name}`, () => junk as Outcome.Outcome])
  )

/** What a classifier can do wrong. The types forbid all of it; JavaScript and casts do not. */
const noOutcome: Record<string, () => Outcome.Outcome> = {
  throws: throwing,
  ...returning({
    "nothing": undefined,
    "null": null,
    "a string": "Success",
    "a promise": Promise.resolve(Outcome.success),
    "an unknown tag": { _tag: "Fine" },
    "a tag of Object.prototype": { _tag: "toString" }
  })
}

const broken = {
  ...noOutcome,
  ...returning({
    "no kind": { _tag: "Failure" },
    "an unknown kind": { _tag: "Failure", kind: "fine" },
    "a kind that is a number": { _tag: "OpenNow", kind: 7 },
    "no wait where one is due": { _tag: "Throttled", kind: "rate_limited" },
    "a negative wait": { _tag: "OpenNow", kind: "unknown", retryAfter: -1 },
    "a wait that is no number": { _tag: "Throttled", kind: "rate_limited", retryAfter: Number.NaN },
    "a wait that cannot be read": { _tag: "Failure", kind: "unknown", retryAfter: "soon" }
  })
}

const breaker = (observer: CircuitObserver.CircuitObserver) =>
  CircuitObserver.layer(observer).pipe(
    Layer.provideMerge(CircuitBreaker.layer(policy)),
    Layer.provide(CircuitStore.layerMemory)
  )

describe("whatever a call does, in every state", () => {
  it.effect("its result is untouched and nothing is wedged", () =>
    everywhere((end, admits) =>
      Effect.gen(function*() {
        assert.strictEqual(untouched(yield* Effect.exit(end.pipe(guarded)), end), admits)
        yield* CircuitBreaker.enable(key)
        yield* admitsAndReturns
      })
    ))

  it.effect.each(Object.entries(broken))(
    "a classifier that %s touches no result and wedges nothing",
    ([, classify]) =>
      everywhere((end, admits) =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(end.pipe(CircuitBreaker.execute({ key, classify })))
          assert.strictEqual(untouched(exit, end), admits)
          yield* CircuitBreaker.enable(key)
          yield* admitsAndReturns
        })
      )
  )

  it.effect.each(Object.entries(noOutcome))(
    "a classifier that %s counts for nothing",
    ([, classify]) =>
      everywhere((end, admits) =>
        Effect.gen(function*() {
          const before = yield* CircuitBreaker.state(key)
          yield* Effect.exit(end.pipe(CircuitBreaker.execute({ key, classify })))
          const after = yield* CircuitBreaker.state(key)
          if (before._tag === "Closed" && !before.ramping) assert.deepStrictEqual(after, before)
          if (admits && before._tag === "Open") {
            assert.deepStrictEqual(after._tag === "HalfOpen" && [after.probing, after.successes], [0, 0])
          }
        })
      )
  )

  it.effect("I51, I74: an observer that throws at everything touches no result and wedges nothing", () =>
    everywhere(
      (end, admits) =>
        Effect.gen(function*() {
          assert.strictEqual(untouched(yield* Effect.exit(end.pipe(guarded)), end), admits)
          yield* CircuitBreaker.enable(key)
          yield* admitsAndReturns
        }),
      breaker({ name: "broken", onEvent: throwing, onCircuit: () => ({ onCall: throwing }) })
    ))

  it.effect("I51: an observer that throws when it is asked for calls hears of none, and no call fails", () =>
    everywhere(
      (end, admits) =>
        Effect.gen(function*() {
          assert.strictEqual(untouched(yield* Effect.exit(end.pipe(guarded)), end), admits)
          yield* CircuitBreaker.enable(key)
          yield* admitsAndReturns
        }),
      breaker({ name: "broken", onCircuit: throwing })
    ))

  const back: Record<string, Program> = {
    reset: CircuitBreaker.reset(key),
    forceOpen: CircuitBreaker.forceOpen(key, { for: "5 minutes" }),
    disable: CircuitBreaker.disable(key),
    state: CircuitBreaker.state(key),
    "a call": Effect.exit(up),
    "a failing call": Effect.exit(Effect.fail("503").pipe(guarded))
  }

  it.effect.each(Object.entries(back))(
    "I52: an observer that calls back with %s touches no result and wedges nothing",
    ([, program]) => {
      let context: Context.Context<CircuitBreaker.CircuitBreaker> | undefined
      let depth = 0
      let calls = 0
      // It hears of what it does itself and would do it again: three times and no more.
      const call = () => {
        if (context === undefined || depth === 3) return
        depth++
        calls++
        assert.isTrue(Exit.isSuccess(Effect.runSyncExitWith(context)(program)))
        depth--
      }
      let heard = 0
      const observer = {
        name: "caller",
        onEvent: () => {
          if (heard++ < 20) call()
        },
        onCircuit: () => ({ onCall: call })
      }
      return everywhere(
        (end) =>
          Effect.gen(function*() {
            calls = heard = 0
            context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
            untouched(yield* Effect.exit(end.pipe(guarded)), end)
            assert.isAbove(calls, 0)
            context = undefined
            yield* CircuitBreaker.enable(key)
            yield* admitsAndReturns
          }),
        breaker(observer)
      )
    }
  )
})

describe("any sequence of calls, waits and steering", () => {
  const Step = Schema.Union([
    Schema.Struct({
      _tag: Schema.tag("Wait"),
      millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 70_000 }))
    }),
    Schema.Struct({
      _tag: Schema.tag("Call"),
      end: Schema.Literals(["succeeds", "fails", "dies", "interrupts"]),
      classify: Schema.Literals(["as it is", "throws", "returns nothing", "openNow", "throttled", "ignored"])
    }),
    Schema.Struct({ _tag: Schema.tag("Hold"), settle: Schema.Boolean }),
    Schema.Struct({ _tag: Schema.tag("Steer"), by: Schema.Literals(["forceOpen", "reset", "disable", "enable"]) })
  ])
  const classifiers: Record<string, () => Outcome.Outcome> = {
    ...broken,
    "openNow": () => Outcome.openNow("quota_exhausted", "3 minutes"),
    "throttled": () => Outcome.throttled("20 seconds"),
    "ignored": () => Outcome.ignored("invalid_request")
  }
  const steer: Record<string, Program> = {
    forceOpen: CircuitBreaker.forceOpen(key, { for: "2 minutes" }),
    reset: CircuitBreaker.reset(key),
    disable: CircuitBreaker.disable(key),
    enable: CircuitBreaker.enable(key)
  }
  const play = Effect.fnUntraced(function*(step: typeof Step.Type) {
    switch (step._tag) {
      case "Wait":
        return yield* TestClock.adjust(step.millis)
      case "Call": {
        const end = ends[step.end]!
        const classify = classifiers[step.classify]
        untouched(yield* Effect.exit(CircuitBreaker.execute(end, { key, classify })), end)
        return
      }
      case "Hold": {
        const hold = Effect.flatMap(
          CircuitBreaker.acquire(key),
          ({ settle }) => step.settle ? settle(Outcome.failure("unknown")) : Effect.void
        )
        yield* Effect.exit(Effect.scoped(hold))
        return
      }
      case "Steer":
        return yield* steer[step.by]!
    }
  })

  it.effect.prop(
    "touches no result and wedges nothing",
    { steps: Schema.Array(Step) },
    ({ steps }) =>
      Effect.gen(function*() {
        yield* Effect.forEach(steps, play)
        yield* CircuitBreaker.enable(key)
        yield* admitsAndReturns
      }).pipe(Effect.provide(CircuitTest.layer(policy))),
    { arbitrary: { runs: 300 } }
  )
})
