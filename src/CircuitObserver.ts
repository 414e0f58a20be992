/**
 * Who hears what circuits do: one synchronous hook, many listeners, each a layer.
 *
 * Observers are told after the state has changed, in order, once each. They may throw and may call back into the
 * breaker; neither the call nor the circuit notices. Keep them quick: they run where the call runs.
 *
 * **Gotcha** A breaker looks for observers when its layer is built, so provide them *to* it:
 * `CircuitBreaker.layer(policy).pipe(Layer.provideMerge(CircuitLogger.layer))`.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer } from "effect"
import type { CircuitEvent } from "./CircuitEvent.ts"
import type { Kind } from "./Outcome.ts"

/**
 * How one call through a circuit ended.
 *
 * @category models
 * @since 0.1.0
 */
export type CallResult =
  | "success"
  | "failure"
  | "ignored"
  | "interrupted"
  | "rejected_open"
  | "rejected_half_open"
  | "rejected_throttled"
  | "rejected_forced"

/**
 * Told of every call of one circuit. `durationMillis` is fractional, and 0 for a call that was rejected and never ran;
 * `kind` is undefined for a success.
 *
 * @category models
 * @since 0.1.0
 */
export type OnCall = (result: CallResult, durationMillis: number, kind: Kind | undefined) => void

/**
 * One listener. `onEvent` is told of every event. `onCall` is asked once for each circuit, at its first use, for what
 * to tell of its calls, so that nothing has to be looked up while calls run; undefined for nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitObserver {
  readonly name: string
  readonly onEvent?: ((event: CircuitEvent) => void) | undefined
  readonly onCall?: ((key: string) => OnCall | undefined) | undefined
}

/**
 * The observers that a breaker layer built here will tell.
 *
 * @category references
 * @since 0.1.0
 */
export const CircuitObservers: Context.Reference<ReadonlyArray<CircuitObserver>> = Context.Reference(
  "effect-resilience/CircuitObserver/CircuitObservers",
  { defaultValue: () => [] as ReadonlyArray<CircuitObserver> }
)

/**
 * Adds one observer to those already provided.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  observer: CircuitObserver | Effect.Effect<CircuitObserver, E, R>
): Layer.Layer<never, E, R> =>
  Layer.effect(
    CircuitObservers,
    Effect.gen(function*() {
      const others = yield* CircuitObservers
      return [...others, Effect.isEffect(observer) ? yield* observer : observer]
    })
  )
