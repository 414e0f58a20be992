/** Where waits stand: in words, in the headers of buckets, in fields of an answer. All in milliseconds. */
import type { Lookup } from "../untrusted/headers.ts"
import { fieldsOf } from "../untrusted/values.ts"
import { part, pattern } from "./patterns.ts"

/** Reads a wait in one form; undefined if it is none. */
type Read = (text: string) => number | undefined

/** The units of time, by their short names. */
export const unitMillis: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  毫秒: 1,
  秒: 1000,
  分: 60_000,
  小时: 3_600_000,
  天: 86_400_000
}

// By their first letters, but for milliseconds.
const unitOf = (unit: string): number => {
  const name = unit.toLowerCase()
  return unitMillis[/^m(?:s|illi)/.test(name) ? "ms" : unitMillis[name] === undefined ? name.charAt(0) : name] ?? 0
}

const lead = new RegExp(
  part`
    \b(?:try(?:ing)? again|retry(?:ing)?|wait|resets?|renews?|available|resumes?|back|access)
    (?: again)?(?: in| after| for| within)? (?:about |approximately |another |at least |~ ?)?(?=\d)
  `,
  "gi"
)
const amount = new RegExp(
  part`
    (\d{1,15}(?:\.\d{1,9})?)\.{0,3} ?
    (milliseconds?|millis|ms|ns|us|µs|μs|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)
    (?![a-zA-Z]|\.\d)
  `,
  "iy"
)
const chinese = /(\d{1,9}(?:\.\d{1,3})?) {0,2}(毫秒|秒|分|小时|天)钟?[后後]/
const moment = pattern`
  \b(?:try again|retry|until|resets?|reset|available|access|resumes?|renews?|back)
  (?: \w{1,8}){0,2}? (?:at |on |after |until |from )?
  (\d{4}-\d\d-\d\d)(?:t| at | )(\d\d:\d\d)(:\d\d)?(?:\.\d{1,9})? ?(z|utc|gmt|[+-]\d\d:?\d\d)
`

/** The wait that a text asks for. */
export const inWords = (text: string, nowMillis: number | undefined): number | undefined => {
  for (const found of text.matchAll(lead)) {
    const millis = amounts(text, found.index + found[0].length)
    if (millis !== undefined) return millis
  }
  const [, number, unit] = chinese.exec(text) ?? []
  if (number !== undefined) return Number(number) * unitMillis[unit!]!
  const [, date, time, seconds = ":00", zone = ""] = moment.exec(text) ?? []
  if (date === undefined || nowMillis === undefined) return undefined
  const offset = /\d/.test(zone) ? zone.replace(/(\d\d):?(\d\d)$/, "$1:$2") : "Z"
  return Date.parse(`${date}T${time}${seconds}${offset}`) - nowMillis
}

/** `1h 2m`, `6m0s`, `2 hours and 5 minutes` from a place of a text on. */
const amounts = (text: string, from: number): number | undefined => {
  let millis: number | undefined
  let at = from
  for (let count = 0; count < 5; count++) {
    amount.lastIndex = at
    const found = amount.exec(text)
    if (found === null) break
    millis = (millis ?? 0) + Number(found[1]) * unitOf(found[2]!)
    at = amount.lastIndex
    at += /^(?:, ?and |,? and |, ?| )?(?=\d)/.exec(text.slice(at, at + 8))?.[0].length ?? 8
  }
  return millis
}

/** The wait in a header, the longest if it was sent more than once; undefined if none is above zero. */
export const longest = (header: string | undefined, read: Read): number | undefined => {
  if (header === undefined) return undefined
  const wait = read(header) ?? Math.max(...header.split(", ").map((text) => read(text) ?? Number.NaN))
  return wait > 0 ? wait : undefined
}

const limited = ["requests", "tokens", "tokens_usage_based", "input-tokens", "output-tokens"]
const periods = ["", "-second", "-minute", "-hour", "-day", "-month"]

// The reset of a bucket, and the header that tells whether the bucket has room.
const buckets: ReadonlyArray<readonly [reset: string, remaining: string]> = [
  ...limited.flatMap((what) =>
    periods.map((period) => [`x-ratelimit-reset-${what}${period}`, `x-ratelimit-remaining-${what}${period}`] as const)
  ),
  ...["requests", "tokens", "input-tokens", "output-tokens"].map((what) =>
    [`anthropic-ratelimit-${what}-reset`, `anthropic-ratelimit-${what}-remaining`] as const
  ),
  ["anthropic-ratelimit-unified-reset", "anthropic-ratelimit-unified-status"],
  ["x-ratelimit-requests-reset", "x-ratelimit-requests-remaining"],
  ["x-ratelimit-tokens-reset", "x-ratelimit-tokens-remaining"],
  ["ratelimit-reset", "ratelimit-remaining"],
  ["x-ratelimit-reset", "x-ratelimit-remaining"],
  ["x-rate-limit-reset", "x-rate-limit-remaining"]
]

const hasRoom = (remaining: string | undefined) =>
  remaining !== undefined && (Number(remaining) > 0 || remaining.startsWith("allowed"))

/** The longest time until an empty bucket is full again. */
export const untilFull = (header: Lookup, read: Read): number | undefined => {
  const waits = buckets.flatMap(([reset, remaining]) => {
    const text = header(reset)
    return text === undefined || hasRoom(header(remaining)) ? [] : longest(text, read) ?? []
  })
  // `limit=10, remaining=0, reset=12`, or `"default";r=0;t=12`.
  const [, remaining] = /\b(?:remaining|r)=(\d{1,9})/.exec(header("ratelimit") ?? "") ?? []
  const [, reset] = /\b(?:reset|t)=(\d{1,9})/.exec(header("ratelimit") ?? "") ?? []
  if (reset !== undefined && !hasRoom(remaining)) waits.push(Number(reset) * 1000)
  const wait = Math.max(...waits, 0)
  return wait > 0 ? wait : undefined
}

const inSeconds = ["retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds", "retry_after_sec"]
  .concat("reset_after_seconds", "reset_after", "resets_in_seconds", "reset_in_seconds", "resets_in", "reset_in")
  .concat("resetsInSeconds", "wait_seconds", "retry_in", "estimated_time", "quotaResetDelay", "retryDelay")
const inMillis = ["retry_after_ms", "retryAfterMs", "retry_after_millis", "reset_after_ms", "resets_in_ms"]
const moments = ["resets_at", "reset_at", "resetAt", "resetsAt", "reset_time", "retry_at", "available_at"]
  .concat("quota_reset_at", "quotaResetAt", "quotaResetTimeStamp")

/** The wait in a field that is named for it. */
export const inFields = (
  answer: unknown,
  parse: Read,
  parseMillis: Read,
  parseMoment: Read | undefined
): number | undefined => {
  const get = fieldsOf(answer)
  const readers = [[inMillis, parseMillis], [inSeconds, parse], [moments, parseMoment]] as const
  for (const [fields, read] of readers) {
    for (const field of fields) {
      const value = get(field)
      const text = typeof value === "number" ? String(value) : value
      const millis = typeof text === "string" && text.length <= 64 ? read?.(text) : undefined
      if (millis !== undefined && millis > 0) return millis
    }
  }
  return undefined
}
