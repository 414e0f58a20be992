// Cases that lie between two rules: what decides, and what does not.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Schedule, Stream } from "effect"
import { CircuitBreaker, FailoverRouter, LlmRetry, Outcome } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { classifyPart, provider } from "../support/streams.ts"
import { down, fails, failure, makeTargets, route, router, Said, tag, through, told, trail } from "./targets.ts"

/** A circuit that is half-open, and asked everybody to wait. */
const gatedProbe = (target: string) =>
  Effect.gen(function*() {
    yield* CircuitBreaker.forceOpen(`chat/${target}`, { for: "1 second" })
    yield* TestClock.adjust("1 second")
    yield* through(target, fails(Outcome.throttled("1 hour")))
    assert.strictEqual(yield* tag(target), "HalfOpen")
  })

describe("a target on trial", () => {
  it.effect("is not tried while it wants to be left alone", () =>
    Effect.gen(function*() {
      yield* gatedProbe("us")
      yield* TestClock.adjust("30 seconds")
      const recorded = yield* RecordedEvents.RecordedEvents
      const before = (yield* recorded.calls).length
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual((yield* recorded.calls).slice(before).map(({ key }) => key), ["chat/eu"])
    }).pipe(Effect.provide(router())))

  it.effect("is tried at once where it shares the tier of who serves", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/a", { for: "1 second" })
      yield* TestClock.adjust("1 second")
      const { ask, take } = makeTargets()
      assert.strictEqual(yield* ask(), "a")
      assert.deepStrictEqual(take(), ["a"])
      assert.strictEqual(yield* tag("a"), "Closed")
    }).pipe(Effect.provide(route({ targets: [{ name: "a", tier: 1 }, { name: "b", tier: 1 }] }))))

  it.effect("comes before those that are away, whatever their tier", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* CircuitBreaker.forceOpen("chat/asia", { for: "1 second" })
      yield* TestClock.adjust("1 second")
      const { ask } = makeTargets({ eu: down, asia: down })
      assert.deepStrictEqual(trail(yield* failure(ask())), [
        "eu overloaded",
        "asia overloaded",
        "us forced_open (not asked)"
      ])
    }).pipe(Effect.provide(router())))

  it.effect("is no last resort while it wants to be left alone", () =>
    Effect.gen(function*() {
      yield* gatedProbe("us")
      const { ask, take } = makeTargets()
      assert.deepStrictEqual(trail(yield* failure(ask())), ["us throttled (not asked)"])
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets: ["us"], whenExhausted: "least_bad" }))))

  it.effect("is left with the kind of its last failure as the cause, or none if there was none", () =>
    Effect.gen(function*() {
      for (const name of ["us", "eu", "asia"]) yield* through(name, down)
      yield* CircuitTest.adjustToProbe("chat/asia")
      const probe = yield* Effect.forkChild(through("asia", Effect.never), { startImmediately: true })
      yield* CircuitBreaker.reset("chat/eu")
      assert.strictEqual((yield* told).at(-1), "asia -> eu: overloaded")
      yield* Fiber.interrupt(probe)
    }).pipe(Effect.provide(router())))
})

describe("how long a route is away", () => {
  it.effect("goes on from one stand-in to the next, also where the primary is only throttled", () =>
    Effect.gen(function*() {
      yield* through("us", fails(Outcome.throttled("1 hour")))
      yield* TestClock.adjust("10 seconds")
      yield* through("eu", down)
      yield* TestClock.adjust("5 seconds")
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual([state?.active.name, state?.failedOverFor], ["asia", Duration.seconds(15)])
    }).pipe(Effect.provide(router())))
})

describe("a limit of a target", () => {
  it.effect("that ends with the deadline is its own: the target was too slow", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.delay(down, "6 seconds"), eu: Effect.never })
      const fiber = yield* Effect.forkChild(failure(ask()))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "DeadlineExceeded")
      assert.strictEqual(yield* tag("eu"), "Open")
    }).pipe(Effect.provide(route({
      targets: ["us", { name: "eu", attemptTimeout: "4 seconds" }],
      deadline: "10 seconds"
    }))))
})

describe("a stream that has committed", () => {
  it.effect("gives the part that reports a failure to the caller, as it is", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const parts = yield* FailoverRouter.stream("chat", ({ name }, { commit }) => {
        asked.push(name)
        return Stream.concat(Stream.fromEffectDrain(commit), provider(["failed overloaded", "ping"]))
      }, { classifyPart }).pipe(Stream.runCollect)
      assert.deepStrictEqual([asked, parts], [["us"], ["failed overloaded", "ping"]])
    }).pipe(Effect.provide(router())))

  it.effect("holds nothing back any more", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* FailoverRouter.stream(
        "chat",
        (_, { commit }) => Stream.concat(Stream.fromEffectDrain(commit), provider(["open"], Effect.never)),
        { classifyPart }
      ).pipe(Stream.runForEach((part) => Effect.sync(() => seen.push(part))), Effect.forkChild)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["open"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(router())))
})

describe("a rejection", () => {
  const gated = through("us", fails(Outcome.throttled("3 seconds")))

  it.effect("of the first is no attempt: what the second is refused for is the caller's", () =>
    Effect.gen(function*() {
      yield* gated
      const { ask, take } = makeTargets({ eu: fails(Outcome.ignored("invalid_request")) })
      assert.instanceOf(yield* Effect.flip(ask()), Said)
      assert.deepStrictEqual(take(), ["eu"])
    }).pipe(Effect.provide(router())))

  it.effect("by a gate is waited for by retry, if that is worth it", () =>
    Effect.gen(function*() {
      yield* gated
      const { ask, take } = makeTargets()
      const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(take(), [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "us")
    }).pipe(Effect.provide(
      route({}, { retry: () => LlmRetry.policy({ attempts: 2, maxWait: "5 seconds" }) })
    )))

  it.effect("by an open circuit is not", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      yield* CircuitBreaker.forceOpen("chat/eu", { for: "1 second" })
      const { ask } = makeTargets()
      assert.lengthOf((yield* failure(ask())).attempts, 2)
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }, { retry: () => Schedule.spaced("10 millis") }))))
})

describe("retry", () => {
  it.effect("is not begun where more calls are useless", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: fails(Outcome.openNow("quota_exhausted")), eu: down })
      assert.deepStrictEqual(trail(yield* failure(ask())), ["us quota_exhausted", "eu overloaded"])
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }, {
      retry: ({ name }) => Schedule.recurs(name === "us" ? 1 : 0)
    }))))

  it.effect("is also for an answer that reports a failure", () =>
    Effect.gen(function*() {
      let calls = 0
      const exit = yield* Effect.exit(
        FailoverRouter.execute("chat", () =>
          Effect.sync(() => ++calls === 1 ? new Said({ outcome: Outcome.throttled("1 millis") }) : "well")).pipe(
            Effect.forkChild,
            Effect.tap(() =>
              TestClock.adjust("1 second")
            ),
            Effect.flatMap(Fiber.join)
          )
      )
      assert.deepStrictEqual([exit, calls], [Exit.succeed("well"), 2])
    }).pipe(Effect.provide(route({ targets: ["us"] }, { retry: () => Schedule.spaced("10 millis") }))))
})
