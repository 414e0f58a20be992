/**
 * One `LanguageModel` over several: region by region, provider by provider, each behind a circuit of its own.
 *
 * Every call goes to the first healthy target of the route, and to the next one when that fails; see `FailoverRouter`
 * for who serves, who comes next and when the primary is back. What one attempt says about its target is judged as by
 * `GuardedLanguageModel`.
 *
 * | what an attempt ends with | leads to |
 * | --- | --- |
 * | a circuit that turns it away, an outage, a rate limit, a limit of time | the next target |
 * | an answer, or a part of a stream, that reports such a failure | the next target |
 * | a refusal (`content_policy`), a request that is invalid, an object that is not the one asked for | the caller |
 * | a handler of a tool that begins | the answer of this target, whatever follows |
 *
 * **Streams** are held back until their first content. What came before it (`response-metadata`, `text-start`) is
 * dropped with a target that fails, so that the caller sees one answer, with one finish. After that nobody else is
 * asked: a stream that is cut or stalls fails. With `rescue: n` that is so only after the first n parts.
 *
 * **Tools** never run twice on account of a failover:
 *
 * - As soon as a handler of the given toolkit begins, no other target is asked and nothing is retried.
 * - Handlers of calls that were approved in the history run once, before any target is asked and in nobody's time. All
 *   targets get their results. While no target takes calls they do not run.
 *
 * A failure is an `AiError`. What a target refuses, where no other one was asked, is the error of its provider. All else,
 * the failure of an only target too, is a `FailoverError`, in the `cause` of the `reason` of an `AiError` whose message tells of every target
 * and of no prompt; `failoverErrorOf` finds it:
 *
 * | the router says | the `AiError` has the reason | `isRetryable` | `retryAfter` |
 * | --- | --- | --- | --- |
 * | none available, and when one will be, whatever they failed with | `RateLimitError` | yes | that time |
 * | none available, all turned the call away, one not for good | `RateLimitError` | yes | none |
 * | none available, nobody knows when, one failed with what passes; or the deadline has passed | `InternalProviderError` | yes | none |
 * | none available, for reasons that last, such as keys that are not valid; none allowed | `UnknownError` | no | none |
 *
 * `GuardedLanguageModel.isRejection` tells whether no provider was asked, and a stream that fails after its first
 * content fails as one of `GuardedLanguageModel`. The span of the caller tells in `failover.target` who was asked last.
 *
 * **Gotchas**
 *
 * - The models must not be guarded by circuits of the same keys themselves, and must not retry on their own.
 * - Each model's layer is built on its own, once, and shares nothing with others: the same layer with two clients is
 *   two models. Make what they are to share outside of them, and let them require it.
 * - The layer also provides the router it stands on, for `FailoverRouter.activeTarget`. In the same context it takes the
 *   place of another one: give it only to who asks the model.
 * - Models differ: in the tools a provider brings itself, in their options, in what a `previousResponseId` means. A
 *   target gets only those ids that it gave itself, and otherwise the whole prompt.
 * - With a toolkit, `streamText` of `effect/ai` drains the provider whatever the pace of the consumer.
 *
 * **Example** (The primary is overloaded)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { AiError, LanguageModel, type Response } from "effect/ai"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 * import { ResilientLanguageModel } from "effect-resilience/ai"
 *
 * const model = (answer: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>) =>
 *   Layer.effect(
 *     LanguageModel.LanguageModel,
 *     LanguageModel.make({ generateText: () => answer, streamText: () => Stream.empty })
 *   )
 * const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
 * const OpenAi = model(Effect.fail(AiError.make({ module: "OpenAi", method: "generateText", reason: overloaded })))
 * const Anthropic = model(Effect.succeed([{ type: "text", text: "hello" }]))
 *
 * const Model = ResilientLanguageModel.layer({
 *   route: "chat",
 *   targets: [{ name: "openai/us", model: OpenAi }, { name: "anthropic/eu", model: Anthropic }],
 *   firstContentTimeout: "10 seconds"
 * }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = LanguageModel.generateText({ prompt: "Hi" }).pipe(
 *   Effect.map(({ text }) => text),
 *   Effect.provide(Model)
 * )
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Exit, Layer, Stream, Struct } from "effect"
import { LanguageModel } from "effect/ai"
import { dual } from "effect/Function"
import type { CircuitBreaker } from "../CircuitBreaker.ts"
import { isCircuitBreakerError } from "../CircuitError.ts"
import { type FailoverError, find as findFailoverError, isFailoverError } from "../FailoverError.ts"
import type { Fence, RouteOptions, Target, TargetOptions } from "../FailoverRoute.ts"
import { type ExecuteOptions, FailoverRouter, type Options as RouterOptions } from "../FailoverRouter.ts"
import { allowedBy, compileRoutes, fence } from "../internal/failover/compiledRoute.ts"
import { make as makeRouter } from "../internal/failover/router.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import * as Outcome from "../Outcome.ts"
import { toAiError as circuitAiError } from "./GuardedLanguageModel.ts"
import { toAiError } from "./internal/failoverAiError.ts"
import { judgementBy } from "./internal/judgement.ts"
import { ofTarget } from "./internal/responseIds.ts"
import { admitsAll, make as makeWatched } from "./internal/watchedModel.ts"

/**
 * A target of a route, and the model it stands for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelTarget<out E = unknown, out R = unknown> extends TargetOptions {
  readonly model: Layer.Layer<LanguageModel.LanguageModel, E, R>
}

/**
 * A route of models: all that a route and a router take, with these differences.
 *
 * - `route`: its name, for events, metrics and `FailoverRouter`.
 * - `targets`: with a `model` each.
 * - `classify`: what a failed call says about its provider. Also asked about the parts of a stream that report a
 *   failure, as an exit that failed with what they carry. Default: `LlmOutcome.classify`.
 * - `healthProbe`: may ask `LanguageModel`: it is the model of the target.
 * - `attemptTimeout` is for `generateText` and `generateObject`, `firstContentTimeout` and `idleTimeout` for
 *   `streamText`. The time of tool handlers is part of none of them.
 * - `settleProbeAt`: for `streamText`, as for `CircuitBreaker.stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out Targets extends ReadonlyArray<ModelTarget> = ReadonlyArray<ModelTarget>, out R = never>
  extends Omit<RouteOptions, "targets">, Omit<RouterOptions, "routes" | "healthProbe">
{
  readonly route: string
  readonly targets: Targets
  readonly healthProbe?:
    | ((target: Target) => Effect.Effect<boolean, unknown, LanguageModel.LanguageModel | R>)
    | undefined
  readonly settleProbeAt?: "finish" | "first_content" | undefined
}

/**
 * One model over several, and the router it stands on. Dies with `InvalidOptions` for an option that breaks its rule,
 * before any model is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <const Targets extends ReadonlyArray<ModelTarget>, R = never>(
  options: Options<Targets, R>
): Layer.Layer<
  LanguageModel.LanguageModel | FailoverRouter,
  Layer.Error<Targets[number]["model"]>,
  | Layer.Services<Targets[number]["model"]>
  | Exclude<R, LanguageModel.LanguageModel>
  | CircuitBreaker
> =>
  Layer.effectContext(
    make(
      options as Options<
        ReadonlyArray<
          ModelTarget<Layer.Error<Targets[number]["model"]>, Layer.Services<Targets[number]["model"]>>
        >,
        R
      >
    )
  )

/**
 * How to send one call.
 *
 * - `allow`, `stickyKey`, `deadline`: as for `FailoverRouter.execute`.
 * - `rescue`: for `streamText`, in place of the route's.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions extends ExecuteOptions {
  readonly rescue?: number | undefined
}

/**
 * The options of the calls that are made in a context. Those of `LanguageModel` itself have no room for them.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentCallOptions: Context.Reference<CallOptions> = Context.Reference(
  "effect-resilience/ai/ResilientLanguageModel/CurrentCallOptions",
  { defaultValue: (): CallOptions => ({}) }
)

/**
 * Sends the calls inside of an effect with these options: for a stream, put it around what runs that. Inside of others
 * they take the place of those, one by one; but a fence inside of a fence allows only what both allow. They hold for all
 * resilient models that are asked there, also by the tools.
 *
 * **Example** (Data that must not leave a region)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { LanguageModel, type Response } from "effect/ai"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 * import { ResilientLanguageModel } from "effect-resilience/ai"
 *
 * const model = (text: string) => {
 *   const answer: Array<Response.PartEncoded> = [{ type: "text", text }]
 *   return Layer.effect(
 *     LanguageModel.LanguageModel,
 *     LanguageModel.make({ generateText: () => Effect.succeed(answer), streamText: () => Stream.empty })
 *   )
 * }
 * const Model = ResilientLanguageModel.layer({
 *   route: "chat",
 *   targets: [{ name: "us", region: "us", model: model("howdy") }, { name: "eu", region: "eu", model: model("servus") }]
 * }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = LanguageModel.generateText({ prompt: "Hi" }).pipe(
 *   Effect.map(({ text }) => text),
 *   ResilientLanguageModel.withCallOptions({ allow: { regions: ["eu"] } }),
 *   Effect.provide(Model)
 * )
 *
 * await Effect.runPromise(program) // => "servus"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withCallOptions: {
  (options: CallOptions): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, options: CallOptions): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: CallOptions): Effect.Effect<A, E, R> =>
    Effect.flatMap(CurrentCallOptions, (outer) =>
      Effect.provideService(self, CurrentCallOptions, {
        ...outer,
        ...options,
        allow: within(outer.allow, options.allow)
      }))
)

/**
 * The router's error in a failure of a resilient model, if the failure is its doing.
 *
 * @category guards
 * @since 0.1.0
 */
export const failoverErrorOf: (error: unknown) => FailoverError | undefined = findFailoverError

const module = "ResilientLanguageModel"

const make = Effect.fnUntraced(function*<E, R, RProbe>(
  options: Options<ReadonlyArray<ModelTarget<E, R>>, RProbe>
) {
  const {
    classify = LlmOutcome.classify,
    healthProbe,
    healthProbeInterval,
    healthProbeTimeout,
    retry,
    route,
    settleProbeAt,
    targets,
    ...limits
  } = options
  const routes = { [route]: { ...limits, targets: targets.map((target) => Struct.omit(target, ["model"])) } }
  compileRoutes(routes)
  const models = new Map<string, LanguageModel.LanguageModel>()
  for (const { model, name } of targets) {
    // Layers are memoized by reference: one that is used with two clients would be built with the first alone.
    models.set(name, Context.get(yield* Layer.build(Layer.fresh(model)), LanguageModel.LanguageModel))
  }
  const modelOf = ({ name }: Target) => models.get(name)!

  const judgement = judgementBy(classify)
  const router = yield* makeRouter({
    routes,
    classify: (exit) => Exit.isSuccess(exit) && exit.value === trial ? cancelled : judgement.classify(exit),
    retry,
    healthProbe: healthProbe &&
      ((target) => Effect.provideService(healthProbe(target), LanguageModel.LanguageModel, modelOf(target))),
    healthProbeTimeout,
    healthProbeInterval
  })

  const surface = (method: string) => (error: unknown) => {
    if (isFailoverError(error)) return toAiError(error, module, method)
    return isCircuitBreakerError(error) ? circuitAiError(error, module, method) : error
  }

  const model = makeWatched({
    supportsSystemMessagesInHistory: supportedByAll(Array.from(models.values())),
    admissible: (method) =>
      Effect.gen(function*() {
        const call = yield* CurrentCallOptions
        const isAllowed = allowedBy(fence("allow", call.allow))
        const [state] = yield* router.snapshot
        if (state!.targets.some(({ circuit, target }) => isAllowed(target) && admitsAll(circuit))) return
        yield* Effect.mapError(router.execute(route, () => Effect.succeed(trial), call), surface(method))
      }),
    execute: (method, call) =>
      Effect.flatMap(
        CurrentCallOptions,
        (options) =>
          router.execute(route, (target) => Effect.updateContext(call(modelOf(target)), ofTarget(target.name)), options)
      ).pipe(Effect.mapError(surface(method))),
    stream: (call) =>
      Stream.unwrap(
        Effect.map(CurrentCallOptions, (options) =>
          router.stream(route, (target, { commit }) =>
            Stream.updateContext(call(modelOf(target), commit), ofTarget(target.name)), {
            ...options,
            classifyPart: judgement.classifyPart,
            settleProbeAt
          }))
      ).pipe(
        Stream.mapError(surface("streamText"))
      )
  })
  return Context.make(LanguageModel.LanguageModel, model).pipe(Context.add(FailoverRouter, router))
})

// The answer of a target that was only asked whether it takes calls.
const trial = { type: "~trial" }
const cancelled = Outcome.ignored("cancelled")

/** Known only if it is known of all. */
const supportedByAll = (models: ReadonlyArray<LanguageModel.LanguageModel>): Effect.Effect<boolean> | undefined => {
  const known = models.flatMap(({ supportsSystemMessagesInHistory }) => supportsSystemMessagesInHistory ?? [])
  return known.length < models.length
    ? undefined
    : Effect.map(Effect.all(known), (supported) => supported.every(Boolean))
}

const within = (outer: Fence | undefined, inner: Fence | undefined): Fence => {
  const [a, b] = [fence("allow", outer), fence("allow", inner)]
  return { regions: common(a.regions, b.regions), targets: common(a.targets, b.targets) }
}

const common = (outer: ReadonlyArray<string> | undefined, inner: ReadonlyArray<string> | undefined) =>
  outer === undefined || inner === undefined ? outer ?? inner : outer.filter((name) => inner.includes(name))
