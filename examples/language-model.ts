// A LanguageModel behind a circuit: the program that asks it is the same as without. Two failures open the circuit, the
// next call is turned away as an AiError that says when to come back, and a probe brings the model back.
// Run it: node examples/language-model.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Layer, Stream } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel } from "effect-resilience/ai"
import { ScriptedCall } from "effect-resilience/testing"
import { AiError, LanguageModel, type Response } from "effect/ai"

// Stands for a provider's layer: overloaded twice, then well again.
const overloaded = AiError.make({
  module: "Provider",
  method: "generateText",
  reason: new AiError.InternalProviderError({ description: "overloaded" })
})
const hello: Array<Response.PartEncoded> = [
  { type: "text", text: "hello" },
  { type: "finish", reason: "stop", usage: { inputTokens: {}, outputTokens: {} } }
]
const provider = ScriptedCall.make([
  ...ScriptedCall.times(2, ScriptedCall.fails(overloaded)),
  ScriptedCall.succeeds(hello)
])
const Provider = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({ generateText: () => provider.call, streamText: () => Stream.empty })
)

const Breaker = CircuitBreaker.layer({
  classify: LlmOutcome.classify,
  tripPolicy: TripPolicy.consecutive(2),
  openDuration: "1 second",
  attemptTimeout: "30 seconds"
}).pipe(Layer.provide(CircuitStore.layerMemory))

const Model = GuardedLanguageModel.layer({ key: "anthropic/claude/us" }).pipe(
  Layer.provide(Provider),
  Layer.provide(Breaker)
)

const ask = LanguageModel.generateText({ prompt: "Say hello" }).pipe(
  Effect.map(({ text }) => text),
  Effect.catchTag("AiError", (error) => {
    if (!GuardedLanguageModel.isRejection(error)) return Effect.succeed("the model failed")
    return Effect.as(Effect.sleep(error.retryAfter ?? Duration.zero), "not asked, and waited")
  })
)

export const program = Effect.gen(function*() {
  const answers = yield* Effect.replicateEffect(ask, 4)
  yield* Console.log(answers.join("\n"))
  return answers
}).pipe(Effect.provide(Model))

if (import.meta.main) NodeRuntime.runMain(program)
