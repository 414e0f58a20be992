import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { AiError, LanguageModel, Prompt, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"

const key = "model"
const { circuitErrorOf, isRejection } = GuardedLanguageModel

const finish: Response.FinishPartEncoded = {
  type: "finish",
  reason: "tool-calls",
  usage: { inputTokens: {}, outputTokens: {} }
}
const toolCall = (id: string): Response.ToolCallPartEncoded => ({
  type: "tool-call",
  id,
  name: "Weather",
  params: { city: "Oslo" }
})

const unavailable = AiError.make({
  module: "Provider",
  method: "generateText",
  reason: new AiError.InternalProviderError({ description: "boom" })
})

class Broken extends Schema.TaggedError<Broken>()("Broken", { tool: Schema.String }) {}

const Weather = Tool.make("Weather", {
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String,
  failure: Schema.Union([Broken, CircuitError.CircuitBreakerError])
})
const Weathers = Toolkit.make(Weather)

type Handler = Effect.Effect<string, Broken | CircuitError.CircuitBreakerError>
const weathers = (handler: Handler) => Weathers.toLayer({ Weather: () => handler })

const calls = Effect.succeed<Array<Response.PartEncoded>>([toolCall("call"), finish])

/** A circuit that opens on the first failure, around a provider that does what the call does. */
const guarded = (
  call: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>,
  handler: Handler,
  policy: CircuitPolicy.CircuitPolicy = {}
) =>
  GuardedLanguageModel.layer({ key }).pipe(
    Layer.provide(Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({ generateText: () => call, streamText: () => Stream.empty })
    )),
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...policy })),
    Layer.merge(weathers(handler))
  )

const ask = LanguageModel.generateText({ prompt: "Weather?", toolkit: Weathers })
const tag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
const recorded = Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls)
const results = Effect.map(
  recorded,
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)
const startImmediately = { startImmediately: true }

/** Lets everything happen that takes no time. */
const now = Effect.repeat(Effect.yieldNow, { times: 50 })

const defectOf = (exit: Exit.Exit<unknown, unknown>) => {
  assert(Exit.isFailure(exit))
  const [reason] = exit.cause.reasons
  assert(reason?._tag === "Die")
  return reason.defect
}

describe("generateText with tools", () => {
  it.effect("runs them and gives their results", () =>
    Effect.gen(function*() {
      const { toolResults } = yield* ask
      assert.deepStrictEqual(toolResults.map(({ id, result }) => [id, result]), [["call", "rain"]])
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(calls, Effect.succeed("rain")))))

  it.effect("fails with the typed error of a handler, and the provider has answered", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ask)
      assert.instanceOf(error, Broken)
      assert.deepStrictEqual(yield* results, ["success"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(calls, Effect.fail(new Broken({ tool: "Weather" }))))))

  it.effect("dies with the defect of a handler, and the provider has answered", () =>
    Effect.gen(function*() {
      assert.strictEqual(defectOf(yield* Effect.exit(ask)), "bug")
      assert.deepStrictEqual(yield* results, ["success"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(calls, Effect.die("bug")))))

  it.effect("leaves the rejection of a handler's own circuit as it is", () => {
    const own = CircuitError.make({ _tag: "CircuitHalfOpen", key: "weather.gov" })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(ask), own)
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(calls, Effect.fail(own))))
  })

  it.effect("judges a provider that fails, once", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(ask), unavailable)
      assert.isTrue(isRejection(yield* Effect.flip(ask)))
      assert.deepStrictEqual(yield* results, ["failure server_error", "rejected_open"])
    }).pipe(Effect.provide(guarded(Effect.fail(unavailable), Effect.succeed("rain")))))

  it.effect("dies as the toolkit does, before the circuit is asked", () =>
    Effect.gen(function*() {
      const toolkit: Effect.Effect<Toolkit.WithHandler<typeof Weathers.tools>> = Effect.die("no tools today")
      const exit = yield* Effect.exit(LanguageModel.generateText({ prompt: "Weather?", toolkit }))
      assert.strictEqual(defectOf(exit), "no tools today")
      assert.deepStrictEqual(yield* results, [])
    }).pipe(Effect.provide(guarded(calls, Effect.succeed("rain")))))

  it.effect("takes a toolkit that is ready", () =>
    Effect.gen(function*() {
      const toolkit = yield* Weathers
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "Weather?", toolkit })
      assert.strictEqual(toolResults.length, 1)
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(calls, Effect.succeed("rain")))))

  it.effect("runs no handler when resolution is off", () =>
    Effect.gen(function*() {
      const response = yield* LanguageModel.generateText({
        prompt: "Weather?",
        toolkit: Weathers,
        disableToolCallResolution: true
      })
      assert.strictEqual(response.toolCalls.length, 1)
      assert.strictEqual(response.toolResults.length, 0)
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(calls, Effect.die("bug")))))

  it.effect("generates objects, and ignores those that miss their schema after tools have run", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateObject({
        prompt: "Weather?",
        schema: Schema.Struct({ city: Schema.String }),
        toolkit: Weathers
      }))
      assert(AiError.isAiError(error))
      assert.strictEqual(error.reason._tag, "StructuredOutputError")
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(calls, Effect.succeed("rain")))))
})

describe("the time of tools in generateText", () => {
  const slowTool = Effect.as(Effect.sleep("1 minute"), "rain")

  it.effect("is no part of the attempt, nor of its duration", () => {
    const provider = Effect.delay(calls, "2 seconds")
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* Effect.andThen(TestClock.adjust("2 seconds"), now)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).toolResults.length, 1)
      assert.deepStrictEqual(
        (yield* recorded).map(({ durationMillis, result }) => [result, durationMillis]),
        [["success", 2000]]
      )
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(provider, slowTool, {
      attemptTimeout: "5 seconds",
      tripPolicy: TripPolicy.slowCallRate({ threshold: 1, minimumCalls: 1, slowerThan: "10 seconds", window: 1 })
    })))
  })

  it.effect("leaves the attempt its limit", () => {
    let interrupted = 0
    const provider = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(ask), startImmediately)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(circuitErrorOf(error)?.reason._tag, "AttemptTimedOut")
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(yield* results, ["failure timeout"])
    }).pipe(Effect.provide(guarded(provider, slowTool, { attemptTimeout: "5 seconds" })))
  })

  it.effect("does not hold the slot of a probe: the circuit closes when the provider has answered", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* TestClock.adjust("1 minute")
      const probe = yield* Effect.forkChild(ask, startImmediately)
      yield* now
      assert.strictEqual(yield* tag, "Closed")
      assert.isUndefined(probe.pollUnsafe())
    }).pipe(Effect.provide(guarded(calls, slowTool))))

  it.effect("begins when the circuit knows of the answer, so that a tool may ask the model", () => {
    const seen: Array<string> = []
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      const model = yield* LanguageModel.make({ generateText: () => calls, streamText: () => Stream.empty })
      const wrapped = yield* GuardedLanguageModel.guard(model, { key })
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* TestClock.adjust("1 minute")
      const handler = Effect.map(breaker.state(key), ({ _tag }) => {
        seen.push(_tag)
        return "rain"
      })
      yield* wrapped.generateText({ prompt: "Weather?", toolkit: Weathers }).pipe(Effect.provide(weathers(handler)))
      assert.deepStrictEqual(seen, ["Closed"])
    }).pipe(Effect.provide(CircuitTest.layer()))
  })

  it.effect("ends with a caller who goes away, and the provider had answered", () => {
    let interrupted = 0
    const tool = Effect.onInterrupt(slowTool, () => Effect.sync(() => interrupted++))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* now
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(calls, tool)))
  })

  it.effect("of the attempt ends when the provider has let go", () => {
    const provider = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(ask), startImmediately)
      yield* now
      yield* Effect.andThen(TestClock.adjust("5 seconds"), now)
      assert.deepStrictEqual(yield* results, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* results, ["failure timeout"])
    }).pipe(Effect.provide(guarded(provider, slowTool, { attemptTimeout: "5 seconds" })))
  })

  it.effect("a caller who goes away before the provider has answered says nothing", () => {
    let interrupted = 0
    const provider = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* now
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(yield* results, ["interrupted cancelled"])
    }).pipe(Effect.provide(guarded(provider, slowTool)))
  })
})

describe("tools that were approved in the history", () => {
  const approved = (...ids: ReadonlyArray<string>) =>
    Prompt.make([
      { role: "user", content: [{ type: "text", text: "Weather?" }] },
      {
        role: "assistant",
        content: ids.flatMap((id) => [
          { type: "tool-call", id, name: "Weather", params: { city: "Oslo" } } as const,
          { type: "tool-approval-request", approvalId: `approval of ${id}`, toolCallId: id } as const
        ])
      },
      {
        role: "tool",
        content: ids.map((id) =>
          ({ type: "tool-approval-response", approvalId: `approval of ${id}`, approved: true }) as const
        )
      }
    ])

  const answer: Array<Response.PartEncoded> = [{ type: "text", text: "Rain." }, { ...finish, reason: "stop" }]
  const askApproved = LanguageModel.generateText({ prompt: approved("a", "b"), toolkit: Weathers, concurrency: 1 })

  it.effect("run before the call of the circuit begins, one after the other", () => {
    const provider = Effect.delay(Effect.succeed(answer), "2 seconds")
    const tool = ScriptedCall.make([ScriptedCall.succeeds("rain", "1 minute")])
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(askApproved, startImmediately)
      for (const time of ["1 minute", "1 minute", "2 seconds"] as const) {
        yield* Effect.andThen(now, TestClock.adjust(time))
      }
      assert.strictEqual((yield* Fiber.join(fiber)).text, "Rain.")
      assert.strictEqual(yield* tool.finished, 2)
      assert.deepStrictEqual(
        (yield* recorded).map(({ durationMillis, result }) => [result, durationMillis]),
        [["success", 2000]]
      )
    }).pipe(Effect.provide(guarded(provider, tool.call, { attemptTimeout: "5 seconds" })))
  })

  it.effect("do not run while the circuit is open", () => {
    const tool = ScriptedCall.make([ScriptedCall.succeeds("rain")])
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      assert.isTrue(isRejection(yield* Effect.flip(askApproved)))
      assert.strictEqual(yield* tool.started, 0)
    }).pipe(Effect.provide(guarded(Effect.succeed(answer), tool.call)))
  })

  it.effect("do not run while the gate is shut", () => {
    const tool = ScriptedCall.make([ScriptedCall.succeeds("rain")])
    return Effect.gen(function*() {
      const throttle = { key, classify: () => Outcome.throttled("1 minute") }
      yield* CircuitBreaker.execute(Effect.void, throttle)
      assert.strictEqual(circuitErrorOf(yield* Effect.flip(askApproved))?.reason._tag, "CircuitThrottled")
      assert.strictEqual(yield* tool.started, 0)
    }).pipe(Effect.provide(guarded(Effect.succeed(answer), tool.call)))
  })

  it.effect("leave the slot of a probe to the provider", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* askApproved).text, "Rain.")
      assert.deepStrictEqual(yield* results, ["ignored cancelled", "success"])
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(guarded(Effect.succeed(answer), Effect.succeed("rain")))))

  it.effect("fail without a call of the circuit, and without one to the provider", () => {
    const provider = ScriptedCall.make([ScriptedCall.succeeds(answer)])
    return Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(askApproved), Broken)
      assert.strictEqual(yield* provider.started, 0)
      assert.deepStrictEqual(yield* results, [])
    }).pipe(Effect.provide(guarded(provider.call, Effect.fail(new Broken({ tool: "Weather" })))))
  })

  it.effect("do not lead past a circuit that opened meanwhile", () => {
    const provider = ScriptedCall.make([ScriptedCall.succeeds(answer)])
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(askApproved), startImmediately)
      yield* now
      yield* CircuitBreaker.forceOpen(key)
      for (const time of ["1 minute", "1 minute"] as const) yield* Effect.andThen(TestClock.adjust(time), now)
      assert.isTrue(isRejection(yield* Fiber.join(fiber)))
      assert.strictEqual(yield* provider.started, 0)
    }).pipe(Effect.provide(guarded(provider.call, Effect.as(Effect.sleep("1 minute"), "rain"))))
  })

  it.effect("leave the provider to be judged", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(askApproved), unavailable)
      assert.deepStrictEqual(yield* results, ["failure server_error"])
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(guarded(Effect.fail(unavailable), Effect.succeed("rain")))))

  it.effect("are not waited for when they have their results", () => {
    const done = Prompt.make([
      ...approved("a").content,
      {
        role: "tool",
        content: [{ type: "tool-result", id: "a", name: "Weather", isFailure: false, result: "rain" }]
      }
    ])
    return Effect.gen(function*() {
      const { text } = yield* LanguageModel.generateText({ prompt: done, toolkit: Weathers })
      assert.strictEqual(text, "Rain.")
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer), Effect.die("bug"))))
  })

  it.effect("run before the call of the circuit although resolution is off", () => {
    const askApproved = LanguageModel.generateText({
      prompt: approved("a"),
      toolkit: Weathers,
      disableToolCallResolution: true
    })
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(askApproved, startImmediately)
      yield* Effect.andThen(now, TestClock.adjust("1 minute"))
      assert.strictEqual((yield* Fiber.join(fiber)).text, "Rain.")
      assert.deepStrictEqual(yield* results, ["success"])
    }).pipe(Effect.provide(guarded(Effect.succeed(answer), Effect.as(Effect.sleep("1 minute"), "rain"), {
      attemptTimeout: "5 seconds"
    })))
  })
})

describe("a breaker that takes its time", () => {
  /** Calls through the breaker as `execute` does, whose answer the rest of the library can wait for. */
  const ask = (execute: (self: Effect.Effect<unknown>) => Effect.Effect<unknown>, provider: typeof calls) =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      const model = yield* LanguageModel.make({ generateText: () => provider, streamText: () => Stream.empty })
      const wrapped = yield* GuardedLanguageModel.guard(model, { key }).pipe(
        Effect.provideService(CircuitBreaker.CircuitBreaker, { ...breaker, execute } as never)
      )
      const fiber = yield* Effect.forkChild(
        wrapped.generateText({ prompt: "Weather?", toolkit: Weathers }),
        startImmediately
      )
      yield* now
      return fiber
    })

  it.effect("to admit a call keeps it from the provider", () => {
    const provider = ScriptedCall.make<Array<Response.PartEncoded>, never>([ScriptedCall.succeeds([finish])])
    return Effect.gen(function*() {
      const fiber = yield* ask((self) => Effect.delay(self, "1 second"), provider.call)
      assert.strictEqual(yield* provider.started, 0)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* provider.started, 1)
    }).pipe(Effect.provide(Layer.merge(CircuitTest.layer(), weathers(Effect.die("bug")))))
  })

  it.effect("to settle a call keeps its tools from running, and a caller may go away even then", () => {
    let ran = 0
    return Effect.gen(function*() {
      const fiber = yield* ask((self) => Effect.andThen(self, Effect.never), calls)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(ran, 0)
    }).pipe(Effect.provide(Layer.merge(CircuitTest.layer(), weathers(Effect.sync(() => `${ran++}`)))))
  })
})

describe("a classifier of a call with tools", () => {
  it.effect("sees the answer when no handler ran, and an empty success when one did", () => {
    const seen: Array<unknown> = []
    const script = ScriptedCall.make<Array<Response.PartEncoded>, never>([
      ScriptedCall.succeeds([finish]),
      ScriptedCall.succeeds([toolCall("call"), finish])
    ])
    return Effect.gen(function*() {
      const model = yield* LanguageModel.make({ generateText: () => script.call, streamText: () => Stream.empty })
      const wrapped = yield* GuardedLanguageModel.guard(model, {
        key,
        classify: (exit) => {
          if (Exit.isSuccess(exit)) seen.push(exit.value)
          return Outcome.success
        }
      })
      yield* wrapped.generateText({ prompt: "Weather?", toolkit: Weathers })
      yield* wrapped.generateText({ prompt: "Weather?", toolkit: Weathers })
      assert.instanceOf(seen[0], LanguageModel.GenerateTextResponse)
      assert.strictEqual(seen.length, 2)
      assert.isUndefined(seen[1])
    }).pipe(Effect.provide(Layer.merge(CircuitTest.layer(), weathers(Effect.succeed("rain")))))
  })
})
