// When nobody serves a call: what the error tells, how long to wait, and the target of last resort.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  Evidence,
  FailoverRoute,
  FailoverRouter,
  LlmRetry,
  Outcome,
  StreamSignal
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { answers, down, fails, failure, makeTargets, route, router, Said, tag, through, trail } from "./targets.ts"

const targets = ["us", "eu"]

describe("the wait that the error suggests", () => {
  it.effect("is that of the circuit which takes calls again first", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: down, eu: fails(Outcome.openNow("quota_exhausted", "90 seconds")) })
      assert.deepStrictEqual((yield* failure(ask())).retryAfter, Duration.seconds(60))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual((yield* failure(ask())).retryAfter, Duration.seconds(40))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("failover.exhausted")).map((event) => event.retry_after_ms), [
        60_000,
        40_000
      ])
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is that of a gate where that is shorter", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: down, eu: fails(Outcome.throttled("7 seconds")) })
      assert.deepStrictEqual((yield* failure(ask())).retryAfter, Duration.seconds(7))
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is none where one takes calls already", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: down, eu: fails(Outcome.ignored("auth")) })
      const error = yield* failure(ask())
      assert.isUndefined(error.retryAfter)
      assert.strictEqual(error.message, "no target of route \"chat\" served the call (us: overloaded, eu: auth)")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("failover.exhausted")).map((event) => "retry_after_ms" in event), [
        false
      ])
    }).pipe(Effect.provide(route({ targets: ["us", { name: "eu", credentials: "caller" }] }))))

  it.effect("does not count who is held open without an end", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      const { ask } = makeTargets({ eu: down })
      assert.deepStrictEqual((yield* failure(ask())).retryAfter, Duration.seconds(60))
      yield* CircuitBreaker.forceOpen("chat/eu")
      const error = yield* failure(ask())
      assert.isUndefined(error.retryAfter)
      assert.deepStrictEqual(trail(error), ["us forced_open (not asked)", "eu forced_open (not asked)"])
      assert.isTrue(CircuitError.isCircuitBreakerError(error.cause))
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("does not count who is outside the fence", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "3 seconds" })
      const { ask } = makeTargets({ eu: down })
      assert.deepStrictEqual((yield* failure(ask({ allow: { targets: ["eu"] } }))).retryAfter, Duration.seconds(60))
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is one that LlmRetry waits for", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down, eu: down })
      const fiber = yield* ask().pipe(
        Effect.retry(LlmRetry.policy({ attempts: 2, deadline: "2 minutes" })),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(take(), ["us", "eu"])
      delete ends.us
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "us")
    }).pipe(Effect.provide(route({ targets }))))
})

describe("a later call may go better", () => {
  const retryable = (ends: Parameters<typeof makeTargets>[0]) =>
    Effect.map(failure(makeTargets(ends).ask({ deadline: "10 seconds" })), (error) => error.isRetryable)

  it.effect("where a target failed with what passes, or takes calls again after a time", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* retryable({ us: down, eu: down }))
      assert.isTrue(yield* retryable({ us: fails(Outcome.openNow("quota_exhausted", "1 hour")), eu: down }))
      yield* FailoverRouter.reset("chat")
      assert.isTrue(yield* retryable({ us: fails(Outcome.ignored("auth")), eu: down }))
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("not where only an operator or another request can help", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* retryable({ us: fails(Outcome.ignored("auth")), eu: fails(Outcome.ignored("auth")) }))
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* CircuitBreaker.forceOpen("chat/eu")
      assert.isFalse(yield* retryable({}))
      assert.isFalse((yield* failure(makeTargets().ask({ allow: { targets: [] } }))).isRetryable)
      assert.isFalse((yield* failure(FailoverRouter.reset("chess"))).isRetryable)
    }).pipe(Effect.provide(route({ targets }))))
})

describe("an exhausted route", () => {
  it.effect("I141: asks again as soon as a circuit takes calls", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down, eu: down, asia: down })
      yield* failure(ask())
      take()
      delete ends.asia
      yield* failure(ask())
      assert.deepStrictEqual(take(), [])
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* ask(), "asia")
      assert.deepStrictEqual(take(), ["us", "eu", "asia"])
    }).pipe(Effect.provide(router())))

  it.effect("of one target fails as any other, and its first error is the cause", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: down })
      const error = yield* failure(ask())
      assert.instanceOf(error.cause, Said)
      const again = yield* failure(ask())
      assert.deepStrictEqual(trail(again), ["us open (not asked)"])
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect("keeps the answer that reported a failure", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: answers(Outcome.failure("overloaded")) })
      const error = yield* failure(ask())
      assert.instanceOf(error.attempts[0]?.error, Said)
      assert.deepStrictEqual(trail(error), ["us overloaded"])
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect("makes errors without stack traces, because in an outage every call makes one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(FailoverRouter.execute("chat", () => down))
      assert.notMatch(String(error.stack), /\n\s+at /)
    }).pipe(Effect.provide(router())))
})

describe("the last resort", () => {
  /** Fails as a request can by itself. */
  const broken = fails(Outcome.failure("server_error"))

  const openBoth = Effect.gen(function*() {
    const all = makeTargets({ us: broken, eu: broken })
    yield* through("us", broken)
    yield* TestClock.adjust("1 second")
    yield* through("eu", broken)
    return all
  })

  it.effect("is who comes back first, if every circuit turned the call away; who is served by it closes its circuit", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = yield* openBoth
      delete ends.us
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(take(), ["us"])
      assert.deepStrictEqual([yield* tag("us"), yield* tag("eu")], ["Closed", "Open"])
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("circuit.half_open")).map(({ reason }) => reason), ["last_resort"])
      assert.deepStrictEqual((yield* recorded.of("circuit.closed")).map(({ reason }) => reason), ["probe_succeeded"])
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is also for a stream", () =>
    Effect.gen(function*() {
      yield* openBoth
      const answer = FailoverRouter.stream("chat", ({ name }) => Stream.make(name), {
        classifyPart: () => StreamSignal.finish(Outcome.success)
      })
      assert.deepStrictEqual(yield* Stream.runCollect(answer), ["us"])
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is asked by one call at a time", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = yield* openBoth
      ends.us = Effect.never
      ends.eu = Effect.never
      const calls = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.exit(ask())))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(take(), ["us", "eu"])
      assert.isDefined(calls[2]!.pollUnsafe())
      yield* Fiber.interrupt(calls[0]!)
      delete ends.us
      assert.strictEqual(yield* ask(), "us")
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("rests after a failure, longer each time", () =>
    Effect.gen(function*() {
      yield* through("us", Effect.succeed("well"))
      yield* through("us", broken)
      const { ask, take } = makeTargets({ us: broken })
      for (let tenths = 0; tenths < 100; tenths++) {
        yield* Effect.exit(ask())
        yield* TestClock.adjust("100 millis")
      }
      // At once, and after pauses of 1, 2 and 4 seconds.
      assert.lengthOf(take(), 4)
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect("rests after one failure where the provider has served nobody for a while", () =>
    Effect.gen(function*() {
      const { ask, take } = yield* openBoth
      for (let seconds = 0; seconds < 50; seconds++) {
        yield* Effect.exit(ask())
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(take(), ["us", "eu"])
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is not for the request that opened the circuit", () =>
    Effect.gen(function*() {
      const mine = { evidence: Evidence.make({ request: "mine" }) }
      const { ask, ends, take } = makeTargets({ us: broken })
      yield* Effect.exit(ask(mine))
      assert.strictEqual(yield* tag("us"), "Open")
      delete ends.us
      take()
      yield* failure(ask(mine))
      assert.deepStrictEqual(take(), [])
      assert.strictEqual(yield* ask({ evidence: Evidence.make({ request: "another's" }) }), "us")
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect("leaves what it is refused for to the caller", () =>
    Effect.gen(function*() {
      const { ask, ends } = yield* openBoth
      ends.us = fails(Outcome.ignored("content_policy"))
      assert.instanceOf(yield* Effect.flip(ask()), Said)
    }).pipe(Effect.provide(route({ targets }))))

  it.effect.each(
    [
      ["is held open by an operator", CircuitBreaker.forceOpen("chat/us", { for: "1 minute" })],
      ["is overloaded, whoever asks", through("us", down)],
      ["has no credit", through("us", fails(Outcome.openNow("quota_exhausted")))]
    ] as const
  )("is never a target that %s", ([, away]) =>
    Effect.gen(function*() {
      yield* away
      const { ask, take } = makeTargets()
      yield* failure(ask())
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect("is nobody where a target was asked and failed", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: broken, eu: broken })
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["us", "eu"])
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is nobody where the route says so", () =>
    Effect.gen(function*() {
      const { ask, take } = yield* openBoth
      yield* failure(ask())
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets, whenExhausted: "fail" }))))

  it.effect("keeps to the deadline", () =>
    Effect.gen(function*() {
      const { ask, ends } = yield* openBoth
      ends.us = Effect.never
      const fiber = yield* Effect.forkChild(failure(ask({ deadline: "5 seconds" })))
      yield* TestClock.adjust("5 seconds")
      const exit = fiber.pollUnsafe()
      assert(exit !== undefined && Exit.isSuccess(exit))
      assert.deepStrictEqual(trail(exit.value).at(-1), "us timeout")
    }).pipe(Effect.provide(route({ targets }))))
})

describe("without a breaker", () => {
  const noop = FailoverRouter.layer({
    routes: [FailoverRoute.make("chat", { targets: ["us", "eu"], deadline: "10 seconds" })]
  }).pipe(Layer.provide(CircuitBreaker.layerNoop))

  it.effect("calls go on all the same, and everything reads as well", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: Effect.fail({ status: 503 }) })
      assert.strictEqual(yield* ask(), "eu")
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu", "us", "eu"])
      assert.isFalse(yield* FailoverRouter.isFailedOver("chat"))
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.targets.map(({ circuit }) => circuit._tag), ["Closed", "Closed"])
      ends.eu = Effect.fail({ status: 500 })
      const error = yield* failure(ask())
      assert.deepStrictEqual(trail(error), ["us overloaded", "eu server_error"])
      assert.isUndefined(error.retryAfter)
      yield* FailoverRouter.reset("chat")
    }).pipe(Effect.provide(noop)))

  it.effect("the deadline still holds", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.never })
      const fiber = yield* Effect.forkChild(failure(ask()))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "DeadlineExceeded")
    }).pipe(Effect.provide(noop)))

  it.effect("a stream that is cut before its first content is no answer", () =>
    Effect.gen(function*() {
      const answer = FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? Stream.make("open") : Stream.make("open", "hello", "finish"),
        {
          classifyPart: (part) =>
            part === "open"
              ? StreamSignal.alive
              : part === "finish"
              ? StreamSignal.finish(Outcome.success)
              : StreamSignal.content
        }
      )
      assert.deepStrictEqual(yield* Stream.runCollect(answer), ["open", "hello", "finish"])
    }).pipe(Effect.provide(noop)))
})
