import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, CircuitPolicy, LlmOutcome, LlmRetry, Outcome, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { AiError, LanguageModel, type Response } from "effect/ai"
import { TestClock } from "effect/testing"

const key = "model"
const { circuitErrorOf, isRejection } = GuardedLanguageModel

const answer = (text: string, reason: Response.FinishReason = "stop"): Array<Response.PartEncoded> => [
  { type: "text", text },
  { type: "finish", reason, usage: { inputTokens: {}, outputTokens: {} } }
]

const failure = (reason: AiError.AiErrorReason, module = "Provider") =>
  AiError.make({ module, method: "generateText", reason })

const http = (status: number, headers: Record<string, string> = {}) => ({ response: { status, headers } })
const internal = new AiError.InternalProviderError({ description: "boom" })
const unavailable = failure(internal)

/** A provider that does what the call does, as the service. */
const provider = (call: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({ generateText: () => call, streamText: () => Stream.empty })
  )

/** The same behind a circuit that opens on the first failure, unless the policy says otherwise. */
const guarded = (
  call: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>,
  policy: CircuitPolicy.CircuitPolicy = {},
  options: Partial<GuardedLanguageModel.Options> = {}
) =>
  GuardedLanguageModel.layer({ key, ...options }).pipe(
    Layer.provide(provider(call)),
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy }))
  )

const ask = LanguageModel.generateText({ prompt: "Hi" })
const text = Effect.map(ask, ({ text }) => text)
const tag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
const results = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)

const startImmediately = { startImmediately: true }

describe("a guarded LanguageModel", () => {
  it.effect("answers as the model does", () =>
    Effect.gen(function*() {
      const response = yield* ask
      assert.strictEqual(response.text, "hello")
      assert.strictEqual(response.finishReason, "stop")
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer("hello"))))))

  it.effect("generates objects as the model does", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ name: Schema.String })
      const { value } = yield* LanguageModel.generateObject({ prompt: "Who?", schema })
      assert.deepStrictEqual(value, { name: "Ada" })
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer(`{"name":"Ada"}`))))))

  it.effect("fails with the very error of the model", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(ask), unavailable)
      assert.isFalse(isRejection(unavailable))
      assert.isUndefined(circuitErrorOf(unavailable))
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(guarded(Effect.fail(unavailable)))))

  it.effect("says of the model what the model says of itself", () =>
    Effect.gen(function*() {
      const model = yield* LanguageModel.make({
        generateText: () => Effect.succeed([]),
        streamText: () => Stream.empty,
        supportsSystemMessagesInHistory: Effect.succeed(true)
      })
      const wrapped = yield* GuardedLanguageModel.guard(model, { key })
      assert.strictEqual(wrapped.supportsSystemMessagesInHistory, model.supportsSystemMessagesInHistory)
    }).pipe(Effect.provide(CircuitTest.layer())))

  it.effect("has a circuit of its own for each key", () =>
    Effect.gen(function*() {
      const model = yield* LanguageModel.LanguageModel
      const [us, eu] = yield* Effect.forEach(["us", "eu"], (key) => GuardedLanguageModel.guard(model, { key }))
      yield* Effect.flip(us!.generateText({ prompt: "Hi" }))
      assert.isTrue(isRejection(yield* Effect.flip(us!.generateText({ prompt: "Hi" }))))
      assert.strictEqual(yield* Effect.flip(eu!.generateText({ prompt: "Hi" })), unavailable)
    }).pipe(Effect.provide(Layer.merge(
      provider(Effect.fail(unavailable)),
      CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) })
    ))))

  it.effect("is the model itself under the breaker that does nothing", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(ask), unavailable)
      assert.strictEqual(yield* Effect.flip(ask), unavailable)
    }).pipe(Effect.provide(
      GuardedLanguageModel.layer({ key }).pipe(
        Layer.provide(provider(Effect.fail(unavailable))),
        Layer.provide(CircuitBreaker.layerNoop)
      )
    )))

  it.effect.each(
    [{ key: "" }, { key, firstContentTimeout: -1 }, { key, idleTimeout: Number.NaN }] satisfies Array<
      GuardedLanguageModel.Options
    >
  )("dies with InvalidOptions for %j when it is built", (options) =>
    Effect.gen(function*() {
      const built = Layer.build(GuardedLanguageModel.layer(options)).pipe(Effect.scoped, Effect.exit)
      const exit = yield* built.pipe(Effect.provide(provider(Effect.fail(unavailable))))
      assert(Exit.isFailure(exit))
      const [reason] = exit.cause.reasons
      assert(reason?._tag === "Die")
      assert.instanceOf(reason.defect, CircuitPolicy.InvalidOptions)
    }).pipe(Effect.provide(CircuitTest.layer())))
})

describe("the verdict on a provider that fails", () => {
  const rows: ReadonlyArray<readonly [string, AiError.AiErrorReason, string, module?: string]> = [
    ["a short wait", new AiError.RateLimitError({ retryAfter: Duration.seconds(5) }), "ignored rate_limited"],
    ["a long wait", new AiError.RateLimitError({ retryAfter: Duration.minutes(5) }), "failure rate_limited"],
    ["no wait", new AiError.RateLimitError({}), "failure rate_limited"],
    ["a spent quota", new AiError.QuotaExhaustedError({}), "failure quota_exhausted"],
    [
      "a quota with a date",
      new AiError.QuotaExhaustedError({ resetAt: DateTime.makeUnsafe(60_000) }),
      "failure quota_exhausted"
    ],
    ["a bad key", new AiError.AuthenticationError({ kind: "InvalidKey" }), "ignored auth"],
    ["a refusal", new AiError.ContentPolicyError({ description: "no" }), "ignored content_policy"],
    ["a bad request", new AiError.InvalidRequestError({}), "ignored invalid_request"],
    [
      "garbage in the protocol",
      new AiError.InvalidResponseError({ description: "<html>" }),
      "failure malformed_response"
    ],
    ["an error without a status", internal, "failure server_error"],
    ["a 529", new AiError.InternalProviderError({ description: "busy", http: http(529) }), "failure overloaded"],
    [
      "no connection",
      new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "http://x" }),
      "failure connection"
    ],
    [
      "a request that cannot be sent",
      new AiError.NetworkError({ reason: "EncodeError", method: "POST", url: "http://x" }),
      "ignored caller_error"
    ],
    [
      "a bad URL",
      new AiError.NetworkError({ reason: "InvalidUrlError", method: "POST", url: "x" }),
      "ignored caller_error"
    ],
    [
      "an answer that is not what was asked for",
      new AiError.InvalidOutputError({ description: "?" }),
      "ignored model_output"
    ],
    [
      "an answer that its client cannot read",
      new AiError.InvalidOutputError({ description: "?" }),
      "failure malformed_response",
      "OpenAiClient"
    ],
    [
      "an object that misses its schema",
      new AiError.StructuredOutputError({ description: "?", responseText: "" }),
      "ignored model_output"
    ],
    ["an unsupported schema", new AiError.UnsupportedSchemaError({ description: "?" }), "ignored caller_error"],
    ["an unknown error", new AiError.UnknownError({}), "ignored unknown"],
    ["an unknown error with a status", new AiError.UnknownError({ http: http(408) }), "failure timeout"],
    [
      "a tool that does not exist",
      new AiError.ToolNotFoundError({ toolName: "a", availableTools: [] }),
      "ignored model_output"
    ],
    [
      "parameters that miss their schema",
      new AiError.ToolParameterValidationError({ toolName: "a", description: "?" }),
      "ignored model_output"
    ],
    [
      "a bad result of a tool",
      new AiError.InvalidToolResultError({ toolName: "a", description: "?" }),
      "ignored caller_error"
    ],
    [
      "a result that cannot be sent",
      new AiError.ToolResultEncodingError({ toolName: "a", toolResult: 1, description: "?" }),
      "ignored caller_error"
    ],
    [
      "a tool that is set up wrongly",
      new AiError.ToolConfigurationError({ toolName: "a", description: "?" }),
      "ignored caller_error"
    ],
    ["no toolkit", new AiError.ToolkitRequiredError({ pendingApprovals: [] }), "ignored caller_error"],
    ["bad input", new AiError.InvalidUserInputError({ description: "?" }), "ignored caller_error"]
  ]

  for (const [name, reason, expected, module] of rows) {
    const error = failure(reason, module)
    it.effect(`${reason._tag}, ${name}: ${expected}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Effect.flip(ask), error)
        assert.deepStrictEqual(yield* results, [expected])
        assert.strictEqual(yield* tag, expected.startsWith("failure") ? "Open" : "Closed")
      }).pipe(Effect.provide(guarded(Effect.fail(error)))))
  }

  it("is tested for every reason there is", () => {
    const known = new Set(rows.map(([, { _tag }]) => _tag))
    const all = AiError.AiErrorReason.members.map((member) => member.fields._tag.schema.literal)
    assert.sameMembers(Array.from(known), all)
  })

  it.effect("ignores a defect", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(ask)
      assert.isTrue(Exit.hasDies(exit))
      assert.deepStrictEqual(yield* results, ["ignored caller_error"])
    }).pipe(Effect.provide(guarded(Effect.die("bug")))))

  it.effect("ignores an answer that is not the object that was asked for", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ name: Schema.String })
      const error = yield* Effect.flip(LanguageModel.generateObject({ prompt: "Who?", schema }))
      assert.strictEqual(error.reason._tag, "StructuredOutputError")
      assert.deepStrictEqual(yield* results, ["ignored model_output"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(Effect.succeed(answer("Ada, of course"))))))

  it.effect("counts an answer that ends in an error, and returns it", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* text, "Hel")
      assert.deepStrictEqual(yield* results, ["failure unknown"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer("Hel", "error"))))))

  it.effect("ignores an answer that was withheld, and returns it", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* text, "")
      assert.deepStrictEqual(yield* results, ["ignored content_policy"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer("", "content-filter"))))))

  it.effect("asks the classifier of the guard, and not that of the policy", () =>
    Effect.gen(function*() {
      yield* Effect.flip(ask)
      assert.deepStrictEqual(yield* results, ["ignored slow"])
    }).pipe(Effect.provide(guarded(
      Effect.fail(unavailable),
      { classify: () => Outcome.failure("auth") },
      { classify: (exit) => Exit.isFailure(exit) ? Outcome.ignored("slow") : Outcome.success }
    ))))

  it.effect("asks LlmOutcome, and not the classifier of the policy, unless its options say otherwise", () =>
    Effect.gen(function*() {
      yield* Effect.flip(ask)
      assert.deepStrictEqual(yield* results, ["failure server_error"])
    }).pipe(Effect.provide(guarded(Effect.fail(unavailable), { classify: () => Outcome.success }))))
})

describe("a rejection", () => {
  it.effect("is an AiError that can be retried after the rest of the open time, and does not reach the provider", () => {
    const model = ScriptedCall.make([ScriptedCall.fails(unavailable)])
    return Effect.gen(function*() {
      yield* Effect.flip(ask)
      yield* TestClock.adjust("25 seconds")
      const error = yield* Effect.flip(ask)
      assert.instanceOf(error, AiError.AiError)
      assert.strictEqual(error.reason._tag, "RateLimitError")
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(35))
      assert.isTrue(isRejection(error))
      assert.strictEqual(error.message, `GuardedLanguageModel.generateText: circuit "model" is open, retry after 35s`)
      assert.strictEqual(yield* model.started, 1)
    }).pipe(Effect.provide(guarded(model.call)))
  })

  it.effect("keeps the error of the breaker, whole", () =>
    Effect.gen(function*() {
      yield* Effect.flip(ask)
      const error = circuitErrorOf(yield* Effect.flip(ask))
      assert(error?.reason._tag === "CircuitOpen")
      assert.strictEqual(error.reason.key, key)
      assert.strictEqual(error.reason.lastFailureKind, "server_error")
    }).pipe(Effect.provide(guarded(Effect.fail(unavailable)))))

  it.effect("by a shut gate carries the provider's wait", () =>
    Effect.gen(function*() {
      yield* Effect.flip(ask)
      const error = yield* Effect.flip(ask)
      assert.strictEqual(circuitErrorOf(error)?.reason._tag, "CircuitThrottled")
      assert.isTrue(error.isRetryable)
      assert.isAtLeast(Duration.toMillis(error.retryAfter!), 10_000)
    }).pipe(Effect.provide(guarded(Effect.fail(failure(
      new AiError.RateLimitError({ retryAfter: Duration.seconds(10) })
    ))))))

  it.effect("while a probe runs can be retried, and nobody knows when", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* TestClock.adjust("1 minute")
      yield* Effect.forkChild(ask, startImmediately)
      const error = yield* Effect.flip(ask)
      assert.strictEqual(circuitErrorOf(error)?.reason._tag, "CircuitHalfOpen")
      assert.isTrue(error.isRetryable)
      assert.isUndefined(error.retryAfter)
    }).pipe(Effect.provide(guarded(Effect.never))))

  it.effect("by an operator can be retried when the hold has an end", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      const error = yield* Effect.flip(ask)
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(error.retryAfter, Duration.minutes(1))
    }).pipe(Effect.provide(guarded(Effect.never))))

  it.effect("by an operator cannot be retried when the hold has no end", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { reason: "incident 7" })
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error.reason._tag, "UnknownError")
      assert.isFalse(error.isRetryable)
      assert.isUndefined(error.retryAfter)
      assert.isTrue(isRejection(error))
      assert.include(error.message, "incident 7")
    }).pipe(Effect.provide(guarded(Effect.never))))

  it.effect("of an object names the method that was called", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      const error = yield* Effect.flip(LanguageModel.generateObject({ prompt: "Hi", schema: Schema.Struct({}) }))
      assert.strictEqual(error.method, "generateObject")
      assert.strictEqual(error.module, "GuardedLanguageModel")
    }).pipe(Effect.provide(guarded(Effect.never))))

  it.effect("is no failure of the circuit around it", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      const outer = yield* GuardedLanguageModel.guard(yield* LanguageModel.LanguageModel, { key: "account" })
      const error = yield* Effect.flip(outer.generateText({ prompt: "Hi" }))
      assert.strictEqual(LlmOutcome.explain(Exit.fail(error)).row, "guard/rejected")
      assert.deepStrictEqual(yield* results, ["rejected_forced_open", "ignored caller_error"])
      assert.strictEqual(circuitErrorOf(error)?.reason.key, key)
    }).pipe(Effect.provide(guarded(Effect.never))))

  it.effect("survives encoding as an error with its wait", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      const codec = Schema.toCodecJson(AiError.AiError)
      const sent = yield* Schema.encodeEffect(codec)(yield* Effect.flip(ask))
      const received = yield* Schema.decodeEffect(codec)(sent)
      assert.deepStrictEqual(received.retryAfter, Duration.minutes(1))
    }).pipe(Effect.provide(guarded(Effect.never))))
})

describe("attemptTimeout", () => {
  it.effect("cuts a call off, counts it, and surfaces as an AiError that is no rejection", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(ask), startImmediately)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason._tag, "InternalProviderError")
      assert.isTrue(error.isRetryable)
      assert.isFalse(isRejection(error))
      assert.strictEqual(circuitErrorOf(error)?.reason._tag, "AttemptTimedOut")
      assert.strictEqual(LlmOutcome.explain(Exit.fail(error)).row, "guard/attempt-timed-out")
      assert.deepStrictEqual(yield* results, ["failure timeout"])
    }).pipe(Effect.provide(guarded(Effect.never, { attemptTimeout: "5 seconds" }))))
})

describe("LlmRetry around a guarded model", () => {
  const busy = (seconds: number) => failure(new AiError.RateLimitError({ retryAfter: Duration.seconds(seconds) }))

  it.effect("retries a provider that fails, while the circuit is closed", () => {
    const model = ScriptedCall.make([
      ...ScriptedCall.times(2, ScriptedCall.fails(unavailable)),
      ScriptedCall.succeeds(answer("hello"))
    ])
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.retry(text, LlmRetry.policy()), startImmediately)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "hello")
      assert.deepStrictEqual(yield* results, ["failure server_error", "failure server_error", "success"])
    }).pipe(Effect.provide(guarded(model.call, { tripPolicy: TripPolicy.consecutive(5) })))
  })

  it.effect("waits for the provider's hint, and finds the gate open", () => {
    const model = ScriptedCall.make([ScriptedCall.fails(busy(10)), ScriptedCall.succeeds(answer("hello"))])
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.retry(text, LlmRetry.policy()), startImmediately)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* model.started, 1)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "hello")
    }).pipe(Effect.provide(guarded(model.call)))
  })

  it.effect("gives up at once with the provider's error when that opened the circuit", () => {
    const model = ScriptedCall.make([ScriptedCall.fails(unavailable)])
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Effect.retry(ask, LlmRetry.policy())), unavailable)
      assert.isTrue(isRejection(yield* Effect.flip(Effect.retry(ask, LlmRetry.policy()))))
      assert.strictEqual(yield* model.started, 1)
      assert.deepStrictEqual(yield* results, ["failure server_error", "rejected_open"])
    }).pipe(Effect.provide(guarded(model.call)))
  })
})

describe("a caller who goes away", () => {
  it.effect("says nothing about the provider, whose call is interrupted", () => {
    let interrupted = 0
    const call = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(call)))
  })

  it.effect("gives the slot of a probe back", () => {
    const model = ScriptedCall.make([
      ScriptedCall.fails(unavailable),
      ScriptedCall.hangs,
      ScriptedCall.succeeds(answer("hello"))
    ])
    return Effect.gen(function*() {
      yield* Effect.flip(ask)
      yield* CircuitTest.adjustToProbe(key)
      const probe = yield* Effect.forkChild(ask, startImmediately)
      assert.isTrue(isRejection(yield* Effect.flip(ask)))
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* text, "hello")
      assert.strictEqual(yield* tag, "Closed")
      assert.strictEqual(yield* model.started, 3)
    }).pipe(Effect.provide(guarded(model.call)))
  })
})

describe("a circuit of a model", () => {
  it.effect("is shared by all methods, and by plain calls with the key", () =>
    Effect.gen(function*() {
      yield* Effect.flip(ask)
      const object = yield* Effect.flip(LanguageModel.generateObject({ prompt: "Hi", schema: Schema.Struct({}) }))
      const stream = yield* Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" })))
      const plain = yield* Effect.flip(CircuitBreaker.execute(Effect.void, { key }))
      assert.deepStrictEqual([object, stream, plain].map(isRejection), [true, true, true])
    }).pipe(Effect.provide(guarded(Effect.fail(unavailable)))))
})
