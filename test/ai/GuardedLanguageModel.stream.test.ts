import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, LlmOutcome, Outcome, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { AiError, LanguageModel, Prompt, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"

const key = "model"
const { circuitErrorOf, isRejection } = GuardedLanguageModel

const finish = (reason: Response.FinishReason = "stop"): Response.FinishPartEncoded => ({
  type: "finish",
  reason,
  usage: { inputTokens: {}, outputTokens: {} }
})
const opener: Response.StreamPartEncoded = { type: "text-start", id: "text" }
const word = (delta: string): Response.StreamPartEncoded => ({ type: "text-delta", id: "text", delta })
const toolCall = (id: string, providerExecuted = false): Response.StreamPartEncoded => ({
  type: "tool-call",
  id,
  name: "Weather",
  params: { city: id },
  providerExecuted
})

const unavailable = AiError.make({
  module: "Provider",
  method: "streamText",
  reason: new AiError.InternalProviderError({ description: "boom" })
})

type Step = Response.StreamPartEncoded | number | "hang" | typeof unavailable

/** A provider's stream: parts one by one, waits in milliseconds, an error or silence. */
const provider = (...steps: ReadonlyArray<Step>): Stream.Stream<Response.StreamPartEncoded, AiError.AiError> =>
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

class Broken extends Schema.TaggedError<Broken>()("Broken", { tool: Schema.String }) {}

const Weather = Tool.make("Weather", {
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String,
  failure: Schema.Union([Broken, CircuitError.CircuitBreakerError])
})
const Weathers = Toolkit.make(Weather)

type Handler = (city: string) => Effect.Effect<string, Broken | CircuitError.CircuitBreakerError>
const rain: Handler = () => Effect.succeed("rain")

/** A circuit that opens on the first failure, around a provider with this stream. */
const guarded = (
  parts: Stream.Stream<Response.StreamPartEncoded, AiError.AiError>,
  { handler = rain, policy, ...options }: Partial<GuardedLanguageModel.Options> & {
    readonly policy?: CircuitPolicy.CircuitPolicy
    readonly handler?: Handler
  } = {}
) =>
  GuardedLanguageModel.layer({ key, ...options }).pipe(
    Layer.provide(Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({ generateText: () => Effect.succeed([]), streamText: () => parts })
    )),
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy })),
    Layer.merge(Weathers.toLayer({ Weather: ({ city }) => handler(city) }))
  )

const plain = LanguageModel.streamText({ prompt: "Hi" })
const withTools = LanguageModel.streamText({ prompt: "Hi", toolkit: Weathers })

const types = <A extends { readonly type: string }, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), (parts) => Array.from(parts, ({ type }) => type))

const tag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
const recorded = Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls)
const results = Effect.map(
  recorded,
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
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
  describe(`streamText ${name}`, () => {
    it.effect("streams as the model does, and its finish is a success", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* types(stream), ["text-start", "text-delta", "finish"])
        assert.deepStrictEqual(yield* results, ["success"])
      }).pipe(Effect.provide(guarded(provider(opener, word("hello"), finish())))))

    it.effect("fails as the model does", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Effect.flip(Stream.runDrain(stream)), unavailable)
        assert.deepStrictEqual(yield* results, ["failure server_error"])
        assert.strictEqual(yield* tag, "Open")
      }).pipe(Effect.provide(guarded(provider(opener, unavailable)))))

    it.effect("counts an error part of a stream that ends normally", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* types(stream), ["text-delta", "error"])
        assert.deepStrictEqual(yield* results, ["failure overloaded"])
        assert.strictEqual(yield* tag, "Open")
      }).pipe(Effect.provide(guarded(provider(
        word("Hel"),
        { type: "error", error: { type: "overloaded_error" } }
      )))))

    it.effect("judges error parts by the classifier it was given, and by what they carry", () => {
      const seen: Array<unknown> = []
      const classify = (exit: Exit.Exit<unknown, unknown>) => {
        if (Exit.isFailure(exit)) seen.push(Cause.squash(exit.cause))
        return Outcome.ignored("slow")
      }
      return Effect.gen(function*() {
        yield* Stream.runDrain(stream)
        assert.deepStrictEqual(seen, [{ type: "overloaded_error" }])
        assert.deepStrictEqual(yield* results, ["ignored slow"])
      }).pipe(Effect.provide(guarded(provider({ type: "error", error: { type: "overloaded_error" } }), { classify })))
    })

    it.effect("counts a finish that says error, and ignores one that says content-filter", () =>
      Effect.gen(function*() {
        for (const reason of ["error", "content-filter"] as const) {
          const model = yield* LanguageModel.make({
            generateText: () => Effect.succeed([]),
            streamText: () => provider(finish(reason))
          })
          const wrapped = yield* GuardedLanguageModel.guard(model, { key: reason })
          yield* types(stream).pipe(Effect.provideService(LanguageModel.LanguageModel, wrapped))
        }
        assert.deepStrictEqual(yield* results, ["failure unknown", "ignored content_policy"])
      }).pipe(Effect.provide(guarded(Stream.empty))))

    it.effect("is cut when it ends without its finish", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(stream))
        assert(AiError.isAiError(error))
        assert.strictEqual(error.reason._tag, "InternalProviderError")
        assert.isTrue(error.isRetryable)
        assert.strictEqual(circuitErrorOf(error)?.reason._tag, "StreamCut")
        assert.isFalse(isRejection(error))
        assert.strictEqual(LlmOutcome.explain(Exit.fail(error)).row, "guard/stream-cut")
        assert.deepStrictEqual(yield* results, ["failure stream_cut"])
      }).pipe(Effect.provide(guarded(provider(opener, word("Hel"))))))

    it.effect("is rejected as an AiError, and the provider is not asked", () => {
      let asked = 0
      const parts = Stream.suspend(() => {
        asked++
        return provider(finish())
      })
      return Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
        const error = yield* Effect.flip(Stream.runDrain(stream))
        yield* now
        assert(AiError.isAiError(error))
        assert.strictEqual(error.method, "streamText")
        assert.strictEqual(error.reason._tag, "RateLimitError")
        assert.isTrue(isRejection(error))
        assert.strictEqual(asked, 0)
      }).pipe(Effect.provide(guarded(parts)))
    })

    it.effect("fails when the first content is late, and openers are no content", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(stream)), startImmediately)
        yield* now
        yield* TestClock.adjust(4000)
        yield* now
        yield* TestClock.adjust(999)
        yield* now
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        const error = circuitErrorOf(yield* Fiber.join(fiber))
        assert(error?.reason._tag === "AttemptTimedOut")
        assert.strictEqual(error.reason.phase, "first_content")
        assert.deepStrictEqual(yield* results, ["failure slow_first_content"])
      }).pipe(Effect.provide(guarded(provider(opener, 4000, opener, "hang"), { firstContentTimeout: "5 seconds" }))))

    it.effect("fails when it stalls after content, and the provider is interrupted", () => {
      let interrupted = 0
      const parts = provider(opener, word("Hel"), "hang").pipe(
        Stream.onExit(() => Effect.sync(() => interrupted++))
      )
      return Effect.gen(function*() {
        const exit = yield* after(Stream.runDrain(stream), 5000)
        assert(exit !== undefined && Exit.isFailure(exit))
        assert.strictEqual(interrupted, 1)
        assert.deepStrictEqual(yield* results, ["failure stream_stalled"])
      }).pipe(Effect.provide(guarded(parts, { idleTimeout: "5 seconds" })))
    })

    it.effect("says nothing when its consumer stops, and the provider is interrupted", () => {
      let interrupted = 0
      const parts = provider(word("Hel"), "hang").pipe(Stream.onExit(() => Effect.sync(() => interrupted++)))
      return Effect.gen(function*() {
        yield* Stream.runDrain(Stream.take(stream, 1))
        assert.strictEqual(interrupted, 1)
        assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
        assert.strictEqual(yield* tag, "Closed")
      }).pipe(Effect.provide(guarded(parts)))
    })

    it.effect("says nothing when its consumer fails", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runForEach(stream, () => Effect.fail("disk full")))
        assert.strictEqual(error, "disk full")
        assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
      }).pipe(Effect.provide(guarded(provider(word("Hel"), "hang")))))

    it.effect("says nothing when its caller goes away, and frees the slot of its probe", () =>
      Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
        yield* TestClock.adjust("1 minute")
        const probe = yield* Effect.forkChild(Stream.runDrain(stream), startImmediately)
        yield* now
        const between = yield* CircuitBreaker.state(key)
        assert(between._tag === "HalfOpen")
        assert.strictEqual(between.probing, 1)
        yield* Fiber.interrupt(probe)
        const state = yield* CircuitBreaker.state(key)
        assert(state._tag === "HalfOpen")
        assert.strictEqual(state.probing, 0)
      }).pipe(Effect.provide(guarded(provider(word("Hel"), "hang")))))

    it.effect("closes the circuit at the first content of a probe if that is enough", () =>
      Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
        yield* TestClock.adjust("1 minute")
        yield* Effect.forkChild(Stream.runDrain(stream), startImmediately)
        yield* now
        assert.strictEqual(yield* tag, "Closed")
      }).pipe(Effect.provide(guarded(provider(word("Hel"), "hang"), { settleProbeAt: "first_content" }))))
  })
}

describe("tools of streamText", () => {
  it.effect("run, and their results come before the finish", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* types(withTools), ["tool-call", "tool-result", "finish"])
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), finish("tool-calls"))))))

  it.effect("that fail are not blamed on the provider", () =>
    Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(withTools)), Broken)
      assert.deepStrictEqual(yield* results, ["ignored caller_error"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), finish("tool-calls")), {
      handler: () => Effect.fail(new Broken({ tool: "Weather" }))
    }))))

  it.effect("that die are not blamed on the provider", () =>
    Effect.gen(function*() {
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Stream.runDrain(withTools))))
      assert.deepStrictEqual(yield* results, ["ignored caller_error"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), finish("tool-calls")), {
      classify: () => Outcome.failure("unknown"),
      handler: () => Effect.die("bug")
    }))))

  it.effect("that fail do not excuse a provider that fails too", () =>
    Effect.gen(function*() {
      const exit = yield* after(Stream.runDrain(withTools), 100)
      assert.deepStrictEqual(exit, Exit.fail(unavailable))
      assert.deepStrictEqual(yield* results, ["failure server_error"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), word("a"), 100, unavailable), {
      handler: () => Effect.fail(new Broken({ tool: "Weather" }))
    }))))

  it.effect("that are rejected by a circuit of their own fail with that rejection as it is", () => {
    const own = CircuitError.make({ _tag: "CircuitHalfOpen", key: "weather.gov" })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(withTools)), own)
      assert.deepStrictEqual(yield* results, ["ignored caller_error"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), finish("tool-calls")), {
      handler: () => Effect.fail(own)
    })))
  })

  it.effect("that are slow are no stall, however many run and in whatever order they end", () =>
    Effect.gen(function*() {
      const exit = yield* after(types(withTools), 60_000, 120_000)
      assert.deepStrictEqual(
        exit,
        Exit.succeed(["tool-call", "tool-call", "text-delta", "tool-result", "tool-result", "finish"])
      )
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(
      provider(toolCall("Oslo"), toolCall("Rome"), word("Wait"), finish("tool-calls")),
      { idleTimeout: "5 seconds", handler: (city) => Effect.as(Effect.sleep(city === "Oslo" ? 60_000 : 180_000), city) }
    ))))

  it.effect("that start late do not trip a limit that was already running", () =>
    Effect.gen(function*() {
      const exit = yield* after(types(withTools), 4000, 60_000)
      assert.deepStrictEqual(exit, Exit.succeed(["tool-call", "tool-result", "finish"]))
    }).pipe(Effect.provide(guarded(
      provider(toolCall("Oslo"), 4000, finish("tool-calls")),
      { idleTimeout: "5 seconds", handler: () => Effect.as(Effect.sleep(60_000), "rain") }
    ))))

  it.effect("give the provider its limit back when they end", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* after(Stream.runDrain(withTools), 60_000, 4999))
      yield* TestClock.adjust(1)
      yield* now
      assert.deepStrictEqual(yield* results, ["failure stream_stalled"])
    }).pipe(Effect.provide(guarded(
      provider(toolCall("Oslo"), word("Wait"), "hang"),
      { idleTimeout: "5 seconds", handler: () => Effect.as(Effect.sleep(60_000), "rain") }
    ))))

  it.effect("that fail give the provider its limit back too", () =>
    Effect.gen(function*() {
      yield* after(Stream.runDrain(withTools), 60_000, 5000)
      assert.deepStrictEqual(yield* results, ["failure stream_stalled"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), word("Wait"), "hang"), {
      idleTimeout: "5 seconds",
      handler: () => Effect.andThen(Effect.sleep(60_000), Effect.fail(new Broken({ tool: "Weather" })))
    }))))

  it.effect("that have not begun excuse no silence of the provider", () =>
    Effect.gen(function*() {
      const exit = yield* after(Stream.runDrain(withTools), 5000)
      assert.isDefined(exit)
      assert.deepStrictEqual(yield* results, ["failure stream_stalled"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), "hang"), { idleTimeout: "5 seconds" }))))

  it.effect("that are interrupted by an incomplete answer leave the clock running", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* types(withTools),
        ["tool-call", "text-delta", "tool-result", "finish"]
      )
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), word("Wait"), finish("length")), {
      handler: () => Effect.never
    }))))

  it.effect("do not run when resolution is off, and a silence after their call is a stall", () =>
    Effect.gen(function*() {
      const stream = LanguageModel.streamText({ prompt: "Hi", toolkit: Weathers, disableToolCallResolution: true })
      yield* after(Stream.runDrain(stream), 5000)
      assert.deepStrictEqual(yield* results, ["failure stream_stalled"])
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), "hang"), {
      idleTimeout: "5 seconds",
      handler: () => Effect.die("bug")
    }))))

  it.effect("of the provider itself take the provider's time", () =>
    Effect.gen(function*() {
      yield* after(types(withTools), 5000)
      assert.deepStrictEqual(yield* results, ["failure stream_stalled"])
    }).pipe(Effect.provide(guarded(
      provider(toolCall("Oslo", true), "hang"),
      { idleTimeout: "5 seconds", handler: () => Effect.die("bug") }
    ))))

  it.effect("hold the verdict back, but not for a consumer that is slow", () =>
    Effect.gen(function*() {
      const latch = yield* Latch.make()
      const fiber = yield* Effect.forkChild(Stream.runForEach(withTools, () => latch.await), startImmediately)
      yield* now
      assert.deepStrictEqual(yield* results, [])
      yield* TestClock.adjust(60_000)
      yield* now
      assert.deepStrictEqual(yield* results, ["success"])
      assert.isUndefined(fiber.pollUnsafe())
      yield* latch.open
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(guarded(provider(toolCall("Oslo"), finish("tool-calls")), {
      handler: () => Effect.as(Effect.sleep(60_000), "rain")
    }))))
})

describe("back-pressure of streamText", () => {
  type Streamed = Stream.Stream<unknown, unknown, LanguageModel.LanguageModel | Tool.HandlersFor<typeof Weathers.tools>>

  const produced = (stream: Streamed) =>
    Effect.gen(function*() {
      let parts = 0
      const counted = provider(...Array.from({ length: 50 }, () => word("a")), finish()).pipe(
        Stream.tap(() => Effect.sync(() => parts++))
      )
      yield* Stream.runForEach(Stream.take(stream, 2), () => now).pipe(Effect.provide(guarded(counted)))
      return parts
    })

  it.effect("reaches the provider when no tools run", () =>
    Effect.gen(function*() {
      const empty = LanguageModel.streamText({ prompt: "Hi", toolkit: Toolkit.empty })
      const off = LanguageModel.streamText({ prompt: "Hi", toolkit: Weathers, disableToolCallResolution: true })
      assert.isAtMost(yield* produced(plain), 3)
      assert.isAtMost(yield* produced(empty), 3)
      assert.isAtMost(yield* produced(off), 3)
    }))

  it.effect("does not reach it with tools: effect/ai drains it into a queue", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* produced(withTools), 51)
    }))
})

describe("tools of streamText that were approved in the history", () => {
  const prompt = Prompt.make([
    { role: "user", content: [{ type: "text", text: "Weather?" }] },
    {
      role: "assistant",
      content: [
        { type: "tool-call", id: "a", name: "Weather", params: { city: "Oslo" } },
        { type: "tool-approval-request", approvalId: "approval", toolCallId: "a" }
      ]
    },
    { role: "tool", content: [{ type: "tool-approval-response", approvalId: "approval", approved: true }] }
  ])
  const approved = LanguageModel.streamText({ prompt, toolkit: Weathers })
  const slow: Handler = () => Effect.as(Effect.sleep(60_000), "rain")

  it.effect("run before the call of the circuit begins", () =>
    Effect.gen(function*() {
      const exit = yield* after(types(approved), 60_000, 2000)
      assert.deepStrictEqual(exit, Exit.succeed(["tool-result", "text-delta", "finish"]))
      assert.deepStrictEqual(
        (yield* recorded).map(({ durationMillis, result }) => [result, durationMillis]),
        [["success", 2000]]
      )
    }).pipe(Effect.provide(guarded(provider(2000, word("Rain"), finish()), {
      firstContentTimeout: "5 seconds",
      handler: slow
    }))))

  it.effect("fail without a call of the circuit", () =>
    Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(approved)), Broken)
      assert.deepStrictEqual(yield* results, [])
    }).pipe(Effect.provide(guarded(provider(finish()), {
      handler: () => Effect.fail(new Broken({ tool: "Weather" }))
    }))))

  it.effect("do not run while the circuit is open", () => {
    let ran = 0
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      assert.isTrue(isRejection(yield* Effect.flip(Stream.runDrain(approved))))
      assert.strictEqual(ran, 0)
    }).pipe(Effect.provide(guarded(provider(finish()), {
      handler: () => Effect.sync(() => `${ran++}`)
    })))
  })

  it.effect("leave the first content its limit", () =>
    Effect.gen(function*() {
      const exit = yield* after(Stream.runDrain(approved), 60_000, 5000)
      assert.isDefined(exit)
      assert.deepStrictEqual(yield* results, ["failure slow_first_content"])
    }).pipe(Effect.provide(guarded(provider("hang"), { firstContentTimeout: "5 seconds", handler: slow }))))
})
