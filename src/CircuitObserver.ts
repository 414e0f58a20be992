/**
 * Observers of circuits: one synchronous interface, any number of observers, each a layer that is attached to a
 * breaker.
 *
 * An observer is called after the state has changed, in order, once for everything that happens. It may throw and may
 * call back into the breaker, without an effect on the call or the circuit. Keep it quick, because it runs in the
 * call's fiber.
 *
 * A layer of observers requires the breaker, so a program in which it is merged beside the breaker does not compile.
 * Observers are called in the order in which they were attached, until their layer closes. One that is attached late
 * still gets what lasts: the routes that exist, a store that is degraded, and each circuit in use at its next call.
 *
 * **Example** (attaching an observer)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitObserver, CircuitStore, LlmOutcome } from "effect-resilience"
 *
 * const heard: Array<string> = []
 *
 * const Observed = CircuitObserver.layer({ name: "mine", onEvent: ({ event }) => void heard.push(event) }).pipe(
 *   Layer.provideMerge(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(CircuitBreaker.forceOpen("model").pipe(Effect.provide(Observed)))
 * heard // => ["circuit.forced"]
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Scope } from "effect"
import { CircuitBreaker } from "./CircuitBreaker.ts"
import type { CircuitObserver } from "./internal/observers/observer.ts"

export { type CallResult, callResults } from "./internal/observers/callResults.ts"
export { type CircuitListener, type CircuitObserver, type Reporter } from "./internal/observers/observer.ts"

class Made extends Context.Service<Made, CircuitObserver>()("effect-resilience/CircuitObserver/Made") {}

/**
 * Attaches an observer to the breaker: `CircuitObserver.layer(observer).pipe(Layer.provideMerge(Breaker))`. Several
 * are merged first: `Layer.mergeAll(CircuitMetrics.layer, CircuitObserver.layer(observer))`.
 *
 * An effect that makes an observer runs once for each build. The observer is attached to every breaker that the layer
 * is provided with.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  observer: CircuitObserver | Effect.Effect<CircuitObserver, E, R>
): Layer.Layer<never, E, CircuitBreaker | Exclude<R, Scope.Scope>> => {
  const made = Effect.isEffect(observer) ? Layer.effect(Made, observer) : Layer.succeed(Made, observer)
  // Attaching is not memoized, because a second breaker in the same build would otherwise have no observer.
  return Layer.fromBuild((memoMap, scope) =>
    Layer.buildWithMemoMap(made, memoMap, scope).pipe(
      Effect.flatMap((context) => CircuitBreaker.use((breaker) => breaker.observe(Context.get(context, Made)))),
      Scope.provide(scope),
      Effect.as(Context.empty())
    )
  )
}
