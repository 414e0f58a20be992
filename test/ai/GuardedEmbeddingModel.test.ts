import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { CircuitBreaker, CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { GuardedEmbeddingModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { AiError, EmbeddingModel } from "effect/ai"
import { TestClock } from "effect/testing"

const key = "embeddings"
const { circuitErrorOf, isRejection } = GuardedEmbeddingModel

const failure = (reason: AiError.AiErrorReason) => AiError.make({ module: "Provider", method: "embedMany", reason })
const unavailable = failure(new AiError.InternalProviderError({ description: "boom" }))

type EmbedMany = Parameters<typeof EmbeddingModel.make>[0]["embedMany"]

/** Embeds a text as its length. */
const lengths: EmbedMany = ({ inputs }) =>
  Effect.succeed({ results: inputs.map((input) => [input.length]), usage: { inputTokens: inputs.length } })

const provider = (embedMany: EmbedMany) =>
  Layer.effect(EmbeddingModel.EmbeddingModel, EmbeddingModel.make({ embedMany }))

/** A circuit that opens on the first failure, around a provider that does what the function does. */
const guarded = (
  embedMany: EmbedMany,
  policy: CircuitPolicy.CircuitPolicy = {},
  options: Partial<GuardedEmbeddingModel.Options> = {}
) =>
  GuardedEmbeddingModel.layer({ key, ...options }).pipe(
    Layer.provide(provider(embedMany)),
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy }))
  )

const embed = (input: string) => EmbeddingModel.EmbeddingModel.use((model) => model.embed(input))
const embedMany = (...inputs: ReadonlyArray<string>) =>
  EmbeddingModel.EmbeddingModel.use((model) => model.embedMany(inputs))

const tag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
const results = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)
const startImmediately = { startImmediately: true }

/** Lets everything happen that takes no time. */
const now = Effect.repeat(Effect.yieldNow, { times: 50 })

describe("embedMany", () => {
  it.effect("embeds as the model does, in one call", () =>
    Effect.gen(function*() {
      const { embeddings, usage } = yield* embedMany("one", "three")
      assert.deepStrictEqual(embeddings.map(({ vector }) => vector[0]), [3, 5])
      assert.strictEqual(usage.inputTokens, 2)
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("of nothing is no call, even while the circuit is open", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      assert.deepStrictEqual((yield* embedMany()).embeddings, [])
      assert.deepStrictEqual(yield* results, [])
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("fails as the model does, then is rejected as an AiError with the rest of the open time", () => {
    const calls = ScriptedCall.make([ScriptedCall.fails(unavailable)])
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(embedMany("one")), unavailable)
      yield* TestClock.adjust("20 seconds")
      const error = yield* Effect.flip(embedMany("one"))
      assert.strictEqual(error.reason._tag, "RateLimitError")
      assert.strictEqual(error.module, "GuardedEmbeddingModel")
      assert.strictEqual(error.method, "embedMany")
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(40))
      assert.isTrue(isRejection(error))
      assert.strictEqual(circuitErrorOf(error)?.reason.key, key)
      assert.strictEqual(yield* calls.started, 1)
      assert.deepStrictEqual(yield* results, ["failure server_error", "rejected_open"])
    }).pipe(Effect.provide(guarded(() => calls.call)))
  })

  it.effect("of a caller who goes away says nothing", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(embedMany("one"), startImmediately)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
    }).pipe(Effect.provide(guarded(() => Effect.never))))

  it.effect("with the wrong number of vectors is ignored, unless a classifier counts it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(embedMany("one", "two"))
      assert.strictEqual(error.reason._tag, "InvalidOutputError")
      const strict = yield* GuardedEmbeddingModel.guard(yield* EmbeddingModel.EmbeddingModel, {
        key: "strict",
        classify: (exit) => Exit.isSuccess(exit) ? Outcome.success : Outcome.failure("malformed_response")
      })
      yield* Effect.flip(strict.embed("one"))
      assert.deepStrictEqual(yield* results, [
        "ignored model_output",
        "ignored model_output",
        "failure malformed_response"
      ])
    }).pipe(Effect.provide(guarded(() => Effect.succeed({ results: [], usage: { inputTokens: undefined } })))))
})

describe("embed", () => {
  it.effect("of concurrent callers is one call, and each gets its own vector", () =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach(["one", "three", "seven"], embed, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.map(({ vector }) => vector[0]), [3, 5, 5])
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("of callers one after the other is a call each", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(["one", "three"], embed)
      assert.deepStrictEqual(yield* results, ["success", "success"])
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("counts a failure once, whatever the number of callers, and each gets it", () =>
    Effect.gen(function*() {
      const errors = yield* Effect.forEach(["one", "two", "three"], (input) => Effect.flip(embed(input)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(errors, [unavailable, unavailable, unavailable])
      assert.deepStrictEqual(yield* results, ["failure server_error"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(() => Effect.fail(unavailable), { tripPolicy: TripPolicy.consecutive(2) }))))

  it.effect("is rejected once, and each caller gets the rejection", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      const errors = yield* Effect.forEach(["one", "two"], (input) => Effect.flip(embed(input)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(errors.map(isRejection), [true, true])
      assert.deepStrictEqual(errors.map(({ retryAfter }) => retryAfter), [Duration.minutes(1), Duration.minutes(1)])
      assert.deepStrictEqual(yield* results, ["rejected_forced_open"])
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("answers its callers when the circuit knows, so that one may call again at once", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* TestClock.adjust("1 minute")
      yield* embed("one")
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("one caller who goes away settles nothing for the others", () => {
    const answer = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const [first, second] = yield* Effect.forEach(
        ["one", "three"],
        (input) => Effect.forkChild(embed(input), startImmediately)
      )
      yield* now
      yield* Fiber.interrupt(first!)
      assert.deepStrictEqual(yield* results, [])
      yield* Deferred.succeed(answer, undefined)
      assert.deepStrictEqual((yield* Fiber.join(second!)).vector, [5])
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded((options) => Effect.andThen(Deferred.await(answer), lengths(options)))))
  })

  it.effect("one caller who goes away does not free the slot of the probe that the others wait for", () => {
    const answer = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* TestClock.adjust("1 minute")
      const [first, second] = yield* Effect.forEach(
        ["one", "three"],
        (input) => Effect.forkChild(embed(input), startImmediately)
      )
      yield* now
      yield* Fiber.interrupt(first!)
      const state = yield* CircuitBreaker.state(key)
      assert(state._tag === "HalfOpen")
      assert.strictEqual(state.probing, 1)
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(second!)
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded((options) => Effect.andThen(Deferred.await(answer), lengths(options)))))
  })

  it.effect("a request that all callers have left is judged by its own end", () => {
    const answer = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(embed("one"), startImmediately)
      yield* now
      yield* Fiber.interrupt(fiber)
      yield* Deferred.succeed(answer, undefined)
      yield* now
      assert.deepStrictEqual(yield* results, ["failure server_error"])
    }).pipe(Effect.provide(guarded(() => Effect.andThen(Deferred.await(answer), Effect.fail(unavailable)))))
  })

  it.effect("a caller who goes away before the request begins is not in it", () => {
    let asked: ReadonlyArray<string> = []
    return Effect.gen(function*() {
      const [first, second] = yield* Effect.forEach(
        ["one", "three"],
        (input) => Effect.forkChild(embed(input), startImmediately)
      )
      yield* Fiber.interrupt(first!)
      yield* Fiber.join(second!)
      assert.deepStrictEqual(asked, ["three"])
    }).pipe(Effect.provide(guarded((options) => {
      asked = options.inputs
      return lengths(options)
    })))
  })

  it.effect("is cut off by the policy's attemptTimeout, for all its callers", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(
        Effect.forEach(["one", "two"], (input) => Effect.flip(embed(input)), { concurrency: "unbounded" }),
        startImmediately
      )
      yield* now
      yield* TestClock.adjust("5 seconds")
      const errors = yield* Fiber.join(fiber)
      assert.deepStrictEqual(errors.map(({ reason }) => reason._tag), [
        "InternalProviderError",
        "InternalProviderError"
      ])
      assert.deepStrictEqual(errors.map(isRejection), [false, false])
      assert.deepStrictEqual(yield* results, ["failure timeout"])
    }).pipe(Effect.provide(guarded(() => Effect.never, { attemptTimeout: "5 seconds" }))))

  it.effect("keeps apart what the model keeps apart", () => {
    const batches: Array<ReadonlyArray<string>> = []
    let tenant = 0
    return Effect.gen(function*() {
      const model = yield* EmbeddingModel.make({
        embedMany: (options) => {
          batches.push(options.inputs)
          return lengths(options)
        },
        batchKey: () => tenant++ % 2
      })
      const wrapped = yield* GuardedEmbeddingModel.guard(model, { key })
      yield* Effect.forEach(["a", "b", "c", "d"], wrapped.embed, { concurrency: "unbounded" })
      assert.deepStrictEqual(batches, [["a", "c"], ["b", "d"]])
      assert.deepStrictEqual(yield* results, ["success", "success"])
    }).pipe(Effect.provide(CircuitTest.layer()))
  })
})

describe("a guarded EmbeddingModel", () => {
  it.effect("guards its resolver too", () =>
    Effect.gen(function*() {
      const { resolver } = yield* EmbeddingModel.EmbeddingModel
      yield* CircuitBreaker.forceOpen(key)
      const request = new EmbeddingModel.EmbeddingRequest({ input: "one" })
      assert.isTrue(isRejection(yield* Effect.flip(Effect.request(request, resolver))))
    }).pipe(Effect.provide(guarded(lengths))))

  it.effect("dies with InvalidOptions for a key that is empty", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(GuardedEmbeddingModel.guard(yield* EmbeddingModel.EmbeddingModel, { key: "" }))
      assert(Exit.isFailure(exit))
      const [reason] = exit.cause.reasons
      assert(reason?._tag === "Die")
      assert.instanceOf(reason.defect, CircuitPolicy.InvalidOptions)
    }).pipe(Effect.provide(guarded(lengths))))
})
