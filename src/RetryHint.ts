/**
 * "Wait this long", in all the encodings that model providers and their proxies use.
 *
 * Every parser answers with a finite duration of zero or more, rounded up to whole milliseconds and at most `maxHint`,
 * or with nothing. Nothing here throws, whatever it is given: what is negative, not finite or not understood is no
 * hint.
 *
 * **Gotchas**
 *
 * - To a parser zero is a wait; to `fromHeaders`, `fromBody` and `parseMessage` it is no hint: a provider that limits a
 *   rate and asks for no wait would be asked again at once, for ever.
 * - Dates are read against the wall clock that the caller passes as `nowMillis`; a date in the past is a wait of zero.
 *
 * @since 0.1.0
 */
import { Duration } from "effect"
import { inFields, inWords, longest, unitMillis, untilFull } from "./internal/judgement/waits.ts"
import { headerLookup } from "./internal/untrusted/headers.ts"
import { items, json, property } from "./internal/untrusted/values.ts"

/**
 * The longest wait that a hint can ask for: 24 hours. Longer ones are cut to it.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxHint: Duration.Duration = Duration.hours(24)

const maxMillis = Duration.toMillis(maxHint)

/**
 * A number of milliseconds as a hint: rounded up, cut to `maxHint`, and nothing when it is negative or not finite.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMillis = (millis: number): Duration.Duration | undefined =>
  millis >= 0 && millis < Infinity
    // The subtraction keeps 2.007 seconds at 2007 ms: multiplied, they come out a little above.
    ? Duration.millis(Math.max(0, Math.min(Math.ceil(millis - 1e-7), maxMillis)))
    : undefined

const until = (epochMillis: number, nowMillis: number) => fromMillis(Math.max(0, epochMillis - nowMillis))

const decimal = (text: string): number | undefined =>
  /^\s*(?:\d{1,64}(?:\.\d{0,64})?|\.\d{1,64})\s*$/.test(text) ? Number(text) : undefined

/**
 * Seconds as a decimal number, as in `Retry-After: 1.5`.
 *
 * **Example** (Seconds)
 *
 * ```ts
 * import { RetryHint } from "effect-resilience"
 * import { Duration } from "effect"
 *
 * RetryHint.parseSeconds("1.5") // => Duration.millis(1500)
 * RetryHint.parseSeconds("inf") // => undefined
 * ```
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseSeconds = (text: string): Duration.Duration | undefined => {
  const seconds = decimal(text)
  return seconds === undefined ? undefined : fromMillis(seconds * 1000)
}

/**
 * Milliseconds as a decimal number, as in `retry-after-ms: 512`.
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseMillis = (text: string): Duration.Duration | undefined => {
  const millis = decimal(text)
  return millis === undefined ? undefined : fromMillis(millis)
}

/**
 * A duration with units as Go and protobuf write it: `6m0s`, `12ms`, `1h2m3.5s`, `46s`.
 *
 * **Example** (Units)
 *
 * ```ts
 * import { RetryHint } from "effect-resilience"
 * import { Duration } from "effect"
 *
 * RetryHint.parseDuration("6m0s") // => Duration.minutes(6)
 * RetryHint.parseDuration("6") // => undefined
 * ```
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseDuration = (text: string): Duration.Duration | undefined => {
  if (text.length > 64 || !/^\s*(?:(?:\d+\.?\d*|\.\d+)(?:[nuµμm]?s|[mh]))+\s*$/.test(text)) return undefined
  let millis = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([nuµμmsh]+)/g)) {
    millis += Number(amount) * (unitMillis[unit ?? ""] ?? Number.NaN)
  }
  return fromMillis(millis)
}

// IMF-fixdate, and the two obsolete forms that RFC 9110 still asks recipients to read.
const httpDate =
  /^\s*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? +[\w -]{5,16} \d\d:\d\d:\d\d(?: \d{4})?( (?:gmt|utc))?\s*$/i

/**
 * The time left until an HTTP-date, as in `Retry-After: Wed, 21 Oct 2026 07:28:00 GMT`.
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseHttpDate = (text: string, nowMillis: number): Duration.Duration | undefined => {
  const match = text.length > 64 ? null : httpDate.exec(text)
  return match === null ? undefined : until(Date.parse(match[1] === undefined ? `${text} GMT` : text), nowMillis)
}

/**
 * The time left until an RFC 3339 timestamp, as in `anthropic-ratelimit-tokens-reset: 2026-10-21T07:28:00Z`. A
 * timestamp without an offset is not one.
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseTimestamp = (text: string, nowMillis: number): Duration.Duration | undefined =>
  /^\s*\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:z|[+-]\d\d:\d\d)\s*$/i.test(text)
    ? until(Date.parse(text.trim().toUpperCase()), nowMillis)
    : undefined

const firstEpoch = 1e9
const firstEpochMillis = 1e11

/**
 * The time left until a Unix time, in seconds or (above 10¹¹) in milliseconds. Numbers up to 10⁹ and times more than a
 * day in the past are not Unix times.
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseUnixTime = (text: string, nowMillis: number): Duration.Duration | undefined => {
  const time = decimal(text)
  if (time === undefined || time <= firstEpoch) return undefined
  const epochMillis = time > firstEpochMillis ? time : time * 1000
  return epochMillis < nowMillis - maxMillis ? undefined : until(epochMillis, nowMillis)
}

/**
 * A wait in any encoding that its own form gives away: a Unix time, seconds, a duration with units, an HTTP-date, a
 * timestamp. Milliseconds look like seconds and have `parseMillis`.
 *
 * @category parsers
 * @since 0.1.0
 */
export const parse = (text: string, nowMillis: number): Duration.Duration | undefined =>
  parseUnixTime(text, nowMillis) ??
    parseSeconds(text) ??
    parseDuration(text) ??
    parseHttpDate(text, nowMillis) ??
    parseTimestamp(text, nowMillis)

/**
 * A wait in words, as in `Please try again in 1.5s.`, `Resets in 2 hours and 5 minutes.` or, with the wall clock as
 * `nowMillis`, `It will reset at 2026-12-01 08:00:00 +0800.` Only the first 64 Ki characters are read. A wait of zero
 * is none. Only for messages of a provider that is known to ask for a wait: a message can quote anything.
 *
 * **Example** (Words)
 *
 * ```ts
 * import { RetryHint } from "effect-resilience"
 * import { Duration } from "effect"
 *
 * RetryHint.parseMessage("Rate limit reached. Please try again in 6m0s.") // => Duration.minutes(6)
 * RetryHint.parseMessage("Please retry after 26 seconds.") // => Duration.seconds(26)
 * RetryHint.parseMessage("Please try again later.") // => undefined
 * ```
 *
 * @category parsers
 * @since 0.1.0
 */
export const parseMessage = (text: string, nowMillis?: number): Duration.Duration | undefined =>
  asked(inWords(text.slice(0, 65_536), nowMillis))

/**
 * The wait that response headers ask for. `headers` can be Effect's `Headers`, a WHATWG `Headers` (or anything with
 * `get`), a `Map`, or a record in any case with texts, numbers or lists of them.
 *
 * `retry-after-ms`, `x-ms-retry-after-ms`, `x-amz-retry-after` and `retry-after` (also with `x-` or `x-ratelimit-`
 * before it) are read in this order: the finer unit first. A header that was sent twice counts once, by its longest
 * wait. Only without any of them, and only when `status` is 429, the reset headers count (`x-ratelimit-reset-*`,
 * `anthropic-ratelimit-*-reset`, `ratelimit-reset`, `ratelimit`). Those say when a bucket is full again, which is
 * longer than a caller has to wait, so a reset is left out while its remaining header says that there is room, and when
 * it is not in the future. Of the others the longest counts. A wait of zero is no hint.
 *
 * **Example** (The same wait, three ways)
 *
 * ```ts
 * import { RetryHint } from "effect-resilience"
 * import { Duration } from "effect"
 *
 * RetryHint.fromHeaders({ "Retry-After": "2" }, { nowMillis: 0 }) // => Duration.seconds(2)
 * RetryHint.fromHeaders(new Headers({ "retry-after-ms": "2000" }), { nowMillis: 0 }) // => Duration.seconds(2)
 * RetryHint.fromHeaders({ "x-ratelimit-reset-tokens": "2s" }, { nowMillis: 0, status: 429 }) // => Duration.seconds(2)
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromHeaders = (
  headers: unknown,
  options: { readonly nowMillis: number; readonly status?: number | undefined }
): Duration.Duration | undefined => {
  const header = headerLookup(headers)
  const read = millisOf((text) => parse(text, options.nowMillis))
  for (const name of ["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"]) {
    const hint = asked(longest(header(name), millisOf(parseMillis)))
    if (hint !== undefined) return hint
  }
  for (const name of ["retry-after", "x-retry-after", "x-ratelimit-retry-after", "retry-after-seconds"]) {
    const hint = asked(longest(header(name), read))
    if (hint !== undefined) return hint
  }
  return options.status === 429 ? asked(untilFull(header, read)) : undefined
}

/**
 * The wait in the body of an error answer: `retryDelay` of a `google.rpc.RetryInfo` among the details of a Google
 * error, or a field of the answer or of its error that is named for it, such as `retry_after`, `reset_after_seconds`,
 * `retryAfterMs` or, with the wall clock as `nowMillis`, `resets_at`. `body` is the parsed JSON or its text; a text
 * above 64 KiB is not read. A wait of zero is no hint.
 *
 * @category readers
 * @since 0.1.0
 */
export const fromBody = (body: unknown, nowMillis?: number): Duration.Duration | undefined => {
  const root = typeof body === "string" ? json(body) : body
  const read = millisOf((text) => parseSeconds(text) ?? parseDuration(text))
  const readMoment = nowMillis === undefined
    ? undefined
    : millisOf((text) => parseUnixTime(text, nowMillis) ?? parseTimestamp(text, nowMillis))
  for (const answer of [root, property(root, "0")]) {
    for (const error of [property(answer, "error"), answer]) {
      const hint = fromRetryInfo(error) ?? asked(inFields(error, read, millisOf(parseMillis), readMoment))
      if (hint !== undefined) return hint
    }
  }
  return undefined
}

const fromRetryInfo = (error: unknown): Duration.Duration | undefined => {
  for (const detail of items(property(error, "details"), 16)) {
    const type = property(detail, "@type")
    const delay = property(detail, "retryDelay")
    if (typeof type !== "string" || !type.endsWith("google.rpc.RetryInfo")) continue
    const seconds = property(delay, "seconds")
    return typeof delay === "string"
      ? asked(millisOf(parseDuration)(delay))
      : asked(typeof seconds === "number" || typeof seconds === "string" ? Number(seconds) * 1000 : undefined)
  }
  return undefined
}

/** A wait that was asked for: none is no wait. */
const asked = (millis: number | undefined): Duration.Duration | undefined =>
  millis !== undefined && millis > 0 ? fromMillis(millis) : undefined

const millisOf = (parse: (text: string) => Duration.Duration | undefined) => (text: string): number | undefined => {
  const duration = parse(text)
  return duration === undefined ? undefined : Duration.toMillis(duration)
}
