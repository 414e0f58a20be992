import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Duration, Effect, Exit, Fiber, Layer, Random } from "effect"
import {
  CircuitBreaker,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  Outcome,
  RetryBudget,
  TripPolicy
} from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

class ProviderError extends Data.TaggedError("ProviderError")<{
  readonly status: number
  readonly headers?: Record<string, string>
}> {}

const status = (status: number, headers: Record<string, string> = {}) =>
  ScriptedCall.fails(new ProviderError({ status, headers }))

const llm = (policy: Parameters<typeof CircuitTest.layer>[0] = {}) =>
  CircuitTest.layer({ classify: LlmOutcome.classify, ...policy })

/** Runs an effect to its end under virtual time; how it ended, and after how many milliseconds. */
const timed = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Effect.clockWith((clock) => clock.monotonicTimeNanos)
    const fiber = yield* Effect.forkChild(
      Effect.flatMap(Effect.exit(self), (exit) =>
        Effect.map(
          Effect.clockWith((clock) => clock.monotonicTimeNanos),
          (end) => ({ exit, millis: Number(end - start) / 1_000_000 })
        )),
      { startImmediately: true }
    )
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const guarded = <A, E>(script: ReadonlyArray<ScriptedCall.Step<A, E>>, options?: LlmRetry.Options) => {
  const model = ScriptedCall.make(script)
  const ask = model.call.pipe(CircuitBreaker.execute({ key: "model" }), Effect.retry(LlmRetry.policy(options)))
  return { ask, calls: model.started }
}

const statusOf = <A>(exit: Exit.Exit<A, unknown>) => {
  assert(Exit.isFailure(exit))
  const error = Cause.squash(exit.cause)
  return error instanceof ProviderError ? error.status : error
}

/** A source of the one number. */
const drawing = (value: number) =>
  Effect.provideService(Random.Random, {
    nextDoubleUnsafe: () => value,
    nextIntUnsafe: () => Math.floor(value * Number.MAX_SAFE_INTEGER)
  })

describe("LlmRetry.policy", () => {
  it.effect("I39: a status worth a retry is counted and tried again", () =>
    Effect.gen(function*() {
      for (const code of [500, 502, 503, 529]) {
        const { ask, calls } = guarded([status(code), ScriptedCall.succeeds("ok")])
        const { exit } = yield* timed(ask)
        assert.deepStrictEqual(exit, Exit.succeed("ok"))
        assert.strictEqual(yield* calls, 2)
      }
    }).pipe(Effect.provide(llm())))

  it.effect("I43: what a retry cannot help is tried once", () =>
    Effect.gen(function*() {
      for (const code of [400, 401, 403, 404, 413, 422]) {
        const { ask, calls } = guarded([status(code)])
        const { exit, millis } = yield* timed(ask)
        assert.strictEqual(statusOf(exit), code)
        assert.strictEqual(yield* calls, 1)
        assert.strictEqual(millis, 0)
      }
    }).pipe(Effect.provide(llm())))

  it.effect("I36: a short hint is waited for, counts nothing, and nobody sleeps after the last attempt", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429, { "retry-after": "10" })], { attempts: 3 })
      const { exit, millis } = yield* timed(ask)
      assert.strictEqual(statusOf(exit), 429)
      assert.strictEqual(yield* calls, 3)
      assert.strictEqual(millis, 20_000)
      const state = yield* CircuitBreaker.state("model")
      assert(state._tag === "Closed")
      assert.strictEqual(state.consecutiveFailures, 0)
    }).pipe(drawing(0), Effect.provide(llm())))

  it.effect("I35: a hint of no wait is no hint, and the backoff is waited", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429, { "retry-after": "0" }), ScriptedCall.succeeds("ok")])
      const { millis } = yield* timed(ask)
      assert.strictEqual(millis, 500)
      assert.strictEqual(yield* calls, 2)
    }).pipe(drawing(0.5), Effect.provide(llm())))

  it.effect("I37: a long hint opens the circuit, and the provider's error comes back after one attempt", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429, { "retry-after": "600" })], { attempts: 5 })
      const exit = yield* Effect.exit(ask)
      assert.strictEqual(statusOf(exit), 429)
      assert.strictEqual(yield* calls, 1)
      const state = yield* CircuitBreaker.state("model")
      assert(state._tag === "Open")
      assert.deepStrictEqual(state.retryAfter, Duration.seconds(600))
    }).pipe(Effect.provide(llm())))

  it.effect("I38: a 429 without a hint counts, backs off and is tried again", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429)], { attempts: 3 })
      yield* timed(ask)
      assert.strictEqual(yield* calls, 3)
      const state = yield* CircuitBreaker.state("model")
      assert(state._tag === "Closed")
      assert.strictEqual(state.consecutiveFailures, 3)
    }).pipe(Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(4) }))))

  it.effect("I40: the backoff doubles up to its cap, and full jitter never exceeds it", () =>
    Effect.gen(function*() {
      const options = { attempts: 6, base: "1 second", maxDelay: "4 seconds" } as const
      const most = guarded([status(500)], options)
      assert.strictEqual((yield* drawing(1)(timed(most.ask))).millis, 1000 + 2000 + 4000 + 4000 + 4000)
      const least = guarded([status(500)], options)
      assert.strictEqual((yield* drawing(0)(timed(least.ask))).millis, 0)
    }).pipe(Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(100) }))))

  it.effect("I41: the failure that opens the circuit ends the retry, with the provider's error and no sleep", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(500)], { attempts: 5 })
      const { exit, millis } = yield* timed(ask)
      assert.strictEqual(statusOf(exit), 500)
      assert.strictEqual(yield* calls, 2)
      assert.strictEqual(millis, 0)
    }).pipe(drawing(0), Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("I42: opening on the last attempt still gives the provider's error", () =>
    Effect.gen(function*() {
      const { ask } = guarded([status(500)], { attempts: 3 })
      const { exit } = yield* timed(ask)
      assert.strictEqual(statusOf(exit), 500)
    }).pipe(Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(3) }))))

  it.effect("I45: the same for a 429 without a hint", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429)], { attempts: 3 })
      const { exit, millis } = yield* timed(ask)
      assert.strictEqual(statusOf(exit), 429)
      assert.strictEqual(yield* calls, 1)
      assert.strictEqual(millis, 0)
    }).pipe(Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("I44: a circuit that another caller opened during the backoff rejects the next attempt", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(500)], { attempts: 5, base: "10 seconds" })
      const fiber = yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true })
      yield* CircuitBreaker.forceOpen("model", { reason: "incident" })
      yield* TestClock.adjust("1 hour")
      const error = statusOf(yield* Fiber.join(fiber))
      assert.include(String(error), "held open by an operator: incident")
      assert.strictEqual(yield* calls, 1)
    }).pipe(drawing(0.9), Effect.provide(llm())))

  it.effect("I28: a probe that is throttled is not rejected by its own claim when it comes again", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([
        status(500),
        status(429, { "retry-after": "5" }),
        ScriptedCall.succeeds("ok")
      ])
      yield* Effect.exit(ask)
      yield* CircuitTest.adjustToProbe("model")
      const { exit } = yield* timed(ask)
      assert.deepStrictEqual(exit, Exit.succeed("ok"))
      assert.strictEqual(yield* calls, 3)
      assert.strictEqual((yield* CircuitBreaker.state("model"))._tag, "Closed")
    }).pipe(Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("W13: no wait is begun that would outlast the deadline", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(500)], {
        attempts: 10,
        base: "4 seconds",
        factor: 1,
        deadline: "10 seconds"
      })
      const { exit, millis } = yield* timed(ask)
      assert.strictEqual(statusOf(exit), 500)
      assert.strictEqual(yield* calls, 3)
      assert.strictEqual(millis, 8000)
    }).pipe(drawing(1), Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(100) }))))

  it.effect("an open circuit is waited for when the deadline leaves room", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(500), ScriptedCall.succeeds("ok")], { deadline: "61 seconds" })
      const { exit, millis } = yield* timed(ask)
      assert.deepStrictEqual(exit, Exit.succeed("ok"))
      assert.strictEqual(yield* calls, 2)
      assert.strictEqual(millis, 60_000)
    }).pipe(drawing(0), Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("a rejection by an open circuit ends the retry unless the deadline leaves room", () =>
    Effect.gen(function*() {
      const { ask } = guarded([ScriptedCall.succeeds("ok")])
      const patient = guarded([ScriptedCall.succeeds("ok")], { deadline: "1 minute" })
      const tooLate = guarded([ScriptedCall.succeeds("ok")], { deadline: "29 seconds" })
      yield* CircuitBreaker.forceOpen("model", { for: "30 seconds" })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(ask)))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(tooLate.ask)))
      assert.deepStrictEqual((yield* timed(patient.ask)).exit, Exit.succeed("ok"))
    }).pipe(Effect.provide(llm())))

  it.effect("W11: callers that wait for the same hint wake spread out, none before it", () =>
    Effect.gen(function*() {
      const model = ScriptedCall.make([
        status(429, { "retry-after": "30" }),
        ScriptedCall.succeeds("ok")
      ])
      const ask = model.call.pipe(CircuitBreaker.execute({ key: "model" }), Effect.retry(LlmRetry.policy()))
      const callers = yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(timed(ask)))
      const ends = (yield* Fiber.joinAll(callers)).map(({ millis }) => Math.floor(millis))
      assert.isTrue(ends.every((millis) => millis >= 30_000 && millis <= 33_000), String(ends))
      assert.isAbove(new Set(ends).size, 15)
    }).pipe(Random.withSeed("spread"), Effect.provide(llm())))

  it.effect("W11: a gate is shut a little longer than was asked for, and a caller that heard the hint waits for the gate", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429, { "retry-after": "30" }), ScriptedCall.succeeds("ok")], {
        attempts: 2
      })
      const fiber = yield* Effect.forkChild(ask, { startImmediately: true })
      const shut = yield* CircuitBreaker.state("model")
      assert(shut._tag === "Closed" && shut.throttledFor !== undefined)
      assert.deepStrictEqual(shut.throttledFor, Duration.millis(31_500))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), "ok")
      assert.strictEqual(yield* calls, 2)
    }).pipe(drawing(0.5), Effect.provide(llm({ gateJitter: 0.1 }))))

  it.effect("a hint of just maxWait is waited for, also when the gate is shut a little longer", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429, { "retry-after": "5" }), ScriptedCall.succeeds("ok")], {
        maxWait: "5 seconds"
      })
      assert.deepStrictEqual((yield* timed(ask)).exit, Exit.succeed("ok"))
      assert.strictEqual(yield* calls, 2)
    }).pipe(drawing(0.5), Effect.provide(llm({ gateJitter: 0.1 }))))

  it.effect("waits for the target of a route that takes calls again first, if the deadline leaves room", () =>
    Effect.gen(function*() {
      let isDown = true
      const ask = FailoverRouter.execute(
        "chat",
        () => Effect.suspend(() => isDown ? Effect.fail({ status: 503 }) : Effect.succeed("ok"))
      )
      yield* Effect.exit(ask)
      const hasty = yield* timed(Effect.retry(ask, LlmRetry.policy()))
      assert.deepStrictEqual([Exit.isFailure(hasty.exit), hasty.millis], [true, 0])
      yield* Effect.exit(ask)
      isDown = false
      const { exit, millis } = yield* timed(Effect.retry(ask, LlmRetry.policy({ deadline: "2 minutes" })))
      assert.deepStrictEqual(exit, Exit.succeed("ok"))
      assert.isTrue(millis >= 60_000 && millis <= 66_000, String(millis))
    }).pipe(
      Effect.provide(
        FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }).pipe(
          Layer.provide(llm({ tripPolicy: TripPolicy.consecutive(1), openDuration: "60 seconds" }))
        )
      )
    ))

  it.effect("a route whose targets all refuse for good is not asked again", () =>
    Effect.gen(function*() {
      let calls = 0
      const refused = Effect.suspend(() => {
        calls++
        return Effect.fail({ status: 401 })
      })
      const ask = FailoverRouter.execute("chat", () => refused).pipe(Effect.retry(LlmRetry.policy()))
      yield* timed(ask)
      assert.strictEqual(calls, 2)
      for (const target of ["us", "eu"]) yield* CircuitBreaker.forceOpen(`chat/${target}`)
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* timed(ask)
      assert.strictEqual((yield* recorded.of("circuit.skipped")).length, 2)
    }).pipe(
      Effect.provide(
        FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }).pipe(
          Layer.provideMerge(llm())
        )
      )
    ))

  it.effect("W12: a hint longer than maxWait ends the retry", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([status(429, { "retry-after": "100" })], { maxWait: "99 seconds" })
      assert.strictEqual(statusOf(yield* Effect.exit(ask)), 429)
      assert.strictEqual(yield* calls, 1)
    }).pipe(Effect.provide(llm())))

  it.effect("our own timeout of an attempt is counted and tried again", () =>
    Effect.gen(function*() {
      const { ask, calls } = guarded([ScriptedCall.hangs, ScriptedCall.succeeds("ok")])
      assert.deepStrictEqual((yield* timed(ask)).exit, Exit.succeed("ok"))
      assert.strictEqual(yield* calls, 2)
      const recorded = yield* (yield* RecordedEvents.RecordedEvents).calls
      assert.deepStrictEqual(recorded.map(({ kind, result }) => [result, kind]), [["failure", "timeout"], [
        "success",
        undefined
      ]])
    }).pipe(Effect.provide(llm({ attemptTimeout: "30 seconds" }))))

  it("I47: options that break their rule are refused, by name", () => {
    const refused = (options: LlmRetry.Options, field: string) =>
      assert.throws(() => LlmRetry.policy(options), new RegExp(`^${field} must be `))
    refused({ attempts: 0 }, "attempts")
    refused({ attempts: 1.5 }, "attempts")
    refused({ base: 0 }, "base")
    refused({ factor: Number.NaN }, "factor")
    refused({ factor: 0.5 }, "factor")
    refused({ maxDelay: Duration.infinity }, "maxDelay")
    refused({ deadline: -1 }, "deadline")
    refused({ key: "" }, "key")
  })

  it.effect("I41: the failure that opens an inner circuit ends the retry, also where the outer one stays healthy", () =>
    Effect.gen(function*() {
      const error = { status: 503 }
      const ask = Effect.fail(error).pipe(
        CircuitBreaker.execute({ key: "inner" }),
        CircuitBreaker.execute({ key: "outer", classify: () => Outcome.ignored("caller_error") }),
        Effect.retry(LlmRetry.policy())
      )
      const caller = yield* Effect.forkChild(Effect.exit(ask))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(caller), Exit.fail(error))
    }).pipe(Effect.provide(llm({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("RetryBudget", () => {
  const share = (calls: number, options: RetryBudget.Options) =>
    Effect.gen(function*() {
      const model = ScriptedCall.make([status(500)])
      const ask = model.call.pipe(Effect.retry(LlmRetry.policy({ attempts: 4, key: "model" })))
      const callers = yield* Effect.forEach(Array.from({ length: calls }), () => Effect.forkChild(Effect.exit(ask)))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.joinAll(callers)
      return yield* model.started
    }).pipe(Effect.provide(RetryBudget.layer(options)))

  it.effect("an outage cannot multiply the calls by more than the budget", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* share(100, { ratio: 0, burst: 10 }), 110)
    }))

  it.effect("calls earn retries", () =>
    Effect.gen(function*() {
      const budgets = RetryBudget.make({ ratio: 0.1, burst: 1 })
      const taken: Array<boolean> = []
      taken.push(budgets.take("k"), budgets.take("k"))
      for (let i = 0; i < 10; i++) budgets.called("k")
      taken.push(budgets.take("k"), budgets.take("k"))
      assert.deepStrictEqual(taken, [true, false, true, false])
    }))

  it.effect("a bucket never holds more than its burst", () =>
    Effect.gen(function*() {
      const budgets = RetryBudget.make({ ratio: 1, burst: 2 })
      budgets.take("k")
      for (let i = 0; i < 10; i++) budgets.called("k")
      assert.deepStrictEqual([1, 2, 3].map(() => budgets.take("k")), [true, true, false])
    }))

  it.effect("keys have budgets of their own, and no key means no budget", () =>
    Effect.gen(function*() {
      const budgets = RetryBudget.make({ ratio: 0, burst: 1 })
      assert.isTrue(budgets.take("a"))
      assert.isTrue(budgets.take("b"))
      assert.isFalse(budgets.take("a"))
      const model = ScriptedCall.make([status(500)])
      const ask = Effect.retry(model.call, LlmRetry.policy({ attempts: 4 }))
      yield* timed(ask).pipe(Effect.provide(RetryBudget.layer({ ratio: 0, burst: 1 })))
      assert.strictEqual(yield* model.started, 4)
    }))

  it.effect("invalid limits are refused by name", () =>
    Effect.gen(function*() {
      assert.throws(() => RetryBudget.make({ ratio: 1.1 }), /^ratio must be /)
      assert.throws(() => RetryBudget.make({ burst: 0 }), /^burst must be /)
      const exit = yield* Effect.exit(Layer.build(RetryBudget.layer({ burst: 0 })))
      assert.isTrue(Exit.isFailure(exit))
    }))
})
