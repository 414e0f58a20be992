// Health probes: in the background, bounded, one at a time, through the circuit of their target.
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { CircuitBreaker, CircuitError, FailoverRoute, FailoverRouter, Outcome, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { active, breaker, classify, down, fails, failure, makeTargets, route, router, tag, told } from "./targets.ts"

type Probe = Effect.Effect<boolean, unknown>

/** A health probe that does for each target what a test wants, and counts; without an entry the target is well. */
const makeProbes = (ends: Record<string, Probe> = {}) => {
  const started: Array<string> = []
  const running = new Map<string, number>()
  let most = 0
  const healthProbe = ({ name }: FailoverRoute.Target): Probe => {
    const count = (by: number) =>
      Effect.sync(() => {
        running.set(name, (running.get(name) ?? 0) + by)
        most = Math.max(most, running.get(name)!)
      })
    return Effect.suspend(() => {
      started.push(name)
      return Effect.andThen(count(1), Effect.ensuring(ends[name] ?? Effect.succeed(true), count(-1)))
    })
  }
  return {
    ends,
    healthProbe,
    take: (): ReadonlyArray<string> => started.splice(0),
    most: () => most,
    running: () => [...running.values()].reduce((sum, n) => sum + n, 0)
  }
}

const probed = (
  { healthProbe }: { readonly healthProbe: (target: FailoverRoute.Target) => Probe },
  targets: ReadonlyArray<string> = ["us", "eu"],
  options: Partial<FailoverRouter.Options> = {}
) => router({ routes: [FailoverRoute.make("chat", { targets })], healthProbe, ...options })

const fail = Effect.exit(down.pipe(CircuitBreaker.execute({ key: "chat/us", classify })))
const soon = TestClock.adjust(0)

describe("a standby", () => {
  it.effect("is known to be well before it is needed, and who serves is not asked", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual(probes.take(), ["eu", "asia"])
      assert.deepStrictEqual(yield* told, ["probe of eu: success", "probe of asia: success"])
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual(probes.take(), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(probes.take(), ["eu", "asia"])
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(probes.take(), 40)
    }).pipe(Effect.provide(probed(probes, ["us", "eu", "asia"])))
  })

  it.effect("I141: that is not is passed over: the route goes to the first that is well", () => {
    const probes = makeProbes({
      a: Effect.succeed(false),
      b: Effect.die("broken"),
      d: Effect.fail("503")
    })
    return Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "c", "d"], tag), ["Open", "Open", "Closed", "Open"])
      const { ask, take } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "c")
      assert.deepStrictEqual(take(), ["us", "c"])
    }).pipe(Effect.provide(probed(probes, ["us", "a", "b", "c", "d"])))
  })

  it.effect("I141: if none is well, nothing moves, and each is tried again when its circuit lets it", () => {
    const probes = makeProbes({ eu: Effect.succeed(false), us: Effect.succeed(false) })
    return Effect.gen(function*() {
      yield* soon
      yield* fail
      assert.strictEqual(yield* active, "us")
      probes.take()
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual(probes.take(), [])
      probes.ends["eu"] = Effect.succeed(true)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(probes.take().toSorted(), ["eu", "us"])
      assert.strictEqual(yield* active, "eu")
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("I147: that serves is not probed, and the primary is while it does not", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 minute" })
      yield* soon
      probes.take()
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(probes.take(), [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* active, "us")
      // `eu` does not serve any more, and was last probed long ago.
      assert.deepStrictEqual(probes.take(), ["us", "eu"])
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("is probed as often as the route says", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(probes.take(), 11)
    }).pipe(Effect.provide(probed(probes, ["us", "eu"], { healthProbeInterval: "1 second" })))
  })

  it.effect("is no target that serves by weight", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* told, ["probe of c: success"])
    }).pipe(Effect.provide(route({
      targets: [{ name: "a", tier: 1 }, { name: "b", tier: 1 }, { name: "c", tier: 2 }]
    }, { healthProbe: () => Effect.succeed(true) }))))
})

describe("W56: a primary", () => {
  it.effect("is brought back by its own probe, and no call of a user has to try it", () => {
    const probes = makeProbes({ us: Effect.succeed(false) })
    return Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
      take()
      for (const _ of [1, 2, 3]) {
        yield* TestClock.adjust("60 seconds")
        yield* ask()
      }
      assert.deepStrictEqual(take(), ["eu", "eu", "eu"])
      delete ends.us
      delete probes.ends["us"]
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual([yield* active, yield* tag("us")], ["us", "Closed"])
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("I157: and not before minFailoverDuration, however well it is", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* fail
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* tag("us"), "Closed")
      yield* TestClock.adjust("28999 millis")
      assert.strictEqual(yield* active, "eu")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* active, "us")
    }).pipe(
      Effect.provide(
        router({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })], healthProbe: probes.healthProbe }, {
          openDuration: "1 second"
        })
      )
    )
  })

  it.effect("takes as many probes as its circuit wants", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* soon
      yield* fail
      probes.take()
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(probes.take().filter((name) => name === "us"), ["us", "us", "us"])
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(
      Effect.provide(
        router({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })], healthProbe: probes.healthProbe }, {
          successesToClose: 3
        })
      )
    )
  })

  it.effect("that an operator forced open without an end is not probed, until a reset", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* TestClock.adjust("1 day")
      assert.notInclude(probes.take(), "us")
      assert.strictEqual(yield* active, "eu")
      yield* CircuitBreaker.reset("chat/us")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("that an operator has disabled is not probed", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* CircuitBreaker.disable("chat/eu")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(probes.take(), [])
      yield* CircuitBreaker.enable("chat/eu")
      yield* soon
      assert.deepStrictEqual(probes.take(), ["eu"])
    }).pipe(Effect.provide(probed(probes)))
  })
})

describe("a health probe", () => {
  it.effect.each(
    [
      ["fails", Effect.fail("503"), "failure"],
      ["says no", Effect.succeed(false), "failure"],
      ["dies", Effect.die("bug"), "failure"],
      [
        "throws as an effect",
        Effect.suspend((): Probe => {
          throw new Error("bug")
        }),
        "failure"
      ],
      ["hangs", Effect.never, "timeout"],
      ["takes a little too long", Effect.delay(Effect.succeed(true), "5001 millis"), "timeout"]
    ] as const
  )("that %s opens the circuit at once, whatever the policy counts", ([, end, result]) =>
    Effect.gen(function*() {
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* told, [`probe of eu: ${result}`])
      assert.strictEqual(yield* tag("eu"), "Open")
      const recorded = yield* RecordedEvents.RecordedEvents
      const opened = yield* recorded.of("circuit.opened")
      assert.deepStrictEqual(opened.map(({ failure_kind, reason }) => [reason, failure_kind === "timeout"]), [
        ["open_now", result === "timeout"]
      ])
    }).pipe(Effect.provide(router({
      routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
      healthProbe: makeProbes({ eu: end }).healthProbe
    }, { tripPolicy: TripPolicy.consecutive(100) }))))

  it.effect("just in time is a success", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* told, ["probe of eu: success"])
      assert.strictEqual(yield* tag("eu"), "Closed")
    }).pipe(Effect.provide(probed(makeProbes({ eu: Effect.delay(Effect.succeed(true), "4999 millis") })))))

  const shapes: ReadonlyArray<readonly [string, unknown]> = [
    ["1", Effect.succeed(1)],
    ["a text", Effect.succeed("yes")],
    ["nothing", Effect.void],
    ["an object", Effect.succeed({ ok: true })],
    ["an effect in an effect", Effect.succeed(Effect.succeed(true))],
    ["a bare true", true],
    ["a promise", Promise.resolve(true)],
    ["a function", () => true],
    ["null", null]
  ]
  it.effect.each(shapes)("I143: only a real true is well: %s is not", ([, shape]) =>
    Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual(yield* told, ["probe of eu: failure"])
      assert.strictEqual(yield* tag("eu"), "Open")
      // And it goes on.
      yield* TestClock.adjust("60 seconds")
      assert.lengthOf(yield* told, 2)
    }).pipe(Effect.provide(router({
      routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
      healthProbe: () => shape as never
    }))))

  it.effect("I159: that throws as a function disturbs nobody", () =>
    Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual(yield* told, ["probe of eu: failure"])
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask(), "us")
    }).pipe(Effect.provide(router({
      routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
      healthProbe: () => {
        throw new Error("broken")
      }
    }))))

  it.effect("that interrupts itself says nothing, and is tried again", () => {
    const probes = makeProbes({ eu: Effect.interrupt })
    return Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual([probes.take(), yield* told, yield* tag("eu")], [["eu"], [], "Closed"])
      probes.ends["eu"] = Effect.succeed(true)
      yield* TestClock.adjust("1 minute")
      assert.isNotEmpty(probes.take())
      assert.strictEqual((yield* told)[0], "probe of eu: success")
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("that interrupts itself on a half-open circuit is not tried without a pause", () => {
    const probes = makeProbes({ us: Effect.interrupt })
    return Effect.gen(function*() {
      yield* fail
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* tag("us"), "HalfOpen")
      probes.take()
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(probes.take().filter((name) => name === "us"), 10)
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("heeds the wait that it was asked for", () => {
    const probes = makeProbes({ eu: fails(Outcome.openNow("quota_exhausted", "10 minutes")) })
    return Effect.gen(function*() {
      yield* soon
      probes.take()
      yield* TestClock.adjust("599999 millis")
      assert.deepStrictEqual(probes.take(), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(probes.take(), ["eu"])
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("that is throttled shuts the gate, and does not open the circuit", () => {
    const probes = makeProbes({ eu: fails(Outcome.throttled("10 seconds")) })
    return Effect.gen(function*() {
      yield* soon
      assert.strictEqual(yield* tag("eu"), "Closed")
      assert.deepStrictEqual(yield* told, ["probe of eu: failure"])
      const { ask, take } = makeTargets({ us: down })
      yield* failure(ask({ deadline: "5 seconds" }))
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("I142: that hangs holds neither the others nor a call, and is bounded", () => {
    const probes = makeProbes({ a: Effect.never, b: Effect.never })
    return Effect.gen(function*() {
      const { ask } = makeTargets()
      yield* soon
      assert.deepStrictEqual(probes.take(), ["a", "b", "c"])
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(yield* told, ["probe of c: success"])
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(yield* told, ["probe of c: success", "probe of a: timeout", "probe of b: timeout"])
      // A later one runs again.
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(probes.take().filter((name) => name !== "c"), ["a", "b"])
    }).pipe(Effect.provide(probed(probes, ["us", "a", "b", "c"], { healthProbeTimeout: "50 millis" })))
  })

  it.effect("I146: is one at a time for each target, whatever happens to its circuit", () => {
    const probes = makeProbes({ eu: Effect.never })
    return Effect.gen(function*() {
      yield* soon
      for (let n = 0; n < 8; n++) {
        yield* CircuitBreaker.forceOpen("chat/eu", { for: 1 })
        yield* TestClock.adjust(1)
        yield* CircuitBreaker.reset("chat/eu")
        yield* CircuitBreaker.disable("chat/eu")
        yield* CircuitBreaker.enable("chat/eu")
        yield* soon
      }
      assert.deepStrictEqual([probes.take(), probes.most()], [["eu"], 1])
      yield* TestClock.adjust("5 seconds")
      assert.isAtMost(probes.most(), 1)
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("I146: is the one probe of its circuit: a call that would be another is turned away", () => {
    const probes = makeProbes({ us: Effect.never })
    return Effect.gen(function*() {
      yield* fail
      yield* TestClock.adjust("60 seconds")
      const { ask, take } = makeTargets({ eu: down })
      const error = yield* failure(ask())
      assert.deepStrictEqual(error.attempts.map(({ cause, target }) => `${target} ${cause}`), [
        "eu overloaded",
        "us half_open"
      ])
      assert.deepStrictEqual(take(), ["eu"])
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("does not touch the probe of a user, and takes its turn when that is gone", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      const user = yield* Effect.never.pipe(
        CircuitBreaker.execute({ key: "chat/us" }),
        Effect.delay("1 second"),
        Effect.forkChild({ startImmediately: true })
      )
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      yield* TestClock.adjust("20 seconds")
      assert.notInclude(probes.take(), "us")
      assert.strictEqual(yield* tag("us"), "HalfOpen")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.notInclude((yield* recorded.calls).map(({ result }) => result), "rejected_half_open")
      yield* Fiber.interrupt(user)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(probes.take().filter((name) => name === "us"), ["us"])
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("I153: of before a reset closes and opens nothing", () => {
    const answer = Deferred.makeUnsafe<boolean>()
    const probes = makeProbes({ us: Deferred.await(answer) })
    return Effect.gen(function*() {
      yield* fail
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(probes.take().filter((name) => name === "us"), ["us"])
      yield* FailoverRouter.reset("chat")
      yield* CircuitBreaker.forceOpen("chat/us")
      yield* Deferred.succeed(answer, true)
      yield* soon
      assert.deepStrictEqual([yield* tag("us"), yield* active], ["ForcedOpen", "eu"])
      yield* CircuitBreaker.reset("chat/us")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* active, "us")
    }).pipe(Effect.provide(probed(probes, ["us", "eu"], { healthProbeTimeout: "1 minute" })))
  })

  it.effect("I151: is not begun when its circuit has closed meanwhile", () => {
    const probes = makeProbes()
    return Effect.gen(function*() {
      yield* soon
      probes.take()
      yield* fail
      yield* TestClock.adjust("10 seconds")
      yield* CircuitBreaker.reset("chat/us")
      yield* TestClock.adjust("20 seconds")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* active, "us")
      // `us` was on its way back, and probed as any target that does not serve; not at the end of its old opening.
      assert.isAtMost(probes.take().filter((name) => name === "us").length, 1)
    }).pipe(Effect.provide(probed(probes)))
  })

  it.effect("I156: ends with the layer, wherever it is", () =>
    Effect.gen(function*() {
      for (const at of [0, 1, 4_999, 5_000, 30_000]) {
        const probes = makeProbes({ eu: Effect.never, asia: Effect.delay(Effect.succeed(true), "1 second") })
        const scope = yield* Scope.make()
        const layer = FailoverRouter.layer({
          routes: [FailoverRoute.make("chat", { targets: ["us", "eu", "asia"] })],
          classify,
          healthProbe: probes.healthProbe
        })
        const context = yield* Layer.buildWithScope(layer, scope)
        yield* TestClock.adjust(at)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(probes.running(), 0)
        probes.take()
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(probes.take(), [])
        assert.isDefined(Context.getUnsafe(context, FailoverRouter.FailoverRouter))
        // No slot is stuck.
        yield* CircuitBreaker.reset("chat/eu")
        const state = yield* CircuitBreaker.state("chat/eu")
        assert.strictEqual(state._tag, "Closed")
      }
    }).pipe(Effect.provide(breaker())))

  it.effect("I156: that is a probe of its circuit gives the slot back when the layer ends", () =>
    Effect.gen(function*() {
      const probes = makeProbes({ us: Effect.never })
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(
        FailoverRouter.layer({
          routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
          healthProbe: probes.healthProbe
        }),
        scope
      )
      yield* fail
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* tag("us"), "HalfOpen")
      yield* Scope.close(scope, Exit.void)
      const state = yield* CircuitBreaker.state("chat/us")
      assert.strictEqual(state._tag === "HalfOpen" && state.probing, 0)
    }).pipe(Effect.provide(breaker())))

  it.effect("that another circuit turns away has failed, and is announced", () =>
    Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual(yield* told, ["probe of eu: failure"])
      assert.strictEqual(yield* tag("eu"), "Open")
    }).pipe(Effect.provide(
      router({
        routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
        healthProbe: () =>
          Effect.fail(CircuitError.make({
            _tag: "CircuitOpen",
            key: "shared",
            retryAfter: Duration.zero,
            openedAt: 0,
            outageId: "o"
          }))
      })
    )))

  it.effect("gets what it needs from the layer", () => {
    class Pinger extends Context.Service<Pinger, { readonly ping: (name: string) => Effect.Effect<boolean> }>()(
      "test/Pinger"
    ) {}
    const pinged: Array<string> = []
    const layer = router({
      routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
      healthProbe: ({ name }) => Pinger.use(({ ping }) => ping(name))
    }).pipe(
      Layer.provide(Layer.succeed(Pinger, { ping: (name) => Effect.sync(() => pinged.push(name) > 0) }))
    )
    return Effect.gen(function*() {
      yield* soon
      assert.deepStrictEqual(pinged, ["eu"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("I144: is none unless there is one: nothing runs in the background", () =>
    Effect.gen(function*() {
      yield* fail
      yield* TestClock.adjust("59 minutes")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.lengthOf(yield* recorded.calls, 1)
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(router())))

  it.effect("runs without a breaker too, and moves nothing", () => {
    const probes = makeProbes({ eu: Effect.succeed(false) })
    const layer = FailoverRouter.layer({
      routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })],
      healthProbe: probes.healthProbe
    })
      .pipe(
        Layer.provide(CircuitBreaker.layerNoop)
      )
    return Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(probes.take(), 3)
      const { ask } = makeTargets({ us: Effect.fail({ status: 503 }) })
      assert.strictEqual(yield* ask(), "eu")
    }).pipe(Effect.provide(layer))
  })

  it.effect("that the breaker's policy cuts off has timed out, and counts once", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* tag("eu"), "Closed")
      assert.deepStrictEqual((yield* told).filter((line) => line.includes("eu")), ["probe of eu: timeout"])
    }).pipe(Effect.provide(
      route({ targets: ["us", "eu"] }, { healthProbe: () => Effect.never }, {
        attemptTimeout: "1 second",
        tripPolicy: TripPolicy.consecutive(3)
      })
    )))

  it.effect("of a provider that ten routes share is one at a time", () =>
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const healthProbe = () =>
        Effect.gen(function*() {
          most = Math.max(most, ++running)
          yield* Effect.sleep("50 millis")
          running--
          return true
        })
      const targets = [{ name: "us", key: "us" }, { name: "eu", key: "eu" }]
      const routes = Array.from({ length: 10 }, (_, route) => FailoverRoute.make(`route-${route}`, { targets }))
      yield* Effect.provide(TestClock.adjust("10 seconds"), router({ routes, healthProbe }))
      assert.strictEqual(most, 1)
    }))
})
