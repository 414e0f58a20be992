// What is announced and counted of calls that move: who served, why others did not, and who refuses our account.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitMetrics,
  CircuitObserver,
  Evidence,
  FailoverRouter,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { classifyPart, provider } from "../support/streams.ts"
import { active, down, fails, failure, makeTargets, route, tag } from "./targets.ts"

const two = { targets: ["us", "eu"] }
const patient = { tripPolicy: TripPolicy.consecutive(1000) }
const refused = fails(Outcome.ignored("auth"))

const moved = Effect.gen(function*() {
  const recorded = yield* RecordedEvents.RecordedEvents
  return (yield* recorded.of("failover.moved")).map(({ calls, cause, from_target, to_target }) =>
    `${from_target} -> ${to_target}: ${cause} ${calls}`
  )
})

describe("a call that goes on", () => {
  it.effect("is announced with its cause: the first at once, and then how many once a minute", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down })
      for (let call = 0; call < 5; call++) yield* ask()
      assert.deepStrictEqual(yield* moved, ["us -> eu: overloaded 1"])
      ends.us = fails(Outcome.failure("server_error"))
      yield* ask()
      assert.deepStrictEqual(yield* moved, ["us -> eu: overloaded 1", "us -> eu: server_error 1"])
      yield* TestClock.adjust("1 minute")
      // Also where no other call comes.
      assert.deepStrictEqual((yield* moved).slice(2), ["us -> eu: overloaded 4"])
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(yield* moved, 3)
    }).pipe(Effect.provide(route(two, {}, patient))))

  it.effect("is announced where a gate is the cause", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: fails(Outcome.throttled("5 seconds")) })
      for (let call = 0; call < 3; call++) yield* ask()
      assert.deepStrictEqual(yield* moved, ["us -> eu: rate_limited 1", "us -> eu: throttled 1"])
    }).pipe(Effect.provide(route(two))))

  it.effect("is not announced where nothing moved", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets()
      yield* ask()
      assert.deepStrictEqual(yield* moved, [])
    }).pipe(Effect.provide(route(two))))
})

describe("attempts", () => {
  it.effect("are heard one by one, in order, with the cause of those that did not serve", () => {
    const heard: Array<string> = []
    const observed = CircuitObserver.layer({
      name: "test",
      onAttempt: (route, target, cause) => void heard.push(`${route} ${target} ${cause ?? "served"}`)
    })
    return Effect.gen(function*() {
      const { ask, ends } = makeTargets({ us: down })
      yield* ask()
      yield* ask()
      ends.eu = down
      yield* failure(ask())
      assert.deepStrictEqual(heard, [
        "chat us overloaded",
        "chat eu served",
        "chat eu served",
        "chat eu overloaded",
        "chat us open"
      ])
    }).pipe(Effect.provide(observed.pipe(Layer.provideMerge(route(two)))))
  })

  it.effect("are metrics: who serves is counted by answers", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: refused })
      for (let call = 0; call < 3; call++) yield* ask()
      const values = new Map(
        (yield* Metric.snapshot).filter(({ id }) => /^failover_(served|attempts|refusals)/.test(id)).map((
          { attributes, id, state }
        ) =>
          [
            `${id} ${Object.values(attributes ?? {}).toSorted().join(" ")}`,
            "count" in state ? Number(state.count) : undefined
          ] as const
        )
      )
      assert.strictEqual(values.get("failover_served_total chat eu"), 3)
      assert.strictEqual(values.get("failover_served_total chat us"), 0)
      assert.strictEqual(values.get("failover_attempts_total auth chat us"), 3)
      assert.strictEqual(values.get("failover_refusals_total auth chat us"), 1)
      assert.strictEqual(values.get("failover_refusals_total auth chat eu"), 0)
    }).pipe(Effect.provide(
      CircuitMetrics.layer.pipe(
        Layer.provideMerge(route(two, {}, patient)),
        Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
      )
    )))
})

describe("a refusal of our account", () => {
  const by = (request: string) => ({ evidence: Evidence.make({ request }) })
  const refusals = Effect.flatMap(RecordedEvents.RecordedEvents, (recorded) => recorded.of("failover.refused"))

  it.effect("is announced by the first call, and its target is left after the second request", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: refused })
      assert.strictEqual(yield* ask(by("one")), "eu")
      assert.deepStrictEqual((yield* refusals).map(({ calls, kind, target }) => [target, kind, calls]), [[
        "us",
        "auth",
        1
      ]])
      assert.strictEqual(yield* active, "us")
      assert.strictEqual(yield* ask(by("two")), "eu")
      assert.strictEqual(yield* active, "eu")
      yield* ask(by("three"))
      assert.deepStrictEqual(take(), ["us", "eu", "us", "eu", "eu"])
    }).pipe(Effect.provide(route(two, {}, { tripPolicy: TripPolicy.consecutive(2) }))))

  const refusedPart = (part: string) =>
    part === "refused" ? StreamSignal.failed(Outcome.ignored("auth")) : classifyPart(part)
  const streamed = (request: string, us: ReadonlyArray<ReadonlyArray<string>>) =>
    FailoverRouter.stream(
      "chat",
      ({ name }) => provider(...name === "us" ? us : [[`text ${name}`, "finish"]]),
      { classifyPart: refusedPart, ...by(request) }
    ).pipe(Stream.runCollect, Effect.exit)

  it.effect.each(
    [
      ["that was held back", [["open", "refused"]]],
      ["together with the beginning of the answer", [["text", "refused"]]],
      ["after the answer has begun", [["text"], ["refused"]]]
    ] as const
  )("in a part of a stream %s is one, too", ([, us]) =>
    Effect.gen(function*() {
      yield* streamed("one", us)
      assert.deepStrictEqual((yield* refusals).map(({ calls, kind, target }) => [target, kind, calls]), [[
        "us",
        "auth",
        1
      ]])
      assert.strictEqual(yield* active, "us")
      yield* streamed("two", us)
      assert.strictEqual(yield* tag("us"), "Open")
      assert.strictEqual(yield* active, "eu")
    }).pipe(Effect.provide(route(two, {}, { tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("of one request among others that are served opens nothing", () =>
    Effect.gen(function*() {
      const { ask, ends } = makeTargets()
      for (let round = 0; round < 5; round++) {
        delete ends.us
        yield* ask(by(`other ${round}`))
        ends.us = refused
        yield* ask(by("mine"))
        yield* ask(by("mine"))
      }
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(Effect.provide(route(two, {}, { tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("is no reason for a last resort", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: refused })
      yield* Effect.exit(ask())
      assert.strictEqual(yield* tag("us"), "Open")
      take()
      yield* failure(ask())
      assert.deepStrictEqual(take(), [])
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect.each(
    [
      ["the keys are the caller's", { targets: [{ name: "us", credentials: "caller" as const }, "eu"] }],
      ["the route says that it is the caller's", { ...two, failOverOn: [] }]
    ] as const
  )("says nothing of the target where %s", ([, settings]) =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: refused })
      for (let call = 0; call < 5; call++) yield* Effect.exit(ask(by(`request ${call}`)))
      assert.strictEqual(yield* tag("us"), "Closed")
      if (settings.targets[0] !== "us") assert.deepStrictEqual(yield* refusals, [])
    }).pipe(Effect.provide(route(settings))))

  it.effect("keeps a circuit open that a probe with it tried", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us", { for: "30 seconds" })
      yield* TestClock.adjust("30 seconds")
      const { ask } = makeTargets({ us: refused })
      assert.strictEqual(yield* ask(), "eu")
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(route(two))))
})
