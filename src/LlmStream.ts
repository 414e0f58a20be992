/**
 * What the parts of an LLM's stream say, for `CircuitBreaker.stream`.
 *
 * Each reader takes a part in whatever form a client hands it out: the parsed object, a server-sent event with `data`,
 * or the text of its data. A role, an opener, a count of tokens, a ping and an empty text are proof of life, not
 * content. A part that cannot be read is no progress either, so that garbage ends in the idle limit or in a cut.
 *
 * @since 0.1.0
 */
import { items, json, property } from "./internal/untrusted.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import * as Outcome from "./Outcome.ts"
import { alive, content, failed, finish, type StreamSignal, waiting } from "./StreamSignal.ts"

/**
 * Streams in the form of OpenAI's chat completions and responses, and of everything compatible.
 *
 * @category readers
 * @since 0.1.0
 */
export const openAi = (part: unknown): StreamSignal => {
  const data = payload(part)
  if (data === "[DONE]") return finished
  if (data === tooLong) return content
  const type = property(data, "type")
  if (typeof type === "string" && (type === "error" || type.startsWith("response."))) return response(type, data)
  if (isPresent(property(data, "error"))) return failed(LlmOutcome.fromError(data))
  let signal = alive
  for (const choice of items(property(data, "choices"), 128)) {
    const reason = property(choice, "finish_reason")
    if (reason === "error") return failed(LlmOutcome.fromError(choice))
    if (typeof reason === "string") return reason === "content_filter" ? refused : finished
    const delta = property(choice, "delta")
    if (contentFields.some((field) => isPresent(property(delta, field)))) signal = content
    if (isPresent(property(choice, "text"))) signal = content
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
  if (data === tooLong) return content
  switch (property(data, "type")) {
    case "content_block_delta":
      return content
    case "message_delta":
      return property(property(data, "delta"), "stop_reason") === "refusal" ? refused : alive
    case "message_stop":
      return finished
    case "error":
      return failed(LlmOutcome.fromError(data))
    default:
      return alive
  }
}

/**
 * The parts of `effect/ai`'s `LanguageModel.streamText`. After a tool call no clock counts until the next part, for
 * tools run in the same stream and are not the provider's doing.
 *
 * @category readers
 * @since 0.1.0
 */
export const effectAi = (part: unknown): StreamSignal => {
  switch (property(part, "type")) {
    case "text-delta":
    case "reasoning-delta":
    case "tool-params-delta":
      return isPresent(property(part, "delta")) ? content : alive
    case "file":
    case "source":
      return content
    case "tool-call":
      return waiting
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

const contentFields = ["content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "audio"]

const response = (type: string, data: unknown): StreamSignal => {
  switch (type) {
    case "error":
      return failed(LlmOutcome.fromError(data))
    case "response.failed":
      return failed(LlmOutcome.fromError(property(data, "response")))
    case "response.completed":
    case "response.incomplete":
      return finished
    default:
      return type.endsWith(".delta") ? content : alive
  }
}

// Nobody reads all of it, and nothing but content is that long.
const tooLong = Symbol("tooLong")

const payload = (part: unknown): unknown => {
  const data = typeof part === "string" ? part : property(part, "data")
  if (typeof data !== "string") return part
  if (data.length > 65_536) return tooLong
  const text = data.startsWith("data:") ? data.slice(5).trim() : data.trim()
  return text === "[DONE]" ? text : json(text)
}

const isPresent = (value: unknown) =>
  value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0)
