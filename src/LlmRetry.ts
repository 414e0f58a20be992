/**
 * When to call an LLM again, and how long to wait first.
 *
 * A policy is a `Schedule` for `Effect.retry`, to be put outside the breaker:
 * `call.pipe(CircuitBreaker.execute({ key }), Effect.retry(LlmRetry.policy()))`. It decides by the error:
 *
 * | the attempt ended with | what happens |
 * | --- | --- |
 * | `Failure`, circuit still closed | waits: exponential backoff with full jitter, at least the provider's hint |
 * | `Throttled`, or rejected by a shut gate | waits for the hint and a little longer, so that callers spread |
 * | `OpenNow`, `Ignored` | stops: another attempt is useless |
 * | a failure opened the circuit, or an open one rejected it | stops, unless the `deadline` outlasts the open time |
 * | held open by an operator without an end | stops |
 * | `FailoverError` that lasts | stops |
 * | `FailoverError`, and a target takes calls | waits with backoff |
 * | `FailoverError` otherwise | as for an open circuit |
 * | anything, but the budget of the `key` is used up | stops |
 *
 * When it stops, the caller gets the error of the last attempt. That is the provider's, if it opened the circuit.
 *
 * @since 0.1.0
 */
import { Cause, Clock, Duration, Effect, type Pull, Random, Schedule } from "effect"
import * as CircuitError from "./CircuitError.ts"
import * as FailoverError from "./FailoverError.ts"
import { blockedMillis } from "./internal/call/blocked.ts"
import { elapsedMillis } from "./internal/clock/time.ts"
import { checkOptions } from "./internal/options/known.ts"
import { invalid, key as validKey, millis, optionalFunction, positiveInt } from "./internal/options/validation.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import type { Outcome } from "./Outcome.ts"
import { CurrentRetryBudgets } from "./RetryBudget.ts"

/**
 * - `attempts`: the most calls that are made, the first included. Default: 3.
 * - `base`, `factor`, `maxDelay`: the backoff before attempt n + 1 is drawn from 0 to `base` × `factor`ⁿ⁻¹, capped at
 *   `maxDelay`. Default: 1 second, 2, 30 seconds.
 * - `maxWait`: the longest hint that is waited for; a longer one stops. Default: 2 minutes.
 * - `deadline`: the time for all attempts and waits together. No wait begins that would end after it. It does not cut
 *   off an attempt that is running: put `Effect.timeout` around the retry for that. Default: none.
 * - `key`: the key of the retry budget, which all callers of the process share; see `RetryBudget`. It stops if no token
 *   is left. Default: no budget.
 * - `judge`: judges an error. Default: `LlmOutcome.fromError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly attempts?: number | undefined
  readonly base?: Duration.Input | undefined
  readonly factor?: number | undefined
  readonly maxDelay?: Duration.Input | undefined
  readonly maxWait?: Duration.Input | undefined
  readonly deadline?: Duration.Input | undefined
  readonly key?: string | undefined
  readonly judge?: ((error: unknown) => Outcome) | undefined
}

/**
 * A schedule for `Effect.retry` that gives the number of each wait, from 1. Combine it like any other. Throws
 * `InvalidOptions` for an option that breaks its rule.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LlmRetry } from "effect-resilience"
 *
 * let calls = 0
 * const busy = Effect.suspend(() => ++calls < 3 ? Effect.fail({ status: 503 }) : Effect.succeed("hello"))
 *
 * await Effect.runPromise(Effect.retry(busy, LlmRetry.policy({ attempts: 5, base: "1 millis" }))) // => "hello"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy = (options: Options = {}): Schedule.Schedule<number, unknown> => {
  checkOptions(options, fields)
  const attempts = positiveInt("attempts", options.attempts ?? 3)
  const baseMillis = millis("base", options.base ?? "1 second")
  const factor = options.factor ?? 2
  if (!(factor >= 1 && Number.isFinite(factor))) invalid("factor", factor, "a finite number of 1 or more")
  const maxDelayMillis = millis("maxDelay", options.maxDelay ?? "30 seconds")
  const maxWaitMillis = millis("maxWait", options.maxWait ?? "2 minutes", 0)
  const deadlineMillis = options.deadline === undefined ? undefined : millis("deadline", options.deadline)
  const key = options.key === undefined ? undefined : validKey(options.key)
  const judge = optionalFunction("judge", options.judge) ?? LlmOutcome.fromError

  return Schedule.fromStep(Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const budgets = yield* CurrentRetryBudgets
    if (key !== undefined) budgets.called(key)
    const startedAt = elapsedMillis(clock)
    let attempt = 0
    return (_: number, error: unknown): Pull.Pull<[number, Duration.Duration], never, number> => {
      attempt++
      if (attempt >= attempts) return Cause.done(attempt)
      const wait = waitFor(error, judge)
      const patience = wait === undefined || (wait.circuitOpen && deadlineMillis === undefined)
      if (patience || (wait.askedMillis ?? wait.leastMillis) > (wait.circuitOpen ? deadlineMillis! : maxWaitMillis)) {
        return Cause.done(attempt)
      }
      return Effect.flatMap(Random.next, (random) => {
        const backoff = wait.backoff ? random * Math.min(maxDelayMillis, baseMillis * factor ** (attempt - 1)) : 0
        const spread = backoff < wait.leastMillis ? random * wait.leastMillis / 10 : 0
        const delay = Math.max(backoff, wait.leastMillis + spread)
        const tooLate = deadlineMillis !== undefined && elapsedMillis(clock) - startedAt + delay > deadlineMillis
        return tooLate || (key !== undefined && !budgets.take(key))
          ? Cause.done(attempt)
          : Effect.succeed<[number, Duration.Duration]>([attempt, Duration.millis(delay)])
      })
    }
  }))
}

const fields: Record<keyof Options, true> = {
  attempts: true,
  base: true,
  factor: true,
  maxDelay: true,
  maxWait: true,
  deadline: true,
  key: true,
  judge: true
}

const untilTarget = ({ retryAfter }: FailoverError.FailoverError): Wait => ({
  leastMillis: retryAfter === undefined ? 0 : Duration.toMillis(retryAfter),
  backoff: true,
  circuitOpen: retryAfter !== undefined
})

interface Wait {
  /** The provider's hint, or the rest of the time for which the circuit turns calls away. */
  readonly leastMillis: number
  /** Only the provider's hint, without the time for which the gate is shut longer than that. */
  readonly askedMillis?: number
  readonly backoff: boolean
  readonly circuitOpen: boolean
}

const waitFor = (error: unknown, judge: (error: unknown) => Outcome): Wait | undefined => {
  const failover = FailoverError.find(error)
  if (failover !== undefined) return failover.isRetryable ? untilTarget(failover) : undefined
  const circuitError = CircuitError.find(error)
  if (circuitError?.isRejection) {
    const { reason, retryAfter } = circuitError
    const leastMillis = retryAfter === undefined ? 0 : Duration.toMillis(retryAfter)
    switch (reason._tag) {
      case "CircuitThrottled":
        return { leastMillis, backoff: false, circuitOpen: false }
      case "CircuitForcedOpen":
        return reason.retryAfter === undefined ? undefined : { leastMillis, backoff: false, circuitOpen: true }
      default:
        return { leastMillis, backoff: true, circuitOpen: true }
    }
  }
  const outcome = judge(error)
  const hintMillis = "retryAfter" in outcome && outcome.retryAfter !== undefined
    ? Duration.toMillis(outcome.retryAfter)
    : 0
  const blocked = Math.max(blockedMillis(error), blockedMillis(circuitError))
  switch (outcome._tag) {
    case "Throttled":
      return { askedMillis: hintMillis, leastMillis: Math.max(hintMillis, blocked), backoff: false, circuitOpen: false }
    case "Failure":
      return { leastMillis: Math.max(hintMillis, blocked), backoff: true, circuitOpen: blocked > 0 }
    default:
      return undefined
  }
}
