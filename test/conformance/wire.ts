// What the providers send: errors, answers and the parts of streams, in the form each of them has.
import { ScriptedProvider } from "effect-resilience/testing"

export type Provider =
  | "openai-chat"
  | "openai-responses"
  | "anthropic"
  | "gemini"
  | "azure"
  | "bedrock"
  | "openrouter"
  | "compatible"

export type Mode = "once" | "stream"

type Headers = Readonly<Record<string, string>>

interface Details {
  readonly type?: string
  readonly message?: string
  readonly headers?: Headers
  readonly more?: object
}

/** Also those of Azure and of what is compatible. */
export const openAiError = (status: number, code: string | null, { headers, message, type }: Details = {}) =>
  ScriptedProvider.json(
    { error: { message: message ?? "It did not work.", type: type ?? "requests", param: null, code } },
    { status, headers }
  )

export const anthropicError = (status: number, type: string, { headers, message, more }: Details = {}) =>
  ScriptedProvider.json(
    { type: "error", error: { type, message: message ?? "It did not work.", ...more }, request_id: "req_1" },
    { status, headers }
  )

export const googleError = (status: number, name: string, details: ReadonlyArray<object> = [], message = "No.") =>
  ScriptedProvider.json({ error: { code: status, message, status: name, details } }, { status })

export const quotaFailure = (quotaId: string) => ({
  "@type": "type.googleapis.com/google.rpc.QuotaFailure",
  violations: [{ quotaMetric: "generativelanguage.googleapis.com/requests", quotaId }]
})

export const retryInfo = (retryDelay: string) => ({
  "@type": "type.googleapis.com/google.rpc.RetryInfo",
  retryDelay
})

export const bedrockError = (status: number, name: string, message = "It did not work.") =>
  ScriptedProvider.json({ message }, {
    status,
    headers: { "x-amzn-errortype": `${name}:http://internal.amazon.com/coral/com.amazon.bedrock/` }
  })

export const openRouterError = (
  status: number,
  options: { readonly sent?: number; readonly headers?: Headers; readonly message?: string; readonly more?: object } =
    {}
) =>
  ScriptedProvider.json(
    { error: { code: status, message: options.message ?? "It did not work.", ...options.more } },
    { status: options.sent ?? status, headers: options.headers }
  )

export const page = (status: number) =>
  ScriptedProvider.text("<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>", { status })

// Failures inside of a stream whose status was 200.

export const openAiEvent = (code: string, message = "It did not work.") => ({
  event: "error",
  data: { type: "error", code, message, param: null, sequence_number: 1 }
})
export const azureEvent = {
  event: "error",
  data: {
    type: "error",
    sequence_number: 2,
    error: { type: "too_many_requests", code: "too_many_requests", message: "Too Many Requests", param: null }
  }
}
export const failedResponse = (error: object | null) => ({
  event: "response.failed",
  data: { type: "response.failed", response: { object: "response", status: "failed", error, output: [] } }
})
export const anthropicEvent = (type: string) => ({
  event: "error",
  data: { type: "error", error: { type, message: "It did not work." }, request_id: "req_1" }
})
export const openRouterChunk = (code: number) => ({
  data: {
    id: "1",
    error: { code, message: "Provider disconnected unexpectedly" },
    choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }]
  }
})
export const googleChunk = (status: number, name: string) => ({
  data: { error: { code: status, message: "It did not work.", status: name } }
})
export const bedrockEvent = (name: string, message = "unmodelled") => `${JSON.stringify({ [name]: { message } })}\n`

const chunk = (delta: object, finish_reason: string | null = null) => ({
  data: { id: "1", object: "chat.completion.chunk", model: "m", choices: [{ index: 0, delta, finish_reason }] }
})

const line = (event: object) => `${JSON.stringify(event)}\n`

const sse = (data: { readonly type: string; readonly [key: string]: unknown }) => ({ event: data.type, data })

interface StreamForm {
  /** Proof of life without content. */
  readonly opener: ReadonlyArray<ScriptedProvider.Part>
  readonly content: ReadonlyArray<ScriptedProvider.Part>
  readonly finish: ReadonlyArray<ScriptedProvider.Part>
  /** The last part of an answer that was refused half-way. */
  readonly refusal: ReadonlyArray<ScriptedProvider.Part>
  /** What keeps the connection alive and is no progress. */
  readonly ping: ScriptedProvider.Part
}

const chat: StreamForm = {
  opener: [chunk({ role: "assistant", content: "" })],
  content: [chunk({ content: "Hel" }), chunk({ content: "lo" })],
  finish: [chunk({}, "stop"), { data: "[DONE]" }],
  refusal: [chunk({}, "content_filter"), { data: "[DONE]" }],
  ping: ": keep-alive\n\n"
}

const responses: StreamForm = {
  opener: [
    sse({ type: "response.created", response: { id: "resp_1", object: "response", status: "in_progress" } }),
    sse({ type: "response.output_item.added", output_index: 0, item: { type: "message" } })
  ],
  content: [sse({ type: "response.output_text.delta", delta: "Hel" })],
  finish: [sse({ type: "response.completed", response: { id: "resp_1", object: "response", status: "completed" } })],
  refusal: [
    sse({
      type: "response.incomplete",
      response: { object: "response", status: "incomplete", incomplete_details: { reason: "content_filter" } }
    })
  ],
  ping: ": keep-alive\n\n"
}

const anthropic: StreamForm = {
  opener: [
    sse({ type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", content: [] } }),
    sse({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } })
  ],
  content: [sse({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } })],
  finish: [
    sse({ type: "content_block_stop", index: 0 }),
    sse({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } }),
    sse({ type: "message_stop" })
  ],
  refusal: [
    sse({ type: "message_delta", delta: { stop_reason: "refusal" }, usage: {} }),
    sse({ type: "message_stop" })
  ],
  ping: sse({ type: "ping" })
}

const candidate = (text: string, finishReason?: string) => ({
  data: { candidates: [{ content: { role: "model", parts: [{ text }] }, index: 0, finishReason }] }
})

const gemini: StreamForm = {
  opener: [{ data: { usageMetadata: { promptTokenCount: 3 } } }],
  content: [candidate("Hel")],
  finish: [candidate("lo", "STOP")],
  refusal: [candidate("", "SAFETY")],
  ping: ": keep-alive\n\n"
}

// Stands for the frames that the AWS client reads: one event a line.
const bedrock: StreamForm = {
  opener: [line({ messageStart: { role: "assistant" } })],
  content: [line({ contentBlockDelta: { delta: { text: "Hel" }, contentBlockIndex: 0 } })],
  finish: [line({ messageStop: { stopReason: "end_turn" } }), line({ metadata: { usage: {} } })],
  refusal: [line({ messageStop: { stopReason: "guardrail_intervened" } })],
  ping: "\n"
}

export const streams: Readonly<Record<Provider, StreamForm>> = {
  "openai-chat": chat,
  "openai-responses": responses,
  anthropic,
  gemini,
  azure: { ...chat, opener: [{ data: { choices: [], prompt_filter_results: [{ prompt_index: 0 }] } }, ...chat.opener] },
  bedrock,
  openrouter: { ...chat, ping: ": OPENROUTER PROCESSING\n\n" },
  compatible: chat
}

/** An answer in one piece, refused if the case says so. */
export const answers: Readonly<Record<Provider, (refused: boolean) => object>> = {
  "openai-chat": (refused) => completion(refused),
  "openai-responses": (refused) =>
    refused
      ? { object: "response", status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [] }
      : { object: "response", status: "completed", error: null, output: [{ type: "message", content: [] }] },
  anthropic: (refused) => ({
    type: "message",
    role: "assistant",
    content: refused ? [] : [{ type: "text", text: "Hello" }],
    stop_reason: refused ? "refusal" : "end_turn"
  }),
  gemini: (refused) =>
    refused
      ? { promptFeedback: { blockReason: "SAFETY" } }
      : { candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }] },
  azure: (refused) => completion(refused),
  bedrock: (refused) => ({
    output: { message: { role: "assistant", content: [{ text: "Hello" }] } },
    stopReason: refused ? "guardrail_intervened" : "end_turn"
  }),
  openrouter: (refused) => completion(refused),
  compatible: (refused) => completion(refused)
}

const completion = (refused: boolean) => ({
  object: "chat.completion",
  choices: [{
    index: 0,
    message: { role: "assistant", content: refused ? "" : "Hello" },
    finish_reason: refused ? "content_filter" : "stop"
  }]
})

/** What an answer in one piece says, and how it ended; undefined if it is none. */
export const readAnswer = (body: unknown): { readonly text: string; readonly ended: string } | undefined => {
  const answer = body as
    | Partial<{
      choices: ReadonlyArray<{ readonly message: { readonly content: string }; readonly finish_reason: string }>
      output: unknown
      incomplete_details: { readonly reason: string }
      content: ReadonlyArray<{ readonly text: string }>
      stop_reason: string
      stopReason: string
      candidates: ReadonlyArray<{
        readonly content: { readonly parts: ReadonlyArray<{ readonly text: string }> }
        readonly finishReason: string
      }>
      promptFeedback: { readonly blockReason: string }
    }>
    | null
  if (typeof answer !== "object" || answer === null) return undefined
  const { candidates: [candidate] = [], choices: [choice] = [] } = answer
  const ended = choice?.finish_reason ?? answer.incomplete_details?.reason ?? answer.stop_reason ?? answer.stopReason ??
    candidate?.finishReason ?? answer.promptFeedback?.blockReason
  const text = choice?.message.content ?? (answer.output === undefined ? undefined : JSON.stringify(answer.output)) ??
    answer.content?.[0]?.text ?? candidate?.content.parts[0]?.text
  return text === undefined && ended === undefined ? undefined : { text: text ?? "", ended: ended ?? "stop" }
}
