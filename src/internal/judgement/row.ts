/** A row of the judgement of LLM calls, and when it applies. */
import { type Kind } from "../../Outcome.ts"
import { type Signals } from "./signals.ts"

/**
 * What a row asks of the signals. Every condition that is given must hold; each lists alternatives, of which one must
 * apply. A pair is a range of statuses with both ends, and `"none"` stands for no status, or one below 400; a text
 * equals a code as it is written; a pattern is searched for. No condition at all always holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Match {
  readonly origin?: ReadonlyArray<Signals["origin"]> | undefined
  readonly status?: ReadonlyArray<number | "none" | readonly [from: number, to: number]> | undefined
  readonly code?: ReadonlyArray<string | RegExp> | undefined
  readonly message?: ReadonlyArray<RegExp> | undefined
}

/**
 * The outcome a row gives. A wait that was asked for goes with `Failure` and `OpenNow`.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = "Success" | "Failure" | "Ignored" | "OpenNow"

/**
 * A verdict that depends on the wait that was asked for: up to `retryAfterThreshold` (`short`), above it (`long`), or
 * none.
 *
 * @category models
 * @since 0.1.0
 */
export interface ByHint {
  readonly short: Verdict | "Throttled"
  readonly long: Verdict | "Throttled"
  readonly none: Verdict
}

/**
 * One line of the table: calls with these signals have this kind and this outcome. `elsewhere` goes with `Ignored`:
 * another target may serve the call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly id: string
  readonly match: Match
  readonly kind: Kind
  readonly outcome: Verdict | ByHint
  readonly elsewhere?: boolean | undefined
}

/** Wait it out, stop for now, or count it as a sign of missing capacity. */
export const rateLimit = { short: "Throttled", long: "OpenNow", none: "Failure" } as const

/** Whether every condition of `match` holds. */
export const matches = (match: Match, { codes, messages, origin, status }: Signals): boolean =>
  (match.origin === undefined || match.origin.includes(origin)) &&
  (match.status === undefined || match.status.some((wanted) => covers(wanted, status))) &&
  (match.code === undefined || anyNames(match.code, codes)) &&
  (match.message === undefined || anyNames(match.message, messages))

const covers = (status: number | "none" | readonly [number, number], found: number | undefined) => {
  if (status === "none") return found === undefined || found < 400
  return typeof status === "number"
    ? status === found
    : found !== undefined && found >= status[0] && found <= status[1]
}

// Loops: every failure goes through most of the table.
const anyNames = (wanted: ReadonlyArray<string | RegExp>, found: ReadonlyArray<string>): boolean => {
  for (const text of found) {
    for (const name of wanted) {
      // `search` starts at the beginning, whatever the flags of the pattern.
      if (typeof name === "string" ? name === text : text.search(name) >= 0) return true
    }
  }
  return false
}
