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
import { Effect, Layer } from "effect"
import type { State } from "./Circuit.ts"
import type { CircuitEvent } from "./CircuitEvent.ts"
import { contextOf, observersIn } from "./internal/observers/observers.ts"
import type { Kind } from "./Outcome.ts"

/**
 * The ways in which a call through a circuit ends: those that ran, and those that were turned away.
 *
 * @category models
 * @since 0.1.0
 */
export const callResults = [
  "success",
  "failure",
  "ignored",
  "interrupted",
  "rejected_open",
  "rejected_half_open",
  "rejected_throttled",
  "rejected_forced"
] as const

/**
 * How one call through a circuit ended.
 *
 * @category models
 * @since 0.1.0
 */
export type CallResult = typeof callResults[number]

/**
 * Who hears of one circuit.
 *
 * - `onCall` is told of every call. `durationMillis` is fractional, and 0 for a call that was rejected and never ran;
 *   `kind` is undefined for a success.
 * - `onStreamWait` is told how long the provider of a stream was waited for: once until its `first_content`, and then
 *   each time it made progress, or did not in time (`idle`).
 * - `onForgotten` is told when the circuit was not used for so long that this process dropped it. Its next call starts
 *   with a closed circuit, or with what a shared store holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitListener {
  readonly onCall?: ((result: CallResult, durationMillis: number, kind: Kind | undefined) => void) | undefined
  readonly onStreamWait?: ((phase: "first_content" | "idle", durationMillis: number) => void) | undefined
  readonly onForgotten?: (() => void) | undefined
}

/**
 * One observer.
 *
 * - `onEvent` is told of every event.
 * - `onCircuit` is asked once for each circuit, when its first call ends, for who is to hear of it, so that nothing has
 *   to be looked up while calls run; undefined for nobody. `state` is the circuit's at that moment.
 * - `onStoreOperation` is told of every operation of a store that is not in memory: `error` is the code of its failure.
 * - `onRoute` is told of every route of a failover router when that is built: its targets, the primary first.
 * - `onFault` is told of every throw of an observer or a classifier, of which events tell at powers of two only. `name`
 *   is the observer's, or the key of the call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitObserver {
  readonly name: string
  readonly onEvent?: ((event: CircuitEvent) => void) | undefined
  readonly onCircuit?: ((key: string, state: State) => CircuitListener | undefined) | undefined
  readonly onStoreOperation?:
    | ((operation: string, durationMillis: number, error: string | undefined) => void)
    | undefined
  readonly onRoute?: ((route: string, targets: ReadonlyArray<string>) => void) | undefined
  readonly onFault?: ((part: "observer" | "classifier", name: string) => void) | undefined
}

/**
 * The way to the observers of a breaker, for what happens beside its circuits, as in a router.
 *
 * - `announce`: an event, for `onEvent` and `CircuitBreaker.events`.
 * - `route`: a route and its targets, the primary first, for `onRoute`.
 * - `faulted`: a throw of a part that is not the caller's own, such as a tracer, which is counted and made an event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reporter {
  readonly announce: (event: CircuitEvent) => void
  readonly route: (route: string, targets: ReadonlyArray<string>) => void
  readonly faulted: (part: string, error: unknown) => void
}

/**
 * The observers that a breaker layer built here will tell, in the order in which they were provided.
 *
 * @category queries
 * @since 0.1.0
 */
export const all: Effect.Effect<ReadonlyArray<CircuitObserver>> = Effect.map(Effect.context<never>(), observersIn)

/**
 * Adds one observer. Layers of observers can be provided one after the other or merged: none replaces another.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  observer: CircuitObserver | Effect.Effect<CircuitObserver, E, R>
): Layer.Layer<never, E, R> =>
  Layer.effectContext(Effect.map(Effect.isEffect(observer) ? observer : Effect.succeed(observer), contextOf))
