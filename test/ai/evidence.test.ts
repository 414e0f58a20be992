// The same prompt again is the same request, and one piece of evidence.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { CircuitBreaker, LlmOutcome, TripPolicy } from "effect-resilience"
import { GuardedEmbeddingModel, GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { CircuitTest } from "effect-resilience/testing"
import { AiError, EmbeddingModel, LanguageModel, type Prompt, type Response } from "effect/ai"

const broken = AiError.make({
  module: "Provider",
  method: "generateText",
  reason: new AiError.InternalProviderError({ description: "an error occurred" })
})
const answer: Array<Response.PartEncoded> = [
  { type: "text", text: "hello" },
  { type: "finish", reason: "stop", usage: { inputTokens: {}, outputTokens: {} } }
]

/** A model that fails a prompt with the word in it. */
const Model = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: ({ prompt }) =>
      JSON.stringify(prompt).includes("poison") ? Effect.fail(broken) : Effect.succeed(answer),
    streamText: ({ prompt }) =>
      JSON.stringify(prompt).includes("poison") ? Stream.fail(broken) : Stream.fromIterable([
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "hello" },
        { type: "text-end", id: "1" },
        { type: "finish", reason: "stop", usage: { inputTokens: {}, outputTokens: {} } }
      ])
  })
)
const Breaker = CircuitTest.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(2) })
const stateOf = (key: string) => Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)

const guarded = GuardedLanguageModel.layer({ key: "chat/us" }).pipe(Layer.provide(Model), Layer.provideMerge(Breaker))
const resilient = ResilientLanguageModel.layer({ route: "chat", targets: [{ name: "us", model: Model }] }).pipe(
  Layer.provideMerge(Breaker)
)

const withImage = (text: string): Prompt.RawInput => [{
  role: "user",
  content: [{ type: "text", text }, { type: "file", mediaType: "image/png", data: new Uint8Array(1_000) }]
}]

const ways = {
  generateText: (prompt: Prompt.RawInput) => Effect.exit(LanguageModel.generateText({ prompt })),
  streamText: (prompt: Prompt.RawInput) => Effect.exit(Stream.runDrain(LanguageModel.streamText({ prompt })))
}

for (const [name, layer] of Object.entries({ GuardedLanguageModel: guarded, ResilientLanguageModel: resilient })) {
  describe(name, () => {
    for (const [method, ask] of Object.entries(ways)) {
      it.effect(`knows the same prompt again in ${method}`, () =>
        Effect.gen(function*() {
          yield* ask("fine")
          for (let sent = 0; sent < 4; sent++) yield* ask("poison")
          for (let sent = 0; sent < 4; sent++) yield* ask("fine")
          for (let sent = 0; sent < 4; sent++) yield* ask(withImage("poison"))
          assert.strictEqual(yield* stateOf("chat/us"), "Closed")
          yield* ask(withImage("another poison"))
          assert.strictEqual(yield* stateOf("chat/us"), "Open")
        }).pipe(Effect.provide(layer as typeof guarded)))
    }
  })
}

describe("GuardedEmbeddingModel", () => {
  const Embedding = GuardedEmbeddingModel.layer({ key: "embed" }).pipe(
    Layer.provide(Layer.effect(
      EmbeddingModel.EmbeddingModel,
      EmbeddingModel.make({
        embedMany: ({ inputs }) =>
          inputs.includes("poison")
            ? Effect.fail(broken)
            : Effect.succeed({ results: inputs.map(() => [1]), usage: { inputTokens: undefined } })
      })
    )),
    Layer.provideMerge(Breaker)
  )

  it.effect("knows the same inputs again", () =>
    Effect.gen(function*() {
      const model = yield* EmbeddingModel.EmbeddingModel
      yield* model.embed("fine")
      for (let sent = 0; sent < 4; sent++) yield* Effect.exit(model.embed("poison"))
      for (let sent = 0; sent < 4; sent++) yield* Effect.exit(model.embedMany(["poison"]))
      assert.strictEqual(yield* stateOf("embed"), "Closed")
      yield* Effect.exit(model.embedMany(["poison", "and more"]))
      assert.strictEqual(yield* stateOf("embed"), "Open")
    }).pipe(Effect.provide(Embedding)))
})
