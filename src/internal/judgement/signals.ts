/** What can be read from a failure of unknown make, found by its shape. */
import { Duration } from "effect"
import * as RetryHint from "../../RetryHint.ts"
import { headerLookup } from "../untrusted/headers.ts"
import { fieldsOf, items, json, property } from "../untrusted/values.ts"
import { embedded } from "./embedded.ts"
import { wordsOf } from "./words.ts"

/**
 * What a failure tells about itself, gathered from the error, the errors it wraps and the answer it carries, the outer
 * ones first.
 *
 * - `origin`: where it stood in the exit. A `value` is what a successful call returned: an HTTP response, or an answer
 *   that carries an error.
 * - `status`: the HTTP status; one of 400 or more before any other.
 * - `codes`: every word that names the failure: codes, types and reasons of the provider's answer, Node's error codes,
 *   and names and tags of errors, also as `Tag/Reason` where one error is the reason of another
 *   (`HttpClientError/DecodeError`), as `Module/Reason` for an `AiError` and with the phase of an `AttemptTimedOut`.
 *   Numbers too, those that mean something else elsewhere with the name of their field (`base_resp/1008`,
 *   `error_code/17`). Of an abort the one word that is its cause (`cause/timeout`); of a check that failed, what was
 *   checked (`issue/request`, `issue/response`, `issue/data.choices`). Of the body of an answer: how it ended in the
 *   provider's word, with `Answer/refused`, `Answer/error` and the like where it did not end well, and
 *   `Answer/malformed` if it is no answer.
 * - `messages`: what the provider writes for people, in its own words: without what it quotes and without the labels
 *   that clients put before it. Of a long text the first and the last 4 Ki characters, of the first 64 Ki. May hold
 *   parts of the request: not for logs.
 * - `retryAfter`: the wait that was asked for, from headers, body or error, in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signals {
  readonly origin: "error" | "defect" | "interruption" | "value"
  readonly status: number | undefined
  readonly codes: ReadonlyArray<string>
  readonly messages: ReadonlyArray<string>
  readonly retryAfter: Duration.Duration | undefined
}

const maxDepth = 8
const maxNodes = 48
const maxItems = 8
const longestCode = 128

const statusKeys = ["status", "statusCode", "status_code", "httpStatusCode", "http_status", "httpStatus"]
  .concat("raw_status_code")
const codeKeys = ["code", "type", "status", "error_code", "errorCode", "error_type", "errorType", "__type", "reason"]
  .concat("quotaId", "limit_source", "Code", "Type", "error_name", "lc_error_code", "err_code", "errorcode")
/** Fields whose numbers are the codes of one provider, which mean something else at others. */
const numberKeys = ["error_code", "errorCode"]
const messageKeys = ["message", "description", "msg", "detail", "title", "error", "error_msg", "error_message"]
  .concat("errorMessage", "error_description", "status_msg", "Message", "details", "raw", "body", "responseBody")
  .concat("data", "errorDescription", "faultstring", "err_msg")
const headerKeys = ["headers", "responseHeaders"]
/** Where clients keep the response of which an error speaks; its status is theirs, and not the provider's. */
const responseKeys = ["rawResponse", "$response"]
const codeHeaders = ["x-ms-throttle-reason", "x-amzn-errortype"]

// `reason` comes before `cause`: an `AiError` has the same error in both. What can hold the prompt stays out:
// `request`, `param`, `input`, `failed_generation` and their like.
const links = ["reason", "error", "response", "http", "body", "responseBody", "data", "cause", "lastError", "errors"]
  .concat("details", "detail", "errorDetails", "violations", "metadata", "raw", "$metadata")
  .concat("openai", "anthropic", "google", "httpResponse", "base_resp", "external_model_error")
  .concat("innererror", "inner_error", "innerError", "Response", "Error", "status", "fault")
// What OpenAI calls a response quotes the request, down to metadata that its caller made up: only its error counts.
const linksOfAnswer = ["error"]

interface Node {
  readonly value: unknown
  readonly depth: number
  /** The tag of the error whose `reason` this is. */
  readonly within?: string | undefined
  /** The field of the object around it in which it stands. */
  readonly field?: string | undefined
}

/** Reads the signals of `source`. Never throws. */
export const read = (origin: Signals["origin"], source: unknown, nowMillis: number): Signals =>
  new Reader(nowMillis).read(origin, source)

class Reader {
  private readonly statuses: Array<number> = []
  /** Those that are only named in a text. */
  private readonly named: Array<number> = []
  private readonly codes = new Set<string>()
  private readonly messages = new Set<string>()
  private readonly headers: Array<unknown> = []
  private readonly bodies: Array<unknown> = []
  private readonly waits: Array<Duration.Duration | undefined> = []
  private readonly queue: Array<Node> = []
  private readonly seen = new Set<unknown>()
  private readonly nowMillis: number

  constructor(nowMillis: number) {
    this.nowMillis = nowMillis
  }

  read(origin: Signals["origin"], source: unknown): Signals {
    if (typeof source === "string") this.hear(source, 0)
    this.queue.push({ value: source, depth: 0 })
    this.seen.add(source)
    for (const node of this.queue) this.visit(node)

    const { bodies, codes, headers, messages, nowMillis, waits } = this
    const lookups = headers.map(headerLookup)
    for (const lookup of lookups) for (const name of codeHeaders) this.name(lookup(name))
    codes.delete("Error")
    codes.delete("Object")
    codes.delete("error")

    const statuses = this.statuses.concat(this.named)
    const status = statuses.find((status) => status >= 400) ?? statuses[0]
    return {
      origin,
      status,
      codes: Array.from(codes),
      messages: Array.from(messages),
      retryAfter: first(headers, (headers) => RetryHint.fromHeaders(headers, { nowMillis, status })) ??
        first(bodies, (body) => RetryHint.fromBody(body, nowMillis)) ??
        first(waits, (wait) => wait)
    }
  }

  private visit({ depth, field, value, within }: Node): void {
    const get = fieldsOf(value)
    const tag = text(get("_tag"))
    this.name(tag)
    this.name(get("name"))
    this.name(property(property(value, "constructor"), "name"))
    if (tag !== undefined) this.tagged(tag, get, within)
    for (const key of codeKeys) this.name(get(key))
    this.number(get("code"))
    for (const key of numberKeys) this.number(get(key), `${key}/`)
    if (field === "base_resp") this.number(get("status_code"), `${field}/`)
    // What a signal was aborted with.
    this.name(/^\w{1,32}$/.exec(text(get("cause")) ?? "")?.[0], "cause/")
    for (const key of ["issues", "errors"]) for (const issue of items(get(key), maxItems)) this.issue(issue)
    for (const key of statusKeys) this.statuses.push(...status(get(key), 100))
    this.statuses.push(...status(get("code"), 400))

    for (const key of messageKeys) {
      const message = get(key)
      if (typeof message === "string") this.hear(message, depth)
    }
    for (const message of items(get("errors"), maxItems)) {
      if (typeof message === "string") this.hear(message, depth)
    }

    for (const key of headerKeys) {
      const found = get(key)
      if (found !== undefined) this.headers.push(found)
    }
    for (const key of responseKeys) {
      const found = property(get(key), "headers")
      if (found !== undefined) this.headers.push(found)
    }
    this.bodies.push(value)
    this.waits.push(duration(get("retryAfter")))
    this.waits.push(timeUntil(property(get("resetAt"), "epochMilliseconds"), this.nowMillis))

    // Some write an object where others have a text.
    if (typeof get("message") === "object") this.follow(get("message"), depth)
    for (const key of get("object") === "response" ? linksOfAnswer : links) {
      this.follow(get(key), depth, key, key === "reason" ? tag : undefined)
    }
  }

  /** Takes the tag of an error, beside the names of what it stands for. */
  private tagged(tag: string, get: (key: string) => unknown, within: string | undefined): void {
    if (within !== undefined) this.name(tag, `${within}/`)
    if (get("~effect/ai/AiError/Reason") !== undefined) this.name(tag, "AiError/")
    this.name(get("reason"), `${tag}/`)
    const module = text(get("module"))
    if (tag === "AiError" && module !== undefined) this.name(property(get("reason"), "_tag"), `${module}/`)
    if (tag === "AttemptTimedOut") this.name(get("phase"), `${tag}/`)
  }

  /** Takes where a checked value was wrong: in the request, in the response, in a field of a part. */
  private issue(issue: unknown): void {
    const [side, field] = items(property(issue, "path"), 2)
    if (side === "request" || side === "response") this.name(side, "issue/")
    if (side === "data" && typeof field === "string") this.name(field, "issue/data.")
  }

  /** Takes a text that is written for people. */
  private hear(message: string, depth: number): void {
    const words = wordsOf(message)
    const answer = embedded(message, words)
    if (answer !== undefined) this.follow(answer, depth)
    this.named.push(...(words.status === undefined ? [] : [words.status]))
    for (const code of words.codes) this.name(code)
    // `14 UNAVAILABLE: …`, as gRPC writes it.
    this.name(/^\d{1,2} ([A-Z_]{4,32}): /.exec(words.whole)?.[1])
    // Effect's AI providers put the codes of an answer into its description.
    this.name(/\) \[(?:code|type): ([\w.-]{1,128})\]/.exec(words.whole.slice(0, 1024))?.[1])
    if (answer === undefined && words.text !== "" && !/^[{[]/.test(words.whole)) this.messages.add(words.text)
  }

  private name(code: unknown, prefix = ""): void {
    if (typeof code !== "string" || code === "" || code.length > longestCode) return
    // `com.amazon#ThrottlingException:http://…` names a `ThrottlingException`.
    this.codes.add(prefix + code.slice(code.indexOf("#") + 1).replace(/:https?:.*$/s, ""))
  }

  private number(code: unknown, prefix = ""): void {
    const isCode = typeof code === "string" ? /^\d{1,9}$/.test(code) && prefix !== "" : Number.isSafeInteger(code)
    if (isCode && Number(code) !== 0 && (prefix !== "" || status(code, 400).length === 0)) this.codes.add(prefix + code)
  }

  private follow(value: unknown, depth: number, field?: string, within?: string): void {
    if (depth >= maxDepth || this.seen.size > maxNodes) return
    const parsed = typeof value === "string" ? json(value) : value
    if (typeof parsed !== "object" || parsed === null || this.seen.has(parsed)) return
    this.seen.add(parsed)
    const list = items(parsed, maxItems)
    if (list.length === 0) this.queue.push({ value: parsed, depth: depth + 1, within, field })
    else for (const item of list) this.follow(item, depth + 1, field)
  }
}

/** What a value says that says nothing. */
export const nothing: Signals = {
  origin: "value",
  status: undefined,
  codes: [],
  messages: [],
  retryAfter: undefined
}

const text = (value: unknown) => typeof value === "string" && value.length <= longestCode ? value : undefined

// Providers also write the status as a text, and call it a code.
const status = (value: unknown, minimum: number): ReadonlyArray<number> => {
  const status = typeof value === "string" && /^[45]\d\d$/.test(value) ? Number(value) : value
  return Number.isInteger(status) && (status as number) >= minimum && (status as number) <= 999
    ? [status as number]
    : []
}

const duration = (value: unknown): Duration.Duration | undefined => {
  try {
    return Duration.isDuration(value) ? RetryHint.fromMillis(Duration.toMillis(value)) : undefined
  } catch {
    return undefined
  }
}

const timeUntil = (epochMillis: unknown, nowMillis: number): Duration.Duration | undefined =>
  typeof epochMillis === "number" ? RetryHint.fromMillis(epochMillis - nowMillis) : undefined

const first = <A, B>(values: ReadonlyArray<A>, f: (value: A) => B | undefined): B | undefined => {
  for (const value of values) {
    const found = f(value)
    if (found !== undefined) return found
  }
  return undefined
}
