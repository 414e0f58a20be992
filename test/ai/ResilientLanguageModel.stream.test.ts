// Streamed answers of a model over several.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, type CircuitPolicy, FailoverRouter, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { AiError, LanguageModel, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"

const { circuitErrorOf, isRejection } = GuardedLanguageModel
const { failoverErrorOf, withCallOptions } = ResilientLanguageModel

const metadata = (id: string): Response.StreamPartEncoded => ({ type: "response-metadata", id })
const opener: Response.StreamPartEncoded = { type: "text-start", id: "text" }
const word = (delta: string): Response.StreamPartEncoded => ({ type: "text-delta", id: "text", delta })
const finish = (reason: Response.FinishReason = "stop"): Response.StreamPartEncoded => ({
  type: "finish",
  reason,
  usage: { inputTokens: {}, outputTokens: {} }
})
const errorPart: Response.StreamPartEncoded = { type: "error", error: { type: "overloaded_error" } }

const failure = (reason: AiError.AiErrorReason) => AiError.make({ module: "Provider", method: "streamText", reason })
const overloaded = failure(new AiError.InternalProviderError({ description: "overloaded" }))
const refused = failure(new AiError.ContentPolicyError({ description: "no" }))

type Step = Response.StreamPartEncoded | number | "hang" | AiError.AiError
type Parts = Stream.Stream<Response.StreamPartEncoded, AiError.AiError>

/** A provider's stream: parts one by one, waits in milliseconds, an error or silence. */
const provider = (...steps: ReadonlyArray<Step>): Parts =>
  Stream.fromIterable(steps).pipe(
    Stream.rechunk(1),
    Stream.flatMap((step) =>
      step === "hang"
        ? Stream.never
        : typeof step === "number"
        ? Stream.drain(Stream.fromEffect(Effect.sleep(step)))
        : AiError.isAiError(step)
        ? Stream.fail(step)
        : Stream.succeed(step)
    )
  )
const whole = (name: string): ReadonlyArray<Step> => [metadata(name), opener, word(name), word("!"), finish()]

const Weather = Tool.make("Weather", { success: Schema.String })
const Weathers = Toolkit.make(Weather)

const model = (parts: Parts) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({ generateText: () => Effect.succeed([]), streamText: () => parts })
  )

type Options = Omit<Partial<ResilientLanguageModel.Options>, "targets"> & {
  readonly policy?: CircuitPolicy.CircuitPolicy
}

/** Two regions whose circuits open on the first failure. */
const regions = (first: Parts, second: Parts, { policy, ...options }: Options = {}) =>
  ResilientLanguageModel.layer({
    route: "chat",
    targets: [
      { name: "us", region: "us", model: model(first) },
      { name: "eu", region: "eu", model: model(second) }
    ],
    ...options
  }).pipe(
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy })),
    Layer.merge(Weathers.toLayer({ Weather: () => Effect.succeed("rain") }))
  )

const plain = LanguageModel.streamText({ prompt: "a secret" })
const withTools = LanguageModel.streamText({ prompt: "a secret", toolkit: Weathers })

/** The parts in short: their text, id, or type. */
const shortly = <E, R>(stream: Stream.Stream<Response.StreamPart<Record<string, Tool.Any>>, E, R>) =>
  Effect.map(
    Stream.runCollect(stream),
    (parts) =>
      Array.from(parts, (part) =>
        part.type === "text-delta" ? part.delta : part.type === "response-metadata" ? part.id : part.type)
  )
const wholly = (name: string) => [name, "text-start", name, "!", "finish"]

const results = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ key, kind, result }) => [key, result, ...kind === undefined ? [] : [kind]].join(" "))
)
const startImmediately = { startImmediately: true }

/** Lets everything happen that takes no time. */
const now = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Runs it for these times, and gives its exit, or undefined if it has not ended. */
const after = <A, E, R>(self: Effect.Effect<A, E, R>, ...times: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(self, startImmediately)
    yield* now
    for (const millis of times) yield* Effect.andThen(TestClock.adjust(millis), now)
    return fiber.pollUnsafe()
  })

for (const [name, stream] of [["without tools", plain], ["with tools", withTools]] as const) {
  const failed = Effect.map(Effect.flip(Stream.runDrain(stream)), (error) => {
    assert(AiError.isAiError(error))
    return error
  })

  describe(`streamText ${name} over several models`, () => {
    it.effect("streams from the first one, and asks nobody else", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* shortly(stream), wholly("us"))
        assert.deepStrictEqual(yield* results, ["chat/us success"])
      }).pipe(Effect.provide(regions(provider(...whole("us")), Stream.die("bug")))))

    for (
      const [how, kind, ...steps] of [
        ["fails", "server_error", metadata("us"), opener, overloaded],
        ["reports an error", "overloaded", metadata("us"), opener, errorPart],
        ["finishes with an error", "unknown", metadata("us"), finish("error")],
        ["ends without content", "stream_cut", metadata("us"), opener],
        ["ends at once", "stream_cut"]
      ] as const
    ) {
      it.effect(`goes on from one that ${how}, and drops what it began with`, () =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* shortly(stream), wholly("eu"))
          assert.deepStrictEqual(yield* results, [`chat/us failure ${kind}`, "chat/eu success"])
          assert.strictEqual((yield* FailoverRouter.activeTarget("chat")).name, "eu")
        }).pipe(Effect.provide(regions(provider(...steps), provider(...whole("eu"))))))
    }

    it.effect("waits for the first content of each for no longer than its own limit", () => {
      let interrupted = 0
      const silent = provider(metadata("us"), 3000, opener, "hang").pipe(
        Stream.onExit(() => Effect.sync(() => interrupted++))
      )
      return Effect.gen(function*() {
        const exit = yield* after(shortly(stream), 4999)
        assert.isUndefined(exit)
        yield* TestClock.adjust(1)
        yield* now
        assert.strictEqual(interrupted, 1)
        yield* TestClock.adjust(7000)
        yield* now
        assert.deepStrictEqual(yield* results, ["chat/us failure slow_first_content", "chat/eu success"])
      }).pipe(Effect.provide(
        ResilientLanguageModel.layer({
          route: "chat",
          targets: [
            { name: "us", model: model(silent), firstContentTimeout: "5 seconds" },
            { name: "eu", model: model(provider(7000, ...whole("eu"))) }
          ],
          firstContentTimeout: "8 seconds"
        }).pipe(
          Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) })),
          Layer.merge(Weathers.toLayer({ Weather: () => Effect.succeed("rain") }))
        )
      ))
    })

    for (
      const [how, found, ...steps] of [
        ["is cut", "StreamCut"],
        ["stalls", "AttemptTimedOut", "hang"],
        ["fails", undefined, overloaded]
      ] as const
    ) {
      it.effect(`that ${how} after its first content fails, and nobody else is asked`, () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const collected = Stream.runForEach(stream, ({ type }) => Effect.sync(() => seen.push(type)))
          const exit = yield* after(Effect.flip(collected), 5000)
          assert(exit !== undefined && Exit.isSuccess(exit) && AiError.isAiError(exit.value))
          assert.strictEqual(circuitErrorOf(exit.value)?.reason._tag, found)
          assert.strictEqual(exit.value.reason._tag, "InternalProviderError")
          assert.deepStrictEqual(seen, ["response-metadata", "text-delta"])
          assert.strictEqual((yield* results).length, 1)
        }).pipe(Effect.provide(
          regions(provider(metadata("us"), word("Hel"), ...steps), Stream.die("bug"), { idleTimeout: "5 seconds" })
        )))

      it.effect(`that ${how} within the held parts is rescued whole`, () =>
        Effect.gen(function*() {
          const exit = yield* after(shortly(stream), 5000)
          assert.deepStrictEqual(exit, Exit.succeed(wholly("eu")))
        }).pipe(Effect.provide(
          regions(provider(metadata("us"), opener, word("Hel"), ...steps), provider(...whole("eu")), {
            idleTimeout: "5 seconds",
            rescue: 10
          })
        )))
    }

    it.effect("that is cut after the held parts fails", () =>
      Effect.gen(function*() {
        assert.strictEqual(circuitErrorOf(yield* failed)?.reason._tag, "StreamCut")
        assert.deepStrictEqual(yield* results, ["chat/us failure stream_cut"])
      }).pipe(Effect.provide(
        regions(provider(opener, word("a"), word("b"), word("c")), Stream.die("bug"), { rescue: 3 })
      )))

    it.effect("is rescued as the call says", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* withCallOptions(shortly(stream), { rescue: 10 }), wholly("eu"))
      }).pipe(Effect.provide(regions(provider(opener, word("Hel")), provider(...whole("eu"))))))

    it.effect("stays within the fence of the call", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* withCallOptions(shortly(stream), { allow: { regions: ["eu"] } }),
          wholly("eu")
        )
        const error = yield* withCallOptions(failed, { allow: { regions: ["asia"] } })
        assert.strictEqual(failoverErrorOf(error)?.reason._tag, "NoTargetAllowed")
      }).pipe(Effect.provide(regions(provider(...whole("us")), provider(...whole("eu"))))))

    it.effect("gives a refusal to the caller as it is", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* failed, refused)
        assert.deepStrictEqual(yield* results, ["chat/us ignored content_policy"])
      }).pipe(Effect.provide(regions(provider(opener, refused), Stream.die("bug")))))

    it.effect("gives an answer that a filter cut short as it is", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* shortly(stream), ["text-start", "finish"])
        assert.deepStrictEqual(yield* results, ["chat/us ignored content_policy"])
      }).pipe(Effect.provide(regions(provider(opener, finish("content-filter")), Stream.die("bug")))))

    it.effect("fails when both are down, then without asking anybody", () =>
      Effect.gen(function*() {
        const error = yield* failed
        assert.include(error.message, "ResilientLanguageModel.streamText: no target of route \"chat\"")
        assert.include(error.message, "(us: server_error, eu: overloaded)")
        assert.notInclude(error.message, "secret")
        assert.isFalse(isRejection(error))
        assert.isTrue(isRejection(yield* failed))
        assert.deepStrictEqual((yield* results).slice(2), ["chat/us rejected_open", "chat/eu rejected_open"])
      }).pipe(
        Effect.provide(regions(provider(opener, overloaded), provider(opener, errorPart), { whenExhausted: "fail" }))
      ))

    it.effect("ends with a consumer who has had enough, and the provider is interrupted", () => {
      let interrupted = 0
      const parts = provider(word("Hel"), "hang").pipe(Stream.onExit(() => Effect.sync(() => interrupted++)))
      return Effect.gen(function*() {
        yield* Stream.runDrain(Stream.take(stream, 1))
        assert.strictEqual(interrupted, 1)
        assert.deepStrictEqual(yield* results, ["chat/us interrupted cancelled"])
      }).pipe(Effect.provide(regions(parts, Stream.die("bug"))))
    })

    it.effect("ends with a caller who goes away before the first content", () => {
      let interrupted = 0
      const parts = provider(opener, "hang").pipe(Stream.onExit(() => Effect.sync(() => interrupted++)))
      return Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Stream.runDrain(stream), startImmediately)
        yield* now
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(interrupted, 1)
        assert.deepStrictEqual(yield* results, ["chat/us interrupted cancelled"])
      }).pipe(Effect.provide(regions(parts, Stream.die("bug"))))
    })

    it.effect("closes the circuit of a probe at its first content if that is enough", () =>
      Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen("chat/us", { for: "1 minute" })
        yield* TestClock.adjust("1 minute")
        yield* Effect.forkChild(Stream.runDrain(stream), startImmediately)
        yield* now
        assert.strictEqual((yield* CircuitBreaker.state("chat/us"))._tag, "Closed")
      }).pipe(Effect.provide(
        regions(provider(word("Hel"), "hang"), Stream.die("bug"), { settleProbeAt: "first_content" })
      )))
  })
}

describe("the pace of streamText over several models", () => {
  it.effect("is that of the consumer when no tools run", () => {
    let parts = 0
    const counted = provider(...Array.from({ length: 50 }, () => word("a")), finish()).pipe(
      Stream.tap(() => Effect.sync(() => parts++))
    )
    return Effect.gen(function*() {
      yield* Stream.runForEach(Stream.take(plain, 2), () => now)
      assert.isAtMost(parts, 3)
    }).pipe(Effect.provide(regions(counted, Stream.die("bug"))))
  })
})
