// One LanguageModel over two providers: the program that asks it is the same as with one. The first is overloaded, so
// the second answers, and goes on to answer until the first is well again. A fence keeps one call where it has to stay.
// Run it: node examples/resilient-model.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { CircuitBreaker, CircuitStore, FailoverRouter, LlmOutcome, TripPolicy } from "effect-resilience"
import { ResilientLanguageModel } from "effect-resilience/ai"
import { ScriptedCall } from "effect-resilience/testing"
import { AiError, LanguageModel, type Response } from "effect/ai"

type Answer = Array<Response.PartEncoded>

// Stand for the layers of two providers.
const overloaded = AiError.make({
  module: "OpenAi",
  method: "generateText",
  reason: new AiError.InternalProviderError({ description: "overloaded" })
})
const hello = (name: string): Answer => [
  { type: "text", text: `hello from ${name}` },
  { type: "finish", reason: "stop", usage: { inputTokens: {}, outputTokens: {} } }
]
const model = (...script: ReadonlyArray<ScriptedCall.Step<Answer, AiError.AiError>>) => {
  const { call } = ScriptedCall.make(script)
  return Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({ generateText: () => call, streamText: () => Stream.empty })
  )
}
const OpenAi = model(ScriptedCall.fails(overloaded), ScriptedCall.succeeds(hello("OpenAI")))
const Anthropic = model(ScriptedCall.succeeds(hello("Anthropic")))

const Breaker = CircuitBreaker.layer({
  classify: LlmOutcome.classify,
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: "1 second"
}).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

const Model = ResilientLanguageModel.layer({
  route: "chat",
  targets: [
    { name: "openai/us", region: "us", model: OpenAi },
    { name: "anthropic/eu", region: "eu", model: Anthropic }
  ],
  minFailoverDuration: "50 millis"
}).pipe(Layer.provide(Breaker))

const ask = Effect.gen(function*() {
  const { text } = yield* LanguageModel.generateText({ prompt: "Say hello" })
  const { name } = yield* FailoverRouter.activeTarget("chat")
  return `${text} (${name} serves)`
})

export const program = Effect.gen(function*() {
  const answers = [
    yield* ask,
    yield* ask,
    yield* Effect.delay(ask, "1200 millis"),
    yield* ask.pipe(ResilientLanguageModel.withCallOptions({ allow: { regions: ["eu"] } }))
  ]
  yield* Console.log(answers.join("\n"))
  return answers
}).pipe(Effect.provide(Model))

if (import.meta.main) NodeRuntime.runMain(program)
