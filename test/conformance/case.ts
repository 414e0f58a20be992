// A case of the table, and how to write many of them down.
import type { FixtureFileResponse, FixtureOpts } from "@copilotkit/aimock"
import { ScriptedProvider } from "effect-resilience/testing"
import type { How } from "./client.ts"
import { type Mode, type Provider, streams } from "./wire.ts"

/** An answer of aimock, which knows the form of each provider by itself. */
export interface Mocked {
  readonly aimock: FixtureFileResponse
  readonly options?: FixtureOpts
}

/** Trouble of the caller: with the answer, in its code, with another circuit, or with whom it works for. */
export type Own = "interrupted" | "decoding" | "defect" | "rejected" | "stops" | "fails"

export interface Case {
  readonly row: number
  readonly provider: Provider
  readonly mode: Mode
  readonly signal: string
  /** What the provider does, or why nobody gets as far as it. */
  readonly answer: ScriptedProvider.Answer | Mocked | "refused" | "tls" | "unresolved"
  /** Outcome, kind and the wait in milliseconds; `~` before one that is read from a date. */
  readonly expected: string
  /** The same for a client that does not read the body of an error, */
  readonly blind?: string
  /** and for one that reads no body. */
  readonly raw?: string
  /** The same for a client that says less of what it saw, by its name. */
  readonly except?: Readonly<Record<string, string>>
  /** Clients that have no such case, by their names. */
  readonly without?: ReadonlyArray<string>
  readonly how?: How
  /** What else goes wrong, and is not the provider's doing. */
  readonly own?: Own
  /** The value is judged as the body of an answer. */
  readonly body?: boolean
  readonly attemptTimeout?: number
  readonly firstContentTimeout?: number
  readonly idleTimeout?: number
}

type Extra = Partial<Omit<Case, "row" | "provider" | "mode" | "signal" | "answer" | "expected">>
type Define = (
  row: number,
  provider: Provider,
  signal: string,
  answer: Case["answer"],
  expected: string,
  extra?: Extra
) => ReadonlyArray<Case>

const inMode = (mode: Mode): Define => (row, provider, signal, answer, expected, extra) => [
  { row, provider, mode, signal, answer, expected, ...extra }
]
export const once = inMode("once")
export const stream = inMode("stream")
export const both: Define = (...definition) => [...once(...definition), ...stream(...definition)]

export const everybody: ReadonlyArray<Provider> = [
  "openai-chat",
  "openai-responses",
  "anthropic",
  "gemini",
  "azure",
  "bedrock",
  "openrouter",
  "compatible"
]
export const each = (
  providers: ReadonlyArray<Provider>,
  cases: (provider: Provider) => ReadonlyArray<Case>
): ReadonlyArray<Case> => providers.flatMap(cases)

/** The first parts of a stream with content, and then others. */
export const begun = (provider: Provider, ...more: ReadonlyArray<ScriptedProvider.Part>) =>
  ScriptedProvider.events([...streams[provider].opener, ...streams[provider].content, ...more])

/** A stream of these parts only. */
export const first = (...parts: ReadonlyArray<ScriptedProvider.Part>) => ScriptedProvider.events(parts)

/** A stream with all it needs. */
export const complete = (provider: Provider) => begun(provider, ...streams[provider].finish)

export const limited = "Failure rate_limited"
export const quota = "OpenNow quota_exhausted"
