/** A row of the judgement of LLM calls, and when it applies. */
import { type Kind } from "../Outcome.ts"
import { type Signals } from "./llmSignals.ts"

/**
 * What a row asks of the signals. Every condition that is given must hold; each lists alternatives, of which one must
 * apply. A pair is a range of statuses with both ends; a text equals a code as it is written; a pattern is searched
 * for. No condition at all always holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Match {
  readonly origin?: ReadonlyArray<Signals["origin"]> | undefined
  readonly status?: ReadonlyArray<number | readonly [from: number, to: number]> | undefined
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
 * One line of the table: calls with these signals have this kind and this outcome.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly id: string
  readonly match: Match
  readonly kind: Kind
  readonly outcome: Verdict | ByHint
}

const anyOf = <A, B>(
  alternatives: ReadonlyArray<A> | undefined,
  found: ReadonlyArray<B>,
  is: (a: A, b: B) => boolean
) => alternatives === undefined || alternatives.some((alternative) => found.some((value) => is(alternative, value)))

// `search` starts at the beginning, whatever the flags of the pattern.
const names = (code: string | RegExp, found: string) =>
  typeof code === "string" ? code === found : found.search(code) >= 0

const covers = (status: number | readonly [number, number], found: number | undefined) =>
  typeof status === "number"
    ? status === found
    : found !== undefined && found >= status[0] && found <= status[1]

/** Whether every condition of `match` holds. */
export const matches = (match: Match, signals: Signals): boolean =>
  anyOf(match.origin, [signals.origin], Object.is) &&
  anyOf(match.status, [signals.status], covers) &&
  anyOf(match.code, signals.codes, names) &&
  anyOf(match.message, signals.messages, names)
