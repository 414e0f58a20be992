/**
 * Circuit breakers by key, for calls to dependencies that fail.
 *
 * Each key has a circuit of its own. While it is closed, calls run and their outcomes are judged. When the trip policy
 * opens it, calls are rejected in microseconds. After the open time one call is admitted as a probe, whose outcome
 * closes the circuit or opens it again.
 *
 * Retry goes outside the breaker, because every attempt has to be admitted, judged and measured by itself:
 * `call.pipe(CircuitBreaker.execute({ key }), Effect.retry(LlmRetry.policy()))`.
 *
 * **Gotchas**
 *
 * - A call that was admitted before the circuit opened still runs to its end; its outcome changes nothing.
 * - A timeout outside `execute` interrupts the call, which says nothing about the dependency. Use `attemptTimeout`.
 * - A call of `execute` or `stream` inside a probe of its own key is part of that probe: it runs unguarded, and the
 *   outer one's outcome counts. Inside a call of a closed circuit both count. Across a promise (`Effect.runPromise`
 *   inside `Effect.tryPromise`) no context tells that: the first such probe fails, as its own call is turned away by
 *   it. That does not count, `circuit.self_rejection` tells of it, and the next probe lets the call pass. It is known
 *   by the error, which has to keep the rejection as its `cause`.
 * - Provide the layer once, around the whole program or by `ManagedRuntime`. A breaker that is built for each call, as
 *   by `Effect.provide` inside of the call, forgets its circuits with it and never opens; the log warns of that once.
 * - A circuit has one policy. Breakers that share a store and a key share the circuit.
 *
 * **Example** (rejecting once a circuit is open)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(2) }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const down = Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" }))
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.flip(down)
 *   yield* Effect.flip(down)
 *   return yield* down.pipe(
 *     Effect.catchReason("CircuitBreakerError", "CircuitOpen", (reason) => Effect.succeed(`${reason.key} is open`))
 *   )
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Breaker)) // => "model is open"
 * ```
 *
 * @since 0.1.0
 */
import { type Config, Context, type Duration, Effect, type Exit, Layer, type Scope, Stream } from "effect"
import { dual } from "effect/Function"
import * as CircuitConfig from "./CircuitConfig.ts"
import type { CircuitBreakerError } from "./CircuitError.ts"
import type { CircuitEvent } from "./CircuitEvent.ts"
import type { CircuitPolicy } from "./CircuitPolicy.ts"
import * as CircuitState from "./CircuitState.ts"
import { type CircuitStore, type Operator } from "./CircuitStore.ts"
import type * as Evidence from "./Evidence.ts"
import { beginOf } from "./internal/call/begin.ts"
import { make } from "./internal/call/breaker.ts"
import type { CircuitObserver, Reporter } from "./internal/observers/observer.ts"
import { invalidAsConfigError } from "./internal/options/settings.ts"
import * as validation from "./internal/options/validation.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import type * as Outcome from "./Outcome.ts"
import type { ClassifyPart, Opaque } from "./StreamSignal.ts"

/**
 * The right to one call that is neither an effect nor a stream: a socket, a job.
 *
 * `settle` says what the call said about the dependency. The first settle counts; closing the scope of `acquire`
 * settles what was not settled before: as the last call of the same key in that scope, if the permit is a probe and
 * there was one, because such a call is part of the probe; otherwise as ignored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permit {
  readonly key: string
  readonly probe: boolean
  readonly settle: (outcome: Outcome.Outcome) => Effect.Effect<void>
}

/**
 * How to call through a circuit.
 *
 * - `classify`: replaces the policy's for this call.
 * - `evidence`: the request and its source, so that one request is not counted again and again; see `Evidence`.
 * - `lastResort`: says that the caller has nobody else to ask. Such a call passes an open circuit that failures have
 *   opened which a request can cause by itself, if it has no part in them: one at a time, and after one that fails not
 *   for a second, then two, four and so on, or until the circuit is closed if its provider has served nobody for 10
 *   seconds. If it is served, it is the circuit's probe; with a shared store the
 *   circuit stays open until its time. Never an operator's hold or a gate. Default: false.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions<A = unknown, E = unknown> {
  readonly key: string
  readonly classify?: ((exit: Exit.Exit<A, E>) => Outcome.Outcome) | undefined
  readonly evidence?: Evidence.Evidence | undefined
  readonly lastResort?: boolean | undefined
}

/**
 * How to stream through a circuit.
 *
 * - `classify`: replaces the policy's for a stream that fails.
 * - `classifyPart`: reads the signal of each part; see `LlmStream` for the forms of providers. If it throws, the part
 *   is a proof of life. `StreamSignal.opaque` is for parts that cannot be read, and says what is lost.
 * - `firstContentTimeout`: how long the first content may take, from the start. Default: 2 minutes, which is enough for
 *   models that think before they answer, or a given `idleTimeout` that is shorter.
 * - `idleTimeout`: how long the stream may go without progress after that. Both limits count the time in which the
 *   consumer waits for parts, and up to 10 ms of its work on each; longer pauses of the consumer do not count.
 *   Keep-alives are no progress. Default: 2 minutes. `"Infinity"` lifts either.
 * - `settleProbeAt`: a probe is judged at the `"finish"` of the stream (default) or at its `"first_content"`, which
 *   closes the circuit minutes earlier; a cut after that is a failure of the closed circuit.
 * - `evidence`, `lastResort`: as for `execute`.
 *
 * The limits apply to a provider that never pauses, too: the time is compared at every part, and a stream whose pulls
 * all end at once yields to other fibers and to timers. Each pull runs in a fiber of its own, unless no limit applies,
 * so fork in the stream's scope what has to outlive a pull. After the finish an idle limit ends the stream without an
 * error.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions<A = unknown, E = unknown> {
  readonly key: string
  readonly classify?: ((exit: Exit.Exit<never, E>) => Outcome.Outcome) | undefined
  readonly classifyPart: ClassifyPart<A> | Opaque
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly settleProbeAt?: "finish" | "first_content" | undefined
  readonly evidence?: Evidence.Evidence | undefined
  readonly lastResort?: boolean | undefined
}

/**
 * How to take a permit. `evidence` describes the request and its source; see `Evidence`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcquireOptions {
  readonly evidence?: Evidence.Evidence | undefined
}

/**
 * The function that `execute` gives to a pipe. It guards calls that succeed with an `A` and fail with an `E`, and keeps
 * their types. `A` and `E` are what `classify` takes, or anything without one. `Needs` is the breaker for the function
 * of the module, and nothing for that of the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuardEffect<A, E, Needs = never> {
  // An intersection, because it gives `A` to a classifier in a pipe, and keeps the call's own types.
  <B, F, R>(
    self: Effect.Effect<B, F, R> & Effect.Effect<Taken<A>, Taken<E>, R>
  ): Effect.Effect<B, F | CircuitBreakerError, R | Needs>
}

/**
 * The function that `stream` gives to a pipe, as `GuardEffect` for calls. `A` is what `classifyPart` takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuardStream<A, E> {
  <B, F, R>(
    self: Stream.Stream<B, F, R> & Stream.Stream<Taken<A>, Taken<E>, R>
  ): Stream.Stream<B, F | CircuitBreakerError, R | CircuitBreaker>
}

// Nothing is what several calls of different types have in common, and then there is nothing to compare.
type Taken<A> = [A] extends [never] ? unknown : A

/**
 * How to hold a circuit open: for how long (until a reset if absent), with the operator's reason and name.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForceOpenOptions extends Operator {
  readonly for?: Duration.Input | undefined
}

/**
 * Circuit breakers by key.
 *
 * - `execute` runs an effect through the circuit of a key.
 * - `stream` runs a stream through the circuit of a key.
 * - `acquire` gives the permit itself.
 * - `state` reads one circuit, `states` all that are known; a key that was never used reads as closed.
 * - `forceOpen`, `reset`, `disable` and `enable` steer a circuit by hand.
 * - `observe` adds an observer of all circuits of the store, until its scope closes.
 * - `events` are those of all circuits of the store, from the subscription on; a subscriber that is 1,024 events behind
 *   misses the oldest.
 * - `view` and `reporter` are for services that use a breaker, such as `FailoverRouter`: `view` reads a circuit without
 *   an effect, at every call, and `reporter` publishes to the observers.
 *
 * To decorate the service, copy it and replace some members. Services that use it get the replaced members: calls of a
 * router and of `CircuitBreaker.execute` go through an `execute` that was replaced.
 *
 * **Example** (A breaker that counts its calls)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { dual } from "effect/Function"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 *
 * let calls = 0
 * const Counted = Layer.effect(
 *   CircuitBreaker.CircuitBreaker,
 *   Effect.map(CircuitBreaker.CircuitBreaker, (inner) => ({
 *     ...inner,
 *     execute: dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, options: CircuitBreaker.ExecuteOptions<A, E>) =>
 *       Effect.suspend(() => {
 *         calls++
 *         return inner.execute(self, options)
 *       }))
 *   }))
 * ).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.succeed("hello").pipe(
 *   CircuitBreaker.execute({ key: "model" }),
 *   Effect.provide(Counted)
 * )
 *
 * await Effect.runPromise(program)
 * calls // => 1
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitBreaker extends Context.Service<CircuitBreaker, {
  readonly execute: {
    <A = unknown, E = unknown>(options: ExecuteOptions<A, E>): GuardEffect<A, E>
    <A, E, R>(
      self: Effect.Effect<A, E, R>,
      options: ExecuteOptions<A, E>
    ): Effect.Effect<A, E | CircuitBreakerError, R>
  }
  readonly stream: <A, E, R>(
    self: Stream.Stream<A, E, R>,
    options: StreamOptions<A, E>
  ) => Stream.Stream<A, E | CircuitBreakerError, R>
  readonly acquire: (key: string, options?: AcquireOptions) => Effect.Effect<Permit, CircuitBreakerError, Scope.Scope>
  readonly state: (key: string) => Effect.Effect<CircuitState.CircuitState>
  readonly states: Effect.Effect<ReadonlyArray<CircuitState.CircuitState>>
  readonly forceOpen: (key: string, options?: ForceOpenOptions) => Effect.Effect<void>
  readonly reset: (key: string, operator?: Operator) => Effect.Effect<void>
  readonly disable: (key: string, operator?: Operator) => Effect.Effect<void>
  readonly enable: (key: string, operator?: Operator) => Effect.Effect<void>
  readonly view: (key: string) => Effect.Effect<CircuitState.CircuitView>
  readonly reporter: Reporter
  readonly observe: (observer: CircuitObserver) => Effect.Effect<void, never, Scope.Scope>
  readonly events: Stream.Stream<CircuitEvent>
}>()("effect-resilience/CircuitBreaker") {}

/**
 * Circuits that follow one policy, or the policy that a function gives for their key. The function runs at every call:
 * let it choose among policies that are made once.
 *
 * **Gotcha** Without a `classify` in the policy every error is a failure, so that a few prompts that are too long take
 * the provider from everybody. For calls to models write `classify: LlmOutcome.classify`, as `layerConfig` does by
 * itself. It is not the default here, because programs that guard other calls would carry its table.
 *
 * An invalid policy ends the build of the layer; an invalid one of a function ends the call that first gets it. Both
 * die with `InvalidOptions`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  policy: CircuitPolicy | ((key: string) => CircuitPolicy) = {}
): Layer.Layer<CircuitBreaker, never, CircuitStore> => Layer.effect(CircuitBreaker, make(policy))

/**
 * Circuits that follow a policy from the environment: see `CircuitConfig.policy` for the settings. `defaults` has
 * what the environment does not say; without a `classify` in it, `LlmOutcome.classify` judges. An invalid setting is a
 * `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: Config.Config<CircuitPolicy> = CircuitConfig.policy(),
  defaults: CircuitPolicy = {}
): Layer.Layer<CircuitBreaker, Config.ConfigError, CircuitStore> =>
  Layer.effect(
    CircuitBreaker,
    Effect.flatMap(config, (read) =>
      invalidAsConfigError(
        make({ ...defaults, classify: defaults.classify ?? LlmOutcome.classify, ...read })
      ))
  )

/**
 * No breaker: every call runs as it is, nothing is counted, and every circuit reads as closed. For deployments that
 * turn the breaker off. Limits of streams do not apply either, because the breaker enforces them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNoop: Layer.Layer<CircuitBreaker> = /* @__PURE__ */ Layer.sync(CircuitBreaker, () => ({
  execute: dual(2, (self: Effect.Effect<unknown, unknown, unknown>, { key }: ExecuteOptions) => {
    validation.key(key)
    return self
  }),
  stream: (self, { key }) => {
    validation.key(key)
    return self
  },
  acquire: (key) => Effect.succeed({ key, probe: false, settle: () => Effect.void }),
  state: (key) => Effect.succeed(CircuitState.unused(key)),
  states: Effect.succeed([]),
  forceOpen: () => Effect.void,
  reset: () => Effect.void,
  disable: () => Effect.void,
  enable: () => Effect.void,
  view: (key) => Effect.succeed({ key, passes: true, state: CircuitState.unused(key) }),
  reporter: { announce: () => {}, route: () => () => {}, attempt: () => {}, faulted: () => {} },
  observe: () => Effect.void,
  events: Stream.empty
}))

/**
 * Runs an effect through the circuit of a key.
 *
 * Fails with `CircuitBreakerError` if the call is rejected or cut off by `attemptTimeout`, and otherwise as the effect
 * itself. An interruption passes through at once.
 *
 * **Example** (data-last, with retry outside)
 *
 * ```ts
 * import { Effect, Layer, Schedule } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify }).pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * let calls = 0
 * const flaky = Effect.suspend(() => ++calls < 3 ? Effect.fail("busy") : Effect.succeed("hello"))
 *
 * const program = flaky.pipe(
 *   CircuitBreaker.execute({ key: "model" }),
 *   Effect.retry(Schedule.recurs(3)),
 *   Effect.provide(Breaker)
 * )
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const execute: {
  <A = unknown, E = unknown>(options: ExecuteOptions<A, E>): GuardEffect<A, E, CircuitBreaker>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: ExecuteOptions<A, E>
  ): Effect.Effect<A, E | CircuitBreakerError, R | CircuitBreaker>
} = /* @__PURE__ */ dual(
  2,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: ExecuteOptions<A, E>
  ): Effect.Effect<A, E | CircuitBreakerError, R | CircuitBreaker> => {
    validation.key(options.key)
    return Effect.withFiber((fiber) => {
      const breaker = Context.getUnsafe(fiber.context as Context.Context<CircuitBreaker>, CircuitBreaker)
      return beginOf(breaker.execute)?.(fiber, self, options) ?? breaker.execute(self, options)
    })
  }
)

/**
 * Runs a stream through the circuit of a key, and judges it by its parts before the consumer gets them.
 *
 * | what happens | counts as |
 * | --- | --- |
 * | the finish part comes | success |
 * | a part that reports a failure | what it means |
 * | the stream ends without its finish | `stream_cut`; the stream fails with `StreamCut` |
 * | the stream fails | what `classify` says |
 * | no content, or no progress, in time | `slow_first_content`, `stream_stalled`; fails with `AttemptTimedOut` |
 * | the consumer stops, fails or is interrupted | ignored |
 *
 * The policy's `attemptTimeout` does not apply, because a long answer is no failure. A stream is slow if its first
 * content is.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome, LlmStream, TripPolicy } from "effect-resilience"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(1) }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * // The provider says 200, sends half an answer, and hangs up.
 * const answer = Stream.make({ choices: [{ delta: { content: "Hel" } }] }).pipe(
 *   CircuitBreaker.stream({ key: "model", classifyPart: LlmStream.openAi })
 * )
 *
 * const program = Effect.gen(function*() {
 *   const error = yield* Effect.flip(Stream.runDrain(answer))
 *   const state = yield* CircuitBreaker.state("model")
 *   return [error.reason._tag, state._tag]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Breaker)) // => ["StreamCut", "Open"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const stream: {
  <A = unknown, E = unknown>(options: StreamOptions<A, E>): GuardStream<A, E>
  <A, E, R>(
    self: Stream.Stream<A, E, R>,
    options: StreamOptions<A, E>
  ): Stream.Stream<A, E | CircuitBreakerError, R | CircuitBreaker>
} = /* @__PURE__ */ dual(
  2,
  <A, E, R>(
    self: Stream.Stream<A, E, R>,
    options: StreamOptions<A, E>
  ): Stream.Stream<A, E | CircuitBreakerError, R | CircuitBreaker> => {
    validation.key(options.key)
    return Stream.unwrap(CircuitBreaker.use((breaker) => Effect.sync(() => breaker.stream(self, options))))
  }
)

/**
 * Takes the permit for one call to a key, for calls that are neither an effect nor a stream. When the scope closes, the
 * permit is settled as ignored, unless it was settled before.
 *
 * @category combinators
 * @since 0.1.0
 */
export const acquire = (
  key: string,
  options?: AcquireOptions
): Effect.Effect<Permit, CircuitBreakerError, Scope.Scope | CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.acquire(key, options))

/**
 * Reads one circuit, without changing it.
 *
 * @category queries
 * @since 0.1.0
 */
export const state = (key: string): Effect.Effect<CircuitState.CircuitState, never, CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.state(key))

/**
 * Reads every circuit that is known, without changing it.
 *
 * @category queries
 * @since 0.1.0
 */
export const states: Effect.Effect<ReadonlyArray<CircuitState.CircuitState>, never, CircuitBreaker> =
  /* @__PURE__ */ CircuitBreaker.use((breaker) => breaker.states)

/**
 * Holds a circuit open, whatever happens, for a time or until a reset. A longer deadline that it already has stays.
 * When the time has passed a probe decides, as after any opening.
 *
 * @category control
 * @since 0.1.0
 */
export const forceOpen = (key: string, options?: ForceOpenOptions): Effect.Effect<void, never, CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.forceOpen(key, options))

/**
 * Closes a circuit and forgets its past: streak, windows, backoff and gate. Calls that are running no longer count.
 *
 * @category control
 * @since 0.1.0
 */
export const reset = (key: string, operator?: Operator): Effect.Effect<void, never, CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.reset(key, operator))

/**
 * Lets every call of a circuit pass, and only watches: an opening that does not happen is a `circuit.would_open`
 * event.
 *
 * @category control
 * @since 0.1.0
 */
export const disable = (key: string, operator?: Operator): Effect.Effect<void, never, CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.disable(key, operator))

/**
 * Puts a disabled circuit back to work, closed and without a past. Does nothing in any other state.
 *
 * @category control
 * @since 0.1.0
 */
export const enable = (key: string, operator?: Operator): Effect.Effect<void, never, CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.enable(key, operator))

/**
 * Adds an observer of all circuits of the store, until the scope closes. `CircuitObserver.layer` is the same as a
 * layer.
 *
 * @category observability
 * @since 0.1.0
 */
export const observe = (observer: CircuitObserver): Effect.Effect<void, never, CircuitBreaker | Scope.Scope> =>
  CircuitBreaker.use((breaker) => breaker.observe(observer))

/**
 * The events of all circuits of the store, from the subscription on.
 *
 * @category observability
 * @since 0.1.0
 */
export const events: Stream.Stream<CircuitEvent, never, CircuitBreaker> = /* @__PURE__ */ Stream.scoped(
  // Subscribes at once, where `Stream.unwrap` would wait for the first pull.
  /* @__PURE__ */ Stream.fromPull(/* @__PURE__ */ CircuitBreaker.use((breaker) => Stream.toPull(breaker.events)))
)
