import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream, Tracer } from "effect"
import { CircuitBreaker, type CircuitPolicy, Outcome, StreamSignal, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { classifyPart, provider } from "../support/streams.ts"
import { recording, told } from "./spans.ts"

const key = "model"
const breaker = (policy: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(2), openDuration: "10 seconds", ...policy })

type Call = Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>

const guarded = CircuitBreaker.execute({ key })
const up: Call = Effect.succeed("hello").pipe(guarded)
const down: Call = Effect.fail("503").pipe(guarded)
const throttled: Call = Effect.succeed("answer").pipe(
  CircuitBreaker.execute({ key, classify: () => Outcome.throttled("1 second") })
)
const stream: Call = Stream.runDrain(
  provider(["text"], ["finish"]).pipe(CircuitBreaker.stream({ key, classifyPart }))
)
const permit: Call = Effect.asVoid(Effect.scoped(CircuitBreaker.acquire(key)))

/** Calls of every sort, each in a span of its own, through an outage: how they ended, as the caller and the circuit saw it. */
const everything = Effect.gen(function*() {
  const exits: Array<unknown> = []
  const run = Effect.fnUntraced(function*(...calls: ReadonlyArray<Call>) {
    for (const call of calls) {
      const span = yield* Effect.makeSpan("call")
      exits.push(yield* Effect.exit(Effect.withParentSpan(call, span)))
    }
  })
  yield* run(up, throttled, up)
  yield* TestClock.adjust("1 second")
  yield* run(down, down, up)
  yield* TestClock.adjust("10 seconds")
  yield* run(down, up)
  yield* TestClock.adjust("1 minute")
  yield* run(up, stream, permit)
  const recorded = yield* RecordedEvents.RecordedEvents
  const results = (yield* recorded.calls).map(({ kind, result }) => [result, kind])
  const faults = (yield* recorded.of("observer.failed")).map(({ error, failures, observer }) => [
    observer,
    error,
    failures
  ])
  return { exits: exits.map(String), results, state: yield* CircuitBreaker.state(key), faults }
})

const broken = () => {
  throw new RangeError("of another")
}

/** A tracer whose spans throw where these parts are written. */
const throwing = (...parts: ReadonlyArray<"attribute" | "event" | "status">) =>
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      if (parts.includes("attribute")) span.attribute = broken
      if (parts.includes("event")) span.event = broken
      if (parts.includes("status")) Object.defineProperty(span, "status", { get: broken })
      return span
    }
  })

describe("a tracer", () => {
  for (const parts of [["attribute"], ["event"], ["status"], ["attribute", "event"]] as const) {
    it.effect(`that throws (${parts.join(", ")}) changes no result, loses no permit, and is counted`, () =>
      Effect.gen(function*() {
        const { faults: none, ...expected } = yield* Effect.provide(everything, breaker(), { local: true })
        assert.deepStrictEqual(none, [])
        yield* TestClock.setTime(0)
        const { faults, ...got } = yield* everything.pipe(
          Effect.withTracer(throwing(...parts)),
          Effect.provide(breaker(), { local: true })
        )
        assert.deepStrictEqual(got, expected)
        assert.deepStrictEqual(faults.slice(0, 3), [
          ["tracer", "RangeError", 1],
          ["tracer", "RangeError", 2],
          ["tracer", "RangeError", 4]
        ])
      }))
  }

  it.effect("hears nothing from a span that is not sampled", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      yield* up.pipe(Effect.withSpan("sampled"), Effect.withTracer(recording(seen)))
      assert.lengthOf(seen, 3)
      for (const call of [up, down, down, up, throttled, stream, permit]) {
        yield* call.pipe(
          Effect.withSpan("not sampled", { sampled: false }),
          Effect.withTracer(recording(seen)),
          Effect.exit
        )
      }
      assert.lengthOf(seen, 3)
    }).pipe(Effect.provide(breaker())))

  it.effect("is not needed: without a span nothing is written", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { results } = yield* everything.pipe(Effect.withTracerEnabled(false), Effect.withTracer(recording(seen)))
      yield* up.pipe(Effect.withTracer(recording(seen)))
      assert.lengthOf(results, 11)
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.provide(breaker())))

  it.effect("never sees a prompt, an answer, a header or the text of an error", () =>
    Effect.gen(function*() {
      const canary = "canary-7f3a"
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const run = (call: Call) => call.pipe(Effect.withSpan("call"), Effect.withTracer(tracer), Effect.exit)
      const request = { prompt: canary, headers: { authorization: canary } }
      for (const error of [canary, new Error(canary), { message: canary, status: 503, request }]) {
        yield* run(Effect.fail(error).pipe(guarded))
        yield* run(Effect.die(error).pipe(guarded))
      }
      yield* run(Effect.succeed(canary).pipe(guarded))
      const throws = (): Outcome.Outcome => {
        throw new Error(canary)
      }
      const forged = { _tag: "Failure", kind: canary } as unknown as Outcome.Outcome
      for (const classify of [throws, () => forged]) {
        yield* run(Effect.fail(canary).pipe(CircuitBreaker.execute({ key, classify })))
      }
      const cut = Stream.concat(Stream.make(canary), Stream.fail(canary)).pipe(
        CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque })
      )
      yield* run(Stream.runDrain(cut))
      yield* CircuitBreaker.forceOpen(key, { reason: canary, actor: canary })
      const turnedAway = yield* run(Effect.succeed(canary).pipe(guarded))
      assert.isTrue(Exit.isFailure(turnedAway))
      const events = spans.flatMap((span) => told(span).events.map(([name]) => name))
      assert.deepStrictEqual(events, [...Array<string>(9).fill("circuit.failure"), "circuit.skipped"])
      assert.notInclude(JSON.stringify(spans.map(told)), canary)
    }).pipe(Effect.provide(breaker({ tripPolicy: TripPolicy.consecutive(100) }))))
})
