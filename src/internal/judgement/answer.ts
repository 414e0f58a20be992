/** What the value of a call says: a response, an error that came with a status of 200, the body of an answer. */
import { isList, items, json, longestJson, property } from "../untrusted/values.ts"
import { endingOf } from "./finishReasons.ts"
import { nothing, read, type Signals } from "./signals.ts"

/** Reads an answer that is a value: the error it carries and, of a whole `body`, how it ended. Never throws. */
export const readAnswer = (value: unknown, nowMillis: number, body: boolean): Signals => {
  if (isHttpResponse(value)) return read("value", value, nowMillis)
  const answer = typeof value === "string" && body ? json(value) : value
  // Of a list of one as well.
  const whole = isList(answer) && items(answer, 2).length === 1 ? items(answer, 1)[0] : answer
  const choice = property(property(whole, "choices"), "0")
  const report = (body ? reportOf(whole) : objectOf(whole)) ?? errorOf(property(choice, "error"))
  // The rest of an answer quotes the request: nothing in it is the provider's word on a failure.
  const signals = report === undefined ? nothing : read("value", report, nowMillis)
  if (!body) return signals
  const codes = signals.codes.concat(endings(whole, choice))
  return { ...signals, codes: isAnswer(value, answer, whole) ? codes : codes.concat("Answer/malformed") }
}

/** Whether a value may say that its call failed after all. On the path of every healthy call. */
export const isSuspect = (value: object): boolean => {
  try {
    const { base_resp, error, error_code, status } = value as Readonly<Record<string, unknown>>
    return (typeof error === "object" && error !== null) || base_resp !== undefined || error_code !== undefined ||
      (typeof status === "number" && status >= 400 && isHttpResponse(value))
  } catch {
    return false
  }
}

/**
 * The part of an answer, or of a part of a stream, in which its provider reports a failure: nothing that quotes the
 * request. Undefined if there is none; an error that is empty beside an answer is none.
 */
export const reportOf = (answer: unknown): object | undefined => {
  const report = objectOf(answer)
  if (report !== undefined) return report
  if (carriesAnswer(answer)) return undefined
  const error = property(answer, "error")
  if (typeof error === "object" && error !== null) return { error }
  if (property(answer, "object") === "error" || property(answer, "type") === "error") return flat(answer)
  if (typeof error === "string" && error !== "") return flat(answer)
  if (property(answer, "success") === false || items(property(answer, "errors"), 1).length > 0) return flat(answer)
  return hasMessage(answer) && hasName(answer) ? flat(answer) : undefined
}

/** A report that no answer of anything else than a provider would hold. */
const objectOf = (answer: unknown): object | undefined => {
  const base = property(answer, "base_resp")
  if (isCode(property(base, "status_code"))) return { base_resp: base }
  const isCoded = isCode(property(answer, "error_code")) || isCode(property(answer, "errorCode"))
  return errorOf(property(answer, "error")) ?? (isCoded ? flat(answer) : undefined)
}

const errorOf = (error: unknown): object | undefined =>
  typeof error === "object" && error !== null && saysSomething(error) ? { error } : undefined

const saysSomething = (error: object): boolean => {
  try {
    return Object.values(error).some((value) => isPresent(value) && value !== 0 && value !== false)
  } catch {
    return false
  }
}

/** Not zero, and not the name of a success. */
const isCode = (code: unknown): boolean =>
  (typeof code === "number" && code !== 0 && code !== 200) ||
  (typeof code === "string" && code !== "" && !/^(?:0+|200|ok|success)$/i.test(code))

const hasMessage = (answer: unknown) =>
  ["message", "msg", "detail", "error_msg", "error_message", "errors"].some((key) => {
    const message = property(answer, key)
    return (typeof message === "string" && message !== "") || isList(message)
  })

const hasName = (answer: unknown) =>
  isCode(property(answer, "code")) || property(answer, "detail") !== undefined ||
  ["statusCode", "status_code", "status"].some((key) => {
    const status = property(answer, key)
    return typeof status === "number" && status >= 400
  })

const fields = ["error", "errors", "code", "type", "message", "msg", "detail", "title", "reason", "status"]
  .concat("statusCode", "status_code", "error_code", "error_msg", "error_type", "errorCode", "errorMessage")
  .concat("error_message", "details", "retry_after", "estimated_time")

/** The fields of a report that has no object of its own. */
const flat = (answer: unknown): object =>
  Object.fromEntries(fields.flatMap((field) => {
    const value = property(answer, field)
    return value === undefined ? [] : [[field, value]]
  }))

// Effect's, and that of `fetch`.
const isHttpResponse = (value: unknown): boolean =>
  property(value, "~effect/http/HttpClientResponse") !== undefined ||
  (typeof property(value, "ok") === "boolean" && typeof property(property(value, "headers"), "get") === "function")

// Where the providers put what they answer; of some an empty list is an answer, too.
const members = ["choices", "candidates", "promptFeedback", "data", "completion", "embeddings", "embedding", "results"]
  .concat("text", "response", "generated_text", "generation", "generations", "outputs", "predictions", "completions")
  .concat("result", "output_text")
const lists = ["content", "output"]

const carriesAnswer = (answer: unknown): boolean =>
  lists.some((list) => isPresent(property(answer, list)) || isList(property(answer, list))) ||
  members.some((member) => isPresent(property(answer, member))) ||
  // An error has a message, too.
  property(property(answer, "message"), "role") !== undefined

const isAnswer = (value: unknown, answer: unknown, whole: unknown): boolean =>
  // Too long to be parsed again, and nothing but an answer is that long.
  (typeof value === "string" && value.length > longestJson && value.startsWith("{")) ||
  carriesAnswer(answer) || carriesAnswer(whole)

const endings = (answer: unknown, choice: unknown): ReadonlyArray<string> => {
  const output = property(answer, "output")
  const result = property(property(answer, "results"), "0")
  const candidate = property(property(answer, "candidates"), "0")
  const reasons = [
    property(choice, "finish_reason"),
    property(choice, "finishReason"),
    property(answer, "finish_reason"),
    property(answer, "stop_reason"),
    property(answer, "stopReason"),
    property(answer, "finishReason"),
    property(answer, "done_reason"),
    property(candidate, "finishReason"),
    property(result, "completionReason"),
    property(output, "finish_reason"),
    property(property(property(output, "choices"), "0"), "finish_reason"),
    property(property(answer, "incomplete_details"), "reason")
  ].filter((reason) => reason !== undefined && reason !== null)
  const codes = reasons.flatMap(codesOf)
  // A status can be of anything, unless it says that the answer failed.
  const status = property(answer, "status")
  if (endingOf(status) === "error" || endingOf(status) === "cancelled") codes.push(...codesOf(status))
  if (typeof property(property(answer, "promptFeedback"), "blockReason") === "string") codes.push("Answer/refused")
  return Array.from(new Set(codes))
}

/** The word for an ending, unless that is the name of an error as well, and its kind if it is not just complete. */
const codesOf = (reason: unknown): ReadonlyArray<string> => {
  const ending = endingOf(reason)
  const word = typeof reason === "string" && reason.length <= 128 && !/error|exceed/i.test(reason) ? [reason] : []
  return ending === undefined || ending === "complete" ? word : [...word, `Answer/${ending}`]
}

const isPresent = (value: unknown) =>
  value !== undefined && value !== null && value !== "" && (!isList(value) || items(value, 1).length > 0)
