/**
 * A `LanguageModel` behind a circuit: the same service, so nothing that uses it changes.
 *
 * Every call of the service is one call of the circuit. The circuit judges the provider's part of it:
 *
 * | what happens | counts as |
 * | --- | --- |
 * | the provider answers | success; with `content-filter` as the reason of its finish, ignored |
 * | the provider fails, in whatever way | what `classify` says of its `AiError`, or of the part that reports it |
 * | the stream ends without its finish, or makes no progress in time | a failure, as for `CircuitBreaker.stream` |
 * | the answer is not the object that was asked for | ignored |
 * | a tool handler fails, dies or is slow, or the caller is interrupted | nothing, or ignored |
 *
 * Tool handlers run inside the calls of the service. The guard watches those of the given toolkit:
 *
 * - `generateText` and `generateObject`: when the first handler begins, the provider has answered. The call of the
 *   circuit ends there, with success, and the handlers run after it.
 * - `streamText`: while a handler runs, neither `firstContentTimeout` nor `idleTimeout` counts, and a stream that fails
 *   with the error of a handler is ignored.
 * - Handlers of calls that were approved in the history run before the provider is asked, and the call of the circuit
 *   begins after them. A circuit that is open rejects before they run.
 *
 * An error of the breaker becomes an `AiError`, the one error that the service promises, with the breaker's error as
 * the `cause` of its `reason`; `circuitErrorOf` finds it:
 *
 * | the circuit | reason of the `AiError` | `isRetryable` | `retryAfter` |
 * | --- | --- | --- | --- |
 * | is open, throttled, half-open, or forced open for a time | `RateLimitError` | yes | if known |
 * | is forced open without an end | `UnknownError` | no | none |
 * | ended the call at a limit, or found the stream cut | `InternalProviderError` | yes | none |
 *
 * **Gotchas**
 *
 * - With a toolkit, `streamText` of `effect/ai` drains the provider into an unbounded queue, at any pace of the
 *   consumer, and keeps the finish back until every handler is done. The guard follows the provider, so that a slow
 *   consumer delays no verdict, but handlers do: a probe keeps its slot until they are done, unless `settleProbeAt`
 *   says otherwise.
 * - A `RateLimitError` may be a rejection of the circuit. Ask `isRejection` before blaming the provider.
 * - A `classify` of your own gets an empty success if handlers run, because the answer is not complete yet.
 * - When the provider does not know the previous response, `effect/ai` asks it a second time: still one call here.
 * - A function in `needsApproval` of a tool counts as time of the provider.
 * - If you make the model yourself, you can guard only the provider, without its tools: use `CircuitBreaker.execute`
 *   and `stream` inside the functions given to `LanguageModel.make`, with `toAiError` for their errors.
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
import { checkOptions } from "../internal/options/known.ts"
import * as validation from "../internal/options/validation.ts"
import { property } from "../internal/untrusted/values.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import { fromError, withoutTrace } from "./internal/aiError.ts"
import { judgementBy } from "./internal/judgement.ts"
import { admitsAll, make as makeWatched } from "./internal/watchedModel.ts"

/**
 * - `key`: the circuit of this model, such as provider, model and region.
 * - `classify`: what a failed call says about the provider. It also gets the parts of a stream that report a failure,
 *   as an exit that failed with the error of the part. Default: `LlmOutcome.classify`, and not the policy's, because a
 *   classifier for other calls would count a refusal.
 * - `firstContentTimeout`, `idleTimeout`, `settleProbeAt`: for `streamText`, as for `CircuitBreaker.stream`, with
 *   the same defaults. The policy's `attemptTimeout` is for the others.
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
 * Guards one model, for a program that has several and gives each its circuit.
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
 * The breaker's error in a failure of a guarded model, if the breaker made it fail. In a failure of a
 * `ResilientLanguageModel` it is that of the first target that was asked, or of the first target if none was asked.
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

const fields: Record<keyof Options, true> = {
  key: true,
  classify: true,
  firstContentTimeout: true,
  idleTimeout: true,
  settleProbeAt: true
}

const make = (
  model: LanguageModel.LanguageModel,
  breaker: CircuitBreaker["Service"],
  given: Options
): LanguageModel.LanguageModel => {
  checkOptions(given, fields)
  const { classify = LlmOutcome.classify, ...options } = given
  const key = validation.key(options.key)
  validation.optionalFunction("classify", classify)
  validation.settleProbeAt(options.settleProbeAt)
  for (const limit of ["firstContentTimeout", "idleTimeout"] as const) {
    validation.optionalLimit(limit, options[limit])
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
    execute: (method, call, evidence) =>
      Effect.mapError(breaker.execute(call(model), { key, classify: judgement.classify, evidence }), surface(method)),
    stream: (call, evidence) =>
      Stream.mapError(
        breaker.stream(call(model, Effect.void), { ...options, ...judgement, evidence }),
        surface("streamText")
      )
  })
}
