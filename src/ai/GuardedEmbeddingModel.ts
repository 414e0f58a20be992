/**
 * An `EmbeddingModel` behind a circuit: the same service, so nothing that uses it changes.
 *
 * One request to the provider is one call of the circuit. `embed` gathers concurrent callers into one request: all of
 * them get its failure or rejection, and a caller that is interrupted does not end it for the others. An error of the
 * breaker is an `AiError`, as for `GuardedLanguageModel`; `circuitErrorOf` and `isRejection` are the same.
 *
 * **Gotchas**
 *
 * - A request of `embed` that has begun runs on when all its callers are gone, as without a guard. Give the policy an
 *   `attemptTimeout`, or a request that hangs keeps its probe slot until the lease ends.
 * - An answer with the wrong number of vectors does not count as a failure, because `effect/ai` reports it like a bad
 *   answer of a model. Count it with a `classify` of your own.
 *
 * **Example** (Two callers, one request, one call of the circuit)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { EmbeddingModel } from "effect/ai"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 * import { GuardedEmbeddingModel } from "effect-resilience/ai"
 *
 * let requests = 0
 * const Provider = Layer.effect(
 *   EmbeddingModel.EmbeddingModel,
 *   EmbeddingModel.make({
 *     embedMany: ({ inputs }) =>
 *       Effect.sync(() => {
 *         requests++
 *         return { results: inputs.map((input) => [input.length]), usage: { inputTokens: undefined } }
 *       })
 *   })
 * )
 *
 * const Model = GuardedEmbeddingModel.layer({ key: "openai/text-embedding-3" }).pipe(
 *   Layer.provide(Provider),
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const model = yield* EmbeddingModel.EmbeddingModel
 *   const answers = yield* Effect.all([model.embed("one"), model.embed("three")], { concurrency: 2 })
 *   return [answers.map(({ vector }) => vector[0]), requests]
 * }).pipe(Effect.provide(Model))
 *
 * await Effect.runPromise(program) // => [[3, 5], 1]
 * ```
 *
 * @since 0.1.0
 */
import { Effect, Layer, RequestResolver } from "effect"
import { type AiError, EmbeddingModel } from "effect/ai"
import { CircuitBreaker } from "../CircuitBreaker.ts"
import { isCircuitBreakerError } from "../CircuitError.ts"
import type { Classify } from "../CircuitPolicy.ts"
import * as Evidence from "../Evidence.ts"
import { checkOptions } from "../internal/options/known.ts"
import * as validation from "../internal/options/validation.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import { toAiError } from "./GuardedLanguageModel.ts"

export { circuitErrorOf, isRejection } from "./GuardedLanguageModel.ts"

/**
 * - `key`: the circuit of this model, such as provider, model and region.
 * - `classify`: what a request says about the provider. Default: `LlmOutcome.classify`, and not the policy's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly key: string
  readonly classify?: Classify | undefined
}

/**
 * Guards the model it is provided with: `GuardedEmbeddingModel.layer({ key }).pipe(Layer.provide(model))`. Dies with
 * `InvalidOptions` for an option that breaks its rule.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<EmbeddingModel.EmbeddingModel, never, EmbeddingModel.EmbeddingModel | CircuitBreaker> =>
  Layer.effect(
    EmbeddingModel.EmbeddingModel,
    Effect.flatMap(EmbeddingModel.EmbeddingModel, (model) => guard(model, options))
  )

/**
 * Guards one model, for a program that has several and gives each its circuit.
 *
 * @category combinators
 * @since 0.1.0
 */
export const guard = (
  model: EmbeddingModel.EmbeddingModel,
  options: Options
): Effect.Effect<EmbeddingModel.EmbeddingModel, never, CircuitBreaker> =>
  CircuitBreaker.useSync((breaker) => {
    checkOptions(options, { key: true, classify: true })
    const { classify = LlmOutcome.classify } = options
    const key = validation.key(options.key)
    validation.optionalFunction("classify", classify)

    const call = <A, R>(
      method: string,
      self: Effect.Effect<A, AiError.AiError, R>,
      inputs: () => ReadonlyArray<string>
    ) =>
      Effect.mapError(
        breaker.execute(self, {
          key,
          classify,
          evidence: Evidence.make(() => ({ request: JSON.stringify(inputs()) }))
        }),
        (error) => isCircuitBreakerError(error) ? toAiError(error, "GuardedEmbeddingModel", method) : error
      )

    const resolver = RequestResolver.makeWith<EmbeddingModel.EmbeddingRequest>({
      ...model.resolver,
      batchKey: model.resolver.batchKey,
      collectWhile: model.resolver.collectWhile,
      runAll: ([first, ...others], batchKey) => {
        // Answers the callers after the circuit has counted the request, because one may call again at once.
        const answers: Array<() => void> = []
        const delayed = (entry: typeof first): typeof first => ({
          ...entry,
          completeUnsafe: (exit) => answers.push(() => entry.completeUnsafe(exit))
        })
        return Effect.ensuring(
          call(
            "embed",
            model.resolver.runAll([delayed(first), ...others.map(delayed)], batchKey),
            () => [first, ...others].map(({ request }) => request.input)
          ),
          Effect.sync(() => answers.forEach((answer) => answer()))
        )
      }
    })

    return EmbeddingModel.EmbeddingModel.of({
      [EmbeddingModel.TypeId]: EmbeddingModel.TypeId,
      resolver,
      embed: (input) =>
        Effect.request(new EmbeddingModel.EmbeddingRequest({ input }), resolver).pipe(
          Effect.withSpan("EmbeddingModel.embed")
        ),
      // Without an input `effect/ai` sends no request, so that no call may be counted.
      embedMany: (input) =>
        input.length === 0 ? model.embedMany(input) : call("embedMany", model.embedMany(input), () => input)
    })
  })
