/**
 * A `LanguageModel` behind a circuit: the same service, so nothing that uses it changes.
 *
 * Every call of the service is one call of the circuit. What is judged is the provider's part of it:
 *
 * | what happens | counts as |
 * | --- | --- |
 * | the provider answers | success; with `content-filter` as the reason of its finish, ignored |
 * | the provider fails, in whatever way | what `classify` says of its `AiError`, or of the part that reports it |
 * | the stream ends without its finish, or makes no progress in time | a failure, as for `CircuitBreaker.stream` |
 * | the answer is not the object that was asked for | ignored |
 * | a tool handler fails or dies, takes its time, or the caller goes away | nothing, or ignored |
 *
 * Tool handlers run inside the calls of the service, so those of the given toolkit are watched:
 *
 * - `generateText` and `generateObject`: the first handler means that the provider has answered. The call of the
 *   circuit ends there, with success, and then the handlers run, outside of it.
 * - `streamText`: while a handler runs, neither `firstContentTimeout` nor `idleTimeout` counts, and a stream that fails
 *   with what a handler failed with is ignored.
 * - Handlers of calls that were approved in the history run before the provider is asked, and the call of the circuit
 *   begins after them. A circuit that is open rejects before they run.
 *
 * What the breaker adds surfaces as an `AiError`, the one error the service promises, with the breaker's error as the
 * `cause` of its `reason`; `circuitErrorOf` finds it:
 *
 * | the breaker says | the `AiError` has the reason | `isRetryable` | `retryAfter` |
 * | --- | --- | --- | --- |
 * | open, throttled, half-open, held open for a time | `RateLimitError`, the one that can carry a wait | yes | its wait, if known |
 * | held open without an end | `UnknownError` | no | none |
 * | cut off, or cut short | `InternalProviderError` | yes | none |
 *
 * **Gotchas**
 *
 * - With a toolkit, `streamText` of `effect/ai` drains the provider into an unbounded queue, whatever the pace of the
 *   consumer, and holds the finish back until every handler is done. The guard keeps the pace of the provider, so a
 *   slow consumer delays no verdict, but handlers do: a probe keeps its slot until they are done, unless `settleProbeAt`
 *   says otherwise.
 * - A failure that says `RateLimitError` may be a rejection. Ask `isRejection` before blaming the provider.
 * - A `classify` of your own sees an empty success when handlers run: the answer is not known yet.
 * - When the provider does not know the previous response, `effect/ai` asks it a second time: still one call here.
 * - A function in `needsApproval` of a tool takes the provider's time.
 * - Who makes the model can guard the provider itself, which sees nothing of tools at all: `CircuitBreaker.execute` and
 *   `stream` inside the functions given to `LanguageModel.make`, with `toAiError` for their errors.
 *
 * **Example** (A provider that is down, and the second call that does not reach it)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { AiError, LanguageModel } from "effect/ai"
 * import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
 * import { GuardedLanguageModel } from "effect-resilience/ai"
 *
 * const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
 * const down = Effect.fail(AiError.make({ module: "Provider", method: "generateText", reason: overloaded }))
 * const Provider = Layer.effect(
 *   LanguageModel.LanguageModel,
 *   LanguageModel.make({ generateText: () => down, streamText: () => Stream.fromEffect(down) })
 * )
 *
 * const Model = GuardedLanguageModel.layer({ key: "anthropic/claude" }).pipe(
 *   Layer.provide(Provider),
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(1) })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const ask = Effect.flip(LanguageModel.generateText({ prompt: "Hi" }))
 *   const first = yield* ask
 *   const second = yield* ask
 *   return [first, second].map((error) => [error.isRetryable, GuardedLanguageModel.isRejection(error)])
 * }).pipe(Effect.provide(Model))
 *
 * await Effect.runPromise(program) // => [[true, false], [true, true]]
 * ```
 *
 * @since 0.1.0
 */
import { type Duration, Effect, Layer, Stream } from "effect"
import { AiError, LanguageModel } from "effect/ai"
import { CircuitBreaker } from "../CircuitBreaker.ts"
import { type CircuitBreakerError, isCircuitBreakerError } from "../CircuitError.ts"
import type { Classify } from "../CircuitPolicy.ts"
import { isFailoverError } from "../FailoverError.ts"
import * as validation from "../internal/options/validation.ts"
import { property } from "../internal/untrusted/values.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import { fromError, withoutTrace } from "./internal/aiError.ts"
import { judgementBy } from "./internal/judgement.ts"
import { admitsAll, make as makeWatched } from "./internal/watchedModel.ts"

/**
 * - `key`: the circuit of this model, such as provider, model and region.
 * - `classify`: what a failed call says about the provider. Also asked about the parts of a stream that report a
 *   failure, as an exit that failed with what they carry. Default: `LlmOutcome.classify`, whatever the policy of the
 *   breaker says: a classifier made for other calls would count a refusal.
 * - `firstContentTimeout`, `idleTimeout`, `settleProbeAt`: for `streamText`, as for `CircuitBreaker.stream`. The
 *   policy's `attemptTimeout` is for the others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly key: string
  readonly classify?: Classify | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly settleProbeAt?: "finish" | "first_content" | undefined
}

/**
 * Guards the model it is provided with: `GuardedLanguageModel.layer({ key }).pipe(Layer.provide(model))`. Dies with
 * `InvalidOptions` for an option that breaks its rule.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<LanguageModel.LanguageModel, never, LanguageModel.LanguageModel | CircuitBreaker> =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.flatMap(LanguageModel.LanguageModel, (model) => guard(model, options))
  )

/**
 * Guards one model, for who has several and gives each its circuit.
 *
 * @category combinators
 * @since 0.1.0
 */
export const guard = (
  model: LanguageModel.LanguageModel,
  options: Options
): Effect.Effect<LanguageModel.LanguageModel, never, CircuitBreaker> =>
  CircuitBreaker.useSync((breaker) => make(model, breaker, options))

/**
 * The breaker's error in a failure of a guarded model, if the failure is its doing; of a `ResilientLanguageModel`, that
 * of the first target that was asked, or of the first at all if none was.
 *
 * @category guards
 * @since 0.1.0
 */
export const circuitErrorOf = (error: unknown): CircuitBreakerError | undefined =>
  [error, causeOf(error)].map((error) => isFailoverError(error) ? error.cause : error).find(isCircuitBreakerError)

const causeOf = (error: unknown) => property(property(error, "reason"), "cause")

/**
 * Whether a failure of a guarded model is a rejection: the provider was not asked.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRejection = (error: unknown): boolean => circuitErrorOf(error)?.isRejection === true

/**
 * An error of the breaker as the error that the services of `effect/ai` promise.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toAiError = (error: CircuitBreakerError, module: string, method: string): AiError.AiError =>
  withoutTrace(() => fromError(error, reasonOf(error), module, method))

const reasonOf = (error: CircuitBreakerError): AiError.AiErrorReason => {
  const { message, retryAfter } = error
  if (!error.isRejection) return new AiError.InternalProviderError({ description: message })
  return error.reason._tag === "CircuitForcedOpen" && retryAfter === undefined
    ? new AiError.UnknownError({ description: message })
    : new AiError.RateLimitError({ retryAfter })
}

const make = (
  model: LanguageModel.LanguageModel,
  breaker: CircuitBreaker["Service"],
  { classify = LlmOutcome.classify, ...options }: Options
): LanguageModel.LanguageModel => {
  const key = validation.key(options.key)
  for (const limit of ["firstContentTimeout", "idleTimeout"] as const) {
    validation.optionalDuration(limit, options[limit])
  }
  const judgement = judgementBy(classify)
  const surface = (method: string) => (error: unknown) =>
    isCircuitBreakerError(error) ? toAiError(error, "GuardedLanguageModel", method) : error
  return makeWatched({
    supportsSystemMessagesInHistory: model.supportsSystemMessagesInHistory,
    admissible: (method) => {
      const taken = Effect.mapError(Effect.scoped(breaker.acquire(key)), surface(method))
      return Effect.flatMap(breaker.state(key), (state) => admitsAll(state) ? Effect.void : taken)
    },
    execute: (method, call) =>
      Effect.mapError(breaker.execute(call(model), { key, classify: judgement.classify }), surface(method)),
    stream: (call) =>
      Stream.mapError(
        breaker.stream(call(model, Effect.void), { ...options, ...judgement }),
        surface("streamText")
      )
  })
}
