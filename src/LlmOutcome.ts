/**
 * What the exit of an LLM call says about its provider.
 *
 * The judgement is data: signals are read from the exit, and the first row of `table` that matches them gives the
 * outcome. It understands `AiError`, the HTTP client's errors and responses, `Cause.TimeoutError`, the errors of Node's
 * network stack and of the clients of providers (`openai`, `@anthropic-ai/sdk`, `@google/genai`,
 * `@mistralai/mistralai`, `groq-sdk`, `cohere-ai`, `ollama`, `@aws-sdk/client-bedrock-runtime`, `ai`,
 * `@langchain/openai`), and other errors that carry a status, a code or an answer in the usual places, also as the
 * cause of another error. All by shape: none of these packages is needed.
 *
 * **Gotchas**
 *
 * - A specific code in the answer outranks the status: 429 with `insufficient_quota` is no rate limit. A general code
 *   such as `invalid_request_error` counts only without a status.
 * - A typed error that nothing is known about is a `Failure` of kind `unknown`: who guards a call with a breaker
 *   expects its errors to count. A defect that nothing is known about is a mistake in the caller's code and `Ignored`.
 * - A success is `Success`, whatever the value, with two exceptions: an HTTP response with a status of 400 or more, of
 *   Effect's client or of `fetch`, and an object with an `error` in it that the table knows, as some providers put it
 *   into the body of a 200. `classifyBody` asks more of a value.
 * - What the model wrote is not the provider's doing: parse it outside of the guarded call. A `SyntaxError` in it
 *   counts as an answer that is no JSON.
 * - An abort is the caller's doing and counts nothing, unless something proves a timeout: a `TimeoutError`, or the name
 *   that the client has for it. The limit of `@google/genai` proves nothing, and several clients hide the reason of an
 *   `AbortSignal.timeout`: limit calls by `attemptTimeout`.
 * - A client that is stopped by its own `AbortController` ends a stream as if it were complete. Stop a stream by
 *   interruption, or by taking no more of it.
 *
 * @since 0.1.0
 */
import { Clock, Duration, Exit, Fiber } from "effect"
import { type Classify } from "./CircuitPolicy.ts"
import { isSuspect, readAnswer } from "./internal/judgement/answer.ts"
import { changedRows } from "./internal/judgement/changedRows.ts"
import { type ByHint, matches, type Row } from "./internal/judgement/row.ts"
import { nothing, read, type Signals } from "./internal/judgement/signals.ts"
import * as Table from "./internal/judgement/table.ts"
import { checkOptions } from "./internal/options/known.ts"
import { boolean, millis } from "./internal/options/validation.ts"
import * as Outcome from "./Outcome.ts"
import * as RetryHint from "./RetryHint.ts"

export type { ByHint, Match, Row, Verdict } from "./internal/judgement/row.ts"
export type { Signals } from "./internal/judgement/signals.ts"

/**
 * The rows, in the order in which they are tried.
 *
 * @category table
 * @since 0.1.0
 */
export const table: ReadonlyArray<Row & { readonly id: RowId }> = Table.table

/**
 * The ids of the rows of `table`, by which options change them. In their order: `guard/slow-first-content`,
 * `guard/stream-stalled`, `guard/attempt-timed-out`, `guard/stream-cut`, `guard/rejected`, `client/own-code`,
 * `client/model-output`, `code/content-policy`, `number/content-policy`, `code/context-length`,
 * `number/context-length`, `message/request-too-large`, `code/quota`, `number/quota`, `message/quota`,
 * `message/auth`, `message/content-policy`, `message/quota-by-status`, `message/quota-denied`,
 * `message/no-quota-at-all`, `message/per-day`, `code/overloaded`, `number/overloaded`, `code/rate-limited`,
 * `number/rate-limited`, `code/timeout`, `code/stream-cut`, `code/auth`, `number/auth`, `message/unsupported`,
 * `message/context-length`, `message/too-many-tokens`, `client/provider-error`, `message/overloaded-by-status`,
 * `message/overloaded`, `message/rate-limited`, `message/upstream`, `request/unknown-model`, `status/446`,
 * `status/402`, `status/auth`, `status/408`, `status/413`, `status/424`, `status/429`, `status/498`, `status/499`,
 * `status/overloaded`, `status/5xx`, `status/404`, `status/4xx`, `model/unknown`, `client/not-json`,
 * `code/server-error`, `code/invalid-request`, `client/request`, `client/mistake`, `network/reset`,
 * `network/timeout`, `network/timeout-message`, `client/cancelled`, `client/cancelled-message`, `network/cut`,
 * `network/cut-node`, `network/cut-client`, `network/connection`, `network/fetch-failed`, `answer/failed`,
 * `network/malformed`, `network/not-json`, `client/unreadable`, `model/output`, `network/wrong-shape`,
 * `message/invalid-request`, `answer/unknown-ending`, `interruption`, `value`, `defect`, `unrecognised`.
 *
 * @category table
 * @since 0.1.0
 */
export type RowId = typeof Table.table[number]["id"]

/**
 * - `retryAfterThreshold`: the longest wait, itself included, that a rate limit may ask for and still be waited out
 *   (`Throttled`). A longer one opens the circuit. Default: 120 seconds.
 * - `rows`: changes to the table. One with the `id` of a row replaces the fields it gives, in place; others are new
 *   rows, have to be complete, and are tried first, in the given order.
 * - `body`: the value of a successful call is the body of the provider's answer: see `classifyBody`. Default: false.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly retryAfterThreshold?: Duration.Input | undefined
  readonly body?: boolean | undefined
  readonly rows?: ReadonlyArray<Row | (Partial<Row> & { readonly id: RowId })> | undefined
}

/**
 * Why an exit was judged as it was: the `id` of the row that decided (`success` when there was nothing to judge), and
 * what it was given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Explanation {
  readonly row: string
  readonly outcome: Outcome.Outcome
  readonly signals: Signals
}

/**
 * Makes a classifier with its own threshold or rows. Throws `InvalidOptions` for a threshold that is negative or not
 * a number, and for a row that is neither complete nor in the table.
 *
 * **Example** (A provider whose 409 means that it is busy)
 *
 * ```ts
 * import { LlmOutcome } from "effect-resilience"
 * import { Exit } from "effect"
 *
 * const classify = LlmOutcome.make({
 *   retryAfterThreshold: "30 seconds",
 *   rows: [{ id: "busy", match: { status: [409] }, kind: "overloaded", outcome: "Failure" }]
 * })
 *
 * classify(Exit.fail({ status: 409 }))._tag // => "Failure"
 * classify(Exit.fail({ status: 404 }))._tag // => "Ignored"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Classify => {
  const rules = rulesOf(options)
  return (exit) => isPlainSuccess(exit, rules) ? Outcome.success : judge(exit, rules).outcome
}

/**
 * Judges an exit by `table`: the classifier of a breaker that guards LLM calls.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classify: Classify = (exit) =>
  isPlainSuccess(exit, defaults) ? Outcome.success : judge(exit, defaults).outcome

/**
 * Judges as `classify` does, for calls whose value is the body of the provider's answer: what the official clients
 * return, or the JSON that was read from a response. A value that is no such answer is a `Failure` of kind
 * `malformed_response`: a page of HTML, nothing at all, a completion without a choice. An answer that the provider
 * refused to give is `Ignored` with kind `content_policy`. Only the outer members are looked at.
 *
 * **Example** (The proxy says 200)
 *
 * ```ts
 * import { LlmOutcome } from "effect-resilience"
 * import { Exit } from "effect"
 *
 * const page = Exit.succeed("<html>Bad gateway</html>")
 *
 * LlmOutcome.classify(page)._tag // => "Success"
 * LlmOutcome.classifyBody(page)._tag // => "Failure"
 * LlmOutcome.classifyBody(Exit.succeed({ choices: [{ message: { content: "hi" } }] }))._tag // => "Success"
 * ```
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classifyBody: Classify = (exit) => judge(exit, bodies).outcome

/**
 * Judges an error as `classify` judges an exit that failed with it.
 *
 * **Example** (Three kinds of 429)
 *
 * ```ts
 * import { LlmOutcome } from "effect-resilience"
 *
 * LlmOutcome.fromError({ status: 429, headers: { "retry-after": "120" } })._tag // => "Throttled"
 * LlmOutcome.fromError({ status: 429, headers: { "retry-after": "121" } })._tag // => "OpenNow"
 * LlmOutcome.fromError({ status: 429 })._tag // => "Failure"
 * ```
 *
 * @category classifiers
 * @since 0.1.0
 */
export const fromError = (error: unknown): Outcome.Outcome => decide(signalsOf("error", error), defaults).outcome

/**
 * Judges an exit and tells why, for tests and for people.
 *
 * **Example** (Which row was it)
 *
 * ```ts
 * import { LlmOutcome } from "effect-resilience"
 * import { Exit } from "effect"
 *
 * LlmOutcome.explain(Exit.fail({ status: 529 })).row // => "status/overloaded"
 * ```
 *
 * @category classifiers
 * @since 0.1.0
 */
export const explain = (exit: Exit.Exit<unknown, unknown>, options?: Options): Explanation => {
  const rules = options === undefined ? defaults : rulesOf(options)
  return isPlainSuccess(exit, rules)
    ? { row: "success", outcome: Outcome.success, signals: nothing }
    : judge(exit, rules)
}

interface Rules {
  readonly rows: ReadonlyArray<Row>
  readonly thresholdMillis: number
  readonly body: boolean
}

const retryAfterThreshold = "120 seconds"

// Written out, because a program that judges by the table as it is carries no checks of options.
const defaults: Rules = {
  rows: Table.table,
  thresholdMillis: /* @__PURE__ */ Duration.toMillis(retryAfterThreshold),
  body: false
}
const bodies: Rules = { ...defaults, body: true }

const rulesOf = (options: Options = {}): Rules => {
  checkOptions(options, { retryAfterThreshold: true, rows: true, body: true })
  return {
    rows: changedRows(Table.table, options.rows ?? []),
    thresholdMillis: millis("retryAfterThreshold", options.retryAfterThreshold ?? retryAfterThreshold, 0),
    body: boolean("body", options.body ?? defaults.body)
  }
}

// On the path of every healthy call: no more than a look at the value.
const isPlainSuccess = (exit: Exit.Exit<unknown, unknown>, rules: Rules): boolean =>
  exit._tag === "Success" && !rules.body &&
  (typeof exit.value !== "object" || exit.value === null || !isSuspect(exit.value))

const judge = (exit: Exit.Exit<unknown, unknown>, rules: Rules): Explanation => {
  if (Exit.isSuccess(exit)) return decide(readAnswer(exit.value, wallMillis(), rules.body), rules)
  const { reasons } = exit.cause
  const judged = [
    ...reasons.flatMap((reason) => reason._tag === "Fail" ? [signalsOf("error", reason.error)] : []),
    ...reasons.flatMap((reason) => reason._tag === "Die" ? [signalsOf("defect", reason.defect)] : [])
  ].map((signals) => decide(signals, rules))
  return judged.find(({ row }) => !leftovers.has(row)) ??
    judged[0] ??
    decide({ ...nothing, origin: reasons.length === 0 ? "error" : "interruption" }, rules)
}

// Of several errors in one exit, the first that something is known about decides.
const leftovers = new Set(["defect", "unrecognised"])

const decide = (signals: Signals, rules: Rules): Explanation => {
  const row = rules.rows.find((row) => matches(row.match, signals)) ?? Table.unrecognised
  const retryAfter = signals.retryAfter ?? inWords(row, signals, rules)
  return { row: row.id, outcome: outcomeOf(row, retryAfter, rules), signals: { ...signals, retryAfter } }
}

// Only of a provider that asks for a wait: a message can quote the request.
const inWords = ({ outcome }: Row, { messages }: Signals, rules: Rules): Duration.Duration | undefined => {
  if (typeof outcome === "string" && outcome !== "OpenNow") return undefined
  for (const message of messages) {
    const wait = RetryHint.parseMessage(message, wallMillis())
    // What is gone does not come back in a moment.
    if (wait !== undefined && (outcome !== "OpenNow" || lengthOf(wait, rules) === "long")) return wait
  }
  return undefined
}

const outcomeOf = (row: Row, hint: Duration.Duration | undefined, rules: Rules): Outcome.Outcome => {
  const { elsewhere, kind, outcome } = row
  switch (typeof outcome === "string" ? outcome : outcome[lengthOf(hint, rules)]) {
    case "Success":
      return Outcome.success
    case "Failure":
      return Outcome.failure(kind, hint)
    case "Ignored":
      return Outcome.ignored(kind, { elsewhere })
    case "OpenNow":
      return Outcome.openNow(kind, hint)
    case "Throttled":
      return Outcome.throttled(hint ?? Duration.zero, kind)
  }
}

const lengthOf = (hint: Duration.Duration | undefined, rules: Rules): keyof ByHint =>
  hint === undefined ? "none" : Duration.toMillis(hint) <= rules.thresholdMillis ? "short" : "long"

const signalsOf = (origin: Signals["origin"], source: unknown): Signals => read(origin, source, wallMillis())

// Dates in headers are wall-clock times, and in a test that is the time of its clock.
const wallMillis = (): number =>
  (Fiber.getCurrent()?.getRef(Clock.Clock) ?? Clock.Clock.defaultValue()).currentTimeMillisUnsafe()
