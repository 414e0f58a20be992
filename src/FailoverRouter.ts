/**
 * Sends a call to the first healthy target of its route, and to the next one when that fails.
 *
 * Every target has a circuit of its own, and nothing else decides: who serves a route follows from the circuits of its
 * targets, their order, and how long ago the primary was left. With a shared store all processes decide alike.
 *
 * | an attempt at a target | leads to |
 * | --- | --- |
 * | is turned away by its circuit, fails, is throttled or too slow | the next target, each at most once |
 * | is refused for what was asked (`content_policy`, `invalid_request`, …) | the caller, who gets the error as it is |
 * | is too long for it (`context_length`) | the targets that take more, if there are any |
 * | dies or is interrupted | the caller |
 *
 * When none is left, or the deadline has passed, the call fails with a `FailoverError` that lists every attempt.
 *
 * **Who serves.** A target serves as long as its circuit takes calls. The route comes back to a better one when the
 * circuit of that has closed and `minFailoverDuration` has passed. What closes it is a `healthProbe` in the background,
 * or, without one, a call that tries the better target first and goes on to the next if it fails.
 *
 * **Streams.** What comes before the first content is held back, and discarded with a target that fails before it.
 * After that nobody else is asked: parts of two answers are never mixed. `rescue` moves that point.
 *
 * **Gotchas**
 *
 * - A target is asked again only by `retry`, which is for quick ones: the next target is the better answer to an
 *   outage.
 * - `execute` cannot know whether a target that failed has done something. Run `leg.commit` before effects that must
 *   not happen twice: after it nobody else is asked.
 * - Do not guard the call of a target again, and let it not retry by itself. One that another circuit turns away, deep
 *   inside of it, goes on to the next target.
 * - With `CircuitBreaker.layerNoop` calls still fail over, but each asks the primary first, and the limits of streams
 *   are off.
 *
 * **Example** (The same request, the next healthy region)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, FailoverRoute, FailoverRouter, LlmOutcome } from "effect-resilience"
 *
 * const ask = (region: string) =>
 *   region === "us" ? Effect.fail({ status: 503 }) : Effect.succeed(`hello from ${region}`)
 *
 * const chat = FailoverRoute.make("chat", { targets: ["us", "eu"] })
 * const Regions = FailoverRouter.layer({ routes: [chat] }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = FailoverRouter.execute(chat, (target) => ask(target.name)).pipe(Effect.provide(Regions))
 *
 * await Effect.runPromise(program) // => "hello from eu"
 * ```
 *
 * @since 0.1.0
 */
import { type Config, Context, type Duration, Effect, Layer, type Schedule, type Scope, Stream } from "effect"
import type { CircuitBreaker } from "./CircuitBreaker.ts"
import type { CircuitBreakerError } from "./CircuitError.ts"
import type { Classify } from "./CircuitPolicy.ts"
import type { CircuitState } from "./CircuitState.ts"
import type { Operator } from "./CircuitStore.ts"
import type { Evidence } from "./Evidence.ts"
import type { FailoverError } from "./FailoverError.ts"
import type { Configured, FailoverRoute, Fence, Payload, Reference, Target } from "./FailoverRoute.ts"
import { MaxHeldBytes as heldByProcess } from "./internal/failover/heldBytes.ts"
import { make as makeRouter, makeConfigured } from "./internal/failover/router.ts"
import { routesFromEnvironment } from "./internal/failover/routesFromEnvironment.ts"
import { invalidAsConfigError } from "./internal/options/settings.ts"
import type { ClassifyPart, Opaque } from "./StreamSignal.ts"

/**
 * One call at one target. After `commit` no other target is asked and no attempt repeated, whatever happens: run it
 * before anything that must not happen twice.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leg {
  readonly commit: Effect.Effect<void>
}

/**
 * How many bytes of memory the streams of this process may hold back together, beyond the first 64 KiB of each. A
 * stream that wants more has reached its limit, as if it were its own; if it has no content yet, the call goes on to
 * the next target without a failure of this one. A router reads it when it is built. Default: 64 MiB.
 *
 * @category references
 * @since 0.1.0
 */
export const MaxHeldBytes: Context.Reference<number> = heldByProcess

/**
 * How to send one call.
 *
 * - `allow`: a fence around the targets it may go to, beside the route's.
 * - `stickyKey`: calls of the same key go to the same target of a tier, by weight, as long as that takes calls: for
 *   the caches of prompts. Default: a target of the tier at random, by weight.
 * - `deadline`, `waitFor`: in place of the route's.
 * - `evidence`: for whom the call speaks; see `Evidence`. All its attempts, at all targets, are one piece of evidence.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions {
  readonly allow?: Fence | undefined
  readonly stickyKey?: string | undefined
  readonly deadline?: Duration.Input | undefined
  readonly waitFor?: Duration.Input | undefined
  readonly evidence?: Evidence | undefined
}

/**
 * How to send one stream.
 *
 * - `rescue`: in place of the route's.
 * - `classifyPart`: what each part says; see `LlmStream`. `StreamSignal.opaque` is for parts that cannot be read, and
 *   says what is lost.
 * - `settleProbeAt`: as for `CircuitBreaker.stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions<in A = unknown> extends ExecuteOptions {
  readonly rescue?: number | undefined
  readonly classifyPart: ClassifyPart<A> | Opaque
  readonly settleProbeAt?: "finish" | "first_content" | undefined
}

/**
 * What can be read of a route. `failedOverFor` is how long it has been away from its primary.
 *
 * @category models
 * @since 0.1.0
 */
export interface RouteState {
  readonly route: string
  readonly active: Target
  readonly isFailedOver: boolean
  readonly failedOverFor: Duration.Duration | undefined
  readonly targets: ReadonlyArray<{ readonly target: Target; readonly circuit: CircuitState }>
}

/**
 * Routes, and how targets are judged, asked again and probed.
 *
 * - `routes`: at least one, each of another name; see `FailoverRoute`.
 * - `classify`: what an exit says about a target, also that of a success: a target that answers with an error is left.
 *   Default: `LlmOutcome.classify`, whatever the policy of the breaker says.
 * - `retry`: when to ask the same target again while no other one takes calls, such as
 *   `() => LlmRetry.policy({ attempts: 2, base: "100 millis", maxWait: "5 seconds" })`. No wait is begun that would
 *   outlast the deadline. Default: never.
 * - `healthProbe`: whether a target is well: only `true` is. It runs in the background, through the circuit of the
 *   target, one at a time for each: for one whose circuit is open, when its time has come, so that no call of a user
 *   has to try it; and for one that does not serve, every `healthProbeInterval`, so that a broken
 *   standby is known before it is needed. A failure opens the circuit at once. Every process probes its
 *   standbys itself, at the price of that many calls. An `attemptTimeout` of the policy that is shorter than
 *   `healthProbeTimeout` makes a probe that hangs count as one failure only. Default: none.
 * - `healthProbeTimeout`: how long it may take. Default: 5 seconds. `healthProbeInterval`: Default: 30 seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Route extends FailoverRoute = FailoverRoute, out R = never> {
  readonly routes: ReadonlyArray<Route>
  readonly classify?: Classify | undefined
  readonly retry?: ((target: Target<Payload<Route>>) => Schedule.Schedule<unknown, unknown>) | undefined
  readonly healthProbe?: ((target: Target<Payload<Route>>) => Effect.Effect<boolean, unknown, R>) | undefined
  readonly healthProbeTimeout?: Duration.Input | undefined
  readonly healthProbeInterval?: Duration.Input | undefined
}

/**
 * Sends calls to the targets of routes.
 *
 * - `execute` and `stream` send one call; `open` sends a stream, and waits for its first content.
 * - `activeTarget`, `isFailedOver` and `snapshot` tell who serves, and change nothing.
 * - `reset` closes the circuits of a route's targets and forgets their past, so that its primary serves again.
 *
 * A route that this router was not built with is the `UnknownRoute` of a `FailoverError`.
 *
 * @category services
 * @since 0.1.0
 */
export class FailoverRouter extends Context.Service<FailoverRouter, {
  readonly execute: <P, A, E, R>(
    route: Reference<P>,
    call: (target: Target<NoInfer<P>>, leg: Leg) => Effect.Effect<A, E, R>,
    options?: ExecuteOptions
  ) => Effect.Effect<A, E | FailoverError, R>
  readonly stream: <P, A, E, R>(
    route: Reference<P>,
    call: (target: Target<NoInfer<P>>, leg: Leg) => Stream.Stream<A, E, R>,
    options: StreamOptions<A>
  ) => Stream.Stream<A, E | FailoverError | CircuitBreakerError, R>
  readonly open: <P, A, E, R>(
    route: Reference<P>,
    call: (target: Target<NoInfer<P>>, leg: Leg) => Stream.Stream<A, E, R>,
    options: StreamOptions<A>
  ) => Effect.Effect<Stream.Stream<A, E | CircuitBreakerError>, E | FailoverError, R | Scope.Scope>
  readonly activeTarget: <P>(route: Reference<P>) => Effect.Effect<Target<P>, FailoverError>
  readonly isFailedOver: (route: Reference) => Effect.Effect<boolean, FailoverError>
  readonly snapshot: Effect.Effect<ReadonlyArray<RouteState>>
  readonly reset: (route: Reference, operator?: Operator) => Effect.Effect<void, FailoverError>
}>()("effect-resilience/FailoverRouter") {}

/**
 * A router on the breaker it is provided with. Dies with `InvalidOptions` for an option that breaks its rule.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Route extends FailoverRoute, R = never>(
  options: Options<Route, R>
): Layer.Layer<FailoverRouter, never, CircuitBreaker | R> => Layer.effect(FailoverRouter, makeRouter(options))

/**
 * What a router takes whose routes come from configuration. `routes`: those routes, where their targets carry
 * something; then there must be no others. Default: whatever routes there are, and their targets carry nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions<Route extends Configured = Configured, out R = never>
  extends Omit<Options<FailoverRoute<Payload<Route>>, R>, "routes">
{
  readonly routes?: ReadonlyArray<Route> | undefined
}

/**
 * A router whose routes come from configuration: by default from the variable `FAILOVER_ROUTES`, as JSON in the form of
 * `FailoverRoute.Routes`. A call names them by their names, or by the values of `routes`. What breaks a rule is a
 * `ConfigError` that names its place in the variable, the rule and the value.
 *
 * **Example** (Targets from the environment, clients from code)
 *
 * ```ts
 * import { ConfigProvider, Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, FailoverRoute, FailoverRouter, LlmOutcome } from "effect-resilience"
 *
 * const clientOf = (name: string) => ({ complete: (prompt: string) => Effect.succeed(`${prompt} from ${name}`) })
 *
 * const chat = FailoverRoute.fromConfig("chat", ({ name }) => clientOf(name))
 *
 * const Router = FailoverRouter.layerConfig({ routes: [chat] }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory),
 *   Layer.provide(ConfigProvider.layer(
 *     ConfigProvider.fromUnknown({ FAILOVER_ROUTES: `{ "chat": { "targets": ["us", "eu"] } }` })
 *   ))
 * )
 *
 * const program = FailoverRouter.execute(chat, (target) => target.payload.complete("hello")).pipe(
 *   Effect.provide(Router)
 * )
 *
 * await Effect.runPromise(program) // => "hello from us"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Route extends Configured, R = never>(
  options: ConfigOptions<Route, R> = {},
  config: Config.Config<ReadonlyArray<FailoverRoute>> = routesFromEnvironment
): Layer.Layer<FailoverRouter, Config.ConfigError, CircuitBreaker | R> =>
  Layer.effect(
    FailoverRouter,
    Effect.flatMap(config, (routes) => invalidAsConfigError(makeConfigured(options, routes)))
  )

/**
 * Sends a call to the first healthy target of a route, and to the next one when that fails.
 *
 * **Example** (Where the answer may come from)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, FailoverRoute, FailoverRouter, LlmOutcome } from "effect-resilience"
 *
 * const chat = FailoverRoute.make("chat", {
 *   targets: [{ name: "us", region: "us" }, { name: "eu", region: "eu" }]
 * })
 * const Regions = FailoverRouter.layer({ routes: [chat] }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = FailoverRouter.execute(chat, (target) => Effect.succeed(`hello from ${target.name}`), {
 *   allow: { regions: ["eu"] }
 * }).pipe(Effect.provide(Regions))
 *
 * await Effect.runPromise(program) // => "hello from eu"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const execute = <P, A, E, R>(
  route: Reference<P>,
  call: (target: Target<NoInfer<P>>, leg: Leg) => Effect.Effect<A, E, R>,
  options?: ExecuteOptions
): Effect.Effect<A, E | FailoverError, R | FailoverRouter> =>
  FailoverRouter.use((router) => router.execute(route, call, options))

/**
 * Streams from the first healthy target of a route, and from the next one when that fails before its first content.
 *
 * **Example** (A cut within the held parts)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { CircuitBreaker, CircuitStore, FailoverRoute } from "effect-resilience"
 * import { FailoverRouter, LlmOutcome, LlmStream } from "effect-resilience"
 *
 * const chat = FailoverRoute.make("chat", { targets: ["us", "eu"] })
 * const Regions = FailoverRouter.layer({ routes: [chat] }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const part = (content: string, finish_reason?: string) => ({ choices: [{ delta: { content }, finish_reason }] })
 * const ask = (region: string) =>
 *   region === "us" ? Stream.make(part("Hel")) : Stream.make(part("Good "), part("day"), part("", "stop"))
 *
 * const program = FailoverRouter.stream(chat, (target) => ask(target.name), {
 *   classifyPart: LlmStream.openAi,
 *   rescue: 10
 * }).pipe(
 *   Stream.map(({ choices: [choice] }) => choice?.delta.content ?? ""),
 *   Stream.mkString,
 *   Effect.provide(Regions)
 * )
 *
 * await Effect.runPromise(program) // => "Good day"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const stream = <P, A, E, R>(
  route: Reference<P>,
  call: (target: Target<NoInfer<P>>, leg: Leg) => Stream.Stream<A, E, R>,
  options: StreamOptions<A>
): Stream.Stream<A, E | FailoverError | CircuitBreakerError, R | FailoverRouter> =>
  Stream.unwrap(FailoverRouter.useSync((router) => router.stream(route, call, options)))

/**
 * Opens a stream at the first target of a route that begins to answer, as `stream` does, and succeeds with it when it
 * has its first content: for a server, which has to answer with a status before the parts. What fails before the first
 * content fails the effect; a part in which a target refuses what was asked is the first of the stream. The stream is
 * open until the scope closes, and can be run once.
 *
 * **Gotcha** `HttpServerResponse.stream(FailoverRouter.stream(…))` has sent its status of 200 before any target is
 * asked, and can only break off when all of them are down.
 *
 * **Example** (A status for those who get no stream)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { CircuitBreaker, CircuitStore, FailoverRoute } from "effect-resilience"
 * import { FailoverRouter, LlmOutcome, LlmStream } from "effect-resilience"
 * import { HttpServerResponse } from "effect/http"
 *
 * const chat = FailoverRoute.make("chat", { targets: ["us", "eu"] })
 * const Regions = FailoverRouter.layer({ routes: [chat] }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const down: Stream.Stream<{ readonly choices: ReadonlyArray<unknown> }, Error> = Stream.fail(new Error("down"))
 *
 * const respond = FailoverRouter.open(chat, () => down, { classifyPart: LlmStream.openAi }).pipe(
 *   Effect.map((parts) => Stream.encodeText(Stream.map(parts, (part) => JSON.stringify(part)))),
 *   Effect.map((bytes) => HttpServerResponse.stream(bytes)),
 *   Effect.orElseSucceed(() => HttpServerResponse.empty({ status: 503 })),
 *   Effect.scoped,
 *   Effect.provide(Regions)
 * )
 *
 * const response = await Effect.runPromise(respond)
 * response.status // => 503
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const open = <P, A, E, R>(
  route: Reference<P>,
  call: (target: Target<NoInfer<P>>, leg: Leg) => Stream.Stream<A, E, R>,
  options: StreamOptions<A>
): Effect.Effect<
  Stream.Stream<A, E | CircuitBreakerError>,
  E | FailoverError,
  R | Scope.Scope | FailoverRouter
> => FailoverRouter.use((router) => router.open(route, call, options))

/**
 * Which target serves a route now.
 *
 * @category queries
 * @since 0.1.0
 */
export const activeTarget = <P>(route: Reference<P>): Effect.Effect<Target<P>, FailoverError, FailoverRouter> =>
  FailoverRouter.use((router) => router.activeTarget(route))

/**
 * Whether a target other than the primary serves a route now.
 *
 * @category queries
 * @since 0.1.0
 */
export const isFailedOver = (route: Reference): Effect.Effect<boolean, FailoverError, FailoverRouter> =>
  FailoverRouter.use((router) => router.isFailedOver(route))

/**
 * Reads all routes.
 *
 * @category queries
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<ReadonlyArray<RouteState>, never, FailoverRouter> = /* @__PURE__ */ FailoverRouter
  .use((router) => router.snapshot)

/**
 * Closes the circuits of all targets of a route and forgets their past: its primary serves again, at once.
 *
 * @category control
 * @since 0.1.0
 */
export const reset = (route: Reference, operator?: Operator): Effect.Effect<void, FailoverError, FailoverRouter> =>
  FailoverRouter.use((router) => router.reset(route, operator))
