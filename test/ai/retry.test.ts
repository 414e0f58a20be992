import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"
import { CircuitBreaker, type CircuitPolicy, LlmRetry, Outcome, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { type AiError, LanguageModel, type Response } from "effect/ai"
import { TestClock } from "effect/testing"

const key = "model"
const answer: Array<Response.PartEncoded> = [
  { type: "text", text: "hello" },
  { type: "finish", reason: "stop", usage: { inputTokens: {}, outputTokens: {} } }
]

const guarded = (
  call: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>,
  policy: CircuitPolicy.CircuitPolicy = {}
) =>
  GuardedLanguageModel.layer({ key }).pipe(
    Layer.provide(Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({ generateText: () => call, streamText: () => Stream.empty })
    )),
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy }))
  )

const text = Effect.map(LanguageModel.generateText({ prompt: "Hi" }), ({ text }) => text)
const results = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)
const startImmediately = { startImmediately: true }

describe("LlmRetry around a guarded model that rejects", () => {
  it.effect("waits for a shut gate to open", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.execute(Effect.void, { key, classify: () => Outcome.throttled("10 seconds") })
      const fiber = yield* Effect.forkChild(Effect.retry(text, LlmRetry.policy()), startImmediately)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "hello")
      assert.deepStrictEqual(yield* results, ["ignored rate_limited", "rejected_throttled", "success"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer)))))

  it.effect("waits for an open circuit if the deadline leaves room", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      const policy = LlmRetry.policy({ deadline: "2 minutes" })
      const fiber = yield* Effect.forkChild(Effect.retry(text, policy), startImmediately)
      yield* TestClock.adjust("70 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "hello")
    }).pipe(Effect.provide(guarded(Effect.succeed(answer)))))

  it.effect("stops at a hold without an end", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      const policy = LlmRetry.policy({ deadline: Duration.hours(1) })
      const error = yield* Effect.flip(Effect.retry(text, policy))
      assert.isTrue(GuardedLanguageModel.isRejection(error))
      assert.deepStrictEqual(yield* results, ["rejected_forced_open"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer)))))

  it.effect("stops when its own attempt was cut off and opened the circuit", () => {
    const model = ScriptedCall.make([ScriptedCall.hangs])
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.retry(text, LlmRetry.policy())), startImmediately)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.isFalse(GuardedLanguageModel.isRejection(error))
      assert.deepStrictEqual(yield* results, ["failure timeout"])
    }).pipe(Effect.provide(guarded(model.call, { attemptTimeout: "5 seconds" })))
  })
})
