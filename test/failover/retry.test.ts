// Calls that a router makes again at the same target, before it asks the next one.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule } from "effect"
import { CircuitBreaker, FailoverRouter, LlmRetry, Outcome, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"
import { down, fails, failure, makeTargets, route, Said, trail } from "./targets.ts"
const one = { targets: ["us"] }
const two = { targets: ["us", "eu"] }

describe("retry at one target", () => {
  const patient = { tripPolicy: TripPolicy.consecutive(100) }
  const twice = () => Schedule.recurs(1)

  it.effect("waits for nothing where another one takes calls", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
      ends.eu = down
      assert.deepStrictEqual(trail(yield* failure(ask())), ["us overloaded", "eu overloaded", "eu overloaded"])
    }).pipe(Effect.provide(route(two, { retry: twice }, patient))))

  it.effect("is for a target whose stand-in is away", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/eu")
      const { ask, take } = makeTargets({ us: down })
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["us", "us"])
    }).pipe(Effect.provide(route(two, { retry: twice }, patient))))

  it.effect("is for a target whose stand-in is too small for the call", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: fails(Outcome.ignored("context_length")), eu: down })
      assert.strictEqual(yield* ask(), "asia")
      ends.asia = down
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["us", "eu", "asia", "us", "eu", "asia", "asia"])
    }).pipe(Effect.provide(route(
      {
        targets: [{ name: "us", contextTokens: 8 }, { name: "eu", contextTokens: 16 }, {
          name: "asia",
          contextTokens: 32
        }]
      },
      { retry: twice },
      patient
    ))))

  it.effect("is each target's own", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: down, eu: down })
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["us", "eu", "eu", "eu"])
    }).pipe(Effect.provide(
      route(two, { retry: ({ name }) => Schedule.recurs(name === "us" ? 0 : 2) }, patient)
    )))

  it.effect.each(
    [
      ["is useless", fails(Outcome.openNow("quota_exhausted")), ["us", "eu"]],
      ["is refused", fails(Outcome.ignored("auth")), ["us", "eu"]],
      ["is the caller's", fails(Outcome.ignored("invalid_request")), ["us"]]
    ] as const
  )("is not tried where it %s", ([, end, asked]) =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: end })
      yield* Effect.exit(ask())
      assert.deepStrictEqual(take(), asked)
    }).pipe(Effect.provide(route(two, { retry: twice }, patient))))

  it.effect("ends when the failure has opened the circuit", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
    }).pipe(Effect.provide(route(two, { retry: () => Schedule.recurs(5) }))))

  it.effect("that helps leaves one target's error to the caller who gets none", () =>
    Effect.gen(function*() {
      let calls = 0
      const answer = yield* FailoverRouter.execute("chat", ({ name }) => ++calls === 1 ? down : Effect.succeed(name))
      assert.deepStrictEqual([answer, calls], ["us", 2])
    }).pipe(Effect.provide(route(one, { retry: twice }, patient))))

  it.effect("waits for what the target asks for, with LlmRetry", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const fiber = yield* FailoverRouter.execute("chat", ({ name }) =>
        Effect.suspend(() =>
          asked.push(name) === 1
            ? Effect.fail({ status: 429, headers: { "retry-after": "3" } })
            : Effect.succeed(name)
        )).pipe(Effect.forkChild({ startImmediately: true }))
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(asked, ["us"])
      yield* TestClock.adjust("400 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "us")
      assert.deepStrictEqual(asked, ["us", "us"])
    }).pipe(Effect.provide(
      route(one, { classify: undefined, retry: () => LlmRetry.policy({ attempts: 2, maxWait: "5 seconds" }) }, patient)
    )))

  it.effect("does not wait longer than maxWait: the next target is asked at once", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: Effect.fail({ status: 429, headers: { "retry-after": "6" } }) })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
    }).pipe(Effect.provide(
      route(two, { classify: undefined, retry: () => LlmRetry.policy({ attempts: 2, maxWait: "5 seconds" }) }, patient)
    )))

  it.effect.each(
    [
      ["just fits", "9 seconds", ["us", "us"]],
      ["would end with the deadline", "10 seconds", ["us"]],
      ["would outlast the deadline", "11 seconds", ["us"]]
    ] as const
  )("and a wait that %s", ([, wait, before]) =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: down })
      const fiber = yield* Effect.forkChild(failure(ask()), { startImmediately: true })
      yield* TestClock.adjust("9500 millis")
      assert.deepStrictEqual(take(), before)
      assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.provide(
      route({ ...one, deadline: "10 seconds" }, {
        retry: () => Schedule.upTo(Schedule.spaced(wait), { times: 1 })
      }, patient)
    )))

  it.effect("is interrupted in its wait", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: down })
      const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route(one, { retry: () => Schedule.spaced("1 hour") }, patient))))

  it.effect("does not wait for an open circuit", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      yield* CircuitBreaker.forceOpen("chat/eu", { for: "1 second" })
      const { ask } = makeTargets()
      assert.lengthOf((yield* failure(ask())).attempts, 2)
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }, { retry: () => Schedule.spaced("10 millis") }))))

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
