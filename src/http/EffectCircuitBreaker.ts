/**
 * Our breaker as the `CircuitBreaker` service of `effect/persistence`, for everything that takes that one, such as
 * `HttpClient.withCircuitBreaker`.
 *
 * | ours | theirs |
 * | --- | --- |
 * | `CircuitOpen`, `CircuitThrottled` | `CircuitOpen` with the wait that is left |
 * | `CircuitForcedOpen` | `CircuitOpen` with the wait that is left, one minute if there is no end to it |
 * | `CircuitHalfOpen` | `CircuitHalfOpen` |
 * | `AttemptTimedOut` | `CircuitBreakerStoreError`, their only reason that is no rejection, with ours as `cause` |
 * | state closed or disabled | `Closed`; `Open` while the gate of a throttled key is shut |
 * | state open or forced open | `Open` |
 *
 * A call with a `classify` of its own is judged by that, also if it returns an effect, and `LlmOutcome` adds the kind
 * to its failures. Other calls are judged by the policy's. An interruption is ignored, and no classifier is asked.
 *
 * **Gotchas**
 *
 * - `HttpClient.withCircuitBreaker` always brings a classifier, and its default counts a 529 as a success and a 429 as
 *   nothing, whatever the policy says. Give it ours: `{ breaker, classify: EffectCircuitBreaker.classify }`.
 * - It judges the headers only. `GuardedHttpClient` judges the body too.
 * - `transitions` has those of every circuit of the store from the subscription on, with the states of the table. A
 *   step that their breaker does not have is left out: an open circuit that is reset or disabled, a gate.
 *
 * **Example** (529 opens the circuit)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
 * import { EffectCircuitBreaker } from "effect-resilience/http"
 * import { HttpClient, HttpClientResponse } from "effect/http"
 * import { CircuitBreaker as EffectBreaker } from "effect/persistence"
 *
 * const Breaker = EffectCircuitBreaker.layer.pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(1) })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const overloaded = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response("", { status: 529 })))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* EffectBreaker.CircuitBreaker
 *   const client = overloaded.pipe(
 *     HttpClient.withCircuitBreaker({ breaker, classify: EffectCircuitBreaker.classify })
 *   )
 *   const { status } = yield* client.get("https://api.example.com")
 *   const error = yield* Effect.flip(client.get("https://api.example.com"))
 *   return [status, error._tag === "CircuitBreakerError" && error.reason._tag]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Breaker)) // => [529, "CircuitOpen"]
 * ```
 *
 * @since 0.1.0
 */
import { Cause, Deferred, Duration, Effect, Exit, Layer, Queue, Stream } from "effect"
import { dual } from "effect/Function"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import type { State } from "../Circuit.ts"
import * as CircuitBreaker from "../CircuitBreaker.ts"
import { CircuitBreakerError } from "../CircuitError.ts"
import type { Transition } from "../CircuitEvent.ts"
import type { Classify } from "../CircuitPolicy.ts"
import type { CircuitState } from "../CircuitState.ts"
import { noteAttempt, ownEvidence } from "../internal/call/callEvidence.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import * as Outcome from "../Outcome.ts"

/**
 * Effect's breaker service, on top of ours.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<EffectBreaker.CircuitBreaker, never, CircuitBreaker.CircuitBreaker> = Layer.effect(
  EffectBreaker.CircuitBreaker,
  Effect.gen(function*() {
    const breaker = yield* CircuitBreaker.CircuitBreaker
    const closed = yield* Deferred.make<void>()
    yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))

    const execute = <A, E, R, R2 = never>(
      self: Effect.Effect<A, E, R>,
      { classify, key }: {
        readonly key: string
        readonly classify?: ((exit: Exit.Exit<A, E>) => Verdict | Effect.Effect<Verdict, never, R2>) | undefined
      }
    ): Effect.Effect<A, E | EffectBreaker.CircuitBreakerError, R | R2> =>
      Effect.withFiber((fiber) => {
        let own: Exit.Exit<A, E> | undefined
        const evidence = ownEvidence(self, fiber)
        let outcome = Outcome.ignored("caller_error")
        const judged = Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.exit(restore(self)), (exit): Effect.Effect<A, E, R2> => {
            own = exit
            if (classify === undefined || isInterruption(exit)) return exit
            const asked = Effect.suspend(() => {
              const verdict = classify(exit)
              return Effect.isEffect(verdict) ? verdict : Effect.succeed(verdict)
            })
            return Effect.matchCauseEffect(restore(asked), {
              onSuccess: (verdict) => {
                outcome = fromEffect(verdict, exit)
                return exit
              },
              // A classifier that dies makes the call die, as with Effect's own breaker.
              onFailure: (cause) => Effect.failCause(Exit.isFailure(exit) ? Cause.combine(exit.cause, cause) : cause)
            })
          })
        )
        const options = { key, evidence, ...(classify === undefined ? {} : { classify: () => outcome }) }
        return Effect.mapError(
          breaker.execute(judged, options),
          // Keeps the call's own error, which may be that of a breaker inside it.
          (error): E | EffectBreaker.CircuitBreakerError => {
            // What the circuit was given is new at each attempt, and only the caller's effect tells a retry.
            noteAttempt(error, evidence, self)
            return error instanceof CircuitBreakerError && !isFailureOf(own, error) ? toEffectError(error) : error as E
          }
        )
      })

    return EffectBreaker.CircuitBreaker.of({
      [EffectBreaker.TypeId]: EffectBreaker.TypeId,
      execute: dual(2, execute),
      state: (key) => Effect.map(breaker.state(key), toEffectState),
      transitions: Stream.callback(
        (queue) =>
          Effect.andThen(
            breaker.observe({
              name: "transitions",
              onEvent: (event) => {
                const transition = "to" in event ? toEffectTransition(event) : undefined
                if (transition !== undefined) Queue.offerUnsafe(queue, transition)
              }
            }),
            Effect.andThen(Deferred.await(closed), Queue.end(queue))
          ),
        { bufferSize: 1024, strategy: "sliding" }
      )
    })
  })
)

type Verdict = EffectBreaker.Outcome

/**
 * One of our classifiers in the form that Effect's breaker takes; it keeps the types of the call. With `layer` no
 * outcome is lost: a short 429 shuts the gate and an exhausted quota opens the circuit. For Effect's own breaker the
 * first is `Ignored` and the second a `Failure`.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classifyWith = (classify: Classify) => <A, E>(exit: Exit.Exit<A, E>): EffectBreaker.Outcome => {
  const outcome = classify(exit)
  const verdict = toVerdict(outcome)
  ours.set(verdict, outcome)
  return verdict
}

/**
 * `LlmOutcome.classify` for Effect's breaker: what to give to `HttpClient.withCircuitBreaker`.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classify: <A, E>(exit: Exit.Exit<A, E>) => EffectBreaker.Outcome = classifyWith(LlmOutcome.classify)

// The outcomes of this library by those of Effect, which know no kind and no throttle.
const ours = new WeakMap<Verdict, Outcome.Outcome>()

const toVerdict = (outcome: Outcome.Outcome): Verdict => {
  switch (outcome._tag) {
    case "Success":
      return { _tag: "Success" }
    case "Failure":
    case "OpenNow":
      return { _tag: "Failure", retryAfter: outcome.retryAfter }
    case "Ignored":
    case "Throttled":
      return { _tag: "Ignored" }
  }
}

const fromEffect = (verdict: Verdict, exit: Exit.Exit<unknown, unknown>): Outcome.Outcome =>
  ours.get(verdict) ?? fromVerdict(verdict, exit)

const fromVerdict = (verdict: Verdict, exit: Exit.Exit<unknown, unknown>): Outcome.Outcome => {
  switch (verdict._tag) {
    case "Success":
      return Outcome.success
    case "Failure":
      return Outcome.failure(kindOf(exit), verdict.retryAfter)
    case "Ignored":
      return Outcome.ignored(kindOf(exit))
  }
}

const kindOf = (exit: Exit.Exit<unknown, unknown>): Outcome.Kind => {
  const outcome = LlmOutcome.classify(exit)
  return outcome._tag === "Success" ? "unknown" : outcome.kind
}

const isInterruption = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

const isFailureOf = (exit: Exit.Exit<unknown, unknown> | undefined, error: unknown) =>
  exit !== undefined && Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error === error)

// Until a reset, which may come any time.
const unknownWait = Duration.minutes(1)

const toEffectError = (error: CircuitBreakerError): EffectBreaker.CircuitBreakerError => {
  const { reason } = error
  switch (reason._tag) {
    case "CircuitOpen":
    case "CircuitThrottled":
    case "CircuitForcedOpen": {
      const { key, retryAfter = unknownWait } = reason
      return new EffectBreaker.CircuitBreakerError({ reason: new EffectBreaker.CircuitOpen({ key, retryAfter }) })
    }
    case "CircuitHalfOpen":
      return new EffectBreaker.CircuitBreakerError({ reason: new EffectBreaker.CircuitHalfOpen({ key: reason.key }) })
    default:
      return new EffectBreaker.CircuitBreakerError({
        reason: new EffectBreaker.CircuitBreakerStoreError({ message: error.message, cause: error })
      })
  }
}

// Theirs lets every call pass, or none, or probes.
const tags = {
  closed: "Closed",
  half_open: "HalfOpen",
  open: "Open",
  forced_open: "Open",
  disabled: "Closed"
} as const satisfies Record<State, EffectBreaker.State["_tag"]>

const toEffectState = (state: CircuitState): EffectBreaker.State => {
  const { key } = state
  switch (state._tag) {
    case "Closed":
      return state.throttledFor === undefined
        ? { _tag: "Closed", key }
        : { _tag: "Open", key, retryAfter: state.throttledFor, consecutiveOpenings: 0 }
    case "Disabled":
      return { _tag: "Closed", key }
    case "Open":
    case "ForcedOpen":
      return { _tag: "Open", key, retryAfter: state.retryAfter ?? unknownWait, consecutiveOpenings: state.openings }
    case "HalfOpen":
      return { _tag: "HalfOpen", key, probing: state.probing > 0, consecutiveOpenings: state.openings }
  }
}

const toEffectTransition = (event: Transition): EffectBreaker.Transition | undefined => {
  const { key } = event
  const [from, to] = [tags[event.from], tags[event.to]]
  if (from === "Open") return to === "HalfOpen" ? { key, from, to } : undefined
  if (to === "Closed") return from === "HalfOpen" ? { key, from, to } : undefined
  if (to === "HalfOpen") return undefined
  const retryAfter = "open_for_ms" in event && event.open_for_ms !== undefined
    ? Duration.millis(event.open_for_ms)
    : unknownWait
  return { key, from, to, retryAfter, consecutiveOpenings: "openings" in event ? event.openings : 0 }
}
