/** What can be read from a failure of unknown make, found by shape alone. */
import { Duration } from "effect"
import * as RetryHint from "../../RetryHint.ts"
import { headerLookup } from "../untrusted/headers.ts"
import { isList, items, json, longestJson, property } from "../untrusted/values.ts"

/**
 * What a failure tells about itself, gathered from the error, the errors it wraps and the answer it carries, the outer
 * ones first.
 *
 * - `origin`: where it stood in the exit. A `value` is what a successful call returned: an HTTP response, or an answer
 *   that carries an error.
 * - `status`: the HTTP status; one of 400 or more before any other.
 * - `codes`: every word that names the failure: codes, types and reasons of the provider's answer, Node's error codes,
 *   and names and tags of errors, also as `Tag/Reason` where one error is the reason of another
 *   (`HttpClientError/DecodeError`), as `Module/Reason` for an `AiError` and with the phase of an `AttemptTimedOut`. Of
 *   the body of an answer: how it ended, `Answer/error` if that was an error and `Answer/malformed` if it is no answer.
 * - `messages`: what is written for people, shortened. May quote the request: not for logs.
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

const statusKeys = ["status", "statusCode", "httpStatusCode"]
const codeKeys = ["code", "type", "status", "error_code", "errorCode", "errorType", "__type", "reason", "quotaId"]
const messageKeys = ["message", "description"]
const headerKeys = ["headers", "responseHeaders"]
const codeHeaders = ["x-ms-throttle-reason", "x-amzn-errortype"]

// `reason` comes before `cause`: an `AiError` has the same error in both. `request` stays out: it holds the prompt.
const links = ["reason", "error", "response", "http", "body", "responseBody", "data", "cause", "errors", "lastError"]
  .concat("details", "violations", "metadata", "raw", "$metadata", "openai", "anthropic", "google")
// What OpenAI calls a response quotes the request, down to metadata that its caller made up: only its error counts.
const linksOfAnswer = ["error"]

interface Node {
  readonly value: unknown
  readonly depth: number
  /** The tag of the error whose `reason` this is. */
  readonly within?: string | undefined
}

/** Reads the signals of `source`. Never throws. */
export const read = (origin: Signals["origin"], source: unknown, nowMillis: number): Signals => {
  const statuses: Array<number> = []
  const codes = new Set<string>()
  const messages = new Set<string>()
  const headers: Array<unknown> = []
  const details: Array<unknown> = []
  const waits: Array<Duration.Duration | undefined> = []

  const add = (code: unknown, prefix = "") => {
    if (typeof code !== "string" || code === "" || code.length > 128) return
    // `com.amazon#ThrottlingException:http://…` names a `ThrottlingException`.
    codes.add(prefix + code.slice(code.indexOf("#") + 1).replace(/:.*$/s, ""))
  }

  const visit = ({ depth, value, within }: Node): void => {
    const tag = text(property(value, "_tag"))
    add(tag)
    add(property(value, "name"))
    add(property(property(value, "constructor"), "name"))
    if (tag !== undefined) {
      if (within !== undefined) add(tag, `${within}/`)
      if (property(value, "~effect/ai/AiError/Reason") !== undefined) add(tag, "AiError/")
      add(property(value, "reason"), `${tag}/`)
    }
    const module = text(property(value, "module"))
    if (tag === "AiError" && module !== undefined) add(property(property(value, "reason"), "_tag"), `${module}/`)
    if (tag === "AttemptTimedOut") add(property(value, "phase"), `${tag}/`)
    for (const key of codeKeys) add(property(value, key))

    for (const key of statusKeys) statuses.push(...status(property(value, key), 100))
    statuses.push(...status(property(value, "code"), 400))

    for (const key of messageKeys) {
      const message = property(value, key)
      if (typeof message !== "string") continue
      messages.add(message.slice(0, 1024))
      // Effect's AI providers put the codes of an answer into its description.
      add(/\) \[(?:code|type): ([\w.-]+)\]/.exec(message.slice(0, 1024))?.[1])
      follow(embedded(message), depth)
    }

    for (const key of headerKeys) {
      const found = property(value, key)
      if (found !== undefined) headers.push(found)
    }
    if (property(value, "details") !== undefined) details.push(value)
    waits.push(duration(property(value, "retryAfter")))
    waits.push(timeUntil(property(property(value, "resetAt"), "epochMilliseconds"), nowMillis))

    for (const key of property(value, "object") === "response" ? linksOfAnswer : links) {
      follow(property(value, key), depth, key === "reason" ? tag : undefined)
    }
  }

  const queue: Array<Node> = [{ value: source, depth: 0 }]
  const seen = new Set<unknown>()
  const follow = (value: unknown, depth: number, within?: string) => {
    if (depth >= maxDepth || seen.size > maxNodes) return
    const parsed = typeof value === "string" ? json(value) : value
    if (typeof parsed !== "object" || parsed === null || seen.has(parsed)) return
    seen.add(parsed)
    const list = items(parsed, maxItems)
    if (list.length === 0) queue.push({ value: parsed, depth: depth + 1, within })
    else for (const item of list) follow(item, depth + 1)
  }

  if (typeof source === "string") messages.add(source.slice(0, 1024))
  seen.add(source)
  for (const node of queue) visit(node)

  const lookups = headers.map(headerLookup)
  for (const lookup of lookups) for (const name of codeHeaders) add(lookup(name))
  codes.delete("Error")
  codes.delete("Object")

  const found = statuses.find((status) => status >= 400) ?? statuses[0]
  return {
    origin,
    status: found,
    codes: Array.from(codes),
    messages: Array.from(messages),
    retryAfter: first(headers, (headers) => RetryHint.fromHeaders(headers, { nowMillis, status: found })) ??
      first(details, RetryHint.fromBody) ??
      first(waits, (wait) => wait)
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

/** Reads an answer that is a value: the error it carries and, of a whole `body`, how it ended. Never throws. */
export const readAnswer = (value: unknown, nowMillis: number, body: boolean): Signals => {
  if (isHttpResponse(value)) return read("value", value, nowMillis)
  const answer = typeof value === "string" && body ? json(value) : value
  const choice = property(property(answer, "choices"), "0")
  const error = property(answer, "error") ?? property(choice, "error")
  // The rest of an answer quotes the request: nothing in it is the provider's word on a failure.
  const signals = typeof error === "object" && error !== null ? read("value", { error }, nowMillis) : nothing
  return body ? { ...signals, codes: [...signals.codes, ...endings(value, answer, choice)] } : signals
}

/** Whether a value may say that its call failed after all. On the path of every healthy call. */
export const isSuspect = (value: object): boolean => {
  try {
    const { error, status } = value as { readonly error?: unknown; readonly status?: unknown }
    return (typeof error === "object" && error !== null) ||
      (typeof status === "number" && status >= 400 && isHttpResponse(value))
  } catch {
    return false
  }
}

// Effect's, and that of `fetch`.
const isHttpResponse = (value: unknown): boolean =>
  property(value, "~effect/http/HttpClientResponse") !== undefined ||
  (typeof property(value, "ok") === "boolean" && typeof property(property(value, "headers"), "get") === "function")

// Where the providers put what they answer; of some an empty list is an answer, too.
const members = ["choices", "candidates", "promptFeedback", "data", "completion", "embeddings", "embedding", "results"]
  .concat("text")
const lists = ["content", "output"]

const endings = (body: unknown, answer: unknown, choice: unknown): ReadonlyArray<string> => {
  // Too long to be parsed again, and nothing but an answer is that long.
  if (typeof body === "string" && body.length > longestJson && body.startsWith("{")) return []
  const isAnswer = lists.some((list) => isPresent(property(answer, list)) || isList(property(answer, list))) ||
    members.some((member) => isPresent(property(answer, member))) ||
    // An error has a message, too.
    property(property(answer, "message"), "role") !== undefined
  const reasons = [
    property(choice, "finish_reason"),
    property(answer, "stop_reason"),
    property(answer, "stopReason"),
    property(answer, "finishReason"),
    property(property(property(answer, "candidates"), "0"), "finishReason"),
    property(property(answer, "promptFeedback"), "blockReason"),
    property(property(answer, "incomplete_details"), "reason"),
    property(answer, "status")
  ].flatMap((reason) => reason === "error" ? "Answer/error" : text(reason) ?? [])
  return isAnswer ? reasons : [...reasons, "Answer/malformed"]
}

const isPresent = (value: unknown) =>
  value !== undefined && value !== null && (!isList(value) || items(value, 1).length > 0)

const text = (value: unknown) => typeof value === "string" && value.length <= 128 ? value : undefined

// Providers also write the status as a text, and call it a code.
const status = (value: unknown, minimum: number): ReadonlyArray<number> => {
  const status = typeof value === "string" && /^[45]\d\d$/.test(value) ? Number(value) : value
  return Number.isInteger(status) && (status as number) >= minimum && (status as number) <= 999
    ? [status as number]
    : []
}

// Google's client gives the answer as the message, alone or after a few words, sometimes twice over.
const embedded = (message: string): unknown => {
  const start = message.slice(0, 65).indexOf("{")
  const answer = start < 0 ? undefined : json(message.slice(start))
  return property(answer, "error") === undefined ? undefined : answer
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
