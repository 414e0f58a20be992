// What calls do while a provider wants everybody to wait: never wait themselves where another target takes calls.
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber } from "effect"
import { CircuitBreaker, type FailoverRoute, Outcome } from "effect-resilience"
import { TestClock } from "effect/testing"
import { down, fails, failure, makeTargets, route, through, trail } from "./targets.ts"

const shut = (target: string, wait: Duration.Input) => through(target, fails(Outcome.throttled(wait)))

const two = (options: Partial<FailoverRoute.RouteOptions> = {}) =>
  Effect.provide(route({ targets: ["us", "eu"], ...options }, {}, { gateJitter: 0 }))

describe("while one gate is shut", () => {
  it.effect("calls are served by the next target, without a wait, and the first is asked again when it opens", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: fails(Outcome.throttled("2 seconds")) })
      for (let call = 0; call < 40; call++) assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take().filter((name) => name === "us"), ["us"])
      delete ends.us
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* ask(), "us")
    }).pipe(two()))

  it.effect("calls come back by and by when it opens", () =>
    Effect.gen(function*() {
      yield* shut("us", "10 seconds")
      yield* TestClock.adjust("10 seconds")
      const { ask, take } = makeTargets()
      const shares: Array<number> = []
      for (let second = 0; second < 11; second++) {
        for (let call = 0; call < 20; call++) yield* ask()
        shares.push(take().filter((name) => name === "us").length)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(shares, [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
    }).pipe(two()))

  it.effect("an error names it, too", () =>
    Effect.gen(function*() {
      yield* shut("us", "10 seconds")
      const { ask } = makeTargets({ eu: down })
      const error = yield* failure(ask({ deadline: "5 seconds" }))
      assert.deepStrictEqual(trail(error), ["us throttled (not asked)", "eu overloaded"])
    }).pipe(two()))
})

describe("waitFor", () => {
  const asked = (wait: Duration.Input, options: Parameters<ReturnType<typeof makeTargets>["ask"]>[0]) =>
    Effect.gen(function*() {
      yield* shut("us", wait)
      const { ask } = makeTargets()
      const fiber = yield* Effect.forkChild(ask(options), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      return yield* Fiber.join(fiber)
    })

  it.effect("of a route makes calls wait for the target that they prefer", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* asked("3 seconds", {}), "us")
    }).pipe(two({ waitFor: "3 seconds" })))

  it.effect("is not used up for a gate that is shut for longer", () =>
    Effect.gen(function*() {
      yield* shut("us", "3001 millis")
      assert.strictEqual(yield* makeTargets().ask(), "eu")
    }).pipe(two({ waitFor: "3 seconds" })))

  it.effect("of a call, such as a sticky one, is in place of the route's", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* asked("3 seconds", { stickyKey: "conversation 7", waitFor: "3 seconds" }), "us")
      yield* shut("us", "3 seconds")
      assert.strictEqual(yield* makeTargets().ask(), "eu")
    }).pipe(two()))

  it.effect("never outlasts the deadline", () =>
    Effect.gen(function*() {
      yield* shut("us", "3 seconds")
      assert.strictEqual(yield* makeTargets().ask({ waitFor: "3 seconds", deadline: "2 seconds" }), "eu")
    }).pipe(two()))
})

describe("while every gate is shut", () => {
  it.effect("a call waits for the one that opens first", () =>
    Effect.gen(function*() {
      yield* shut("us", "8 seconds")
      yield* shut("eu", "3 seconds")
      const { ask, take } = makeTargets()
      const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(take(), [])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "eu")
    }).pipe(two()))

  it.effect("also beside a target that is away, or that failed", () =>
    Effect.gen(function*() {
      yield* shut("us", "3 seconds")
      const { ask, take } = makeTargets({ eu: down })
      for (const expected of [["eu", "us"], ["us"]]) {
        yield* CircuitBreaker.reset("chat/us")
        yield* shut("us", "3 seconds")
        const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), "us")
        assert.deepStrictEqual(take(), expected)
      }
    }).pipe(two()))

  it.effect("it fails at once if none opens before the deadline", () =>
    Effect.gen(function*() {
      yield* shut("us", "8 seconds")
      yield* shut("eu", "6 seconds")
      const error = yield* failure(makeTargets().ask({ deadline: "5 seconds" }))
      assert.deepStrictEqual(trail(error), ["us throttled (not asked)", "eu throttled (not asked)"])
    }).pipe(two()))

  it.effect("its wait ends soon after an operator opened one, and when it is interrupted", () =>
    Effect.gen(function*() {
      yield* shut("us", "1 hour")
      yield* shut("eu", "2 hours")
      const { ask } = makeTargets()
      const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(ask(), { startImmediately: true }))
      yield* Fiber.interrupt(fibers[0]!)
      yield* CircuitBreaker.reset("chat/us")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fibers[1]!), "us")
    }).pipe(two()))

  it.effect("calls that waited do not all come at once", () =>
    Effect.gen(function*() {
      yield* shut("us", "10 seconds")
      const { ask, take } = makeTargets()
      yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.forkChild(ask(), { startImmediately: true }))
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(take(), 1)
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(take(), 99)
    }).pipe(Effect.provide(route({ targets: ["us"] }, {}, { gateJitter: 0 }))))

  it.effect("a half-open circuit is asked after its gate as well", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      yield* TestClock.adjust("1 second")
      yield* shut("us", "3 seconds")
      const fiber = yield* Effect.forkChild(makeTargets().ask(), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "us")
    }).pipe(Effect.provide(route({ targets: ["us"] }, {}, { gateJitter: 0 }))))
})
