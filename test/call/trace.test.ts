import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Stream, Tracer } from "effect"
import { CircuitBreaker, type CircuitPolicy, LlmRetry, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { classifyPart, provider, type Step } from "../support/streams.ts"
import { inSpan, nativeSpan, recording, told } from "./spans.ts"

const key = "model"
const breaker = (policy: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(2), openDuration: "10 seconds", ...policy })

const guarded = CircuitBreaker.execute({ key })
const up = Effect.succeed("hello").pipe(guarded)
const down = Effect.fail("503").pipe(guarded)
const says = (outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))
const never = Effect.never.pipe(guarded)
const streams = (...script: ReadonlyArray<Step>) =>
  Stream.runDrain(provider(...script).pipe(CircuitBreaker.stream({ key, classifyPart })))

const trip = Effect.andThen(Effect.exit(down), Effect.exit(down))
const openUntilProbe = Effect.andThen(trip, TestClock.adjust("10 seconds"))
const start = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(self, { startImmediately: true })
const interrupted = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.flatMap(start(self), Fiber.interrupt)

const admitted = (state: string) => ({ "circuit.key": key, "circuit.state": state, "circuit.admitted": true })
const rejected = (state: string) => ({ "circuit.key": key, "circuit.state": state, "circuit.admitted": false })
const happened = (event: string, attributes: Record<string, unknown>) =>
  [event, { "circuit.key": key, ...attributes }] as const

/** Every way to be turned away, and what the span then gets beside the key. */
const rejections: ReadonlyArray<{
  readonly by: string
  readonly state: string
  readonly before: Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>
  readonly retryAfterMillis: number | undefined
}> = [
  { by: "open", state: "open", before: trip, retryAfterMillis: 10_000 },
  {
    by: "half_open",
    state: "half_open",
    before: Effect.andThen(openUntilProbe, start(never)),
    retryAfterMillis: undefined
  },
  { by: "throttled", state: "closed", before: says(Outcome.throttled("3 seconds")), retryAfterMillis: 3000 },
  { by: "forced_open", state: "forced_open", before: CircuitBreaker.forceOpen(key), retryAfterMillis: undefined },
  {
    by: "forced_open",
    state: "forced_open",
    before: CircuitBreaker.forceOpen(key, { for: "1 minute" }),
    retryAfterMillis: 60_000
  }
]

const kinds: ReadonlyArray<readonly [Outcome.Outcome, string]> = [
  ...Outcome.kinds.map((kind) => [Outcome.failure(kind), "failure"] as const),
  ...Outcome.kinds.map((kind) => [Outcome.ignored(kind), "ignored"] as const),
  [Outcome.openNow("quota_exhausted"), "open_now"]
]

const probes: ReadonlyArray<readonly [Outcome.Outcome, Record<string, unknown>]> = [
  [Outcome.success, { "circuit.outcome": "success" }],
  [Outcome.failure("overloaded"), { "circuit.outcome": "failure", "error.type": "overloaded" }],
  [Outcome.openNow("auth"), { "circuit.outcome": "open_now", "error.type": "auth" }],
  [Outcome.ignored("caller_error"), { "circuit.outcome": "ignored", "error.type": "caller_error" }],
  [Outcome.throttled("1 second"), { "circuit.outcome": "throttled", "error.type": "rate_limited" }]
]

describe("the span of a call", () => {
  it.effect("says that a success was admitted, and nothing else", () =>
    Effect.gen(function*() {
      const call = yield* inSpan(up)
      assert.deepStrictEqual(call, { exit: Exit.succeed("hello"), attributes: admitted("closed"), events: [] })
    }).pipe(Effect.provide(breaker())))

  for (const { before, by, retryAfterMillis, state } of rejections) {
    const wait = retryAfterMillis === undefined ? {} : { "circuit.retry_after_ms": retryAfterMillis }
    for (
      const [name, call] of [
        ["execute", up],
        ["stream", streams(["finish"])],
        ["acquire", Effect.scoped(CircuitBreaker.acquire(key))]
      ] as const
    ) {
      it.effect(`says what turned ${name} away: ${by}${retryAfterMillis === undefined ? "" : ", until when"}`, () =>
        Effect.gen(function*() {
          yield* before
          const { attributes, events, exit } = yield* inSpan(call)
          assert.isTrue(Exit.isFailure(exit))
          assert.deepStrictEqual(attributes, rejected(state))
          const [opened] = yield* Effect.flatMap(RecordedEvents.RecordedEvents, ({ of }) => of("circuit.opened"))
          const outage = by === "open" ? { "circuit.outage_id": opened?.outage_id } : {}
          assert.deepStrictEqual(events, [
            happened("circuit.skipped", { "circuit.rejected_by": by, ...wait, ...outage })
          ])
        }).pipe(Effect.provide(breaker())))
    }
  }

  it.effect("names every kind of failure, of what counts nothing, and of what opens at once", () =>
    Effect.gen(function*() {
      for (const [outcome, result] of kinds) {
        const { attributes, events } = yield* inSpan(says(outcome))
        assert.deepStrictEqual(attributes, admitted("closed"))
        assert.deepStrictEqual(events, [
          happened("circuit.failure", { "circuit.outcome": result, "error.type": Outcome.kindOf(outcome) })
        ])
      }
      assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Open")
    }).pipe(Effect.provide(breaker({ tripPolicy: TripPolicy.consecutive(1000) }))))

  it.effect("says how long everybody waits, jitter included, and to the millisecond what those hear who wait", () =>
    Effect.gen(function*() {
      const random = { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.3335 }
      const { events } = yield* inSpan(says(Outcome.throttled("3 seconds", "quota_exhausted"))).pipe(
        Effect.provideService(Random.Random, random)
      )
      const wait = { "circuit.retry_after_ms": 3501 }
      assert.deepStrictEqual(events, [happened("circuit.throttled", { ...wait, "error.type": "quota_exhausted" })])
      assert.deepStrictEqual((yield* inSpan(up)).events, [
        happened("circuit.skipped", { "circuit.rejected_by": "throttled", ...wait })
      ])
    }).pipe(Effect.provide(breaker({ gateJitter: 0.5 }))))

  it.effect("says that a call ran out of time, and nothing of one that was interrupted", () =>
    Effect.gen(function*() {
      const call = yield* start(inSpan(never))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* Fiber.join(call)).events, [
        happened("circuit.failure", { "circuit.outcome": "failure", "error.type": "timeout" })
      ])
      const span = yield* nativeSpan
      yield* interrupted(Effect.withParentSpan(never, span))
      assert.deepStrictEqual(told(span), { attributes: admitted("closed"), events: [] })
    }).pipe(Effect.provide(breaker({ attemptTimeout: "5 seconds" }))))

  for (const [outcome, attributes] of probes) {
    it.effect(`says of a probe that it was one, and how it ended: ${String(attributes["circuit.outcome"])}`, () =>
      Effect.gen(function*() {
        yield* openUntilProbe
        const probe = yield* inSpan(says(outcome))
        assert.deepStrictEqual(probe.attributes, { ...admitted("half_open"), "circuit.probe": true })
        assert.deepStrictEqual(probe.events, [happened("circuit.probe", attributes)])
      }).pipe(Effect.provide(breaker())))
  }

  it.effect("says of a probe that it was interrupted", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const span = yield* nativeSpan
      yield* interrupted(Effect.withParentSpan(never, span))
      assert.deepStrictEqual(told(span).events, [
        happened("circuit.probe", { "circuit.outcome": "interrupted", "error.type": "cancelled" })
      ])
    }).pipe(Effect.provide(breaker())))

  it.effect("tells each attempt of a retry, and the last stands in the attributes", () =>
    Effect.gen(function*() {
      const call = Effect.fail({ status: 529 }).pipe(
        CircuitBreaker.execute({ key, classify: () => Outcome.failure("overloaded") }),
        Effect.retry(LlmRetry.policy({ attempts: 3 }))
      )
      const fiber = yield* start(inSpan(call))
      yield* TestClock.adjust("10 minutes")
      const { attributes, events } = yield* Fiber.join(fiber)
      const failure = happened("circuit.failure", { "circuit.outcome": "failure", "error.type": "overloaded" })
      assert.deepStrictEqual(events, [failure, failure, failure])
      assert.deepStrictEqual(attributes, admitted("closed"))
    }).pipe(Effect.provide(breaker({ tripPolicy: TripPolicy.consecutive(10) }))))

  it.effect("dates its events by the clock of the call", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      const span = yield* nativeSpan
      yield* Effect.exit(Effect.withParentSpan(down, span))
      assert.deepStrictEqual(span.events.map(([, at]) => at), [60_000_000_000n])
    }).pipe(Effect.provide(breaker())))

  it.effect("is the nearest: not its parent, and not one outside of this process", () =>
    Effect.gen(function*() {
      const parent = yield* nativeSpan
      const child = yield* Effect.exit(
        Effect.andThen(Effect.exit(down), Effect.currentSpan).pipe(
          Effect.withSpan("child"),
          Effect.withParentSpan(parent)
        )
      )
      assert.deepStrictEqual(told(parent), { attributes: {}, events: [] })
      assert(Exit.isSuccess(child) && child.value instanceof Tracer.NativeSpan)
      assert.deepStrictEqual(told(child.value).events.map(([name]) => name), ["circuit.failure"])
      const remote = Tracer.externalSpan({ spanId: "1", traceId: "2", sampled: true })
      assert.deepStrictEqual(yield* up.pipe(Effect.withParentSpan(remote)), "hello")
    }).pipe(Effect.provide(breaker())))
})

describe("the span of a stream", () => {
  it.effect("says how long the first content took, in seconds, and once", () =>
    Effect.gen(function*() {
      const fiber = yield* start(inSpan(streams(["alive"], 1500, ["text"], 700, ["text"], ["finish"])))
      yield* TestClock.adjust("10 seconds")
      const { attributes, events } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(attributes, { ...admitted("closed"), "gen_ai.response.time_to_first_chunk": 1.5 })
      assert.deepStrictEqual(events, [])
    }).pipe(Effect.provide(breaker())))

  it.effect("says how it failed: cut, by its own word, or too slow", () =>
    Effect.gen(function*() {
      const kind = (call: Effect.Effect<void, unknown, CircuitBreaker.CircuitBreaker>) =>
        Effect.gen(function*() {
          const fiber = yield* start(inSpan(call))
          yield* TestClock.adjust("10 seconds")
          return (yield* Fiber.join(fiber)).events.map(([, attributes]) => attributes["error.type"])
        })
      assert.deepStrictEqual(yield* kind(streams(["text"])), ["stream_cut"])
      assert.deepStrictEqual(yield* kind(streams(["text"], ["failed overloaded"])), ["overloaded"])
      const slow = provider(60_000).pipe(CircuitBreaker.stream({ key, classifyPart, firstContentTimeout: "5 seconds" }))
      assert.deepStrictEqual(yield* kind(Stream.runDrain(slow)), ["slow_first_content"])
      const stalled = provider(["text"], 60_000).pipe(
        CircuitBreaker.stream({ key, classifyPart, idleTimeout: "5 seconds" })
      )
      assert.deepStrictEqual(yield* kind(Stream.runDrain(stalled)), ["stream_stalled"])
    }).pipe(Effect.provide(breaker({ tripPolicy: TripPolicy.consecutive(10) }))))

  it.effect("says of a probe that it was one, and nothing of a consumer who left", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const probe = yield* inSpan(streams(["text"], ["finish"]))
      assert.isTrue(probe.attributes["circuit.probe"])
      assert.deepStrictEqual(probe.events, [happened("circuit.probe", { "circuit.outcome": "success" })])
      const left = yield* inSpan(
        provider(["text"], 1000, ["finish"]).pipe(
          CircuitBreaker.stream({ key, classifyPart }),
          Stream.take(1),
          Stream.runDrain
        )
      )
      assert.deepStrictEqual(left.events, [])
    }).pipe(Effect.provide(breaker())))

  it.effect("says once of a probe that its first content settled, and then what became of the answer", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const { events } = yield* inSpan(Stream.runDrain(
        provider(["text"]).pipe(CircuitBreaker.stream({ key, classifyPart, settleProbeAt: "first_content" }))
      ))
      assert.deepStrictEqual(events, [
        happened("circuit.probe", { "circuit.outcome": "success" }),
        happened("circuit.failure", { "circuit.outcome": "failure", "error.type": "stream_cut" })
      ])
    }).pipe(Effect.provide(breaker())))

  it.effect("is not touched once it ended, however the stream goes on", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { span, stream } = yield* Effect.all({
        span: Effect.currentSpan,
        stream: start(streams(1000, ["text"], 1000))
      }).pipe(Effect.withSpan("short"), Effect.withTracer(recording(seen)))
      assert.strictEqual(span.status._tag, "Ended")
      const before = [...seen]
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(stream)))
      assert.deepStrictEqual(seen, before)
      assert.deepStrictEqual(before, ["circuit.key", "circuit.state", "circuit.admitted"])
    }).pipe(Effect.provide(breaker())))
})

describe("the span around a permit", () => {
  it.effect("says that it was given, and how it was settled, once", () =>
    Effect.gen(function*() {
      const { attributes, events } = yield* inSpan(Effect.scoped(
        Effect.gen(function*() {
          const permit = yield* CircuitBreaker.acquire(key)
          yield* permit.settle(Outcome.failure("server_error"))
          yield* permit.settle(Outcome.success)
        })
      ))
      assert.deepStrictEqual(attributes, admitted("closed"))
      assert.deepStrictEqual(events, [
        happened("circuit.failure", { "circuit.outcome": "failure", "error.type": "server_error" })
      ])
    }).pipe(Effect.provide(breaker())))

  it.effect("says that it was a probe that nobody settled", () =>
    Effect.gen(function*() {
      yield* openUntilProbe
      const { attributes, events } = yield* inSpan(Effect.scoped(CircuitBreaker.acquire(key)))
      assert.isTrue(attributes["circuit.probe"])
      assert.deepStrictEqual(events, [
        happened("circuit.probe", { "circuit.outcome": "ignored", "error.type": "cancelled" })
      ])
    }).pipe(Effect.provide(breaker())))
})
