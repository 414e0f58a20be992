// What a caller can do with the errors, by the compiler's word.
import { type Duration, Effect, type Schedule } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  type CircuitPolicy,
  FailoverError,
  LlmOutcome,
  LlmRetry,
  Outcome,
  RetryBudget,
  TripPolicy
} from "effect-resilience"
import { expectTypeOf } from "expect-type"
import type { Answer, Ask, Asker, ProviderFailed } from "./calls.types.ts"

declare const ask: Ask
declare const error: CircuitError.CircuitBreakerError
declare const failover: FailoverError.FailoverError

expectTypeOf(error._tag).toEqualTypeOf<"CircuitBreakerError">()
expectTypeOf(error.isRejection).toEqualTypeOf<boolean>()
expectTypeOf(error.retryAfter).toEqualTypeOf<Duration.Duration | undefined>()
expectTypeOf(error.reason._tag).toEqualTypeOf<
  "CircuitOpen" | "CircuitHalfOpen" | "CircuitThrottled" | "CircuitForcedOpen" | "AttemptTimedOut" | "StreamCut"
>()
expectTypeOf(failover.reason._tag).toEqualTypeOf<
  "NoTargetAvailable" | "DeadlineExceeded" | "UnknownRoute" | "NoTargetAllowed"
>()
expectTypeOf(CircuitError.find).parameters.toEqualTypeOf<[unknown]>()
expectTypeOf(CircuitError.find(ask)).toEqualTypeOf<CircuitError.CircuitBreakerError | undefined>()
expectTypeOf(FailoverError.find(ask)).toEqualTypeOf<FailoverError.FailoverError | undefined>()

// Caught by its tag, nothing of the breaker is left; caught by a reason, its fields are known.
const guarded = CircuitBreaker.execute(ask, { key: "model" })
type Needs = Asker | CircuitBreaker.CircuitBreaker
expectTypeOf(Effect.catchTag(guarded, "CircuitBreakerError", () => Effect.succeed("cached"))).toEqualTypeOf<
  Effect.Effect<Answer | string, ProviderFailed, Needs>
>()
void Effect.catchReason(guarded, "CircuitBreakerError", "CircuitOpen", (reason) => {
  expectTypeOf(reason.retryAfter).toEqualTypeOf<Duration.Duration>()
  return Effect.succeed(reason.key)
})
// @ts-expect-error a reason that is none
void Effect.catchReason(guarded, "CircuitBreakerError", "CircuitClosed", () => Effect.succeed("never"))

// A retry outside of the breaker keeps all channels.
expectTypeOf(LlmRetry.policy({ attempts: 3 })).toEqualTypeOf<Schedule.Schedule<number, unknown>>()
expectTypeOf(Effect.retry(guarded, LlmRetry.policy())).toEqualTypeOf<typeof guarded>()
// @ts-expect-error an option that is none
LlmRetry.policy({ times: 3 })
expectTypeOf(Effect.provide(guarded, RetryBudget.layer({ ratio: 0.1 }))).toEqualTypeOf<typeof guarded>()

expectTypeOf(LlmOutcome.classify).toEqualTypeOf<CircuitPolicy.Classify>()
expectTypeOf(LlmOutcome.make()).toEqualTypeOf<CircuitPolicy.Classify>()

// Every way to trip is a policy, and every policy fits.
expectTypeOf(TripPolicy.consecutive(3)).toExtend<TripPolicy.TripPolicy>()
expectTypeOf(TripPolicy.anyOf(TripPolicy.consecutive(3), TripPolicy.adaptive())).toExtend<TripPolicy.TripPolicy>()
expectTypeOf(TripPolicy.failureCount({ failures: 5, window: "1 minute" })).toExtend<TripPolicy.TripPolicy>()
const policy = {
  tripPolicy: TripPolicy.failureRate({ threshold: 0.5, window: "30 seconds", minimumCalls: 10 }),
  openDuration: "60 seconds",
  classify: LlmOutcome.classify
} as const
expectTypeOf(policy).toExtend<CircuitPolicy.CircuitPolicy>()
// @ts-expect-error without a window
TripPolicy.failureRate({ threshold: 0.5 })
// @ts-expect-error without a window
TripPolicy.failureCount({ failures: 5 })
// @ts-expect-error a rate is of another policy
TripPolicy.failureCount({ failures: 5, window: "1 minute", threshold: 0.5 })
// @ts-expect-error without a limit
TripPolicy.slowCallRate({ threshold: 0.5, window: 100 })
// @ts-expect-error a kind that is none
Outcome.failure("broken")
