import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Exit, Fiber, Layer, Metric, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitMetrics,
  CircuitPolicy,
  CircuitStore,
  MetricDefinition,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const up = (key: string) => Effect.exit(Effect.succeed("hello").pipe(CircuitBreaker.execute({ key })))
const down = (key: string) => Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
const says = (key: string, outcome: Outcome.Outcome) =>
  Effect.exit(Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome })))
const tag = (key: string) => Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
const known = Effect.map(CircuitBreaker.states, (states) => states.map(({ key }) => key).sort())

const memory = (limits: CircuitStore.MemoryOptions, policy: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 minute", ...policy }).pipe(
    Layer.provide(CircuitStore.layerMemoryWith(limits))
  )

/** The same with a record of its events, and with metrics of its own. */
const observed = (limits: CircuitStore.MemoryOptions) =>
  Layer.mergeAll(RecordedEvents.layer, CircuitMetrics.layer).pipe(
    Layer.provideMerge(memory(limits)),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
  )

const unguardedCalls = Effect.map(Metric.snapshot, (metrics) => {
  const found = metrics.find(({ id }) => id === MetricDefinition.definitions.unguardedCalls.name)
  return found?.type === "Counter" ? found.state.count : undefined
})

const tenMinutes = { idleTimeToLive: "10 minutes" } as const

describe("a memory store forgets", () => {
  it.effect("a closed circuit that nobody has used for the time, and not before", () =>
    Effect.gen(function*() {
      yield* down("a")
      yield* TestClock.adjust("599999 millis")
      assert.deepStrictEqual(yield* known, ["a"])
      const kept = yield* CircuitBreaker.state("a")
      assert.strictEqual(kept._tag === "Closed" && kept.consecutiveFailures, 1)
      yield* TestClock.adjust("1 millis")
      const forgotten = yield* CircuitBreaker.state("a")
      assert.strictEqual(forgotten._tag === "Closed" && forgotten.consecutiveFailures, 0)
      assert.deepStrictEqual(yield* known, [])
    }).pipe(Effect.provide(memory(tenMinutes, { tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("so that its next use starts without a past", () =>
    Effect.gen(function*() {
      yield* down("a")
      yield* TestClock.adjust("10 minutes")
      yield* down("a")
      assert.strictEqual(yield* tag("a"), "Closed")
      yield* down("a")
      assert.strictEqual(yield* tag("a"), "Open")
    }).pipe(Effect.provide(memory(tenMinutes, { tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("counting from the last use: reading is none", () =>
    Effect.gen(function*() {
      yield* up("used")
      yield* up("read")
      yield* TestClock.adjust("9 minutes")
      yield* up("used")
      yield* tag("read")
      yield* known
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(yield* known, ["used"])
    }).pipe(Effect.provide(memory(tenMinutes))))

  it.effect("an open circuit that long after its deadline, and not before", () =>
    Effect.gen(function*() {
      yield* says("a", Outcome.openNow("quota_exhausted", "1 hour"))
      yield* TestClock.adjust("69 minutes")
      assert.strictEqual(yield* tag("a"), "Open")
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual(yield* known, ["a"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* known, [])
    }).pipe(Effect.provide(memory(tenMinutes))))

  it.effect("an operator's hold that long after it ended, and not before", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("a", { for: "1 hour" })
      yield* TestClock.adjust("69 minutes")
      assert.strictEqual(yield* tag("a"), "ForcedOpen")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* known, [])
    }).pipe(Effect.provide(memory(tenMinutes))))

  it.effect("nothing that an operator disabled or holds open without an end", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.disable("disabled")
      yield* CircuitBreaker.forceOpen("forced")
      yield* TestClock.adjust("300 days")
      assert.deepStrictEqual(yield* known, ["disabled", "forced"])
      assert.deepStrictEqual([yield* tag("disabled"), yield* tag("forced")], ["Disabled", "ForcedOpen"])
      assert.isTrue(Exit.isFailure(yield* up("forced")))
    }).pipe(Effect.provide(memory(tenMinutes))))

  it.effect("no gate that is still shut", () =>
    Effect.gen(function*() {
      yield* says("a", Outcome.throttled("30 minutes"))
      yield* TestClock.adjust("29 minutes")
      assert.deepStrictEqual(yield* known, ["a"])
      assert.isTrue(Exit.isFailure(yield* up("a")))
    }).pipe(Effect.provide(memory(tenMinutes))))

  it.effect("no open circuit behind a gate that is still shut", () =>
    Effect.gen(function*() {
      const permit = yield* CircuitBreaker.acquire("a")
      yield* says("a", Outcome.throttled("1 hour"))
      yield* permit.settle(Outcome.failure("overloaded"))
      assert.strictEqual(yield* tag("a"), "Open")
      yield* TestClock.adjust("69 minutes")
      assert.deepStrictEqual(yield* known, ["a"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* known, [])
    }).pipe(Effect.scoped, Effect.provide(memory(tenMinutes))))

  it.effect("no circuit whose probe is running", () =>
    Effect.gen(function*() {
      yield* down("a")
      yield* TestClock.adjust("1 minute")
      const probe = yield* Effect.forkChild(Effect.sleep("1 hour").pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(yield* known, ["a"])
      assert.isTrue(Exit.isFailure(yield* up("a")))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(probe)
      assert.strictEqual(yield* tag("a"), "Closed")
    }).pipe(Effect.provide(memory(tenMinutes, { probeLease: "2 hours" }))))

  it.effect("after an hour if no option says when", () =>
    Effect.gen(function*() {
      yield* up("a")
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(yield* known, ["a"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* known, [])
    }).pipe(Effect.provide(memory({}))))
})

describe("a memory store that is full", () => {
  it.effect("gives the place of the closed circuit that was unused for longest to the new key", () =>
    Effect.gen(function*() {
      for (const key of ["a", "b", "c"]) {
        yield* up(key)
        yield* TestClock.adjust("1 second")
      }
      yield* up("a")
      yield* up("d")
      assert.deepStrictEqual(yield* known, ["a", "c", "d"])
      yield* TestClock.adjust("1 second")
      yield* up("e")
      assert.deepStrictEqual(yield* known, ["a", "d", "e"])
    }).pipe(Effect.provide(memory({ maxCircuits: 3 }))))

  it.effect("never has more than its number, however many keys there are", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 1000; i++) {
        yield* up(`key ${i}`)
        assert.isAtMost((yield* known).length, 100)
      }
      assert.lengthOf(yield* known, 100)
    }).pipe(Effect.provide(memory({ maxCircuits: 100 }))))

  it.effect("never drops a circuit that is open, held, disabled, throttled or probing", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("2 hours")
      yield* down("probing")
      yield* TestClock.adjust("1 minute")
      yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key: "probing" })), { startImmediately: true })
      yield* down("open")
      yield* CircuitBreaker.forceOpen("forced")
      yield* CircuitBreaker.disable("disabled")
      yield* says("throttled", Outcome.throttled("30 minutes"))
      for (let i = 0; i < 200; i++) yield* up(`key ${i}`)
      assert.deepStrictEqual(yield* known, ["disabled", "forced", "key 199", "open", "probing", "throttled"])
      assert.deepStrictEqual(
        [yield* tag("open"), yield* tag("forced"), yield* tag("disabled"), yield* tag("probing")],
        ["Open", "ForcedOpen", "Disabled", "HalfOpen"]
      )
    }).pipe(Effect.provide(memory({ maxCircuits: 6 }))))

  it.effect("finds a closed circuit behind any number of open ones, in a few calls", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 199; i++) yield* down(`open ${i}`)
      yield* up("closed")
      // Each look is at a few; those that cannot go are not looked at again soon.
      for (let i = 0; i < 4; i++) yield* up("new")
      const keys = yield* known
      assert.lengthOf(keys, 200)
      assert.notInclude(keys, "closed")
      assert.include(keys, "new")
    }).pipe(Effect.provide(memory({ maxCircuits: 200 }))))

  it.effect("I111: never drops a half-open circuit with a free slot", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("2 hours")
      yield* down("half-open")
      yield* TestClock.adjust("1 minute")
      yield* Effect.exit(Effect.interrupt.pipe(CircuitBreaker.execute({ key: "half-open" })))
      yield* up("new")
      assert.strictEqual(yield* tag("half-open"), "HalfOpen")
    }).pipe(Effect.provide(memory({ maxCircuits: 1 }))))

  it.effect("runs calls to new keys unguarded while there is nothing to drop, and guards them again when there is", () =>
    Effect.gen(function*() {
      yield* down("open")
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(yield* down("new"), Exit.fail("503"))
      assert.strictEqual(yield* tag("new"), "Closed")
      assert.deepStrictEqual(yield* known, ["open"])
      yield* TestClock.adjust("1 minute")
      yield* up("open")
      yield* down("new")
      assert.strictEqual(yield* tag("new"), "Open")
      assert.deepStrictEqual(yield* known, ["new"])
    }).pipe(Effect.provide(memory({ maxCircuits: 1 }))))

  it.effect("says once that calls run unguarded, counts them, and says nothing of circuits that it does not keep", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* down("open")
      yield* recorded.clear
      for (let i = 0; i < 3; i++) {
        yield* down("new")
        yield* says("newer", Outcome.throttled("1 minute"))
        yield* up("newest")
      }
      const full = { event: "store.full", at: yield* Clock.currentTimeMillis, max_circuits: 1 } as const
      assert.deepStrictEqual(yield* recorded.all, [full])
      assert.deepStrictEqual(yield* recorded.calls, [])
      assert.strictEqual(yield* unguardedCalls, 9)
      const backends = (yield* Metric.snapshot).map(({ attributes }) => attributes?.["backend"])
      assert.deepStrictEqual(new Set(backends), new Set(["open", undefined]))
    }).pipe(Effect.provide(observed({ maxCircuits: 1 }))))

  it.effect("says it again if it is full after a minute in which no call ran unguarded", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const times = Effect.map(recorded.of("store.full"), ({ length }) => length)
      yield* CircuitBreaker.disable("kept")
      yield* down("new")
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust("59 seconds")
        yield* down("new")
      }
      assert.strictEqual(yield* times, 1)
      yield* TestClock.adjust("1 minute")
      yield* down("new")
      assert.strictEqual(yield* times, 2)
    }).pipe(Effect.provide(observed({ maxCircuits: 1 }))))

  it.effect("admits streams and permits of new keys unguarded too", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.disable("kept")
      const answer = Stream.make("hello").pipe(CircuitBreaker.stream({ key: "new", classifyPart: StreamSignal.opaque }))
      assert.deepStrictEqual(yield* Stream.runCollect(answer), ["hello"])
      const permit = yield* CircuitBreaker.acquire("new")
      assert.isFalse(permit.probe)
      yield* permit.settle(Outcome.failure("overloaded"))
      assert.strictEqual(yield* tag("new"), "Closed")
      assert.strictEqual(yield* unguardedCalls, 2)
    }).pipe(Effect.scoped, Effect.provide(observed({ maxCircuits: 1 }))))

  it.effect("holds a new key open for an operator, or does not say that it did", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("kept")
      yield* CircuitBreaker.forceOpen("new")
      const recorded = yield* RecordedEvents.RecordedEvents
      const told = (yield* recorded.of("circuit.forced")).map(({ key }) => key)
      assert.deepStrictEqual(told, (yield* tag("new")) === "ForcedOpen" ? ["kept", "new"] : ["kept"])
    }).pipe(
      Effect.provide(
        RecordedEvents.layer.pipe(
          Layer.provideMerge(CircuitBreaker.layer()),
          Layer.provide(CircuitStore.layerMemoryWith({ maxCircuits: 1 }))
        )
      )
    ))

  it.effect("makes room from what is idle before it drops what is not", () =>
    Effect.gen(function*() {
      const busy = Array.from({ length: 100 }, (_, index) => `busy ${100 + index}`)
      yield* Effect.forEach(busy, up)
      yield* Effect.forEach(["idle 1", "idle 2"], up)
      yield* TestClock.adjust("6 minutes")
      yield* Effect.forEach(busy, up)
      yield* TestClock.adjust("5 minutes")
      yield* up("new")
      assert.deepStrictEqual(yield* known, [...busy, "new"])
    }).pipe(Effect.provide(memory({ maxCircuits: 102, ...tenMinutes }))))
})

describe("the limits of a memory store", () => {
  it.effect.each(
    [
      ["maxCircuits", { maxCircuits: 0 }],
      ["maxCircuits", { maxCircuits: 1.5 }],
      ["maxCircuits", { maxCircuits: Number.NaN }],
      ["idleTimeToLive", { idleTimeToLive: 0 }],
      ["idleTimeToLive", { idleTimeToLive: "soon" as Duration.Input }],
      ["idleTimeToLive", { idleTimeToLive: Infinity }]
    ] as const
  )("%s that breaks its rule ends the build: %j", ([field, limits]) =>
    Effect.gen(function*() {
      const defect = Exit.findDefect(yield* Effect.exit(up("a").pipe(Effect.provide(memory(limits)))))
      const error = defect._tag === "Success" ? defect.success : undefined
      assert.instanceOf(error, CircuitPolicy.InvalidOptions)
      assert.strictEqual(error.field, field)
    }))
})
