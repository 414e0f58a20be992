// Whom a call goes to: the order of targets, tiers and weights, sticky keys, fences.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Random } from "effect"
import { CircuitBreaker, FailoverRouter, Outcome } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { active, down, fails, failure, makeTargets, route, router, tag, through, told, trail } from "./targets.ts"

/** How often each target answered, of so many calls. */
const shares = Effect.fnUntraced(function*(calls: number, options: (n: number) => FailoverRouter.ExecuteOptions) {
  const { ask, take } = makeTargets()
  for (let n = 0; n < calls; n++) yield* ask(options(n))
  const asked = take()
  assert.lengthOf(asked, calls)
  return (name: string) => asked.filter((other) => other === name).length / calls
})
const tier = (names: Record<string, number>, n = 1) =>
  Object.entries(names).map(([name, weight]) => ({ name, weight, tier: n }))

describe("the order of targets", () => {
  it.effect("is that of the list, and each is asked once", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down, eu: down, asia: down })
      assert.deepStrictEqual(trail(yield* failure(ask())), ["us overloaded", "eu overloaded", "asia overloaded"])
      assert.deepStrictEqual(take(), ["us", "eu", "asia"])
      yield* FailoverRouter.reset("chat")
      delete ends.asia
      assert.strictEqual(yield* ask(), "asia")
      assert.deepStrictEqual(take(), ["us", "eu", "asia"])
    }).pipe(Effect.provide(router())))

  it.effect("I141: begins with who takes calls, and ends with who does not, by tier", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 hour" })
      yield* CircuitBreaker.forceOpen("chat/asia", { for: "1 hour" })
      const { ask, take } = makeTargets({ eu: down })
      assert.deepStrictEqual(trail(yield* failure(ask())), [
        "eu overloaded",
        "us forced_open (not asked)",
        "asia forced_open (not asked)"
      ])
      assert.deepStrictEqual(take(), ["eu"])
    }).pipe(Effect.provide(router())))

  it.effect("is that of the tiers, whatever their place in the list", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ a: down, b: down, c: down })
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["c", "b", "a"])
      assert.strictEqual(yield* Effect.map(FailoverRouter.snapshot, ([state]) => state?.targets[0]?.target.name), "c")
    }).pipe(Effect.provide(route({
      targets: [{ name: "a", tier: 9 }, { name: "b", tier: 2 }, { name: "c", tier: 1 }]
    }))))

  it.effect("goes through a whole tier before the next, and comes back to it only in order", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ a: down, b: down, c: down, d: down })
      yield* failure(ask())
      const asked = take()
      assert.deepStrictEqual([asked.slice(0, 2).toSorted(), asked.slice(2).toSorted()], [["a", "b"], ["c", "d"]])
    }).pipe(Effect.provide(route({ targets: [...tier({ a: 1, b: 1 }), ...tier({ c: 1, d: 1 }, 2)] }))))

  it.effect("puts a target on trial that is better than who serves before it, and after it one that is not", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down, asia: down })
      assert.strictEqual(yield* ask(), "eu")
      yield* CircuitBreaker.forceOpen("chat/asia", { for: "1 second" })
      yield* TestClock.adjust("59999 millis")
      take()
      yield* ask()
      assert.deepStrictEqual(take(), ["eu"])
      yield* TestClock.adjust("1 millis")
      yield* ask()
      assert.deepStrictEqual(take(), ["us", "eu"])
      ends.eu = down
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["eu", "asia"])
    }).pipe(Effect.provide(router())))

  it.effect("asks who is on trial at last where a health probe does that", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
      const { ask, take } = makeTargets({ eu: down })
      yield* TestClock.adjust("1 second")
      yield* CircuitBreaker.reset("chat/eu")
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(take(), ["eu", "us"])
    }).pipe(
      Effect.provide(
        route({ targets: ["us", "eu"] }, { healthProbe: () => Effect.never, healthProbeTimeout: "1 hour" }, {
          probes: 2
        })
      )
    ))
})

describe("weights", () => {
  const seeded = Random.withSeed("weights")

  it.effect("share the calls of a tier", () =>
    Effect.gen(function*() {
      const share = yield* shares(4_000, () => ({}))
      assert.closeTo(share("a"), 0.6, 0.03)
      assert.closeTo(share("b"), 0.3, 0.03)
      assert.closeTo(share("c"), 0.1, 0.02)
      assert.strictEqual(share("d"), 0)
    }).pipe(seeded, Effect.provide(route({ targets: [...tier({ a: 6, b: 3, c: 1 }), { name: "d", tier: 2 }] }))))

  it.effect("are equal unless given", () =>
    Effect.gen(function*() {
      const share = yield* shares(3_000, () => ({}))
      for (const name of ["a", "b", "c"]) assert.closeTo(share(name), 1 / 3, 0.03)
    }).pipe(seeded, Effect.provide(route({ targets: ["a", "b", "c"].map((name) => ({ name, tier: 1 })) }))))

  it.effect("of 0 get calls only when the others of the tier serve none, and before the next tier", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* shares(200, () => ({})))("spare"), 0)
      const { ask, take } = makeTargets({ a: down, b: down })
      assert.strictEqual(yield* ask(), "spare")
      assert.deepStrictEqual(take().toSorted(), ["a", "b", "spare"])
      assert.strictEqual((yield* shares(200, () => ({})))("spare"), 1)
    }).pipe(
      seeded,
      Effect.provide(route({ targets: [...tier({ spare: 0, a: 1, b: 1 }), { name: "next", tier: 2 }] }))
    ))

  it.effect("go to the rest of the tier, by share, when one is away", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/a")
      const share = yield* shares(2_000, () => ({}))
      assert.closeTo(share("b"), 0.75, 0.03)
      assert.closeTo(share("c"), 0.25, 0.03)
    }).pipe(seeded, Effect.provide(route({ targets: tier({ a: 6, b: 3, c: 1 }) }))))

  it.effect("hold also for whom a call goes to next", () =>
    Effect.gen(function*() {
      const seconds: Array<string> = []
      for (let n = 0; n < 2_000; n++) {
        const { ask, take } = makeTargets({ a: fails(Outcome.failure("unknown")) })
        yield* Effect.exit(ask({ allow: { targets: ["a", "b", "c"] } }))
        const asked = take()
        if (asked[0] === "a") seconds.push(asked[1]!)
        yield* CircuitBreaker.reset("chat/a")
      }
      assert.isAbove(seconds.length, 1_000)
      assert.closeTo(seconds.filter((name) => name === "b").length / seconds.length, 0.75, 0.04)
    }).pipe(seeded, Effect.provide(route({ targets: tier({ a: 6, b: 3, c: 1 }) }))))
})

describe("a sticky key", () => {
  const targets = tier({ a: 6, b: 3, c: 1 })
  const home = (key: string) => {
    const { ask } = makeTargets()
    return Effect.map(ask({ stickyKey: key }), String)
  }
  const keys = Array.from({ length: 300 }, (_, n) => `conversation-${n}`)

  it.effect("stays with its target", () =>
    Effect.gen(function*() {
      const first = yield* Effect.forEach(keys, home)
      assert.deepStrictEqual(new Set(first), new Set(["a", "b", "c"]))
      for (let n = 0; n < 5; n++) assert.deepStrictEqual(yield* Effect.forEach(keys, home), first)
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("is at home at the same target in every process", () =>
    Effect.gen(function*() {
      const here = yield* Effect.forEach(keys, home).pipe(Effect.provide(route({ targets })))
      const there = yield* Effect.forEach(keys, home).pipe(
        Effect.provide(route({ targets: targets.toReversed() })),
        Random.withSeed("another process")
      )
      assert.deepStrictEqual(there, here)
    }))

  it.effect.each(
    [
      ["numbered", (n: number) => `conversation-${n}`],
      ["short", (n: number) => String(n)],
      ["long and alike", (n: number) => `${"tenant/".repeat(20)}${n}/${"x".repeat(50)}`]
    ] as const
  )("shares by weight: %s", ([, keyOf]) =>
    Effect.gen(function*() {
      const share = yield* shares(4_000, (n) => ({ stickyKey: keyOf(n) }))
      assert.closeTo(share("a"), 0.6, 0.03)
      assert.closeTo(share("b"), 0.3, 0.03)
      assert.closeTo(share("c"), 0.1, 0.02)
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("moves only while its target is away, and only those of that target", () =>
    Effect.gen(function*() {
      const before = yield* Effect.forEach(keys, home)
      yield* CircuitBreaker.forceOpen("chat/a")
      const during = yield* Effect.forEach(keys, home)
      keys.forEach((_, n) => {
        if (before[n] === "a") assert.include(["b", "c"], during[n])
        else assert.strictEqual(during[n], before[n])
      })
      yield* CircuitBreaker.reset("chat/a")
      assert.deepStrictEqual(yield* Effect.forEach(keys, home), before)
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("that is empty is one too", () =>
    Effect.gen(function*() {
      const homes = yield* Effect.forEach(keys, () => home(""))
      assert.strictEqual(new Set(homes).size, 1)
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("does not keep a target of weight 0, nor one of a lower tier", () =>
    Effect.gen(function*() {
      const homes = yield* Effect.forEach(keys, home)
      assert.deepStrictEqual(new Set(homes), new Set(["a"]))
    }).pipe(Effect.provide(route({ targets: [...tier({ a: 1, b: 0 }), { name: "c", tier: 2 }] }))))
})

describe("a fence", () => {
  const targets = [
    { name: "us", region: "us" },
    { name: "eu", region: "eu" },
    { name: "eu2", region: "eu" },
    "anywhere"
  ]

  it.effect.each(
    [
      ["a region", { regions: ["eu"] }, ["eu", "eu2"]],
      ["two regions", { regions: ["eu", "us"] }, ["us", "eu", "eu2"]],
      ["names", { targets: ["anywhere", "us"] }, ["us", "anywhere"]],
      ["names in regions", { regions: ["eu"], targets: ["us", "eu2", "anywhere"] }, ["eu2"]],
      ["nothing in particular", {}, ["us", "eu", "eu2", "anywhere"]]
    ] as const
  )("is never crossed, however many fail inside: %s", ([, allow, inside]) =>
    Effect.gen(function*() {
      const ends = Object.fromEntries(inside.map((name) => [name, down]))
      const { ask, take } = makeTargets(ends)
      yield* failure(ask({ allow }))
      assert.deepStrictEqual(take(), inside)
      // Also when all of them are away, and others would serve.
      const again = yield* failure(ask({ allow }))
      assert.deepStrictEqual<ReadonlyArray<string>>(again.attempts.map(({ target }) => target), inside)
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets }))))

  it.effect.each(
    [
      ["without regions", { regions: [] }],
      ["of a region that nobody is in", { regions: ["moon"] }],
      ["without names", { targets: [] }],
      ["of names in another region", { regions: ["us"], targets: ["eu"] }]
    ] as const
  )("that leaves nobody is an error of its own: %s", ([, allow]) =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets()
      const error = yield* failure(ask({ allow }))
      assert.deepStrictEqual(error.reason, { _tag: "NoTargetAllowed", route: "chat" })
      assert.strictEqual(error.message, "no target of route \"chat\" is allowed for the call")
      assert.deepStrictEqual([error.attempts, error.retryAfter, error.cause], [[], undefined, undefined])
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("of the route is one for all calls, and those of a call only make it smaller", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ eu: down, eu2: down })
      assert.strictEqual(yield* active, "eu")
      yield* failure(ask())
      assert.deepStrictEqual(take(), ["eu", "eu2"])
      assert.strictEqual((yield* failure(ask({ allow: { regions: ["us"] } }))).reason._tag, "NoTargetAllowed")
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.targets.map(({ target }) => target.name), ["eu", "eu2"])
    }).pipe(Effect.provide(route({ targets, allow: { regions: ["eu"] } }))))

  it.effect("around a call moves the route for nobody else", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask({ allow: { regions: ["eu"] } }), "eu")
      assert.strictEqual(yield* active, "us")
      assert.strictEqual(yield* ask(), "us")
    }).pipe(Effect.provide(route({ targets }))))

  it.effect("holds for the last resort too", () =>
    Effect.gen(function*() {
      for (const target of ["us", "eu", "eu2"]) yield* through(target, fails(Outcome.failure("server_error")))
      const { ask, take } = makeTargets()
      yield* ask({ allow: { regions: ["eu"] } })
      assert.deepStrictEqual(take(), ["eu"])
    }).pipe(Effect.provide(route({ targets }))))
})

describe("a target on trial", () => {
  /** A circuit that is half-open, and asked everybody to wait. */
  const gatedProbe = (target: string) =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(`chat/${target}`, { for: "1 second" })
      yield* TestClock.adjust("1 second")
      yield* through(target, fails(Outcome.throttled("1 hour")))
      assert.strictEqual(yield* tag(target), "HalfOpen")
    })

  it.effect("is not tried while it asks for a pause", () =>
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

  it.effect("is no last resort while it asks for a pause", () =>
    Effect.gen(function*() {
      yield* gatedProbe("us")
      const { ask, take } = makeTargets()
      assert.deepStrictEqual(trail(yield* failure(ask())), ["us throttled (not asked)"])
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets: ["us"], deadline: "10 seconds" }))))

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
