import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Layer, Stream, Tracer } from "effect"
import { CircuitBreaker, type CircuitPolicy, CircuitStore, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { called, classifyPart, provider, type Step, told } from "../support/streams.ts"

const breaker = (policy?: CircuitPolicy.CircuitPolicy) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(2), ...policy })

/** Holds the circuit open until it admits a probe, and forgets what was recorded. */
const openUntilProbe = Effect.gen(function*() {
  yield* CircuitBreaker.forceOpen("model", { for: "1 minute" })
  yield* CircuitTest.adjustToProbe("model")
  const recorded = yield* RecordedEvents.RecordedEvents
  yield* recorded.clear
})

const stream = (script: ReadonlyArray<Step>, settleProbeAt: "finish" | "first_content" = "first_content") =>
  provider(...script).pipe(CircuitBreaker.stream({ key: "model", classifyPart, settleProbeAt }))

const spanEvents: Array<string> = []
const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    span.event = (name) => void spanEvents.push(name)
    return span
  }
})

const state = CircuitBreaker.state("model")
const tag = Effect.map(state, ({ _tag }) => _tag)

describe("a probe that streams", () => {
  it.effect("holds its slot until the finish, and nobody else starts meanwhile", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const fiber = yield* Effect.forkChild(Stream.runDrain(stream([["text"], 60_000, ["finish"]], "finish")))
      yield* TestClock.adjust("59 seconds")
      let started = 0
      const rejection = yield* Stream.suspend(() => {
        started++
        return provider(["finish"])
      }).pipe(CircuitBreaker.stream({ key: "model", classifyPart }), Stream.runDrain, Effect.exit)
      assert.strictEqual(told(rejection), "CircuitHalfOpen")
      assert.strictEqual(started, 0)
      assert.strictEqual(yield* tag, "HalfOpen")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(breaker())))

  it.effect("tells once that it succeeded, at its first content, where one success does not close the circuit", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      yield* Stream.runDrain(stream([["text"], 60_000, ["finish"]])).pipe(
        Effect.forkChild({ startImmediately: true }),
        Effect.tap(() => TestClock.adjust("1 minute")),
        Effect.flatMap(Fiber.join),
        Effect.withSpan("answer"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      assert.strictEqual(yield* tag, "HalfOpen")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual(yield* recorded.names, ["circuit.half_open", "circuit.probe"])
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["success"])
      yield* Stream.runDrain(stream([["text"], ["finish"]]))
      assert.strictEqual(yield* tag, "Closed")
      assert.deepStrictEqual(spanEvents, ["circuit.probe"])
    }).pipe(Effect.provide(breaker({ successesToClose: 2 }))))

  it.effect("may close the circuit at its first content, which no opener is", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const fiber = yield* Effect.forkChild(
        Stream.runDrain(stream([["open"], 1_000, ["ping", "tool"], 1_000, ["text"], 60_000, ["finish"]]))
      )
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(yield* tag, "HalfOpen")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* tag, "Closed")

      const recorded = yield* RecordedEvents.RecordedEvents
      assert.lengthOf(yield* recorded.calls, 0)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["success"])
      assert.deepStrictEqual(yield* recorded.names, ["circuit.half_open", "circuit.probe", "circuit.closed"])
    }).pipe(Effect.provide(breaker())))

  it.effect.each(
    [
      ["much later", [["text"], 60_000, ["text"]]],
      ["in the next part", [["text"], ["failed overloaded"]]],
      ["in the same chunk", [["open", "text", "failed overloaded"]]]
    ] as const
  )(
    "that has closed the circuit and then fails counts in the closed circuit: %s",
    ([, script]) =>
      Effect.gen(function*() {
        yield* openUntilProbe
        const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(stream(script))))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)

        const recorded = yield* RecordedEvents.RecordedEvents
        const closed = yield* state
        assert.strictEqual(closed._tag === "Closed" && closed.consecutiveFailures, 1)
        const [failure] = yield* recorded.of("circuit.failure")
        assert.strictEqual(failure?.generation, closed.generation)
        assert.deepStrictEqual(yield* recorded.names, [
          "circuit.half_open",
          "circuit.probe",
          "circuit.closed",
          "circuit.failure"
        ])
        assert.lengthOf(yield* recorded.calls, 1)

        // And the next one opens it again.
        yield* Effect.exit(Stream.runDrain(stream([["text"]])))
        assert.strictEqual(yield* tag, "Open")
      }).pipe(Effect.provide(breaker()))
  )

  it.effect("counts in the closed circuit also while that takes its load back", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      assert.strictEqual(told(yield* Effect.exit(Stream.runDrain(stream([["text"], ["text"]])))), "StreamCut")
      const closed = yield* state
      assert.deepInclude(closed, { _tag: "Closed", ramping: true, consecutiveFailures: 1 })
    }).pipe(Effect.provide(breaker({ ramp: "1 minute" }))))

  it.effect("frees its slot where more than one success is needed, and says nothing twice", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const latch = yield* Latch.make()
      const first = yield* Effect.forkChild(
        Effect.exit(Stream.runDrain(stream([["text"], ["text"]]).pipe(Stream.tap(() => latch.await))))
      )
      yield* TestClock.adjust(0)
      const halfOpen = yield* state
      assert.deepInclude(halfOpen, { _tag: "HalfOpen", probing: 0, successes: 1 })
      // Its cut comes when nothing has been decided yet: there is no closed circuit to count in.
      yield* latch.open
      assert.strictEqual(told(yield* Fiber.join(first)), "StreamCut")
      assert.deepInclude(yield* state, { _tag: "HalfOpen", probing: 0, successes: 1 })
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.lengthOf(yield* recorded.of("circuit.late_outcome"), 1)
      yield* Stream.runDrain(stream([["text", "finish"]]))
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(breaker({ successesToClose: 2 }))))

  it.effect("frees its slot when it is interrupted, without a verdict", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const fiber = yield* Effect.forkChild(Stream.runDrain(stream([["text"], Effect.never], "finish")))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* state, { _tag: "HalfOpen", probing: 1 })
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(yield* state, { _tag: "HalfOpen", probing: 0, successes: 0 })
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("circuit.probe")).map(({ result }) => result), ["interrupted"])
      yield* Stream.runDrain(stream([["finish"]]))
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(breaker())))

  it.effect("changes nothing once an operator has reset the circuit", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(stream([1_000, ["failed timeout"]]))))
      yield* TestClock.adjust(0)
      yield* CircuitBreaker.reset("model")
      const before = yield* state
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      assert.deepStrictEqual(yield* state, before)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual(
        (yield* recorded.of("circuit.late_outcome")).map(({ kind, outcome }) => [outcome, kind]),
        [["failure", "timeout"]]
      )
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["failure timeout"])
    }).pipe(Effect.provide(breaker())))
})

describe("a store that wants to be waited for", () => {
  /** Settles and gives out slots only after a while, like a store on another machine. */
  const Remote = Layer.effect(
    CircuitStore.CircuitStore,
    Effect.map(CircuitStore.CircuitStore, (store) => ({
      ...store,
      circuit: (...args: Parameters<typeof store.circuit>) =>
        new Proxy(store.circuit(...args), {
          get: (handle, name) => {
            const settle: typeof handle.settle = (...args) =>
              Effect.delay(Effect.suspend(() => handle.settle(...args) ?? Effect.void), 50)
            if (name === "settle") return settle
            if (name === "claim") return Effect.delay(handle.claim, 50)
            const value: unknown = Reflect.get(handle, name, handle)
            return typeof value === "function" ? value.bind(handle) : value
          }
        })
    }))
  ).pipe(Layer.provide(CircuitStore.layerMemory))

  const Breaker = RecordedEvents.layer.pipe(
    Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2) })),
    Layer.provide(Remote)
  )

  it.effect.each(
    [
      ["in parts of their own", [["text"], ["failed overloaded"]]],
      ["in one chunk", [["text", "failed overloaded"]]]
    ] as const
  )("decides on the first content before the failure after it: %s", ([, script]) =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const recorded = yield* RecordedEvents.RecordedEvents
      const fiber = yield* Effect.forkChild(Stream.runCollect(stream(script)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["text", "failed overloaded"])
      assert.deepStrictEqual(yield* recorded.names, [
        "circuit.half_open",
        "circuit.probe",
        "circuit.closed",
        "circuit.failure"
      ])
      assert.deepInclude(yield* state, { _tag: "Closed", consecutiveFailures: 1 })
    }).pipe(Effect.provide(Breaker)))

  it.effect("is waited for before the consumer hears of the end", () =>
    Effect.gen(function*() {
      for (const [script, end] of [[[["text"]], "StreamCut"], [[["finish"]], undefined]] as const) {
        const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(stream(script))))
        yield* TestClock.adjust("49 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(told(yield* Fiber.join(fiber)), end)
      }
    }).pipe(Effect.provide(Breaker)))
})
