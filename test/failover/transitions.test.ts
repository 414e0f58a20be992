// What moves a route and what does not: each source of a transition, late outcomes, resets, reads, faults beside it.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import {
  CircuitBreaker,
  CircuitObserver,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import {
  active,
  classify,
  down,
  fail,
  fails,
  failure,
  makeTargets,
  route,
  router,
  succeed,
  tag,
  through,
  told
} from "./targets.ts"

describe("I160: what moves the route", () => {
  const left = ["us -> eu: "]
  const sources: ReadonlyArray<
    readonly [string, Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>, string]
  > = [
    ["a failure", fail("us"), "overloaded"],
    [
      "a call that says that more are useless",
      through("us", fails(Outcome.openNow("quota_exhausted"))),
      "quota_exhausted"
    ],
    ["an operator who holds it open", CircuitBreaker.forceOpen("chat/us"), "forced_open"],
    [
      "a hold that ends with a failed probe",
      Effect.andThen(
        CircuitBreaker.forceOpen("chat/us", { for: "1 second" }),
        Effect.andThen(TestClock.adjust("1 second"), fail("us"))
      ),
      "forced_open"
    ]
  ]
  it.effect.each(sources)("away from the primary: %s", ([, source, cause]) =>
    Effect.gen(function*() {
      yield* source
      // Nobody has looked: the transition itself is announced, and once.
      assert.deepStrictEqual(yield* told, left.map((line) => line + cause))
    }).pipe(Effect.provide(router())))

  const back: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>]> = [
    ["a probe that succeeds", Effect.andThen(CircuitTest.adjustToProbe("chat/us"), succeed("us"))],
    ["a reset of its circuit", CircuitBreaker.reset("chat/us")],
    ["an operator who disables its circuit", CircuitBreaker.disable("chat/us")]
  ]
  it.effect.each(back)("back to it: %s", ([, source]) =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* TestClock.adjust("30 seconds")
      yield* source
      const lines = yield* told
      assert.strictEqual(lines[0], "us -> eu: overloaded")
      assert.match(lines[1] ?? "", /^eu => us after /)
      assert.lengthOf(lines, 2)
    }).pipe(Effect.provide(router())))

  it.effect("a disabled circuit serves whatever it says, and enabling it forgets that", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.disable("chat/us")
      yield* fail("us")
      assert.strictEqual(yield* active, "us")
      const { ask, ends, take } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu", "us", "eu"])
      yield* CircuitBreaker.enable("chat/us")
      delete ends.us
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(router())))

  it.effect("W60, W61: what another breaker on the same store sees", () => {
    const options = { tripPolicy: TripPolicy.consecutive(1) }
    return Effect.gen(function*() {
      const other = yield* CircuitBreaker.CircuitBreaker
      yield* Effect.gen(function*() {
        yield* Effect.exit(other.execute(Effect.fail("503"), { key: "chat/us" }))
        assert.strictEqual(yield* active, "eu")
        yield* other.reset("chat/us")
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* active, "us")
      }).pipe(Effect.provide(
        FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }).pipe(
          Layer.provide(CircuitBreaker.layer(options))
        )
      ))
    }).pipe(Effect.provide(CircuitBreaker.layer(options).pipe(Layer.provideMerge(CircuitStore.layerMemory))))
  })

  it.effect("circuits of others move nothing", () =>
    Effect.gen(function*() {
      yield* Effect.exit(down.pipe(CircuitBreaker.execute({ key: "us", classify })))
      yield* Effect.exit(down.pipe(CircuitBreaker.execute({ key: "other/us", classify })))
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(router())))

  it.effect("a circuit that two routes share moves both, and nothing else does", () =>
    Effect.gen(function*() {
      yield* Effect.exit(down.pipe(CircuitBreaker.execute({ key: "shared", classify })))
      const names = Effect.map(FailoverRouter.snapshot, (routes) =>
        routes.map(({ active, route }) => `${route}: ${active.name}`))
      assert.deepStrictEqual(yield* names, ["a: eu", "b: asia", "c: us"])
      yield* FailoverRouter.reset("b")
      assert.deepStrictEqual(yield* names, ["a: eu", "b: us", "c: us"])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* names, ["a: us", "b: us", "c: us"])
    }).pipe(Effect.provide(router({
      routes: [
        FailoverRoute.make("a", { targets: [{ name: "us", key: "shared" }, "eu"] }),
        FailoverRoute.make("b", { targets: [{ name: "us", key: "shared" }, "asia"] }),
        FailoverRoute.make("c", { targets: ["us", "eu"] })
      ]
    }))))
})

describe("I148, I149, I152: the route follows the state of a circuit, not the order in which calls end", () => {
  /** A call on its way through the circuit of the primary, that ends when its test says. */
  const inFlight = Effect.gen(function*() {
    const answer = yield* Deferred.make<string, unknown>()
    const fiber = yield* Effect.forkChild(through("us", Deferred.await(answer)), { startImmediately: true })
    const end = (exit: Effect.Effect<string, unknown>) =>
      Effect.andThen(Deferred.completeWith(answer, exit), Fiber.await(fiber))
    return { fails: end(down), succeeds: end(Effect.succeed("late")) }
  })

  it.effect("I148: a failure from before a reset opens nothing and moves nothing", () =>
    Effect.gen(function*() {
      const late = yield* inFlight
      yield* CircuitBreaker.reset("chat/us")
      yield* late.fails
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(router())))

  it.effect("I148: a success from before the outage brings nothing back", () =>
    Effect.gen(function*() {
      const late = yield* inFlight
      yield* fail("us")
      yield* TestClock.adjust("59 seconds")
      yield* late.succeeds
      assert.strictEqual(yield* active, "eu")
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded"])
    }).pipe(Effect.provide(router())))

  it.effect.each(
    [
      ["failed", "succeeded", "eu"],
      ["succeeded", "failed", "us"]
    ] as const
  )(
    "I149, I154: of two probes the first that %s decides, and the one that %s later changes nothing",
    ([first, , target]) =>
      Effect.gen(function*() {
        yield* fail("us")
        yield* CircuitTest.adjustToProbe("chat/us")
        const [one, two] = [yield* inFlight, yield* inFlight]
        yield* first === "failed" ? one.fails : one.succeeds
        yield* first === "failed" ? two.succeeds : two.fails
        assert.strictEqual(yield* active, target)
      }).pipe(Effect.provide(route({}, {}, { probes: 2 })))
  )

  it.effect("I152: open, closed, open ends away, and open, closed at home", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* CircuitBreaker.reset("chat/us")
      yield* fail("us")
      assert.strictEqual(yield* active, "eu")
      yield* CircuitBreaker.reset("chat/us")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(router())))

  it.effect("I150: half-open moves nothing by itself", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* CircuitTest.adjustToProbe("chat/us")
      yield* inFlight
      assert.strictEqual(yield* tag("us"), "HalfOpen")
      assert.deepStrictEqual([yield* active, yield* told], ["eu", ["us -> eu: overloaded"]])
    }).pipe(Effect.provide(router())))
})

describe("I158: reset", () => {
  it.effect("brings the primary back at once, and forgets how long the route was away", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* fail("eu")
      yield* TestClock.adjust("1 second")
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* recorded.clear
      yield* FailoverRouter.reset("chat", { reason: "fixed", actor: "ops" })
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(yield* told, ["asia => us after 1000"])
      const resets = yield* recorded.of("circuit.reset")
      assert.deepStrictEqual(resets.map(({ key, note }) => [key, note]), [
        ["chat/us", "fixed"],
        ["chat/eu", "fixed"]
      ])
      // A new outage is a new one.
      yield* fail("us")
      yield* CircuitBreaker.reset("chat/us")
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(yield* active, "eu")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(router())))

  it.effect("is heard where nothing was wrong, and moves nothing", () =>
    Effect.gen(function*() {
      yield* FailoverRouter.reset("chat")
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(router())))

  it.effect("I153: lets calls on their way end without a trace", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down })
      yield* ask()
      yield* CircuitTest.adjustToProbe("chat/us")
      const answer = yield* Deferred.make<string>()
      ends.us = Effect.andThen(Deferred.await(answer), down)
      const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
      yield* FailoverRouter.reset("chat")
      yield* Deferred.succeed(answer, "")
      // The call itself goes on to the next target, as its own failed.
      assert.strictEqual(yield* Fiber.join(fiber), "eu")
      assert.deepStrictEqual([yield* active, yield* tag("us")], ["us", "Closed"])
      delete ends.us
      assert.strictEqual(yield* ask(), "us")
    }).pipe(Effect.provide(router())))
})

describe("reading", () => {
  it.effect("W62: changes nothing: not the route, not a circuit, and no observer is called", () =>
    Effect.gen(function*() {
      yield* fail("us")
      yield* CircuitTest.adjustToProbe("chat/us")
      const recorded = yield* RecordedEvents.RecordedEvents
      const before = [yield* FailoverRouter.snapshot, yield* CircuitBreaker.states, yield* recorded.all]
      for (let n = 0; n < 3; n++) {
        yield* FailoverRouter.activeTarget("chat")
        yield* FailoverRouter.isFailedOver("chat")
        yield* FailoverRouter.snapshot
      }
      assert.deepStrictEqual(
        [yield* FailoverRouter.snapshot, yield* CircuitBreaker.states, yield* recorded.all],
        before
      )
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(router())))

  it.effect("W62: takes note of nothing, also where it is the first to see it: the next call does", () =>
    Effect.gen(function*() {
      yield* fail("us")
      // So long after the outage the store has forgotten the circuit, and no observer was called.
      yield* TestClock.adjust("3 hours")
      assert.strictEqual(yield* active, "us")
      assert.isFalse(yield* FailoverRouter.isFailedOver("chat"))
      yield* FailoverRouter.snapshot
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded"])
      yield* makeTargets().ask()
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded", "eu => us after 10800000"])
    }).pipe(Effect.provide(router())))

  it.effect("I160: lists all routes and all their targets with their circuits", () =>
    Effect.gen(function*() {
      yield* Effect.exit(down.pipe(CircuitBreaker.execute({ key: "a/us", classify })))
      yield* TestClock.adjust("5 seconds")
      const routes = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(
        routes.map(({ active, failedOverFor, isFailedOver, route, targets }) => [
          route,
          active.name,
          isFailedOver,
          failedOverFor && Duration.toMillis(failedOverFor),
          targets.map(({ circuit, target }) => `${target.key} ${circuit.key} ${circuit._tag}`)
        ]),
        [
          ["a", "eu", true, 5_000, ["a/us a/us Open", "a/eu a/eu Closed"]],
          ["b", "us", false, undefined, ["b/us b/us Closed"]]
        ]
      )
    }).pipe(
      Effect.provide(
        router({
          routes: [FailoverRoute.make("a", { targets: ["us", "eu"] }), FailoverRoute.make("b", { targets: ["us"] })]
        })
      )
    ))
})

describe("I159: a fault beside it", () => {
  it.effect("an observer that throws, or calls back, disturbs neither the route nor the call", () => {
    const broken: CircuitObserver.CircuitObserver = {
      name: "broken",
      onEvent: () => {
        throw new Error("broken")
      },
      onRoute: () => {
        throw new Error("broken")
      },
      onCircuit: () => {
        throw new Error("broken")
      }
    }
    const layer = FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })], classify })
      .pipe(
        Layer.provideMerge(CircuitObserver.layer(broken)),
        Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second" })),
        Layer.provide(CircuitStore.layerMemory)
      )
    return Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual([yield* active, yield* tag("us")], ["eu", "Open"])
      yield* TestClock.adjust("30 seconds")
      delete ends.us
      assert.strictEqual(yield* ask(), "us")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(layer))
  })

  it.effect("a breaker that outlives its router goes on, and hears nothing more of it", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(
        Layer.build(FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }))
      )
      yield* fail("us")
      assert.strictEqual(yield* tag("us"), "Open")
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("two routers on one breaker", () => {
  it.effect("W61: see the same, and neither takes anything from the other", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(FailoverRouter.layer({
        routes: [FailoverRoute.make("chat", { targets: ["us", "eu"], minFailoverDuration: "10 seconds" })],
        classify
      }))
      const { ask } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual([yield* active, yield* Effect.provide(active, context)], ["eu", "eu"])
      yield* CircuitBreaker.reset("chat/us")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([yield* active, yield* Effect.provide(active, context)], ["eu", "us"])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual([yield* active, yield* Effect.provide(active, context)], ["us", "us"])
      assert.deepStrictEqual(yield* told, [
        "us -> eu: overloaded",
        "us -> eu: overloaded",
        "eu => us after 10000",
        "eu => us after 30000"
      ])
      const error = yield* failure(makeTargets({ us: down, eu: down, asia: down }).ask())
      assert.lengthOf(error.attempts, 3)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Effect.provide(active, context))))
    }).pipe(Effect.scoped, Effect.provide(router())))
})
