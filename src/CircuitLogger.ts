/**
 * Writes every event as one structured log line: the message is the event's name, its fields are annotations, exactly
 * those of its schema in `CircuitEvent`.
 *
 * The line is written by the loggers of the fiber in which it happened, with its annotations and span, so that the line
 * of a skipped call has what identifies its request.
 *
 * **Gotcha** `circuit.skipped` comes once for each call that is turned away, which in an outage may be most of them.
 * If logs are expensive, raise `References.MinimumLogLevel`, or count with `CircuitMetrics` and log with an observer of
 * your own.
 *
 * @since 0.1.0
 */
import { Effect, Fiber, type Layer, type LogLevel } from "effect"
import type { CircuitBreaker } from "./CircuitBreaker.ts"
import type { CircuitEvent } from "./CircuitEvent.ts"
import * as CircuitObserver from "./CircuitObserver.ts"

/**
 * The level of every event: a warning if an operator should look, an error if calls fail, and otherwise information.
 *
 * @category models
 * @since 0.1.0
 */
export const levels: Record<CircuitEvent["event"], LogLevel.Severity> = {
  "circuit.opened": "Warn",
  "circuit.half_open": "Info",
  "circuit.closed": "Info",
  "circuit.skipped": "Warn",
  "circuit.failure": "Warn",
  "circuit.slow_call": "Warn",
  "circuit.throttled": "Warn",
  "circuit.probe": "Info",
  "circuit.self_rejection": "Warn",
  "circuit.late_outcome": "Info",
  "circuit.would_open": "Warn",
  "circuit.forced": "Warn",
  "circuit.reset": "Info",
  "circuit.disabled": "Warn",
  "circuit.enabled": "Info",
  "classify.failed": "Warn",
  "observer.failed": "Warn",
  "store.policy_mismatch": "Warn",
  "store.degraded": "Warn",
  "store.recovered": "Info",
  "store.corrupt": "Warn",
  "store.full": "Warn",
  "failover.switched": "Warn",
  "failover.recovered": "Info",
  "failover.exhausted": "Error",
  "failover.moved": "Warn",
  "failover.refused": "Warn",
  "failover.probe": "Info"
}

/**
 * Logs the events of the breaker: `CircuitLogger.layer.pipe(Layer.provideMerge(Breaker))`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, CircuitBreaker> = CircuitObserver.layer(
  Effect.map(Effect.context<never>(), (context) => ({
    name: "logger",
    onEvent: ({ event, ...fields }) => {
      const log = Effect.annotateLogs(Effect.logWithLevel(levels[event])(event), fields)
      Effect.runSyncWith(Fiber.getCurrent()?.context ?? context)(log)
    }
  }))
)
