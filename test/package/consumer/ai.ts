import { Effect, Layer, Stream } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
import { GuardedLanguageModel } from "effect-resilience/ai"
import { AiError, LanguageModel } from "effect/ai"

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const down = Effect.fail(AiError.make({ module: "Provider", method: "generateText", reason: overloaded }))
const Provider = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({ generateText: () => down, streamText: () => Stream.fromEffect(down) })
)

const Model = GuardedLanguageModel.layer({ key: "anthropic/claude" }).pipe(
  Layer.provide(Provider),
  Layer.provide(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
  Layer.provide(CircuitStore.layerMemory)
)

const program = Effect.gen(function*() {
  const ask = Effect.flip(LanguageModel.generateText({ prompt: "Hi" }))
  const answers = [yield* ask, yield* ask]
  return answers.map((error) => GuardedLanguageModel.isRejection(error) ? "rejected" : "asked").join(", ")
}).pipe(Effect.provide(Model))

console.log(await Effect.runPromise(program))
