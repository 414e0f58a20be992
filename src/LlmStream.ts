/**
 * What the parts of an LLM's stream say, for `CircuitBreaker.stream`.
 *
 * Each reader takes a part in whatever form a client hands it out: the parsed object, a server-sent event with `data`,
 * its text, or the text of its data. A role, an opener, a count of tokens, a ping and an empty text are proof of life,
 * not content. A part that cannot be read is no progress either, so that garbage ends in the idle limit or in a cut.
 *
 * @since 0.1.0
 */
import { items, json, property } from "./internal/untrusted/values.ts"
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
  if (isPresent(property(data, "error"))) return failed(LlmOutcome.fromError(data))
  let signal = alive
  for (const choice of items(property(data, "choices"), 128)) {
    const reason = property(choice, "finish_reason")
    if (reason === "error") return failed(LlmOutcome.fromError(choice))
    if (typeof reason === "string" && reason !== "") return reason === "content_filter" ? refused : finished
    if (carries(property(choice, "delta"), chatContent) || carries(choice, ["text"])) signal = content
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

const chatContent = ["content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "audio"]
const blockContent = ["text", "thinking", "partial_json", "signature", "citation", "data", "content"]
const responseContent = /\.(?:delta|partial_image)$/

const response = (type: string, data: unknown): StreamSignal => {
  switch (type) {
    case "error":
      return failed(LlmOutcome.fromError(data))
    case "response.failed":
      return failed(LlmOutcome.fromError(property(data, "response") ?? data))
    case "response.completed":
      return finished
    case "response.incomplete": {
      const reason = property(property(property(data, "response"), "incomplete_details"), "reason")
      return reason === "content_filter" ? refused : finished
    }
    default:
      return responseContent.test(type) && property(data, "delta") !== "" ? content : alive
  }
}

const payload = (part: unknown): unknown => {
  const data = typeof part === "string" ? part : property(part, "data")
  if (typeof data !== "string") return part
  if (data.length > 65_536) return unread(data.slice(0, 256), property(part, "event"))
  const text = (/^data:(.*)$/m.exec(data)?.[1] ?? data).trim()
  return text === "[DONE]" ? text : json(text)
}

// Nobody reads a part that long, but for its type: an opener and a finish can repeat the whole prompt. All else that
// long is content.
const unread = (start: string, event: unknown) => {
  const object = /^(?:data:)?\s*\{(?:\s*"type"\s*:\s*"([\w.]+)")?/m.exec(start)
  if (object === null) return undefined
  return { type: object[1] ?? event, delta: { text: "…" }, content_block: { text: "…" }, choices: [{ text: "…" }] }
}

const carries = (self: unknown, fields: ReadonlyArray<string>) =>
  fields.some((field) => isPresent(property(self, field)))

const isPresent = (value: unknown) =>
  value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0)
