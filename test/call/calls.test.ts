import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Fiber, Schedule, Scope } from "effect"
import { CircuitBreaker, CircuitError, CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)

const state = CircuitBreaker.state(key)
const tag = Effect.map(state, ({ _tag }) => _tag)
const results = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)

const policy = (rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...rest })

describe("execute", () => {
  it.effect("has the same meaning data-first, data-last and as a method of the service", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      const call = Effect.fail("503")
      const forms = [
        (key: string) => CircuitBreaker.execute(call, { key }),
        (key: string) => call.pipe(CircuitBreaker.execute({ key })),
        (key: string) => breaker.execute(call, { key }),
        (key: string) => call.pipe(breaker.execute({ key }))
      ]
      for (const [index, form] of forms.entries()) {
        const guarded = form(`form ${index}`)
        assert.strictEqual(yield* Effect.flip(guarded), "503")
        const rejected = yield* Effect.flip(guarded)
        assert.instanceOf(rejected, CircuitError.CircuitBreakerError)
        assert.strictEqual(rejected.reason.key, `form ${index}`)
      }
    }).pipe(Effect.provide(policy())))

  it.effect.each(["", undefined, 7])(
    "refuses the key %j when the call is made, not when it runs",
    (key) =>
      Effect.gen(function*() {
        const breaker = yield* CircuitBreaker.CircuitBreaker
        const bad = { key: key as string }
        assert.throws(() => CircuitBreaker.execute(Effect.void, bad), CircuitPolicy.InvalidOptions)
        assert.throws(() => breaker.execute(Effect.void, bad), CircuitPolicy.InvalidOptions)
        const exit = yield* Effect.exit(CircuitBreaker.acquire(bad.key))
        assert.isTrue(Exit.hasDies(exit))
      }).pipe(Effect.scoped, Effect.provide(policy()))
  )

  it.effect("returns what the call returns, and fails or dies as it does", () =>
    Effect.gen(function*() {
      const value = { text: "hello" }
      assert.strictEqual(yield* Effect.succeed(value).pipe(guarded), value)
      assert.deepStrictEqual(yield* Effect.exit(Effect.fail(value).pipe(guarded)), Exit.fail(value))
      assert.deepStrictEqual(yield* Effect.exit(Effect.die(value).pipe(guarded)), Exit.die(value))
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(9) }))))

  it.effect("runs the call in its caller's context", () => {
    class Tenant extends Context.Service<Tenant, { readonly name: string }>()("Tenant") {}
    return Effect.gen(function*() {
      const name = yield* Effect.map(Tenant, ({ name }) => name).pipe(guarded)
      assert.strictEqual(name, "acme")
    }).pipe(Effect.provideService(Tenant, { name: "acme" }), Effect.provide(policy({ attemptTimeout: "1 second" })))
  })

  it.effect.each([undefined, "1 minute"] as const)(
    "leaves what the call acquires to its caller's scope, with an attemptTimeout of %s",
    (attemptTimeout) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        let released = 0
        const acquire = Effect.acquireRelease(Effect.succeed("socket"), () => Effect.sync(() => released++))
        assert.strictEqual(yield* acquire.pipe(guarded, Scope.provide(scope)), "socket")
        assert.strictEqual(released, 0)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(released, 1)
      }).pipe(Effect.provide(policy({ attemptTimeout })))
  )

  it.effect("is admitted anew at every run of the same effect", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("503"), ScriptedCall.succeeds("hello")])
      const once = call.call.pipe(guarded)
      yield* Effect.flip(once)
      yield* Effect.flip(once)
      assert.strictEqual(yield* call.started, 1)
      yield* CircuitTest.adjustToProbe(key)
      assert.strictEqual(yield* once, "hello")
    }).pipe(Effect.provide(policy())))
})

describe("classify", () => {
  it.effect("of one call takes the place of the policy's", () =>
    Effect.gen(function*() {
      yield* Effect.flip(Effect.fail("400").pipe(guarded))
      assert.strictEqual(yield* tag, "Closed")
      const lenient = CircuitBreaker.execute({
        key,
        classify: (exit: Exit.Exit<string, string>) =>
          Exit.isSuccess(exit) ? Outcome.failure("malformed_response") : Outcome.success
      })
      assert.strictEqual(yield* Effect.succeed("garbage").pipe(lenient), "garbage")
      assert.deepStrictEqual(yield* results, ["ignored invalid_request", "failure malformed_response"])
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy({ classify: () => Outcome.ignored("invalid_request") }))))

  it.effect("without one counts a failure and a defect, but not a rejection by another circuit", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("inner")
      yield* Effect.exit(Effect.void.pipe(CircuitBreaker.execute({ key: "inner" }), guarded))
      yield* Effect.exit(Effect.fail("503").pipe(guarded))
      yield* Effect.exit(Effect.die("bug").pipe(guarded))
      assert.deepStrictEqual(yield* results, [
        "rejected_forced_open",
        "ignored caller_error",
        "failure unknown",
        "failure unknown"
      ])
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(9) }))))

  it.effect("counts an attempt that another circuit cut off", () =>
    Effect.gen(function*() {
      const both = Effect.never.pipe(CircuitBreaker.execute({ key: "inner" }), guarded)
      const fiber = yield* Effect.forkChild(Effect.flip(both), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason.key, "inner")
      assert.deepStrictEqual(yield* results, ["failure timeout", "failure unknown"])
    }).pipe(Effect.provide(CircuitTest.layer((key) => key === "inner" ? { attemptTimeout: "30 seconds" } : {}))))

  it.effect("is not asked about interruption", () =>
    Effect.gen(function*() {
      let asked = 0
      const classify = () => {
        asked++
        return Outcome.failure("unknown")
      }
      const fiber = yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key, classify })), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(asked, 0)
      assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy())))
})

describe("attemptTimeout", () => {
  it.effect("cuts the call off and counts it as a failure", () =>
    Effect.gen(function*() {
      let interrupted = 0
      const call = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      const fiber = yield* Effect.forkChild(Effect.flip(call.pipe(guarded)), { startImmediately: true })
      yield* TestClock.adjust("29999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(error.reason, {
        _tag: "AttemptTimedOut",
        key,
        phase: "attempt",
        limit: Duration.seconds(30)
      })
      assert.isFalse(error.isRejection)
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(yield* results, ["failure timeout"])
      const open = yield* state
      assert.strictEqual(open._tag === "Open" && open.lastFailureKind, "timeout")
    }).pipe(Effect.provide(policy({ attemptTimeout: "30 seconds" }))))

  it.effect("does not touch a call that ends in time", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([
        ScriptedCall.succeeds("hello", "29999 millis"),
        ScriptedCall.fails("503", "29999 millis")
      ])
      const both = Effect.all([Effect.exit(call.call.pipe(guarded)), Effect.exit(call.call.pipe(guarded))])
      const fiber = yield* Effect.forkChild(both, { startImmediately: true })
      yield* TestClock.adjust("29999 millis")
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [Exit.succeed("hello"), Exit.fail("503")])
      assert.deepStrictEqual(yield* results, ["success", "failure unknown"])
    }).pipe(Effect.provide(policy({ attemptTimeout: "30 seconds" }))))

  it.effect("is not the same as a timeout outside, which says nothing about the dependency", () =>
    Effect.gen(function*() {
      const call = Effect.never.pipe(guarded, Effect.timeout("10 seconds"))
      const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.instanceOf(yield* Fiber.join(fiber), Cause.TimeoutError)
      assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy({ attemptTimeout: "30 seconds" }))))
})

describe("interruption", () => {
  it.effect.each([undefined, "1 hour"] as const)(
    "I78: ends the call at once, is counted as such, and is no failure, with an attemptTimeout of %s",
    (attemptTimeout) =>
      Effect.gen(function*() {
        let cleaned = 0
        const call = Effect.onInterrupt(Effect.never, () => Effect.sync(() => cleaned++))
        const fiber = yield* Effect.forkChild(call.pipe(guarded), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.strictEqual(cleaned, 1)
        assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
        assert.strictEqual(yield* tag, "Closed")
      }).pipe(Effect.provide(policy({ attemptTimeout })))
  )
})

describe("retry outside the breaker", () => {
  it.effect("admits, judges and measures every attempt by itself", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([
        ScriptedCall.fails("503", "1 second"),
        ScriptedCall.fails("503", "2 seconds"),
        ScriptedCall.succeeds("hello", "3 seconds")
      ])
      const retried = call.call.pipe(guarded, Effect.retry({ schedule: Schedule.spaced("1 minute"), times: 4 }))
      const fiber = yield* Effect.forkChild(retried, { startImmediately: true })
      yield* TestClock.adjust("126 seconds")
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed("hello"))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.calls).map(({ durationMillis, result }) => [result, durationMillis]), [
        ["failure", 1000],
        ["failure", 2000],
        ["success", 3000]
      ])
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(5) }))))

  it.effect("I44: asks the gate before every attempt: opened meanwhile, the call does not run again", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("503")])
      const retried = call.call.pipe(guarded, Effect.retry({ schedule: Schedule.spaced("5 seconds"), times: 1 }))
      const fiber = yield* Effect.forkChild(Effect.flip(retried), { startImmediately: true })
      yield* CircuitBreaker.forceOpen(key)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, CircuitError.CircuitBreakerError)
      assert.strictEqual(error.reason._tag, "CircuitForcedOpen")
      assert.strictEqual(yield* call.started, 1)
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(5) }))))

  it.effect("I41: attempts stop when the circuit opens between them", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("500")])
      yield* Effect.flip(call.call.pipe(guarded, Effect.retry({ times: 4 })))
      assert.strictEqual(yield* call.started, 2)
      assert.deepStrictEqual(yield* results, [
        "failure unknown",
        "failure unknown",
        "rejected_open",
        "rejected_open",
        "rejected_open"
      ])
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(2) }))))

  // The state that a retry reads is the one its own attempt has made.
  const whileClosed = Effect.retry({
    schedule: Schedule.spaced("1 minute"),
    while: () => Effect.map(tag, (tag) => tag === "Closed")
  })

  it.effect.each([1, 2] as const)(
    "I41, I45: a retry that looks at the circuit stops without a pause at threshold %i, with the dependency's error",
    (threshold) =>
      Effect.gen(function*() {
        const call = ScriptedCall.make([ScriptedCall.fails("429")])
        const fiber = yield* Effect.forkChild(call.call.pipe(guarded, whileClosed), { startImmediately: true })
        for (let pause = 1; pause < threshold; pause++) yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(fiber.pollUnsafe(), Exit.fail("429"))
        assert.strictEqual(yield* call.started, threshold)
        assert.strictEqual(yield* tag, "Open")
      }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(threshold) })))
  )

  it.effect("I42: the attempt that opens the circuit surfaces the dependency's error if it is the last", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("500")])
      assert.strictEqual(yield* Effect.flip(call.call.pipe(guarded, Effect.retry({ times: 2 }))), "500")
      assert.strictEqual(yield* call.started, 3)
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(3) }))))

  it.effect("inside the breaker counts once", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([...ScriptedCall.times(3, ScriptedCall.fails("503")), ScriptedCall.succeeds("hi")])
      assert.strictEqual(yield* call.call.pipe(Effect.retry({ times: 3 }), guarded), "hi")
      assert.deepStrictEqual(yield* results, ["success"])
      assert.strictEqual(yield* up, "hello")
      assert.strictEqual(yield* down, "503")
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy())))
})

describe("a policy that breaks a rule", () => {
  const invalid = { tripPolicy: TripPolicy.consecutive(0) }

  it.effect("ends the build of the layer", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(up.pipe(Effect.provide(CircuitTest.layer(invalid))))
      const defect = Exit.findDefect(exit)
      assert.instanceOf(defect._tag === "Success" ? defect.success : undefined, CircuitPolicy.InvalidOptions)
    }))

  it.effect("ends the call that first gets it from a function of the key, and no other", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.void.pipe(CircuitBreaker.execute({ key: "invalid" })))
      const defect = Exit.findDefect(exit)
      assert.instanceOf(defect._tag === "Success" ? defect.success : undefined, CircuitPolicy.InvalidOptions)
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(CircuitTest.layer((key) => key === "invalid" ? invalid : {}))))
})
