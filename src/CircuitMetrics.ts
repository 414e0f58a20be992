/**
 * Records what circuits do as metrics of Effect, so that every exporter of metrics shows it: `PrometheusMetrics` and
 * `OtlpMetrics` of `effect/observability`, `OtelMetrics` of `@effect/opentelemetry`. See `MetricDefinition` for the
 * metrics.
 *
 * The series of a circuit exist from its first use until this process forgets the circuit because it was idle. Their
 * values remain after the layer has closed, for a last export.
 *
 * **Gotchas**
 *
 * - Metrics go to the registry of the context in which this layer is built: the global one unless another is provided.
 * - Circuits of the same key in two stores of a process share their series. Give them different keys.
 * - With a shared store every process counts every transition. Take the largest count of them, not the sum.
 *
 * **Example** (with a breaker)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { PrometheusMetrics } from "effect/observability"
 * import { CircuitBreaker, CircuitMetrics, CircuitStore, LlmOutcome } from "effect-resilience"
 *
 * const Resilience = CircuitMetrics.layer.pipe(
 *   Layer.provideMerge(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.succeed("hello").pipe(CircuitBreaker.execute({ key: "model" }))
 *   const metrics = yield* PrometheusMetrics.format()
 *   return metrics.includes(`cb_requests_total{backend="model",outcome="success"} 1`)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Resilience)) // => true
 * ```
 *
 * @since 0.1.0
 */
import { Clock, type Context, Effect, type Layer } from "effect"
import type { CircuitBreaker } from "./CircuitBreaker.ts"
import * as CircuitObserver from "./CircuitObserver.ts"
import { MetricsObserver } from "./internal/observability/metricsObserver.ts"
import { checkOptions } from "./internal/options/known.ts"
import { positiveInt } from "./internal/options/validation.ts"

/**
 * - `maxLabelValues`: how many values a label may have. Further ones count as `other`, and such circuits have no state.
 *   Default: 1,000.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly maxLabelValues?: number | undefined
}

/**
 * Records the metrics of the breaker, as `layer` does, with options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<never, never, CircuitBreaker> =>
  CircuitObserver.layer(
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.map(Clock.Clock, (clock) => {
        checkOptions(options, { maxLabelValues: true })
        return new MetricsObserver(context, clock, positiveInt("maxLabelValues", options.maxLabelValues ?? 1000))
      })
    )
  )

/**
 * Records the metrics of the breaker: `CircuitMetrics.layer.pipe(Layer.provideMerge(Breaker))`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, CircuitBreaker> = layerWith({})
