// What a router tells: who serves now, that nobody does, how a health probe ended. Each once, and in order.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schedule, Schema, Scope, Tracer } from "effect"
import {
  CircuitBreaker,
  CircuitEvent,
  type CircuitObserver,
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
  breaker,
  classify,
  down,
  fails,
  failure,
  makeTargets,
  route,
  router,
  through,
  told
} from "./targets.ts"

const all = Effect.flatMap(RecordedEvents.RecordedEvents, ({ all }) => all)
const ofRouter = Effect.map(all, (events) => events.filter(({ event }) => event.startsWith("failover.")))

describe("the events of a router", () => {
  it.effect("tell of an outage from its beginning to its end, in order, after those of the circuits", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down })
      yield* ask()
      ends.eu = down
      ends.asia = down
      yield* failure(ask())
      yield* TestClock.adjust("60 seconds")
      delete ends.us
      yield* ask()
      const names = (yield* all).map((event) => "key" in event ? `${event.event} ${event.key}` : event.event)
      assert.deepStrictEqual(names.filter((name) => !/^(circuit.skipped|failover.moved)/.test(name)), [
        "circuit.opened chat/us",
        "failover.switched",
        "circuit.opened chat/eu",
        "failover.switched",
        "circuit.opened chat/asia",
        "failover.exhausted",
        "circuit.half_open chat/us",
        "circuit.probe chat/us",
        "circuit.closed chat/us",
        "failover.recovered"
      ])
      assert.deepStrictEqual(yield* told, [
        "us -> eu: overloaded",
        "eu -> asia: overloaded",
        "exhausted: eu overloaded, asia overloaded, us open",
        "asia => us after 60000"
      ])
    }).pipe(Effect.provide(router())))

  it.effect("have the form of their schemas, with wall time", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_000)
      const { ask, ends } = makeTargets({ us: down, eu: down })
      yield* failure(ask())
      yield* TestClock.adjust("60 seconds")
      delete ends.us
      yield* ask()
      const events = yield* ofRouter
      assert.deepStrictEqual(events, [
        {
          event: "failover.switched",
          route: "chat",
          at: 1_700_000_000_000,
          from_target: "us",
          to_target: "eu",
          cause: "overloaded"
        },
        {
          event: "failover.moved",
          route: "chat",
          at: 1_700_000_000_000,
          from_target: "us",
          to_target: "eu",
          cause: "overloaded",
          calls: 1
        },
        {
          event: "failover.exhausted",
          route: "chat",
          at: 1_700_000_000_000,
          targets: [{ target: "us", cause: "overloaded" }, { target: "eu", cause: "overloaded" }],
          retry_after_ms: 60_000
        },
        {
          event: "failover.recovered",
          route: "chat",
          at: 1_700_000_060_000,
          from_target: "eu",
          to_target: "us",
          failed_over_ms: 60_000
        }
      ])
      const decode = Schema.decodeUnknownEffect(CircuitEvent.CircuitEvent, { onExcessProperty: "error" })
      for (const event of events) assert.deepStrictEqual(yield* decode(JSON.parse(JSON.stringify(event))), event)
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }))))

  it.effect("none comes twice, however many calls run", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.delay(down, "1 second") })
      const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(ask()))
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(yield* told, ["us -> eu: overloaded"])
      for (let n = 0; n < 5; n++) yield* ask()
      assert.lengthOf(yield* told, 1)
    }).pipe(Effect.provide(router())))

  it.effect("exhausted comes once for each call, with the last word on each target", () =>
    Effect.gen(function*() {
      let calls = 0
      const kinds = ["timeout", "connection"] as const
      const ask = FailoverRouter.execute("chat", ({ name }) =>
        name === "eu" ? fails(Outcome.failure(kinds[calls++]!)) : down)
      const exhausted = Effect.map(told, (lines) =>
        lines.filter((line) => line.startsWith("exhausted")))
      yield* failure(ask)
      assert.deepStrictEqual(yield* exhausted, ["exhausted: us overloaded, eu connection"])
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* recorded.clear
      yield* failure(ask)
      assert.deepStrictEqual(yield* exhausted, ["exhausted: us overloaded, eu open"])
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }, {
      retry: ({ name }) => Schedule.recurs(name === "eu" ? 1 : 0)
    }, { tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("say nothing of a call that is the caller's, or was interrupted", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: fails(Outcome.ignored("invalid_request")) })
      yield* Effect.exit(ask())
      ends.us = Effect.die("bug")
      yield* Effect.exit(ask())
      ends.us = Effect.never
      const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* Effect.exit(ask({ allow: { targets: [] } }))
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(router())))

  it.effect("W31: hold nothing of what was asked or answered", () =>
    Effect.gen(function*() {
      const secret = "sk-secret"
      yield* failure(FailoverRouter.execute("chat", () => Effect.fail({ status: 503, message: secret })))
      assert.notInclude(JSON.stringify(yield* all), secret)
      assert.include(JSON.stringify(yield* all), "failover.exhausted")
    }).pipe(Effect.provide(route({ targets: ["us"] }, { classify: undefined }))))

  it.effect("reach an observer that asks the router back, which sees what has happened", () => {
    const seen: Array<string> = []
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      const services = yield* Effect.context<FailoverRouter.FailoverRouter>()
      yield* breaker.observe({
        name: "asks",
        onEvent: ({ event }) => {
          if (event.startsWith("failover.") && event !== "failover.moved") {
            seen.push(`${event} ${Effect.runSyncWith(services)(active)}`)
          }
        }
      })
      const { ask } = makeTargets({ us: down })
      yield* ask()
      yield* FailoverRouter.reset("chat")
      assert.deepStrictEqual(seen, ["failover.switched eu", "failover.recovered us"])
    }).pipe(Effect.scoped, Effect.provide(router()))
  })
})

describe("a route", () => {
  it.effect("is known to an observer that is attached later, with the target that serves by then, until the router closes", () => {
    const routes: Array<ReadonlyArray<unknown>> = []
    const observer: CircuitObserver.CircuitObserver = {
      name: "routes",
      onRoute: (...route) => void routes.push(route)
    }
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      const services = yield* Scope.provide(
        Layer.build(
          FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })], classify })
        ),
        scope
      )
      yield* makeTargets({ us: down }).ask().pipe(Effect.provideContext(services))
      yield* CircuitBreaker.observe(observer)
      assert.deepStrictEqual(routes, [["chat", ["us", "eu"], "eu"]])
      yield* CircuitBreaker.observe(observer)
      assert.lengthOf(routes, 1)
      yield* Scope.close(scope, Exit.void)
      yield* CircuitBreaker.observe({ ...observer })
      assert.lengthOf(routes, 1)
    }).pipe(Effect.scoped, Effect.provide(breaker()))
  })

  it.effect("is announced to observers with its targets in order, when the router is built", () => {
    const routes: Array<ReadonlyArray<unknown>> = []
    const observer: CircuitObserver.CircuitObserver = {
      name: "routes",
      onRoute: (...route) => void routes.push(route)
    }
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      yield* breaker.observe(observer)
      yield* Layer.build(FailoverRouter.layer({
        routes: [
          FailoverRoute.make("chat", { targets: [{ name: "b", tier: 2 }, { name: "a", tier: 1 }] }),
          FailoverRoute.make("code", { targets: ["x", { name: "y", region: "eu" }], allow: { regions: ["eu"] } })
        ]
      }))
      assert.deepStrictEqual(routes, [["chat", ["a", "b"], "a"], ["code", ["y"], "y"]])
    }).pipe(Effect.scoped, Effect.provide(CircuitTest.layer()))
  })
})

describe("the span of a call", () => {
  it.effect("has an event for each target that it goes on to", () => {
    const events: Array<readonly [string, Record<string, unknown> | undefined]> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        const record = span.event.bind(span)
        span.event = (name, at, attributes) => {
          events.push([name, attributes])
          record(name, at, attributes)
        }
        return span
      }
    })
    return Effect.gen(function*() {
      const { ask } = makeTargets({ us: down, eu: down })
      yield* ask().pipe(Effect.withSpan("answer"), Effect.provideService(Tracer.Tracer, tracer))
      const moves = events.filter(([name]) => name.startsWith("failover"))
      assert.deepStrictEqual(moves.map(([, attributes]) => attributes), [
        {
          "failover.route": "chat",
          "failover.from_target": "us",
          "failover.to_target": "eu",
          "failover.cause": "overloaded"
        },
        {
          "failover.route": "chat",
          "failover.from_target": "eu",
          "failover.to_target": "asia",
          "failover.cause": "overloaded"
        }
      ])
    }).pipe(Effect.provide(router()))
  })
})

describe("the span of a call that passes as a last resort", () => {
  it.effect("names the target that was asked", () =>
    Effect.gen(function*() {
      const broken = fails(Outcome.failure("server_error"))
      yield* through("us", broken)
      yield* TestClock.adjust("1 second")
      yield* through("eu", broken)
      const { ask } = makeTargets()
      const asked = Effect.gen(function*() {
        yield* ask()
        return (yield* Effect.currentSpan).attributes.get("failover.target")
      })
      assert.strictEqual(yield* Effect.withSpan(asked, "answer"), "us")
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }))))
})

describe("without anybody who listens", () => {
  it.effect("everything works as well", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      ends.eu = down
      yield* failure(ask())
      assert.strictEqual(yield* active, "eu")
    }).pipe(Effect.provide(
      FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })], classify }).pipe(
        Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
        Layer.provide(CircuitStore.layerMemory)
      )
    )))
})
