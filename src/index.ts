/**
 * Circuit breakers, retries and the judgement of LLM calls for Effect.
 *
 * @since 0.1.0
 */
export * as Circuit from "./Circuit.ts"
export * as CircuitBreaker from "./CircuitBreaker.ts"
export * as CircuitConfig from "./CircuitConfig.ts"
export * as CircuitError from "./CircuitError.ts"
export * as CircuitEvent from "./CircuitEvent.ts"
export * as CircuitLogger from "./CircuitLogger.ts"
export * as CircuitMetrics from "./CircuitMetrics.ts"
export * as CircuitObserver from "./CircuitObserver.ts"
export * as CircuitPolicy from "./CircuitPolicy.ts"
export * as CircuitState from "./CircuitState.ts"
export * as CircuitStore from "./CircuitStore.ts"
export * as FailoverError from "./FailoverError.ts"
export * as FailoverEvent from "./FailoverEvent.ts"
export * as FailoverRoute from "./FailoverRoute.ts"
export * as FailoverRouter from "./FailoverRouter.ts"
export * as LlmOutcome from "./LlmOutcome.ts"
export * as LlmRetry from "./LlmRetry.ts"
export * as LlmStream from "./LlmStream.ts"
export * as MetricDefinition from "./MetricDefinition.ts"
export * as Outcome from "./Outcome.ts"
export * as RetryBudget from "./RetryBudget.ts"
export * as RetryHint from "./RetryHint.ts"
export * as StreamSignal from "./StreamSignal.ts"
export * as TripPolicy from "./TripPolicy.ts"
