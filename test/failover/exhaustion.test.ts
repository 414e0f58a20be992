// When nobody serves a call: what the error tells, how long to wait, and the target of last resort.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  FailoverRoute,
  FailoverRouter,
  LlmRetry,
  Outcome,
  StreamSignal
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { answers, down, fails, failure, makeTargets, route, router, Said, tag, told, trail } from "./targets.ts"

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
    }).pipe(Effect.provide(route({ targets }))))

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

describe("least_bad", () => {
  const least = { targets, whenExhausted: "least_bad" } as const

  it.effect("asks who takes calls again first, when every circuit turned the call away", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/asia")
      const { ask, ends, take } = makeTargets({ us: down, eu: down })
      // Those who were asked and failed are not asked again.
      assert.strictEqual((yield* failure(ask())).attempts.length, 3)
      assert.deepStrictEqual(take(), ["us", "eu"])
      delete ends.eu
      delete ends.us
      yield* CircuitBreaker.reset("chat/us")
      yield* Effect.exit(
        fails(Outcome.openNow("unknown", "90 seconds")).pipe(
          CircuitBreaker.execute({ key: "chat/us", classify: () => Outcome.openNow("unknown", "90 seconds") })
        )
      )
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["eu"])
      // It served as a last resort: its circuit is open as before, and the route is where it was.
      assert.strictEqual(yield* tag("eu"), "Open")
      assert.notInclude(yield* told, "exhausted")
    }).pipe(Effect.provide(route({ ...least, targets: ["us", "eu", "asia"] }))))

  it.effect("has a circuit of its own, that stops it where it only fails", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: down, eu: down })
      yield* failure(ask())
      take()
      const error = yield* failure(ask())
      assert.deepStrictEqual(trail(error), ["us open (not asked)", "eu open (not asked)", "us overloaded"])
      assert.strictEqual(error.cause, error.attempts[2]?.error)
      assert.deepStrictEqual(take(), ["us"])
      assert.strictEqual((yield* CircuitBreaker.state("chat/us/last-resort"))._tag, "Open")
      assert.deepStrictEqual(trail(yield* failure(ask())), [
        "us open (not asked)",
        "eu open (not asked)",
        "us open (not asked)"
      ])
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route(least))))

  it.effect("leaves what it is refused for to the caller", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down, eu: down })
      yield* failure(ask())
      ends.us = fails(Outcome.ignored("content_policy"))
      assert.instanceOf(yield* Effect.flip(ask()), Said)
    }).pipe(Effect.provide(route(least))))

  it.effect("never asks who is held open by an operator, nor who asked everybody to wait", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      const { ask, ends, take } = makeTargets({ eu: fails(Outcome.throttled("5 seconds")) })
      yield* failure(ask())
      delete ends.eu
      take()
      const error = yield* failure(ask())
      assert.deepStrictEqual(trail(error).toSorted(), ["eu throttled (not asked)", "us forced_open (not asked)"])
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route(least))))

  it.effect("asks who has a probe on its way before those that are open", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down, eu: down })
      yield* failure(ask())
      yield* CircuitBreaker.reset("chat/eu")
      yield* CircuitBreaker.forceOpen("chat/eu", { for: "1 second" })
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key: "chat/eu" })), {
        startImmediately: true
      })
      delete ends.eu
      delete ends.us
      take()
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["eu"])
      yield* Fiber.interrupt(probe)
    }).pipe(Effect.provide(route(least))))

  it.effect("asks nobody again whom a guard of another key turned away: it was asked", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      // Down behind a guard of its own, with the target's circuit half-open.
      yield* CircuitBreaker.forceOpen("tool")
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      yield* TestClock.adjust("1 second")
      yield* FailoverRouter.execute("chat", ({ name }) =>
        Effect.suspend(() => {
          asked.push(name)
          return Effect.void.pipe(CircuitBreaker.execute({ key: "tool" }))
        })).pipe(Effect.exit)
      assert.deepStrictEqual(asked, ["us"])
    }).pipe(Effect.provide(route({ targets: ["us"], whenExhausted: "least_bad" }))))

  it.effect("keeps to the deadline", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down, eu: down })
      yield* failure(ask())
      ends.us = Effect.never
      const fiber = yield* Effect.forkChild(failure(ask({ deadline: "5 seconds" })))
      yield* TestClock.adjust("5 seconds")
      const exit = fiber.pollUnsafe()
      assert(exit !== undefined && Exit.isSuccess(exit))
      assert.deepStrictEqual(trail(exit.value).at(-1), "us timeout")
    }).pipe(Effect.provide(route(least))))
})

describe("without a breaker", () => {
  const noop = FailoverRouter.layer({
    routes: [FailoverRoute.make("chat", { targets: ["us", "eu"], deadline: "10 seconds", whenExhausted: "least_bad" })]
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
