// Tools of a model over several: they run once, whichever model fails.
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, type CircuitPolicy, LlmRetry, Outcome, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { AiError, LanguageModel, Prompt, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"

const { isRejection } = GuardedLanguageModel
const { withCallOptions } = ResilientLanguageModel

const word = (delta: string): Response.StreamPartEncoded => ({ type: "text-delta", id: "text", delta })
const finish = (reason: Response.FinishReason = "stop"): Response.FinishPartEncoded => ({
  type: "finish",
  reason,
  usage: { inputTokens: {}, outputTokens: {} }
})
const toolCall = (id: string): Response.ToolCallPartEncoded => ({ type: "tool-call", id, name: "Pay", params: {} })
const overloaded = AiError.make({
  module: "Provider",
  method: "generateText",
  reason: new AiError.InternalProviderError({ description: "overloaded" })
})

class Broke extends Schema.TaggedError<Broke>()("Broke", {}) {}

const Pay = Tool.make("Pay", { success: Schema.String, failure: Broke })
const Payments = Toolkit.make(Pay)

type Handler = Effect.Effect<string, Broke>
type Call = Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>
type Parts = Stream.Stream<Response.StreamPartEncoded, AiError.AiError>

const paid = () => ScriptedCall.make<string, Broke>([ScriptedCall.succeeds("paid")])
const slowly = () => ScriptedCall.make<string, Broke>([ScriptedCall.succeeds("paid", "1 minute")])

/** Parts one by one, with waits in milliseconds. */
const provider = (...steps: ReadonlyArray<Response.StreamPartEncoded | number | AiError.AiError>): Parts =>
  Stream.fromIterable(steps).pipe(
    Stream.rechunk(1),
    Stream.flatMap((step) =>
      typeof step === "number"
        ? Stream.drain(Stream.fromEffect(Effect.sleep(step)))
        : AiError.isAiError(step)
        ? Stream.fail(step)
        : Stream.succeed(step)
    )
  )

type Options = Omit<Partial<ResilientLanguageModel.Options>, "targets"> & {
  readonly policy?: CircuitPolicy.CircuitPolicy
}

/** Two regions whose circuits open on the first failure, each with a provider that does as its test says. */
const regions = (
  first: Call | Parts,
  second: Call | Parts,
  handler: Handler,
  { policy, ...options }: Options = {}
) => {
  const model = (answers: Call | Parts) =>
    Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({
        generateText: () => Effect.isEffect(answers) ? answers : Effect.die("no stream"),
        streamText: () => Stream.isStream(answers) ? answers : Stream.die("a stream")
      })
    )
  return ResilientLanguageModel.layer({
    route: "chat",
    targets: [{ name: "us", model: model(first) }, { name: "eu", model: model(second) }],
    ...options
  }).pipe(
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy })),
    Layer.merge(Payments.toLayer({ Pay: () => handler }))
  )
}

const prompt = "Pay the bill"
const ask = LanguageModel.generateText({ prompt, toolkit: Payments })
const stream = LanguageModel.streamText({ prompt, toolkit: Payments })
const types = <A extends { readonly type: string }, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), (parts) => Array.from(parts, ({ type }) => type))

const recorded = Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls)
const results = Effect.map(
  recorded,
  (calls) => calls.map(({ key, kind, result }) => [key, result, ...kind === undefined ? [] : [kind]].join(" "))
)
const startImmediately = { startImmediately: true }

/** Lets everything happen that takes no time. */
const now = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Runs it for these times, and gives its exit, or undefined if it has not ended. */
const after = <A, E, R>(self: Effect.Effect<A, E, R>, ...times: ReadonlyArray<Duration.Input>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(self, startImmediately)
    yield* now
    for (const time of times) yield* Effect.andThen(TestClock.adjust(time), now)
    return fiber.pollUnsafe()
  })

describe("tools of generateText over several models", () => {
  const calls = Effect.succeed([toolCall("call"), finish("tool-calls")])

  it.effect("run once, for the model that answers", () => {
    const handler = paid()
    return Effect.gen(function*() {
      const { toolResults } = yield* ask
      assert.deepStrictEqual(toolResults.map(({ result }) => result), ["paid"])
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us failure server_error", "chat/eu success"])
    }).pipe(Effect.provide(regions(Effect.fail(overloaded), calls, handler.call)))
  })

  it.effect("that fail are not routed around, and fail as they do", () => {
    const handler = ScriptedCall.make<string, Broke>([ScriptedCall.fails(new Broke())])
    return Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(ask), Broke)
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us success"])
    }).pipe(Effect.provide(regions(calls, Effect.die("bug"), handler.call)))
  })

  it.effect("that fail say so although another model failed before", () => {
    const handler = ScriptedCall.make<string, Broke>([ScriptedCall.fails(new Broke())])
    return Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(ask), Broke)
      assert.strictEqual(yield* handler.started, 1)
    }).pipe(Effect.provide(regions(Effect.fail(overloaded), calls, handler.call)))
  })

  it.effect("take the time of no provider, and of no deadline", () => {
    const handler = slowly()
    return Effect.gen(function*() {
      const exit = yield* after(ask, "2 seconds", "1 minute")
      assert(exit !== undefined && Exit.isSuccess(exit))
      assert.strictEqual(yield* handler.finished, 1)
      assert.deepStrictEqual(
        (yield* recorded).map(({ durationMillis, result }) => [result, durationMillis]),
        [["success", 2000]]
      )
    }).pipe(Effect.provide(regions(Effect.delay(calls, "2 seconds"), Effect.die("bug"), handler.call, {
      attemptTimeout: "5 seconds",
      deadline: "10 seconds"
    })))
  })

  it.effect("of an answer that is not good enough never run", () => {
    const handler = paid()
    let answers = 0
    return Effect.gen(function*() {
      yield* ask
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us failure unknown", "chat/eu success"])
    }).pipe(Effect.provide(regions(calls, calls, handler.call, {
      classify: () => ++answers === 1 ? Outcome.failure("unknown") : Outcome.success
    })))
  })

  it.effect("end with a caller who goes away", () => {
    const handler = slowly()
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* now
      assert.strictEqual(yield* handler.started, 1)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* handler.finished, 0)
      assert.deepStrictEqual(yield* results, ["chat/us success"])
    }).pipe(Effect.provide(regions(calls, Effect.die("bug"), handler.call)))
  })
})

describe("tools of streamText over several models", () => {
  const calls = provider(toolCall("call"), finish("tool-calls"))

  it.effect("run once, for the model that answers", () => {
    const handler = paid()
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* types(stream), ["tool-call", "tool-result", "finish"])
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us failure server_error", "chat/eu success"])
    }).pipe(Effect.provide(regions(provider(overloaded), calls, handler.call)))
  })

  for (
    const [how, ...steps] of [
      ["fails", 100, overloaded],
      ["is cut", 100],
      ["reports an error", 100, { type: "error", error: { type: "overloaded_error" } }]
    ] as const
  ) {
    it.effect(`never run again when the provider ${how} after they ran`, () => {
      const handler = paid()
      return Effect.gen(function*() {
        const exit = yield* after(types(stream), 100, 60_000)
        assert.isDefined(exit)
        if (how !== "reports an error") assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(yield* handler.started, 1)
        assert.deepStrictEqual((yield* recorded).map(({ key, result }) => [key, result]), [["chat/us", "failure"]])
      }).pipe(Effect.provide(
        // The call is held back, and so is the part after it, with which its handler begins.
        regions(provider(toolCall("call"), word("Paying"), ...steps), Stream.die("bug"), handler.call, {
          rescue: 100,
          retry: () => LlmRetry.policy({ attempts: 3, base: "1 second" }),
          policy: { tripPolicy: TripPolicy.consecutive(5) }
        })
      ))
    })
  }

  it.effect("never run again when the provider stalls while one has run", () => {
    const handler = paid()
    return Effect.gen(function*() {
      const exit = yield* after(types(stream), 5000, 60_000)
      assert(exit !== undefined && Exit.isFailure(exit))
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us failure stream_stalled"])
    }).pipe(Effect.provide(
      regions(provider(toolCall("call"), word("Paying"), 3_600_000), Stream.die("bug"), handler.call, {
        idleTimeout: "5 seconds",
        rescue: 100
      })
    ))
  })

  it.effect("never run again when one begins while the model is being left", () => {
    const handler = paid()
    // The model that is too slow takes its time to let go, and its tool to find out whether it may run.
    const slow = provider(toolCall("call"), word("Paying"), 3_600_000).pipe(
      Stream.onExit(() => Effect.sleep("1 second"))
    )
    const Careful = Toolkit.make(
      Tool.make("Pay", {
        success: Schema.String,
        failure: Broke,
        needsApproval: () => Effect.delay(Effect.succeed(false), "5500 millis")
      })
    )
    return Effect.gen(function*() {
      const stream = LanguageModel.streamText({ prompt, toolkit: Careful })
      const exit = yield* after(types(stream), 5000, 500, 500, 60_000)
      assert(exit !== undefined && Exit.isFailure(exit))
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us failure stream_stalled"])
    }).pipe(Effect.provide(regions(slow, calls, handler.call, { idleTimeout: "5 seconds", rescue: 100 })))
  })

  it.effect("that have not begun are the next model's", () => {
    const handler = paid()
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* types(stream), ["tool-call", "tool-result", "finish"])
      assert.strictEqual(yield* handler.started, 1)
    }).pipe(Effect.provide(regions(provider(toolCall("call"), overloaded), calls, handler.call, { rescue: 100 })))
  })

  it.effect("that fail say so although another model failed before", () => {
    const handler = ScriptedCall.make<string, Broke>([ScriptedCall.fails(new Broke())])
    return Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(stream)), Broke)
      assert.strictEqual(yield* handler.started, 1)
      assert.deepStrictEqual(yield* results, ["chat/us failure server_error", "chat/eu ignored caller_error"])
    }).pipe(Effect.provide(regions(provider(overloaded), calls, handler.call, { rescue: 100 })))
  })

  it.effect("that die are not routed around", () =>
    Effect.gen(function*() {
      assert.isTrue(Exit.hasDies(yield* Effect.exit(types(stream))))
      assert.deepStrictEqual(yield* results, ["chat/us ignored caller_error"])
    }).pipe(Effect.provide(regions(calls, Stream.die("bug"), Effect.die("bug"), {
      classify: () => Outcome.failure("unknown"),
      rescue: 100
    }))))

  it.effect("take the time of no provider, and of no deadline", () => {
    const handler = slowly()
    return Effect.gen(function*() {
      const exit = yield* after(types(stream), "1 minute")
      assert.deepStrictEqual(exit, Exit.succeed(["tool-call", "tool-result", "finish"]))
      assert.deepStrictEqual(yield* results, ["chat/us success"])
    }).pipe(Effect.provide(regions(calls, Stream.die("bug"), handler.call, {
      idleTimeout: "5 seconds",
      deadline: "10 seconds",
      rescue: 100
    })))
  })
})

describe("tools that were approved in the history, over several models,", () => {
  const approved = Prompt.make([
    { role: "user", content: [{ type: "text", text: prompt }] },
    {
      role: "assistant",
      content: ["a", "b"].flatMap((id) => [
        { type: "tool-call", id, name: "Pay", params: {} } as const,
        { type: "tool-approval-request", approvalId: `approval of ${id}`, toolCallId: id } as const
      ])
    },
    {
      role: "tool",
      content: ["a", "b"].map((id) =>
        ({ type: "tool-approval-response", approvalId: `approval of ${id}`, approved: true }) as const
      )
    }
  ])
  const options = { prompt: approved, toolkit: Payments, concurrency: 1 } as const
  const answer = [word("Paid"), finish()]
  const forms = {
    generateText: Effect.map(
      LanguageModel.generateText(options),
      ({ content }) => content.map(({ type }) => type)
    ),
    streamText: types(LanguageModel.streamText(options))
  }
  const providers = {
    generateText: {
      down: Effect.fail(overloaded),
      hanging: Effect.never,
      well: Effect.succeed<Array<Response.PartEncoded>>([{ type: "text", text: "Paid" }, finish()]),
      answers: ["tool-result", "tool-result", "text", "finish"]
    },
    streamText: {
      down: provider(overloaded),
      hanging: Stream.never,
      well: provider(...answer),
      answers: ["tool-result", "tool-result", "text-delta", "finish"]
    }
  }

  for (const form of ["generateText", "streamText"] as const) {
    const self = forms[form]
    const { answers, down, hanging, well } = providers[form]

    it.effect(`run once in ${form}, and the next model gets their results`, () => {
      const handler = paid()
      return Effect.gen(function*() {
        assert.deepStrictEqual(yield* self, answers)
        assert.strictEqual(yield* handler.started, 2)
        assert.deepStrictEqual(yield* results, ["chat/us failure server_error", "chat/eu success"])
      }).pipe(Effect.provide(regions(down, well, handler.call)))
    })

    it.effect(`run once in ${form} although a model is asked again`, () => {
      const handler = paid()
      return Effect.gen(function*() {
        yield* after(Effect.flip(self), "1 minute")
        assert.strictEqual(yield* handler.started, 2)
        // The second one twice, because the first does not have to be while another takes calls.
        assert.strictEqual((yield* recorded).length, 3)
      }).pipe(Effect.provide(regions(down, down, handler.call, {
        retry: () => LlmRetry.policy({ attempts: 2 }),
        policy: { tripPolicy: TripPolicy.consecutive(5) }
      })))
    })

    it.effect(`take nobody's time in ${form}`, () => {
      const handler = slowly()
      return Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(self, startImmediately)
        yield* now
        for (const time of ["1 minute", "1 minute"] as const) {
          assert.deepStrictEqual(yield* results, [])
          yield* Effect.andThen(TestClock.adjust(time), now)
        }
        yield* TestClock.adjust("5 seconds")
        yield* now
        assert.deepStrictEqual(yield* Fiber.join(fiber), answers)
        assert.strictEqual((yield* recorded)[0]?.durationMillis, 5000)
      }).pipe(Effect.provide(regions(hanging, well, handler.call, {
        attemptTimeout: "5 seconds",
        firstContentTimeout: "5 seconds",
        deadline: "20 seconds"
      })))
    })

    it.effect(`do not run in ${form} while no model takes calls`, () => {
      const handler = paid()
      return Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen("chat/us")
        assert.isTrue(isRejection(yield* Effect.flip(withCallOptions(self, { allow: { targets: ["us"] } }))))
        yield* CircuitBreaker.forceOpen("chat/eu")
        assert.isTrue(isRejection(yield* Effect.flip(self)))
        assert.strictEqual(yield* handler.started, 0)
        yield* CircuitBreaker.reset("chat/eu")
        assert.deepStrictEqual(yield* self, answers)
        assert.strictEqual(yield* handler.started, 2)
      }).pipe(Effect.provide(regions(well, well, handler.call)))
    })

    it.effect(`leave the slot of a probe to the provider in ${form}`, () => {
      const handler = paid()
      return Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen("chat/eu")
        yield* CircuitBreaker.forceOpen("chat/us", { for: "1 minute" })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* self, answers)
        assert.deepStrictEqual(yield* results, ["chat/us ignored cancelled", "chat/us success"])
        assert.strictEqual((yield* CircuitBreaker.state("chat/us"))._tag, "Closed")
      }).pipe(Effect.provide(regions(well, well, handler.call)))
    })

    it.effect(`fail in ${form} before anybody is asked`, () =>
      Effect.gen(function*() {
        assert.instanceOf(yield* Effect.flip(self), Broke)
        assert.deepStrictEqual(yield* results, [])
      }).pipe(Effect.provide(regions(well, well, Effect.fail(new Broke())))))
  }

  it.effect("do not answer a new call that has the id of an old one", () => {
    const handler = paid()
    const again = Effect.succeed<Array<Response.PartEncoded>>([toolCall("a"), finish("tool-calls")])
    return Effect.gen(function*() {
      yield* forms.generateText
      assert.strictEqual(yield* handler.started, 3)
    }).pipe(Effect.provide(regions(providers.generateText.down, again, handler.call)))
  })

  it.effect("write what they were asked for on no span of the caller", () =>
    Effect.gen(function*() {
      yield* forms.generateText
      const { attributes } = yield* Effect.currentSpan
      assert.isFalse(attributes.has("parameters"))
      assert.isTrue(attributes.has("failover.target"))
    }).pipe(
      Effect.withSpan("caller"),
      Effect.provide(regions(providers.generateText.well, Effect.die("bug"), paid().call))
    ))

  it.effect("run none when the toolkit does not have one of them", () => {
    const handler = paid()
    const stranger = Prompt.make([
      ...approved.content,
      {
        role: "assistant",
        content: [
          { type: "tool-call", id: "c", name: "Refund", params: {} },
          { type: "tool-approval-request", approvalId: "c", toolCallId: "c" }
        ]
      },
      { role: "tool", content: [{ type: "tool-approval-response", approvalId: "c", approved: true }] }
    ])
    return Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateText({ ...options, prompt: stranger }))
      assert(AiError.isAiError(error))
      assert.strictEqual(error.reason._tag, "ToolNotFoundError")
      assert.strictEqual(yield* handler.started, 0)
    }).pipe(Effect.provide(regions(Effect.die("bug"), Effect.die("bug"), handler.call)))
  })
})
