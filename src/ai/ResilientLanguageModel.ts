/**
 * One `LanguageModel` over several: region by region, provider by provider, each behind a circuit of its own.
 *
 * Every call goes to the first healthy target of the route, and to the next one when that fails; see `FailoverRouter`
 * for which target serves, which is next, and when the primary is back. Attempts are judged as by
 * `GuardedLanguageModel`.
 *
 * | what an attempt ends with | leads to |
 * | --- | --- |
 * | a circuit that turns it away, an outage, a rate limit, a limit of time | the next target |
 * | an answer, or a part of a stream, that reports such a failure | the next target |
 * | a refusal (`content_policy`), a request that is invalid, an object that is not the one asked for | the caller |
 * | a handler of a tool that begins | the answer of this target, whatever follows |
 *
 * **Streams** are held back until their first content. The parts before it (`response-metadata`, `text-start`) are
 * dropped if the target fails, so that the caller gets one answer, with one finish. After the first content no other
 * target is asked: a stream that is cut or stalls fails. With `rescue: n` that is so only after the first n parts.
 *
 * **Tools** never run twice because of a failover:
 *
 * - As soon as a handler of the given toolkit begins, no other target is asked and nothing is retried.
 * - Handlers of calls that were approved in the history run once, before any target is asked, and count as the time of
 *   no target. All targets get their results. They do not run while no target takes calls.
 *
 * A failure is an `AiError`. If the first target refuses the request, it is the error of that provider. All else is a
 * `FailoverError`, also with one target only, in the `cause` of the `reason` of an `AiError`; `failoverErrorOf` finds
 * it. The message of that `AiError` names every target that was asked, and never a prompt:
 *
 * | the router's error | reason of the `AiError` | `isRetryable` | `retryAfter` |
 * | --- | --- | --- | --- |
 * | no target is available, and it is known when one will be | `RateLimitError` | yes | that time |
 * | all circuits turned the call away, not all of them without an end | `RateLimitError` | yes | none |
 * | a target failed with an error that passes, or the deadline has passed | `InternalProviderError` | yes | none |
 * | all failed for reasons that last, such as an invalid key, or none is allowed | `UnknownError` | no | none |
 *
 * `GuardedLanguageModel.isRejection` says whether no provider was asked. A stream that fails after its first content
 * fails as one of `GuardedLanguageModel`. The caller's span has the target that was asked last, as `failover.target`.
 *
 * **Gotchas**
 *
 * - The models must have no circuits with the same keys, and must not retry by themselves.
 * - Each model's layer is built by itself, once, and shares nothing with others: the same layer with two clients is two
 *   models. Build outside of them what they share, and let them require it.
 * - The layer also provides its router, for `FailoverRouter.activeTarget`. It replaces another router in the same
 *   context, so provide it only to the part of the program that asks the model.
 * - Models differ: in the tools that a provider brings, in their options, in the meaning of a `previousResponseId`. A
 *   target gets only those ids that it has given itself, and otherwise the whole prompt.
 * - With a toolkit, `streamText` of `effect/ai` drains the provider at any pace of the consumer.
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
 *   targets: [{ name: "openai/us", model: OpenAi }, { name: "anthropic/eu", model: Anthropic }]
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
import { type Fence, make as makeRoute, type RouteOptions, type Target, type TargetOptions } from "../FailoverRoute.ts"
import { type ExecuteOptions, FailoverRouter, type Options as RouterOptions } from "../FailoverRouter.ts"
import { compileRoutes } from "../internal/failover/compiledRoute.ts"
import { allowedBy, fence } from "../internal/failover/fence.ts"
import { make as makeRouter } from "../internal/failover/router.ts"
import { checkOptions } from "../internal/options/known.ts"
import * as validation from "../internal/options/validation.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import * as Outcome from "../Outcome.ts"
import { toAiError as circuitAiError } from "./GuardedLanguageModel.ts"
import { toAiError } from "./internal/failoverAiError.ts"
import { judgementBy } from "./internal/judgement.ts"
import { ofTarget } from "./internal/responseIds.ts"
import { admitsAll, make as makeWatched } from "./internal/watchedModel.ts"

/**
 * A target of a route, and its model.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelTarget<out E = unknown, out R = unknown> extends Omit<TargetOptions, "payload"> {
  readonly model: Layer.Layer<LanguageModel.LanguageModel, E, R>
}

/**
 * The options of a route and of a router, with these differences.
 *
 * - `route`: its name, for events, metrics and `FailoverRouter`.
 * - `targets`: each with its `model`.
 * - `classify`: what a failed call says about its provider. It also gets the parts of a stream that report a failure,
 *   as an exit that failed with the error of the part. Default: `LlmOutcome.classify`.
 * - `healthProbe`: may use the service `LanguageModel`, which is the model of the target.
 * - `attemptTimeout` is for `generateText` and `generateObject`, `firstContentTimeout` and `idleTimeout` for
 *   `streamText`. None of them counts the time of tool handlers.
 * - `settleProbeAt`: for `streamText`, as for `CircuitBreaker.stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out Targets extends ReadonlyArray<ModelTarget> = ReadonlyArray<ModelTarget>, out R = never>
  extends Omit<RouteOptions, "targets" | "payload">, Omit<RouterOptions, "routes" | "healthProbe">
{
  readonly route: string
  readonly targets: Targets
  readonly healthProbe?:
    | ((target: Target) => Effect.Effect<boolean, unknown, LanguageModel.LanguageModel | R>)
    | undefined
  readonly settleProbeAt?: "finish" | "first_content" | undefined
}

/**
 * One model over several, and its router. Dies with `InvalidOptions` for an option that breaks its rule,
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
 * - `allow`, `stickyKey`, `deadline`, `waitFor`: as for `FailoverRouter.execute`.
 * - `rescue`: for `streamText`, in place of the route's.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions extends ExecuteOptions {
  readonly rescue?: number | undefined
}

/**
 * The options of the calls in a context, because the options of `LanguageModel` have no place for them.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentCallOptions: Context.Reference<CallOptions> = Context.Reference(
  "effect-resilience/ai/ResilientLanguageModel/CurrentCallOptions",
  { defaultValue: (): CallOptions => ({}) }
)

/**
 * Sends the calls inside an effect with these options; for a stream, wrap the effect that runs it. Options of an inner
 * effect replace those of an outer one, one by one, but `allow` permits only what both permit. They apply to all
 * resilient models that are asked there, also by tools.
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
 *   targets: [
 *     { name: "us", region: "us", model: model("howdy") },
 *     { name: "eu", region: "eu", model: model("servus") }
 *   ]
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
 * The router's error in a failure of a resilient model, if the router made it fail.
 *
 * @category guards
 * @since 0.1.0
 */
export const failoverErrorOf: (error: unknown) => FailoverError | undefined = findFailoverError

const module = "ResilientLanguageModel"

const fields: Record<keyof Options, true> = {
  route: true,
  targets: true,
  allow: true,
  minFailoverDuration: true,
  deadline: true,
  waitFor: true,
  attemptTimeout: true,
  firstContentTimeout: true,
  idleTimeout: true,
  rescue: true,
  maxHeldBytes: true,
  whenExhausted: true,
  failOverOn: true,
  classify: true,
  retry: true,
  healthProbe: true,
  healthProbeTimeout: true,
  healthProbeInterval: true,
  settleProbeAt: true
}

const make = Effect.fnUntraced(function*<E, R, RProbe>(
  options: Options<ReadonlyArray<ModelTarget<E, R>>, RProbe>
) {
  checkOptions(options, fields)
  const {
    classify = LlmOutcome.classify,
    healthProbe,
    healthProbeInterval,
    healthProbeTimeout,
    retry,
    route: name,
    settleProbeAt,
    targets,
    ...limits
  } = options
  validation.optionalFunction("classify", classify)
  validation.optionalFunction("healthProbe", healthProbe)
  validation.settleProbeAt(settleProbeAt)
  checkModels(targets)
  const described = { ...limits, targets: targets.map((target) => Struct.omit(target, ["model"])) }
  compileRoutes([makeRoute(name, described)])
  const models = new Map<string, LanguageModel.LanguageModel>()
  for (const { model, name } of targets) {
    // Effect memoizes layers by reference, and would build one that is used with two clients only with the first.
    models.set(name, Context.get(yield* Layer.build(Layer.fresh(model)), LanguageModel.LanguageModel))
  }
  const route = makeRoute(name, { ...described, payload: (target: Target) => models.get(target.name)! })

  const judgement = judgementBy(classify)
  const router = yield* makeRouter({
    routes: [route],
    classify: (exit) => Exit.isSuccess(exit) && exit.value === trial ? cancelled : judgement.classify(exit),
    retry,
    healthProbe: healthProbe &&
      ((target) => Effect.provideService(healthProbe(target), LanguageModel.LanguageModel, target.payload)),
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
    execute: (method, call, evidence) =>
      Effect.flatMap(
        CurrentCallOptions,
        (options) =>
          router.execute(
            route,
            (target) => Effect.updateContext(call(target.payload), ofTarget(target.name)),
            { evidence, ...options }
          )
      ).pipe(Effect.mapError(surface(method))),
    stream: (call, evidence) =>
      Stream.unwrap(
        Effect.map(CurrentCallOptions, (options) =>
          router.stream(route, (target, { commit }) =>
            Stream.updateContext(call(target.payload, commit), ofTarget(target.name)), {
            evidence,
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

const checkModels = (targets: ReadonlyArray<ModelTarget>): void => {
  if (!Array.isArray(targets)) validation.invalid("targets", targets, "a list of at least one target")
  targets.forEach((target, index) => {
    const field = `targets[${index}]`
    if (Object(target) !== target) validation.invalid(field, target, "an object with name and model")
    if (!Layer.isLayer(target.model)) validation.invalid(`${field}.model`, target.model, "a layer of a LanguageModel")
  })
}

// The answer of a call that only tries whether a target takes calls.
const trial = { type: "~trial" }
const cancelled = Outcome.ignored("cancelled")

/** Undefined if it is unknown for any model. */
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
