/**
 * What the parts of an LLM's stream say, for `CircuitBreaker.stream`.
 *
 * Each reader takes a part in whatever form a client hands it out: the parsed object, a server-sent event with `data`,
 * its text, or the text of its data. A role, an opener, a count of tokens, a ping and an empty text are proof of life,
 * not content; what a model thinks aloud is content, in whatever field it comes. A part that cannot be read is no
 * progress either, so that garbage ends in the idle limit or in a cut.
 *
 * How an answer ended is read in the words of every provider: a finish that says that the provider broke it off is a
 * failure. One in a word that is not known is neither a success nor a failure: a route goes on while there is no
 * content, and later the answer is reported as one that may not be whole.
 *
 * @since 0.1.0
 */
import { reportOf } from "./internal/judgement/answer.ts"
import { type Ending, endingOf } from "./internal/judgement/finishReasons.ts"
import { items, json, keysOf, property } from "./internal/untrusted/values.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import * as Outcome from "./Outcome.ts"
import { alive, content, failed, finish, type StreamSignal, waiting } from "./StreamSignal.ts"

/**
 * Streams in the form of OpenAI's chat completions and responses, and of everything compatible. Of several choices the
 * first that finishes is the finish.
 *
 * @category readers
 * @since 0.1.0
 */
export const openAi = (part: unknown): StreamSignal => {
  const data = payload(part)
  if (data === "[DONE]") return finished
  if (property(part, "event") === "error") return failed(LlmOutcome.fromError(data))
  const type = property(data, "type")
  if (typeof type === "string" && (type === "error" || type.startsWith("response."))) return response(type, data)
  const report = reportOf(data)
  if (report !== undefined) return failed(LlmOutcome.fromError(report))
  let signal = alive
  for (const choice of items(property(data, "choices"), 128)) {
    const ended = endOf(property(choice, "finish_reason"), choice)
    if (ended !== undefined) return ended
    if (carriesContent(property(choice, "delta")) || isPresent(property(choice, "text"))) signal = content
  }
  return signal
}

/**
 * Streams in the form of Anthropic's messages.
 *
 * @category readers
 * @since 0.1.0
 */
export const anthropic = (part: unknown): StreamSignal => {
  const data = payload(part)
  if (property(part, "event") === "error") return failed(LlmOutcome.fromError(data))
  switch (property(data, "type")) {
    case "content_block_start":
      return carries(property(data, "content_block"), blockContent) ? content : alive
    case "content_block_delta":
      return carries(property(data, "delta"), blockContent) ? content : alive
    case "message_delta": {
      const ended = endOf(property(property(data, "delta"), "stop_reason"), data)
      // There is more to come: the counts of tokens.
      return ended === undefined || ended === finished ? alive : ended
    }
    case "message_stop":
      return finished
    case "error":
      return failed(LlmOutcome.fromError(data))
    default: {
      const report = reportOf(data)
      return report === undefined ? alive : failed(LlmOutcome.fromError(report))
    }
  }
}

/**
 * Streams in the form of Gemini's `streamGenerateContent`, of Google AI and of Vertex. Of several candidates the first
 * that finishes is the finish, and so is a prompt that is blocked.
 *
 * @category readers
 * @since 0.1.0
 */
export const gemini = (part: unknown): StreamSignal => {
  const data = payload(part)
  if (property(part, "event") === "error") return failed(LlmOutcome.fromError(data))
  const report = reportOf(data)
  if (report !== undefined) return failed(LlmOutcome.fromError(report))
  if (isPresent(property(property(data, "promptFeedback"), "blockReason"))) return refused
  let signal = alive
  for (const candidate of items(property(data, "candidates"), 128)) {
    const ended = endOf(property(candidate, "finishReason"), candidate)
    if (ended !== undefined) return ended
    const parts = items(property(property(candidate, "content"), "parts"), 128)
    if (parts.some((part) => carries(part, partContent))) signal = content
  }
  return signal
}

/**
 * The parts of `effect/ai`'s `LanguageModel.streamText`. After a tool call no clock counts until the next part, for
 * tools run in the same stream and are not the provider's doing, unless it runs them itself. Where several run at once
 * the parts do not tell when the last one ends: there let `GuardedLanguageModel` of `effect-resilience/ai` keep watch.
 *
 * @category readers
 * @since 0.1.0
 */
export const effectAi = (part: unknown): StreamSignal => {
  switch (property(part, "type")) {
    case "text-delta":
    case "reasoning-delta":
    case "tool-params-delta":
      return carries(part, ["delta"]) ? content : alive
    case "file":
    case "source":
      return content
    case "tool-call":
      return property(part, "providerExecuted") === true ? content : waiting
    case "tool-result":
      return property(part, "providerExecuted") === true ? content : alive
    case "finish":
      switch (property(part, "reason")) {
        case "error":
          return failed(LlmOutcome.fromError(part))
        case "content-filter":
          return refused
        default:
          return finished
      }
    case "error":
      return failed(LlmOutcome.fromError(property(part, "error")))
    default:
      return alive
  }
}

const finished = finish(Outcome.success)
// An answer all the same: nothing is wrong with who refuses.
const refused = finish(Outcome.ignored("content_policy"))
const unknown = Outcome.ignored("unknown", { elsewhere: true })

const endings: Readonly<Record<Ending, StreamSignal>> = {
  complete: finished,
  refused,
  unusable: finish(Outcome.ignored("model_output")),
  cancelled: failed(Outcome.ignored("cancelled")),
  error: failed(Outcome.failure("server_error")),
  overloaded: failed(Outcome.failure("overloaded")),
  timed_out: failed(Outcome.failure("timeout")),
  unknown: failed(unknown)
}

/** How an answer ended, if it did. What the failure was stands beside the word, or nowhere. */
const endOf = (reason: unknown, around: unknown): StreamSignal | undefined => {
  const ending = endingOf(reason)
  if (ending === undefined) return undefined
  return reason === "error" || (ending === "error" && isPresent(property(around, "error")))
    ? failed(LlmOutcome.fromError(around))
    : endings[ending]
}

/** A delta carries content in these, and in what providers have made up beside them. */
const contentful = /content|text|reason|think|thought|tool_call|function_call|refusal|audio|image|video/i

const carriesContent = (delta: unknown): boolean =>
  keysOf(delta, 32).some((key) => contentful.test(key) && isPresent(property(delta, key)))

const blockContent = ["text", "thinking", "partial_json", "signature", "citation", "data", "content"]
const partContent = ["text", "functionCall", "inlineData", "fileData", "executableCode", "codeExecutionResult"]
  .concat("thoughtSignature")
const responseContent = /\.(?:delta|partial_image)$/

const response = (type: string, data: unknown): StreamSignal => {
  switch (type) {
    case "error":
      return failed(LlmOutcome.fromError(data))
    case "response.failed":
      return failed(LlmOutcome.fromError(property(data, "response") ?? data))
    case "response.completed":
      return finished
    case "response.incomplete":
      return endOf(property(property(property(data, "response"), "incomplete_details"), "reason"), data) ?? finished
    case "response.cancelled":
      return endings.cancelled
    default:
      return responseContent.test(type) && property(data, "delta") !== "" ? content : alive
  }
}

const payload = (part: unknown): unknown => {
  const data = typeof part === "string" ? part : property(part, "data")
  if (typeof data !== "string") return part
  if (data.length > 65_536) return unread(data, property(part, "event"))
  const text = (/^data:(.*)$/m.exec(data)?.[1] ?? data).trim()
  return text === "[DONE]" ? text : json(text)
}

// A part that long is not parsed: an opener and a finish can repeat the whole prompt. Its type is looked at, and
// whether it is the last; all else that long is content.
const unread = (data: string, event: unknown) => {
  const object = /^(?:data:)?\s*\{(?:\s*"type"\s*:\s*"([\w.]+)")?/m.exec(data.slice(0, 256))
  if (object === null) return undefined
  const reason = finishIn(data)
  const text = { text: "…" }
  const choices = [{ ...text, finish_reason: reason }]
  const candidates = [{ content: { parts: [text] }, finishReason: reason }]
  return { type: object[1] ?? event, delta: text, content_block: text, choices, candidates }
}

/**
 * The reason to finish at the beginning or the end of a long text of JSON: what is long is the content between. A
 * quotation mark within a text of JSON has a backslash before it.
 */
const finishIn = (data: string): string | undefined =>
  finishReason.exec(data.slice(0, 65_536))?.[1] ?? finishReason.exec(data.slice(-65_536))?.[1]

const finishReason = /"finish_?[rR]eason"\s{0,8}:\s{0,8}"([^"\\]{1,64})"/

const carries = (self: unknown, fields: ReadonlyArray<string>) =>
  fields.some((field) => isPresent(property(self, field)))

const isPresent = (value: unknown) =>
  value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0)
