/** What this library itself says of a call: a limit, a cut, a rejection. */
import { type Row } from "./row.ts"

export const guard = [
  {
    id: "guard/slow-first-content",
    match: { code: ["AttemptTimedOut/first_content"] },
    kind: "slow_first_content",
    outcome: "Failure"
  },
  {
    id: "guard/stream-stalled",
    match: { code: ["AttemptTimedOut/idle"] },
    kind: "stream_stalled",
    outcome: "Failure"
  },
  {
    id: "guard/attempt-timed-out",
    match: { code: ["CircuitBreakerError/AttemptTimedOut"] },
    kind: "timeout",
    outcome: "Failure"
  },
  {
    id: "guard/stream-cut",
    match: { code: ["CircuitBreakerError/StreamCut"] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  // The call did not run. Effect's own breaker and rate limiter fail with the same tags.
  {
    id: "guard/rejected",
    match: { code: ["CircuitBreakerError", "RateLimiterError"] },
    kind: "caller_error",
    outcome: "Ignored"
  }
] as const satisfies ReadonlyArray<Row>
