/**
 * Circuit breakers by key, for calls to dependencies that fail.
 *
 * Each key has a circuit of its own. While it is closed, calls run and their outcomes are judged; when the trip policy
 * says so it opens, and calls are rejected in microseconds; after the open time one probe is let through, whose
 * outcome closes the circuit or opens it again.
 *
 * Retry goes outside the breaker, so that every attempt is admitted, judged and measured by itself:
 * `call.pipe(CircuitBreaker.execute({ key }), Effect.retry(LlmRetry.policy()))`.
 *
 * **Gotchas**
 *
 * - A call that was admitted before the circuit opened still runs to its end; its outcome changes nothing.
 * - A timeout outside `execute` interrupts the call, which says nothing about the dependency. Use `attemptTimeout`.
 * - A circuit has one policy. Breakers that share a store and a key share the circuit.
 *
 * **Example** (rejecting once a circuit is open)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
 *
 * const down = Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" }))
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.flip(down)
 *   yield* Effect.flip(down)
 *   return yield* down.pipe(
 *     Effect.catchReason("CircuitBreakerError", "CircuitOpen", (reason) => Effect.succeed(`${reason.key} is open`))
 *   )
 * }).pipe(
 *   Effect.provide(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2) })),
 *   Effect.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(program) // => "model is open"
 * ```
 *
 * @since 0.1.0
 */
import {
  Config,
  ConfigProvider,
  Context,
  type Duration,
  Effect,
  type Exit,
  type Fiber,
  Layer,
  Queue,
  type Scope,
  Stream
} from "effect"
import { dual } from "effect/Function"
import * as CircuitConfig from "./CircuitConfig.ts"
import type { CircuitBreakerError } from "./CircuitError.ts"
import type { CircuitEvent } from "./CircuitEvent.ts"
import { type CircuitObserver, CircuitObservers } from "./CircuitObserver.ts"
import { type CircuitPolicy, type Classify, InvalidOptions } from "./CircuitPolicy.ts"
import * as CircuitState from "./CircuitState.ts"
import { CircuitStore, type Operator } from "./CircuitStore.ts"
import { type CompiledPolicy, compilePolicy } from "./internal/compiledPolicy.ts"
import { type Call, callerError, checked, clockOf, contained, finish, guard, reject } from "./internal/guard.ts"
import { guardStream } from "./internal/guardStream.ts"
import { circuitMillis, elapsedMillis } from "./internal/time.ts"
import * as validation from "./internal/validation.ts"
import * as Outcome from "./Outcome.ts"
import type { ClassifyPart } from "./StreamSignal.ts"

/**
 * The right to one call that is neither an effect nor a stream: a socket, a job.
 *
 * `settle` says what the call said about the dependency. The first settle counts; closing the scope of `acquire`
 * settles as ignored what was not settled before.
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
 * How to call through a circuit. `classify` takes the place of the policy's for this call.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions<A = unknown, E = unknown> {
  readonly key: string
  readonly classify?: ((exit: Exit.Exit<A, E>) => Outcome.Outcome) | undefined
}

/**
 * How to stream through a circuit.
 *
 * - `classify`: takes the place of the policy's for a stream that fails.
 * - `classifyPart`: reads the signal of each part; see `LlmStream` for the providers' forms. Without it every part is
 *   content and the end of the stream is its success. One that throws reads as proof of life.
 * - `firstContentTimeout`: how long the first content may take, from the start. Default: `idleTimeout`.
 * - `idleTimeout`: how long the stream may go without progress after that. Both count only while the consumer asks for
 *   more, and keep-alives are no progress. Default: no limit.
 * - `settleProbeAt`: a probe's verdict falls at the `"finish"` of the stream (default) or at its `"first_content"`,
 *   which closes the circuit minutes earlier; a cut after that is a failure of the closed circuit.
 *
 * With a limit each pull runs in a fiber of its own, so what a stream forks must be forked in its scope. After the
 * finish an idle limit ends the stream instead of failing it.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions<A = unknown, E = unknown> {
  readonly key: string
  readonly classify?: ((exit: Exit.Exit<never, E>) => Outcome.Outcome) | undefined
  readonly classifyPart?: ClassifyPart<A> | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly settleProbeAt?: "finish" | "first_content" | undefined
}

/**
 * How to hold a circuit open: for how long (until a reset if absent), why, and who says so.
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
 * - `events` are those of all circuits of the store, from the moment of subscription; a subscriber that falls 1,024
 *   behind misses the oldest.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitBreaker extends Context.Service<CircuitBreaker, {
  readonly execute: {
    <A, E>(
      options: ExecuteOptions<A, E> & { readonly classify: (exit: Exit.Exit<A, E>) => Outcome.Outcome }
    ): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitBreakerError, R>
    (options: {
      readonly key: string
    }): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitBreakerError, R>
    <A, E, R>(
      self: Effect.Effect<A, E, R>,
      options: ExecuteOptions<A, E>
    ): Effect.Effect<A, E | CircuitBreakerError, R>
  }
  readonly stream: <A, E, R>(
    self: Stream.Stream<A, E, R>,
    options: StreamOptions<A, E>
  ) => Stream.Stream<A, E | CircuitBreakerError, R>
  readonly acquire: (key: string) => Effect.Effect<Permit, CircuitBreakerError, Scope.Scope>
  readonly state: (key: string) => Effect.Effect<CircuitState.CircuitState>
  readonly states: Effect.Effect<ReadonlyArray<CircuitState.CircuitState>>
  readonly forceOpen: (key: string, options?: ForceOpenOptions) => Effect.Effect<void>
  readonly reset: (key: string, operator?: Operator) => Effect.Effect<void>
  readonly disable: (key: string, operator?: Operator) => Effect.Effect<void>
  readonly enable: (key: string, operator?: Operator) => Effect.Effect<void>
  readonly events: Stream.Stream<CircuitEvent>
}>()("effect-resilience/CircuitBreaker") {}

/**
 * Circuits that follow one policy, or the policy that a function gives for their key. The function is asked at every
 * call: let it choose among policies made once.
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
 * Circuits that follow a policy from the environment: see `CircuitConfig.policy` for the settings. `defaults` holds
 * what the environment does not say, such as `classify`. An invalid setting is a `ConfigError`.
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
      make({ ...defaults, ...read }).pipe(
        Effect.catchDefect((defect) =>
          defect instanceof InvalidOptions
            ? Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message: defect.message })))
            : Effect.die(defect)
        )
      ))
  )

/**
 * No breaker at all: every call runs as it is, nothing is counted, every circuit reads as closed. Makes "off" a choice
 * of deployment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNoop: Layer.Layer<CircuitBreaker> = Layer.succeed(CircuitBreaker, {
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
  events: Stream.empty
})

/**
 * Runs an effect through the circuit of a key.
 *
 * Fails with `CircuitBreakerError` when the call is rejected or cut off by `attemptTimeout`, and as the effect itself
 * does otherwise. Interruption passes through at once.
 *
 * **Example** (data-last, with retry outside)
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { CircuitBreaker, CircuitStore } from "effect-resilience"
 *
 * let calls = 0
 * const flaky = Effect.suspend(() => ++calls < 3 ? Effect.fail("busy") : Effect.succeed("hello"))
 *
 * const program = flaky.pipe(
 *   CircuitBreaker.execute({ key: "model" }),
 *   Effect.retry(Schedule.recurs(3)),
 *   Effect.provide(CircuitBreaker.layer()),
 *   Effect.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const execute: {
  <A, E>(
    options: ExecuteOptions<A, E> & { readonly classify: (exit: Exit.Exit<A, E>) => Outcome.Outcome }
  ): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitBreakerError, R | CircuitBreaker>
  (options: {
    readonly key: string
  }): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitBreakerError, R | CircuitBreaker>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: ExecuteOptions<A, E>
  ): Effect.Effect<A, E | CircuitBreakerError, R | CircuitBreaker>
} = dual(
  2,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: ExecuteOptions<A, E>
  ): Effect.Effect<A, E | CircuitBreakerError, R | CircuitBreaker> => {
    validation.key(options.key)
    return Effect.withFiber((fiber) => {
      const breaker = Context.getUnsafe(fiber.context as Context.Context<CircuitBreaker>, CircuitBreaker)
      return begins.get(breaker)?.(fiber, self, options) ?? breaker.execute(self, options)
    })
  }
)

type Begin = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  self: Effect.Effect<A, E, R>,
  options: ExecuteOptions<A, E>
) => Effect.Effect<A, E | CircuitBreakerError, R>

// How the services made here begin a call that is in a fiber already: one step less than their `execute`.
const begins = new WeakMap<CircuitBreaker["Service"], Begin>()

/**
 * Runs a stream through the circuit of a key, and judges it by what its parts say, on the provider's side.
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
 * The policy's `attemptTimeout` does not apply: a long answer is no failure. Slowness is judged by the time to the
 * first content.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmStream, TripPolicy } from "effect-resilience"
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
 * }).pipe(
 *   Effect.provide(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
 *   Effect.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(program) // => ["StreamCut", "Open"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const stream: {
  <A, E>(
    options: StreamOptions<A, E> & { readonly classify: (exit: Exit.Exit<never, E>) => Outcome.Outcome }
  ): <R>(self: Stream.Stream<A, E, R>) => Stream.Stream<A, E | CircuitBreakerError, R | CircuitBreaker>
  <A>(
    options: Omit<StreamOptions<A>, "classify">
  ): <B extends A, E, R>(self: Stream.Stream<B, E, R>) => Stream.Stream<B, E | CircuitBreakerError, R | CircuitBreaker>
  <A, E, R>(
    self: Stream.Stream<A, E, R>,
    options: StreamOptions<A, E>
  ): Stream.Stream<A, E | CircuitBreakerError, R | CircuitBreaker>
} = dual(
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
 * Takes the permit for one call to a key, for guards that are neither an effect nor a stream. Closing the scope
 * settles it as ignored unless it was settled before.
 *
 * @category combinators
 * @since 0.1.0
 */
export const acquire = (
  key: string
): Effect.Effect<Permit, CircuitBreakerError, Scope.Scope | CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.acquire(key))

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
export const states: Effect.Effect<ReadonlyArray<CircuitState.CircuitState>, never, CircuitBreaker> = CircuitBreaker
  .use((breaker) => breaker.states)

/**
 * Holds a circuit open, whatever happens, for a time or until a reset. A longer deadline that stands already
 * survives. When the time has passed a probe decides, as after any opening.
 *
 * @category control
 * @since 0.1.0
 */
export const forceOpen = (key: string, options?: ForceOpenOptions): Effect.Effect<void, never, CircuitBreaker> =>
  CircuitBreaker.use((breaker) => breaker.forceOpen(key, options))

/**
 * Closes a circuit and forgets its past: streak, windows, backoff and gate. Calls on their way no longer count.
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
 * The events of all circuits of the store, from the moment of subscription.
 *
 * @category observability
 * @since 0.1.0
 */
export const events: Stream.Stream<CircuitEvent, never, CircuitBreaker> = Stream.unwrap(
  CircuitBreaker.use((breaker) => Effect.succeed(breaker.events))
)

const make = Effect.fnUntraced(function*(policy: CircuitPolicy | ((key: string) => CircuitPolicy)) {
  const store = yield* CircuitStore
  const { hub } = store
  const observers = yield* CircuitObservers
  const context = yield* Effect.context<never>()
  const policyOf = policyResolver(policy, context)
  yield* Effect.acquireRelease(
    Effect.sync(() => hub.add(observers)),
    () => Effect.sync(() => hub.remove(observers))
  )

  const call = (fiber: Fiber.Fiber<unknown, unknown>, key: string, classify: Classify | undefined): Call => {
    const clock = clockOf(fiber)
    const startedAt = elapsedMillis(clock)
    const policy = policyOf(key)
    return {
      circuit: store.circuit(key, policy, clock, Math.floor(startedAt)),
      policy,
      classify: classify ?? policy.classify,
      hub,
      clock,
      startedAt
    }
  }

  const begin: Begin = (fiber, self, { classify, key }) =>
    guard(self, call(fiber, key, classify as Classify | undefined))

  const execute = <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: ExecuteOptions<A, E>
  ): Effect.Effect<A, E | CircuitBreakerError, R> => {
    validation.key(options.key)
    return Effect.withFiber((fiber) => begin(fiber, self, options))
  }

  const stream = <A, E, R>(
    self: Stream.Stream<A, E, R>,
    { classify, classifyPart, firstContentTimeout, idleTimeout, key, settleProbeAt = "finish" }: StreamOptions<A, E>
  ): Stream.Stream<A, E | CircuitBreakerError, R> => {
    validation.key(key)
    const limits = {
      firstContentTimeout: validation.optionalDuration("firstContentTimeout", firstContentTimeout),
      idleTimeout: validation.optionalDuration("idleTimeout", idleTimeout)
    }
    const begin = Effect.withFiber((fiber) =>
      Effect.succeed({
        ...call(fiber, key, classify as Classify | undefined),
        ...limits,
        classifyPart,
        settleProbeAt
      })
    )
    return guardStream(self, begin)
  }

  const take = (key: string): Effect.Effect<Permit & { readonly drop: Effect.Effect<void> }, CircuitBreakerError> =>
    Effect.withFiber((fiber) => {
      const taken = call(fiber, validation.key(key), undefined)
      const decision = taken.circuit.pass ?? taken.circuit.admit(taken.clock, Math.floor(taken.startedAt))
      return Effect.flatMap(decision === "claim" ? taken.circuit.claim : Effect.succeed(decision), (decision) => {
        if ("_tag" in decision) return reject(taken, decision)
        let settled = false
        const settle = (outcome: Outcome.Outcome) =>
          Effect.suspend(() => {
            if (settled) return Effect.void
            settled = true
            const said = contained(taken, () => checked(outcome), callerError)
            return finish(taken, decision, said, false) ?? Effect.void
          })
        return Effect.succeed({ key, probe: decision.probe > 0, settle, drop: settle(unused) })
      })
    })

  const find = (key: string) =>
    Effect.withFiber((fiber) => Effect.succeed(store.find(key, circuitMillis(clockOf(fiber)))))

  const keep = (key: string) =>
    Effect.withFiber((fiber) => {
      const clock = clockOf(fiber)
      const policy = policyOf(validation.key(key))
      return Effect.succeed(store.keep(key, policy, clock, circuitMillis(clock)))
    })

  const breaker = CircuitBreaker.of({
    execute: dual(2, execute),
    stream,
    acquire: (key) => Effect.acquireRelease(take(key), (permit) => permit.drop),
    state: (key) => Effect.flatMap(find(key), (circuit) => circuit?.state ?? Effect.succeed(CircuitState.unused(key))),
    states: Effect.withFiber((fiber) =>
      Effect.forEach(store.circuits(circuitMillis(clockOf(fiber))), (circuit) => circuit.state)
    ),
    forceOpen: (key, options = {}) =>
      Effect.suspend(() => {
        const millis = options.for === undefined ? undefined : validation.millis("forceOpen.for", options.for)
        return Effect.flatMap(keep(key), (circuit) => circuit.forceOpen(millis, options))
      }),
    reset: (key, operator = {}) => Effect.flatMap(find(key), (circuit) => circuit?.reset(operator) ?? Effect.void),
    disable: (key, operator = {}) => Effect.flatMap(keep(key), (circuit) => circuit.disable(operator)),
    enable: (key, operator = {}) => Effect.flatMap(find(key), (circuit) => circuit?.enable(operator) ?? Effect.void),
    events: Stream.callback<CircuitEvent>((queue) => {
      const subscriber: CircuitObserver = {
        name: "events",
        onEvent: (event) => Queue.offerUnsafe(queue, event)
      }
      return Effect.acquireRelease(
        Effect.sync(() => hub.add([subscriber])),
        () => Effect.sync(() => hub.remove([subscriber]))
      )
    }, { bufferSize: 1024, strategy: "sliding" })
  })
  begins.set(breaker, begin)
  return breaker
})

const unused = Outcome.ignored("cancelled")

// A function of the key is asked at every call, so what it gives is compiled once for each policy object.
const policyResolver = (
  policy: CircuitPolicy | ((key: string) => CircuitPolicy),
  context: Context.Context<never>
): (key: string) => CompiledPolicy => {
  if (typeof policy !== "function") {
    const compiled = compilePolicy(policy, context)
    return () => compiled
  }
  const known = new WeakMap<CircuitPolicy, CompiledPolicy>()
  return (key) => {
    const chosen = policy(key)
    const compiled = known.get(chosen) ?? compilePolicy(chosen, context)
    known.set(chosen, compiled)
    return compiled
  }
}
