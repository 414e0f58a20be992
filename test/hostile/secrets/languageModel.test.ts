import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { GuardedEmbeddingModel, GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { AiError, EmbeddingModel, LanguageModel, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { aiError, answer, body, canary, prompt } from "./canaries.ts"
import { assertClean, assertSilent, faces, inSpan, listening, without, type Written } from "./sinks.ts"

const key = "model/us"
const policy = { tripPolicy: TripPolicy.consecutive(1000), attemptTimeout: "30 seconds" } as const

const finish = (reason: Response.FinishReason = "stop"): Response.FinishPartEncoded => ({
  type: "finish",
  reason,
  usage: { inputTokens: {}, outputTokens: {} }
})

const toolCall: Response.ToolCallPartEncoded = {
  type: "tool-call",
  id: canary("tool-id"),
  name: "Search",
  params: { query: canary("argument") }
}

class Broken extends Schema.TaggedError<Broken>()("Broken", { tool: Schema.String }) {}

const Search = Tool.make("Search", {
  parameters: Schema.Struct({ query: Schema.String }),
  success: Schema.String,
  failure: Broken
})
const Tools = Toolkit.make(Search)

const handlers = {
  "gives a result": Effect.succeed(canary("result")),
  fails: Effect.fail(new Broken({ tool: canary("tool-error") })),
  dies: Effect.die(new Error(canary("tool-defect")))
}

const http = { body, response: { status: 401, headers: { "set-cookie": canary("set-cookie") } } } as const

/** What providers answer and fail with. */
const answers: Readonly<Record<string, Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>>> = {
  "an answer": Effect.succeed([{ type: "text", text: answer }, finish()]),
  "a refusal": Effect.succeed([{ type: "text", text: answer }, finish("content-filter")]),
  "no object": Effect.succeed([{ type: "text", text: answer }, finish()]),
  "a call of a tool": Effect.succeed([toolCall, finish("tool-calls")]),
  "an error": Effect.fail(aiError()),
  "a wrong key": Effect.fail(AiError.make({
    module: "Provider",
    method: "generateText",
    reason: new AiError.AuthenticationError({ kind: "InvalidKey", http })
  })),
  "an unknown error": Effect.fail(AiError.make({
    module: "Provider",
    method: "generateText",
    reason: new AiError.UnknownError({ description: `${body} ${prompt}` })
  })),
  "a bad output": Effect.fail(AiError.make({
    module: "Provider",
    method: "generateText",
    reason: new AiError.InvalidOutputError({ description: answer })
  })),
  "a defect": Effect.die(new Error(body, { cause: new Error(prompt) }))
}

type Call = Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>

/** An answer as a stream gives it: a text has a beginning and an end. */
const inParts = (parts: ReadonlyArray<Response.PartEncoded>): ReadonlyArray<Response.StreamPartEncoded> =>
  parts.flatMap((part): ReadonlyArray<Response.StreamPartEncoded> => {
    switch (part.type) {
      case "text":
        return [{ type: "text-start", id: "1" }, { type: "text-delta", id: "1", delta: part.text }, {
          type: "text-end",
          id: "1"
        }]
      case "tool-call":
      case "finish":
        return [part]
      default:
        return []
    }
  })

const provider = (call: Call) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({
      generateText: () => call,
      streamText: () => Stream.flattenIterable(Stream.fromEffect(Effect.map(call, inParts)))
    })
  )

/** All that can be asked of a model. */
const everything = Effect.gen(function*() {
  yield* inSpan(LanguageModel.generateText({ prompt }))
  yield* inSpan(LanguageModel.generateObject({ prompt, schema: Schema.Struct({ value: Schema.String }) }))
  yield* inSpan(Stream.runDrain(LanguageModel.streamText({ prompt })))
  for (const handler of Object.values(handlers)) {
    const tools = Tools.toLayer({ Search: () => handler })
    const options = { prompt, toolkit: Tools } as const
    yield* inSpan(Effect.provide(LanguageModel.generateText(options), tools))
    yield* inSpan(Effect.provide(Stream.runDrain(LanguageModel.streamText(options)), tools))
  }
  yield* TestClock.adjust("1 hour")
})

/** What Effect's own spans record of a failure is the caller's error, guarded or not. */
const withoutSpansOfEffect = (written: Written) => without(written, "spans")

describe("a guarded model", () => {
  for (const [name, call] of Object.entries(answers)) {
    it.effect(`shows nothing of prompts, answers and tools: ${name}`, () => {
      const { layer, written } = listening(policy)
      const model = GuardedLanguageModel.layer({ key }).pipe(Layer.provide(provider(call)), Layer.provideMerge(layer))
      return Effect.gen(function*() {
        yield* everything
        assertSilent(withoutSpansOfEffect(yield* written(key)), key)
      }).pipe(Effect.provide(model))
    })
  }

  it.effect("shows nothing in its rejections", () => {
    const { layer } = listening({ tripPolicy: TripPolicy.consecutive(1) })
    const model = GuardedLanguageModel.layer({ key }).pipe(
      Layer.provide(provider(answers["an error"]!)),
      Layer.provideMerge(layer)
    )
    return Effect.gen(function*() {
      yield* Effect.exit(LanguageModel.generateText({ prompt }))
      const rejections = [
        yield* Effect.flip(LanguageModel.generateText({ prompt })),
        yield* Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt })))
      ]
      for (const error of rejections) {
        assert.isTrue(GuardedLanguageModel.isRejection(error))
        assertClean(faces(error))
      }
    }).pipe(Effect.provide(model))
  })
})

describe("a resilient model", () => {
  for (const [name, call] of Object.entries(answers)) {
    it.effect(`shows nothing of prompts, answers and tools: ${name}`, () => {
      const { layer, written } = listening(policy)
      const targets = ["us", "eu"].map((name) => ({ name, model: provider(call) }))
      const model = ResilientLanguageModel.layer({ route: "chat", targets }).pipe(Layer.provideMerge(layer))
      return Effect.gen(function*() {
        yield* everything
        assertSilent(withoutSpansOfEffect(yield* written("chat/us")), "chat/us")
      }).pipe(Effect.provide(model))
    })
  }

  it.effect("shows in the error of all targets nothing of theirs, but to a program that follows the causes", () => {
    const { layer } = listening(policy)
    const targets = ["us", "eu"].map((name) => ({ name, model: provider(answers["an error"]!) }))
    const model = ResilientLanguageModel.layer({ route: "chat", targets }).pipe(Layer.provideMerge(layer))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt }))
      assert.isDefined(ResilientLanguageModel.failoverErrorOf(error))
      assertClean(without(faces(error), "Effect's formatter", "a pretty cause"))
    }).pipe(Effect.provide(model))
  })
})

describe("a guarded embedding model", () => {
  const embedding = (embedMany: Parameters<typeof EmbeddingModel.make>[0]["embedMany"]) =>
    GuardedEmbeddingModel.layer({ key }).pipe(
      Layer.provide(Layer.effect(EmbeddingModel.EmbeddingModel, EmbeddingModel.make({ embedMany })))
    )

  for (
    const [name, call] of Object.entries({
      "an answer": ({ inputs }: { readonly inputs: ReadonlyArray<string> }) =>
        Effect.succeed({ results: inputs.map(() => [1]), usage: { inputTokens: undefined } }),
      "an error": () => Effect.fail(aiError(`${prompt} ${body}`)),
      "a defect": () => Effect.die(new Error(prompt))
    })
  ) {
    it.effect(`shows nothing of what it embeds: ${name}`, () => {
      const { layer, written } = listening(policy)
      return Effect.gen(function*() {
        const model = yield* EmbeddingModel.EmbeddingModel
        yield* inSpan(model.embed(prompt))
        yield* inSpan(model.embedMany([prompt, answer]))
        yield* CircuitBreaker.forceOpen(key)
        assertClean(faces(yield* Effect.flip(model.embed(prompt))))
        assertSilent(withoutSpansOfEffect(yield* written(key)), key)
      }).pipe(Effect.provide(Layer.provideMerge(embedding(call), layer)))
    })
  }
})
