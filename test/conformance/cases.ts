// The table: what a provider does, and what a call that meets it says about the provider.
import { answered } from "./answers.ts"
import type { Case } from "./case.ts"
import { failures } from "./failures.ts"
import { limits } from "./limits.ts"

/** The classes of signals, by the number of their row. */
export const rows = [
  "served",
  "rate limit, short",
  "rate limit, long or without a hint",
  "quota or money gone",
  "overloaded",
  "server error",
  "timeout",
  "connection lost",
  "answer cut",
  "stalled",
  "slow first content",
  "content policy",
  "too long",
  "credentials",
  "invalid request",
  "malformed answer",
  "error in a 200",
  "caller gone",
  "own code failed"
] as const

export const cases: ReadonlyArray<Case> = [...limits, ...failures, ...answered]
