import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitObserver,
  type CircuitState,
  FailoverRoute,
  FailoverRouter,
  Outcome,
  StreamSignal
} from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { dual } from "effect/Function"
import { TestClock } from "effect/testing"
import { active, breaker, classify, down, fails, makeTargets, tag } from "./targets.ts"

type Service = CircuitBreaker.CircuitBreaker["Service"]

/** A breaker in front of another one, with members of its own. */
const decorated = (members: (inner: Service) => Partial<Service>) =>
  Layer.effect(
    CircuitBreaker.CircuitBreaker,
    Effect.map(CircuitBreaker.CircuitBreaker, (inner) => ({ ...inner, ...members(inner) }))
  )

/** The keys of the calls and streams that went through it. */
const noting = (keys: Array<string>) =>
  decorated((inner) => ({
    execute: dual(2, (self: Effect.Effect<unknown>, options: CircuitBreaker.ExecuteOptions) =>
      Effect.suspend(() => {
        keys.push(options.key)
        return inner.execute(self, options)
      })),
    stream: (self, options) =>
      Stream.suspend(() => {
        keys.push(`${options.key} (stream)`)
        return inner.stream(self, options)
      })
  }))

const routes = [FailoverRoute.make("chat", { targets: ["us", "eu"], minFailoverDuration: "10 seconds" })]

describe("a breaker that decorates another one", () => {
  it.effect("is the one through which calls and streams run", () => {
    const keys: Array<string> = []
    return Effect.gen(function*() {
      assert.strictEqual(yield* CircuitBreaker.execute(Effect.succeed(1), { key: "first" }), 1)
      assert.strictEqual(yield* Effect.succeed(2).pipe(CircuitBreaker.execute({ key: "last" })), 2)
      assert.deepStrictEqual(
        yield* Stream.make(3).pipe(
          CircuitBreaker.stream({ key: "parts", classifyPart: StreamSignal.opaque }),
          Stream.runCollect
        ),
        [3]
      )
      assert.deepStrictEqual(keys, ["first", "last", "parts (stream)"])
    }).pipe(Effect.provide(Layer.provide(noting(keys), CircuitTest.layer())))
  })

  it.effect("leaves a router its circuits: it fails over, comes home, and its events reach observers", () => {
    const keys: Array<string> = []
    const events: Array<string> = []
    const known: Array<string> = []
    const observer = CircuitObserver.layer({
      name: "test",
      onEvent: (event) => {
        if (/^failover.[sr]/.test(event.event)) events.push(event.event)
      },
      onRoute: (route, targets) => {
        known.push(`${route}: ${targets.join(", ")}`)
      }
    })
    const Router = FailoverRouter.layer({ routes, classify }).pipe(
      Layer.provideMerge(observer),
      Layer.provideMerge(noting(keys)),
      Layer.provideMerge(breaker())
    )
    return Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down })
      const heard = yield* Effect.forkChild(
        CircuitBreaker.events.pipe(
          Stream.filter(({ event }) => /^failover.[sr]/.test(event)),
          Stream.take(2),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      assert.strictEqual(yield* ask(), "eu")
      assert.strictEqual(yield* active, "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
      // Its circuit is open, so it is not asked.
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["eu"])
      delete ends["us"]
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* ask(), "us")
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(keys, ["chat/us", "chat/eu", "chat/eu", "chat/us"])
      assert.deepStrictEqual(known, ["chat: us, eu"])
      assert.deepStrictEqual(events, ["failover.switched", "failover.recovered"])
      assert.deepStrictEqual((yield* Fiber.join(heard)).map(({ event }) => event), events)
      const state = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state[0]!.targets.map(({ circuit }) => circuit._tag), ["Closed", "Closed"])
    }).pipe(Effect.provide(Router))
  })

  it.effect("is the one that health probes and resets go through", () => {
    const keys: Array<string> = []
    const Router = FailoverRouter.layer({ routes, classify, healthProbe: () => Effect.succeed(true) }).pipe(
      Layer.provideMerge(noting(keys)),
      Layer.provideMerge(breaker())
    )
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "5 seconds" })
      assert.strictEqual(yield* active, "eu")
      yield* TestClock.adjust("5 seconds")
      assert.include(keys, "chat/us")
      assert.strictEqual(yield* tag("us"), "Closed")
      yield* FailoverRouter.reset("chat")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(Router))
  })

  it.effect("may see more than its circuits do: the router goes by what it says", () => {
    const down = new Set<string>()
    const drained = decorated((inner) => ({
      view: (key) =>
        Effect.map(inner.view(key), (view): CircuitState.CircuitView => ({
          key,
          get passes() {
            return !down.has(key) && view.passes
          },
          get state() {
            return down.has(key) ? { key, ...drainedState } : view.state
          }
        }))
    }))
    const Router = FailoverRouter.layer({ routes, classify }).pipe(
      Layer.provideMerge(drained),
      Layer.provideMerge(breaker())
    )
    return Effect.gen(function*() {
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask(), "us")
      down.add("chat/us")
      assert.strictEqual(yield* ask(), "eu")
      assert.strictEqual(yield* active, "eu")
    }).pipe(Effect.provide(Router))
  })

  it.effect("judges a stream of a router as the one it decorates does", () => {
    const keys: Array<string> = []
    const Router = FailoverRouter.layer({ routes, classify }).pipe(
      Layer.provideMerge(noting(keys)),
      Layer.provideMerge(breaker())
    )
    return Effect.gen(function*() {
      const parts = FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? Stream.fromEffect(fails(Outcome.failure("overloaded"))) : Stream.make(name),
        { classifyPart: StreamSignal.opaque }
      )
      assert.deepStrictEqual(yield* Stream.runCollect(parts), ["eu"])
      assert.deepStrictEqual(yield* Stream.runCollect(parts), ["eu"])
      assert.deepStrictEqual(keys, ["chat/us (stream)", "chat/eu (stream)", "chat/eu (stream)"])
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(Router))
  })
})

const drainedState = {
  _tag: "ForcedOpen",
  generation: 1,
  reason: "forced",
  outageId: "drained",
  openedAt: 0,
  openFor: Duration.zero,
  openings: 1,
  lastFailureKind: undefined,
  skips: 0,
  retryAfter: undefined,
  note: "drained",
  actor: undefined
} as const
