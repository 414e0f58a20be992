// Away from a target and back to it: who serves, for how long, and what moves the route.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { CircuitBreaker, FailoverRoute, FailoverRouter, Outcome } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { active, down, fail, fails, makeTargets, route, router, succeed, tag, through, told } from "./targets.ts"

/** Opens the circuit of a target for some time, and closes it with a probe of its own at that time. */
const outage = (target: string, duration: Duration.Input) =>
  Effect.andThen(
    through(target, fails(Outcome.openNow("server_error", duration))),
    Effect.andThen(TestClock.adjust(duration), succeed(target))
  )

const short = { openDuration: "1 second" } as const

describe("I157: the route comes back", () => {
  it.effect.each(
    [
      ["before", "29999 millis", "eu"],
      ["at", "30 seconds", "us"],
      ["after", "30001 millis", "us"]
    ] as const
  )(
    "when the circuit of the primary closes, but not %s minFailoverDuration: %s",
    ([, after, target]) =>
      Effect.gen(function*() {
        yield* outage("us", after)
        assert.strictEqual(yield* tag("us"), "Closed")
        assert.strictEqual(yield* active, target)
        assert.strictEqual(yield* FailoverRouter.isFailedOver("chat"), target !== "us")
        const { ask } = makeTargets()
        assert.strictEqual(yield* ask(), target)
      }).pipe(Effect.provide(route({}, {}, short)))
  )

  it.effect("by itself when the time has passed, and all who look see the same", () =>
    Effect.gen(function*() {
      yield* outage("us", "10 seconds")
      yield* TestClock.adjust("19999 millis")
      assert.deepStrictEqual(yield* told, ["us -> eu: server_error"])
      const [before] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(
        [before?.active.name, before?.isFailedOver, before?.failedOverFor],
        ["eu", true, Duration.millis(29_999)]
      )
      yield* TestClock.adjust("1 millis")
      // Nobody has looked.
      assert.deepStrictEqual(yield* told, ["us -> eu: server_error", "eu => us after 30000"])
      assert.strictEqual(yield* active, "us")
      const [after] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual([after?.isFailedOver, after?.failedOverFor], [false, undefined])
    }).pipe(Effect.provide(route({}, {}, short))))

  it.effect("at once with minFailoverDuration 0", () =>
    Effect.gen(function*() {
      yield* outage("us", "1 second")
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(yield* told, ["us -> eu: server_error", "eu => us after 1000"])
    }).pipe(Effect.provide(route({ minFailoverDuration: 0 }, {}, short))))

  it.effect("not by time only: its circuit has to have closed", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* active, "eu")
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded"])
    }).pipe(Effect.provide(route({}, {}, short))))

  it.effect("W55, W56: with a call that tries the primary, once it may come back and its circuit lets it", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down })
      yield* ask()
      take()
      // Its circuit is on trial after a second, but the route stays away for 30.
      yield* TestClock.adjust("29999 millis")
      yield* ask()
      assert.deepStrictEqual(take(), ["eu"])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
      delete ends.us
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* ask(), "us")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(route({}, {}, short))))

  it.effect("counted from the beginning of the outage, so that a process which sees it late comes back with the others", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* TestClock.adjust("20 seconds")
      const late = yield* Layer.build(
        FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] })
      )
      const there = Effect.map(FailoverRouter.activeTarget("chat"), ({ name }) => name).pipe(Effect.provide(late))
      assert.strictEqual(yield* there, "eu")
      yield* succeed("us")
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual([yield* active, yield* there], ["eu", "eu"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([yield* active, yield* there], ["us", "us"])
    }).pipe(Effect.scoped, Effect.provide(route({}, {}, short))))

  it.effect("and a wall clock that is set back or ahead changes nothing", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 day")
      yield* fail("us")
      yield* TestClock.adjust("1 second")
      yield* succeed("us")
      yield* TestClock.setTime(0)
      assert.strictEqual(yield* active, "eu")
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.failedOverFor, Duration.seconds(1))
    }).pipe(Effect.provide(route({}, {}, short))))
})

describe("I157: the time away", () => {
  const closeUs = CircuitBreaker.reset("chat/us")

  it.effect("is that of each outage: the next one begins anew", () =>
    Effect.gen(function*() {
      yield* outage("us", "40 seconds")
      assert.strictEqual(yield* active, "us")
      yield* TestClock.adjust("5 seconds")
      yield* fail("us")
      yield* closeUs
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(yield* active, "eu")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(route({}, {}, short))))

  it.effect("goes on where the stand-ins fail in turn, and the route never goes back to a failed one", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* TestClock.adjust("10 seconds")
      yield* fail("eu")
      assert.strictEqual(yield* active, "asia")
      yield* closeUs
      yield* TestClock.adjust("19999 millis")
      assert.strictEqual(yield* active, "asia")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(yield* told, ["us -> eu: forced_open", "eu -> asia: overloaded", "asia => us after 30000"])
    }).pipe(Effect.provide(route({}, {}, short))))

  it.effect("is each tier's own: back to the second before the first", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* TestClock.adjust("10 seconds")
      yield* CircuitBreaker.forceOpen("chat/eu")
      yield* TestClock.adjust("1 second")
      yield* CircuitBreaker.reset("chat/eu")
      yield* TestClock.adjust("28999 millis")
      assert.strictEqual(yield* active, "asia")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* active, "eu")
      assert.deepStrictEqual(yield* told, [
        "us -> eu: forced_open",
        "eu -> asia: forced_open",
        "asia -> eu: recovered"
      ])
      yield* closeUs
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(router())))

  it.effect("does not keep the route at a target that is away itself", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* closeUs
      assert.strictEqual(yield* active, "eu")
      yield* fail("eu")
      assert.strictEqual(yield* active, "us")
      const { ask, take } = makeTargets()
      yield* ask()
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(router())))

  it.effect("does not keep a call from a better target when those that serve fail it", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* closeUs
      const { ask, take } = makeTargets({ eu: fails(Outcome.ignored("auth")) })
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(take(), ["eu", "us"])
      assert.strictEqual(yield* active, "eu")
    }).pipe(Effect.provide(route({ targets: ["us", { name: "eu", credentials: "caller" }, "asia"] }))))

  it.effect("is not counted within a tier", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/a")
      assert.deepStrictEqual([yield* active, yield* FailoverRouter.isFailedOver("chat")], ["b", true])
      yield* CircuitBreaker.reset("chat/a")
      assert.strictEqual(yield* active, "a")
      yield* CircuitBreaker.forceOpen("chat/a")
      yield* CircuitBreaker.forceOpen("chat/b")
      assert.strictEqual(yield* active, "c")
      yield* CircuitBreaker.reset("chat/b")
      assert.strictEqual(yield* active, "c")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* active, "b")
      yield* CircuitBreaker.reset("chat/a")
      assert.strictEqual(yield* active, "a")
    }).pipe(Effect.provide(route({
      targets: [{ name: "a", tier: 1 }, { name: "b", tier: 1 }, { name: "c", tier: 2 }]
    }))))

  it.effect("goes on from one stand-in to the next", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* TestClock.adjust("10 seconds")
      yield* through("eu", down)
      yield* TestClock.adjust("5 seconds")
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual([state?.active.name, state?.failedOverFor], ["asia", Duration.seconds(15)])
    }).pipe(Effect.provide(router())))
})

describe("while nobody takes calls", () => {
  it.effect("W57: nothing moves, and the first that does serves, at any rank", () =>
    Effect.gen(function*() {
      for (const name of ["us", "eu", "asia"]) yield* fail(name)
      assert.strictEqual(yield* active, "asia")
      yield* CircuitTest.adjustToProbe("chat/us")
      yield* succeed("us")
      assert.strictEqual(yield* active, "us")
      yield* fail("us")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* active, "us")
      yield* succeed("eu")
      assert.strictEqual(yield* active, "eu")
    }).pipe(Effect.provide(router())))

  it.effect("I147: a second outage of a target that is left changes nothing", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* CircuitTest.adjustToProbe("chat/us")
      yield* fail("us")
      yield* CircuitBreaker.forceOpen("chat/us")
      assert.strictEqual(yield* active, "eu")
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded"])
    }).pipe(Effect.provide(router())))
})

describe("a gate", () => {
  const throttle = (wait: Duration.Input) => through("us", fails(Outcome.throttled(wait)))

  it.effect("moves no route, however long it is shut: calls go around it, and come back when it opens", () =>
    Effect.gen(function*() {
      yield* throttle("50 seconds")
      assert.strictEqual(yield* active, "us")
      const { ask, take } = makeTargets()
      assert.strictEqual(yield* ask(), "eu")
      yield* TestClock.adjust("49999 millis")
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["eu", "eu"])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(router())))

  it.effect("of a standby lets it serve as soon as it opens, where the primary is away", () =>
    Effect.gen(function*() {
      yield* through("eu", fails(Outcome.throttled("40 seconds")))
      yield* through("asia", fails(Outcome.throttled("50 seconds")))
      yield* fail("us")
      assert.strictEqual(yield* active, "us")
      yield* TestClock.adjust("39999 millis")
      assert.strictEqual(yield* active, "us")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded"])
    }).pipe(Effect.provide(router())))
})
