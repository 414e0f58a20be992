/** What an observer is: below whatever calls one, and below the layers that attach one to a breaker. */
import type { State } from "../../Circuit.ts"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import type { Cause } from "../../FailoverEvent.ts"
import type { Kind } from "../../Outcome.ts"
import type { CallResult } from "./callResults.ts"

/**
 * What hears of one circuit.
 *
 * - `onCall` hears of every call. `durationMillis` is fractional, and 0 for a call that was rejected and never ran;
 *   `kind` is undefined for a success.
 * - `onStreamWait` hears how long the provider of a stream was waited for: once until its `first_content`, and then
 *   each time it made progress, or did not in time (`idle`).
 * - `onForgotten` is called when the circuit was not used for so long that this process dropped it. Its next call
 *   starts with a closed circuit, or with what a shared store has.
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
 * - `onEvent` hears every event.
 * - `onCircuit` is asked once for each circuit, when a call of it ends, for its listener, so that nothing has to be
 *   looked up while calls run; undefined for none. `state` is the circuit's at that moment.
 * - `onStoreOperation` hears of every operation of a store that is not in memory: `error` is the code of its failure.
 * - `onUnguarded` is called at the end of every call that ran without a circuit, because the store is full.
 * - `onRoute` hears of every route of a failover router: its targets, the primary first, and which of them serves now.
 * - `onAttempt` hears of every attempt of a routed call: why its target did not serve; undefined if it did.
 * - `onFault` hears of every throw of an observer or a classifier, where events come at powers of two only. `name` is
 *   the observer's, or the key of the call.
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
  readonly onUnguarded?: (() => void) | undefined
  readonly onRoute?: ((route: string, targets: ReadonlyArray<string>, active: string) => void) | undefined
  readonly onAttempt?: ((route: string, target: string, cause: Cause | undefined) => void) | undefined
  readonly onFault?: ((part: "observer" | "classifier", name: string) => void) | undefined
}

/**
 * The way to the observers of a breaker, for what happens beside its circuits, as in a router.
 *
 * - `announce`: an event, for `onEvent` and `CircuitBreaker.events`.
 * - `route`: a route, its targets, the primary first, and which of them serves when it is asked: for `onRoute`, also of
 *   observers that come later, until the function that it returns is called.
 * - `attempt`: an attempt of a routed call, for `onAttempt`.
 * - `faulted`: a throw of a part that is not the caller's own, such as a tracer, which is counted and made an event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reporter {
  readonly announce: (event: CircuitEvent) => void
  readonly route: (route: string, targets: ReadonlyArray<string>, active: () => string) => () => void
  readonly attempt: (route: string, target: string, cause: Cause | undefined) => void
  readonly faulted: (part: string, error: unknown) => void
}
