import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { LlmStream, Outcome, type StreamSignal } from "effect-resilience"
import { AiError, Response } from "effect/ai"

/** A signal in short: its tag, and what its outcome says. */
const short = (signal: StreamSignal.StreamSignal): string => {
  if (!("outcome" in signal)) return signal._tag
  const { outcome } = signal
  const wait = "retryAfter" in outcome && outcome.retryAfter ? [Duration.format(outcome.retryAfter)] : []
  return [signal._tag, outcome._tag, ...(outcome._tag === "Success" ? [] : [outcome.kind]), ...wait].join(" ")
}

interface SentEvent {
  readonly type?: string
}

/** Every form in which a client may hand out the same part. */
const forms = (part: SentEvent) => {
  const data = JSON.stringify(part)
  const event = part.type ?? "message"
  return {
    object: part,
    "event": { event, data, id: undefined, retry: undefined },
    "event without a name": { data },
    "text of the data": data,
    "line": `data: ${data}`,
    "line without a blank": `data:${data}\r\n`,
    "frame": `id: 7\nevent: ${event}\ndata: ${data}\n\n`
  }
}

type Recording = ReadonlyArray<readonly [signal: string, part: SentEvent & Record<string, unknown>]>

const reads = (read: StreamSignal.ClassifyPart<unknown>, recording: Recording) => {
  for (const [signal, part] of recording) {
    for (const [form, value] of Object.entries(forms(part))) {
      assert.strictEqual(short(read(value)), signal, `${form} of ${JSON.stringify(part)}`)
    }
  }
}

const chunk = (choice: object, rest?: object) => ({
  id: "chatcmpl-9",
  object: "chat.completion.chunk",
  created: 1_763_596_800,
  model: "gpt-5-mini-2025-08-07",
  service_tier: "default",
  system_fingerprint: null,
  choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: null, ...choice }],
  usage: null,
  ...rest
})

const event = (type: string, fields: object) => ({ type, sequence_number: 4, ...fields })
const response = (fields: object) => ({
  response: { id: "resp_1", object: "response", error: null, incomplete_details: null, output: [], ...fields }
})

const chat: Recording = [
  ["Alive", chunk({ delta: { role: "assistant", content: "", refusal: null } })],
  ["Alive", chunk({ delta: { role: "assistant", content: null } })],
  ["Alive", chunk({ delta: { content: "", tool_calls: [] } })],
  ["Alive", chunk({ delta: {}, finish_reason: "" })],
  ["Alive", chunk({}, { choices: [], usage: { prompt_tokens: 8, completion_tokens: 9, total_tokens: 17 } })],
  ["Alive", chunk({}, { error: null })],
  ["Content", chunk({ delta: { content: "Hel" } })],
  ["Content", chunk({ delta: { content: " " } })],
  ["Content", chunk({ delta: { refusal: "I can't" } })],
  ["Content", chunk({ delta: { reasoning_content: "Let me see" } })],
  ["Content", chunk({ delta: { reasoning: "Let me see", content: "" } })],
  ["Content", chunk({ delta: { reasoning_text: "Let me see", content: "" } })],
  ["Content", chunk({ delta: { thinking: "Let me see", content: "" } })],
  ["Content", chunk({ delta: { content: "", reasoning_details: [{ type: "reasoning.text", text: "Let" }] } })],
  ["Content", chunk({ delta: { content: "", reasoning_details: [{ type: "reasoning.encrypted", data: "gA" }] } })],
  ["Content", chunk({ delta: { thinking_blocks: [{ type: "thinking", thinking: "Let me see" }] } })],
  ["Content", chunk({ delta: { images: [{ image_url: { url: "data:image/png;base64,iVBO" } }] } })],
  ["Alive", chunk({ delta: { role: "assistant", content: "", reasoning_content: null, reasoning_details: [] } })],
  ["Content", chunk({ delta: { content: "Hel" } }, { error: {} })],
  ["Content", chunk({ delta: { content: "Hel" } }, { error: { code: 0, message: "" } })],
  ["Content", chunk({ delta: { content: "Hel" } }, { base_resp: { status_code: 0, status_msg: "" } })],
  ["Alive", chunk({ finish_reason: "null" })],
  [
    "Content",
    chunk({ delta: { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "get" } }] } })
  ],
  ["Content", chunk({ delta: { tool_calls: [{ index: 0, function: { arguments: "{\"ci" } }] } })],
  ["Content", chunk({ delta: { function_call: { name: "get", arguments: "" } } })],
  ["Content", chunk({ delta: { audio: { id: "audio_1", transcript: "Hel" } } })],
  ["Content", { object: "text_completion", choices: [{ text: "Hel", index: 0, finish_reason: null }] }],
  ["Content", chunk({}, { choices: [{ index: 0, delta: {} }, { index: 1, delta: { content: "Hel" } }] })],
  ["Finish Success", chunk({ finish_reason: "stop" })],
  ["Finish Success", chunk({ delta: { content: "lo." }, finish_reason: "stop" })],
  ["Finish Success", chunk({ finish_reason: "length" })],
  ["Finish Success", chunk({ finish_reason: "tool_calls" })],
  ["Finish Success", chunk({ finish_reason: "function_call" })],
  ["Finish Ignored content_policy", chunk({ finish_reason: "content_filter" })],
  ["Failed Failure server_error", { error: { message: "boom", type: "server_error", param: null, code: null } }],
  [
    "Failed Failure rate_limited",
    { error: { message: "Rate limit reached", type: "requests", param: null, code: "rate_limit_exceeded" } }
  ],
  ["Failed OpenNow quota_exhausted", { error: { message: "no money", type: "insufficient_quota", code: null } }],
  ["Failed Failure overloaded", { error: { message: "try later", code: "server_is_overloaded" } }],
  ["Failed Ignored context_length", { error: { message: "too long", code: "context_length_exceeded" } }],
  ["Failed Ignored invalid_request", {
    error: "Input validation error: `n` must be positive",
    error_type: "validation"
  }],
  ["Failed Ignored invalid_request", { object: "error", message: "No such role", type: "BadRequestError", code: 400 }],
  ["Failed Failure server_error", { object: "error", message: "Dead", type: "InternalServerError", code: 500 }],
  ["Failed Failure rate_limited", { choices: null, base_resp: { status_code: 1002, status_msg: "rate limit" } }],
  ["Failed OpenNow quota_exhausted", { choices: null, base_resp: { status_code: 1008, status_msg: "no balance" } }],
  ["Failed Ignored auth", { error_code: 110, error_msg: "Access token invalid or no longer valid" }],
  ["Failed Ignored auth", { code: "InvalidApiKey", message: "Invalid API-key provided.", request_id: "1" }],
  ["Failed Failure overloaded", { detail: "The model is overloaded" }]
]

/** Every word for an end that a provider documents, and what it comes to. */
const finishes: Recording = Object.entries({
  "Finish Success":
    "stop length tool_calls function_call end_turn stop_sequence max_tokens tool_use pause_turn eos eos_token eos_found " +
    "model_length max_output_tokens max_completion_tokens model_context_window_exceeded COMPLETE MAX_TOKENS TOOL_CALL STOP " +
    "STOP_SEQUENCE ERROR_LIMIT FINISH FINISHED LENGTH STOP_CRITERIA_MET endoftext normal tool-calls end token_limit " +
    "compaction max_output done",
  "Finish Ignored content_policy":
    "content_filter content-filter content_filtered refusal sensitive guardrail_intervened SAFETY RECITATION BLOCKLIST " +
    "PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION MODEL_ARMOR ERROR_TOXIC CONTENT_FILTERED",
  "Finish Ignored model_output":
    "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE " +
    "malformed_model_output malformed_tool_use LANGUAGE NO_IMAGE IMAGE_OTHER",
  "Failed Failure server_error": "network_error ERROR abort failed engine_error internal_error rate_limit",
  "Failed Failure overloaded": "insufficient_system_resource overloaded",
  "Failed Failure timeout": "TIMEOUT time_limit timeout",
  "Failed Ignored cancelled": "USER_CANCEL cancelled",
  "Failed Ignored unknown": "OTHER other unknown xyzzy moon_phase"
}).flatMap(([signal, words]) => words.split(" ").map((word) => [signal, chunk({ finish_reason: word })] as const))

const azure: Recording = [
  ["Alive", { choices: [], prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] }],
  ["Alive", chunk({ content_filter_offsets: { check_offset: 44 }, content_filter_results: {} })],
  ["Finish Ignored content_policy", chunk({ finish_reason: "content_filter", content_filter_results: {} })],
  [
    "Failed Ignored content_policy",
    { error: { code: "content_filter", status: 400, innererror: { code: "ResponsibleAIPolicyViolation" } } }
  ],
  ["Failed Failure rate_limited", { error: { code: "too_many_requests", message: "Too Many Requests" } }]
]

const openRouter: Recording = [
  [
    "Failed Failure server_error",
    chunk({ delta: { content: "" }, finish_reason: "error", native_finish_reason: null }, {
      error: { code: "server_error", message: "Provider disconnected" }
    })
  ],
  ["Failed Failure server_error", chunk({ finish_reason: "error", error: { code: 502, message: "Bad gateway" } })],
  ["Failed Failure rate_limited", chunk({ finish_reason: "error", error: { code: 429, message: "Slow" } })],
  ["Failed OpenNow quota_exhausted", chunk({ finish_reason: "error", error: { code: 402, message: "Pay" } })],
  ["Failed Failure unknown", chunk({ finish_reason: "error" })]
]

const responses: Recording = [
  ["Alive", event("response.created", response({ status: "in_progress" }))],
  ["Alive", event("response.in_progress", response({ status: "in_progress" }))],
  ["Alive", event("response.queued", response({ status: "queued" }))],
  ["Alive", event("response.output_item.added", { output_index: 0, item: { type: "message", content: [] } })],
  ["Alive", event("response.content_part.added", { part: { type: "output_text", text: "" } })],
  ["Alive", event("response.web_search_call.searching", { item_id: "ws_1" })],
  ["Alive", event("response.mcp_call.failed", { item_id: "mcp_1" })],
  ["Alive", event("response.output_text.delta", { delta: "" })],
  ["Content", event("response.output_text.delta", { item_id: "msg_1", delta: "Hel", logprobs: [] })],
  ["Content", event("response.refusal.delta", { delta: "I can't" })],
  ["Content", event("response.reasoning_text.delta", { delta: "Let me see" })],
  ["Content", event("response.reasoning_summary_text.delta", { delta: "Let me see" })],
  ["Content", event("response.function_call_arguments.delta", { delta: "{\"ci" })],
  ["Content", event("response.custom_tool_call_input.delta", { delta: "ls" })],
  ["Content", event("response.code_interpreter_call_code.delta", { delta: "print" })],
  ["Content", event("response.audio.delta", { delta: "UklGRg==" })],
  ["Content", event("response.shell_call_output_content.delta", { delta: { stdout: "a", stderr: "" } })],
  ["Content", event("response.image_generation_call.partial_image", { partial_image_b64: "iVBORw0KGgo=" })],
  ["Alive", event("response.output_text.done", { text: "Hello." })],
  ["Finish Success", event("response.completed", response({ status: "completed", usage: { total_tokens: 9 } }))],
  [
    "Finish Success",
    event("response.incomplete", response({ incomplete_details: { reason: "max_output_tokens" } }))
  ],
  [
    "Finish Ignored content_policy",
    event("response.incomplete", response({ incomplete_details: { reason: "content_filter" } }))
  ],
  [
    "Failed Failure server_error",
    event("response.failed", response({ status: "failed", error: { code: "server_error", message: "boom" } }))
  ],
  [
    "Failed Failure rate_limited",
    event("response.failed", response({ error: { code: "rate_limit_exceeded", message: "slow" } }))
  ],
  ["Failed Failure server_error", event("response.failed", response({ status: "failed" }))],
  ["Failed Failure server_error", event("response.failed", {})],
  ["Failed Failure rate_limited", event("error", { code: "rate_limit_exceeded", message: "slow", param: null })],
  ["Failed Failure overloaded", event("error", { code: "server_is_overloaded", message: "busy" })],
  ["Failed Failure rate_limited", event("error", { error: { type: "too_many_requests", code: "too_many_requests" } })]
]

const block = (type: string, fields: object) => ({
  type: "content_block_start",
  index: 0,
  content_block: { type, ...fields }
})
const delta = (type: string, fields: object) => ({ type: "content_block_delta", index: 0, delta: { type, ...fields } })
const error = (type: string, rest?: object) => ({
  type: "error",
  error: { type, message: type, ...rest },
  request_id: "req_1"
})

const anthropic: Recording = [
  ["Alive", { type: "message_start", message: { id: "msg_1", role: "assistant", content: [], stop_reason: null } }],
  ["Alive", { type: "ping" }],
  ["Alive", block("text", { text: "" })],
  ["Alive", block("thinking", { thinking: "", signature: "" })],
  ["Alive", block("tool_use", { id: "toolu_1", name: "get", input: {} })],
  ["Content", block("redacted_thinking", { data: "EmwKAhgBEgy3va3" })],
  ["Content", block("web_search_tool_result", { content: [{ type: "web_search_result", url: "https://a.b" }] })],
  ["Alive", delta("text_delta", { text: "" })],
  ["Content", delta("text_delta", { text: "Hel" })],
  ["Alive", delta("input_json_delta", { partial_json: "" })],
  ["Content", delta("input_json_delta", { partial_json: "{\"ci" })],
  ["Content", delta("thinking_delta", { thinking: "Let me see" })],
  ["Content", delta("signature_delta", { signature: "EqQBCgIYAhIM" })],
  ["Content", delta("citations_delta", { citation: { type: "char_location", cited_text: "a" } })],
  ["Alive", { type: "content_block_stop", index: 0 }],
  ["Alive", { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 9 } }],
  ["Alive", { type: "message_delta", delta: { stop_reason: "max_tokens" } }],
  ["Finish Ignored content_policy", { type: "message_delta", delta: { stop_reason: "refusal" } }],
  ["Failed Failure server_error", { type: "message_delta", delta: { stop_reason: "network_error" } }],
  ["Failed Ignored unknown", { type: "message_delta", delta: { stop_reason: "moon_phase" } }],
  ["Alive", { type: "message_delta", delta: { stop_reason: null } }],
  ["Failed Failure overloaded", { error: { type: "overloaded_error", message: "Overloaded" } }],
  ["Finish Success", { type: "message_stop" }],
  ["Failed Failure overloaded", error("overloaded_error")],
  ["Failed Failure rate_limited", error("rate_limit_error")],
  ["Failed Failure server_error", error("api_error")],
  ["Failed Failure timeout", error("timeout_error")],
  ["Failed Ignored invalid_request", error("invalid_request_error")],
  ["Failed Ignored auth", error("authentication_error")],
  ["Failed OpenNow quota_exhausted", error("billing_error")],
  [
    "Failed OpenNow quota_exhausted",
    error("rate_limit_error", { details: { error_code: "enforced_spend_limit_reached" } })
  ],
  ["Failed Failure unknown", { type: "error" }]
]

describe("LlmStream.openAi", () => {
  it("reads chat completions", () => reads(LlmStream.openAi, chat))
  it("reads the filters of Azure", () => reads(LlmStream.openAi, azure))
  it("reads the errors of OpenRouter", () => reads(LlmStream.openAi, openRouter))
  it("reads responses", () => reads(LlmStream.openAi, responses))
  it("reads how an answer ended, in the words of every provider", () => reads(LlmStream.openAi, finishes))

  it("sends on a route where nobody knows how it ended", () => {
    const signal = LlmStream.openAi(chunk({ finish_reason: "moon_phase" }))
    assert.deepStrictEqual(signal, { _tag: "Failed", outcome: Outcome.ignored("unknown", { elsewhere: true }) })
  })

  it("finishes with [DONE], in every form", () => {
    for (const done of ["[DONE]", " [DONE]\n", "data: [DONE]", "data:[DONE]\r\n\r\n", { data: "[DONE]" }]) {
      assert.strictEqual(short(LlmStream.openAi(done)), "Finish Success")
    }
    assert.strictEqual(short(LlmStream.openAi({ event: "message", data: "[DONE]" })), "Finish Success")
    assert.strictEqual(short(LlmStream.openAi("data: [DONE]!")), "Alive")
  })

  it("takes comments, blank lines and fields other than data for proof of life", () => {
    for (const line of [": OPENROUTER PROCESSING", ":", "", "\n", "event: response.completed", "id: 7", "retry: 100"]) {
      assert.strictEqual(short(LlmStream.openAi(line)), "Alive", line)
    }
    assert.strictEqual(short(LlmStream.openAi({ event: "", data: "" })), "Alive")
  })
})

describe("LlmStream.anthropic", () => {
  it("reads messages", () => reads(LlmStream.anthropic, anthropic))

  it("does not take [DONE] for a finish, which only a message_stop is", () => {
    assert.strictEqual(short(LlmStream.anthropic("data: [DONE]")), "Alive")
  })
})

const candidate = (parts: ReadonlyArray<object> | undefined, rest?: object) => ({
  candidates: [{ content: { role: "model", ...(parts === undefined ? {} : { parts }) }, index: 0, ...rest }],
  usageMetadata: { promptTokenCount: 9 }
})

const gemini: Recording = [
  ["Alive", { usageMetadata: { promptTokenCount: 9 }, modelVersion: "gemini-3-pro" }],
  ["Alive", candidate(undefined)],
  ["Alive", candidate([{ text: "" }])],
  ["Content", candidate([{ text: "Let me see", thought: true }])],
  ["Content", candidate([{ text: "Hel" }])],
  ["Content", candidate([{ text: "" }, { functionCall: { name: "search", args: {} } }])],
  ["Content", candidate([{ inlineData: { mimeType: "image/png", data: "AA==" } }])],
  ["Content", candidate([{ text: "", thoughtSignature: "CgQ=" }])],
  ["Finish Success", candidate([{ text: "lo" }], { finishReason: "STOP" })],
  ["Finish Success", candidate(undefined, { finishReason: "MAX_TOKENS" })],
  ["Content", candidate([{ text: "lo" }], { finishReason: "FINISH_REASON_UNSPECIFIED" })],
  ["Finish Ignored content_policy", candidate(undefined, { finishReason: "SAFETY" })],
  ["Finish Ignored content_policy", { promptFeedback: { blockReason: "PROHIBITED_CONTENT" } }],
  ["Finish Ignored model_output", candidate(undefined, { finishReason: "MALFORMED_FUNCTION_CALL" })],
  ["Failed Ignored unknown", candidate(undefined, { finishReason: "ZORP" })],
  ["Failed Failure overloaded", { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }]
]

describe("LlmStream.gemini", () => {
  it("reads candidates", () => reads(LlmStream.gemini, gemini))
})

describe("an event that is called error", () => {
  const readers = [
    ["openAi", LlmStream.openAi],
    ["anthropic", LlmStream.anthropic],
    ["gemini", LlmStream.gemini]
  ] as const

  it.each(readers)("is a failure whatever it carries, to %s", (_, read) => {
    const data = ["upstream connect error", "", "{\"message\":\"over", "null", "{}", "[DONE]!"]
    for (const text of data) assert.strictEqual(short(read({ event: "error", data: text })), "Failed Failure unknown")
    assert.strictEqual(short(read({ event: "error", data: "{\"status\":503}" })), "Failed Failure overloaded")
    assert.strictEqual(
      short(read({ event: "error", data: "{\"code\":\"server_error\"}" })),
      "Failed Failure server_error"
    )
  })
})

describe("LlmStream.effectAi", () => {
  const usage = new Response.Usage({ inputTokens: {}, outputTokens: {} })
  const metadata = {}
  const read = (part: unknown) => short(LlmStream.effectAi(part))
  const aiError = (reason: AiError.AiErrorReason) =>
    AiError.make({ module: "LanguageModel", method: "streamText", reason })

  it("reads the parts of an answer", () => {
    const id = "1"
    assert.strictEqual(read(Response.makePart("response-metadata", { id, metadata })), "Alive")
    assert.strictEqual(read(Response.makePart("text-start", { id })), "Alive")
    assert.strictEqual(read(Response.makePart("text-delta", { id, delta: "" })), "Alive")
    assert.strictEqual(read(Response.makePart("text-delta", { id, delta: "Hel" })), "Content")
    assert.strictEqual(read(Response.makePart("text-end", { id })), "Alive")
    assert.strictEqual(read(Response.makePart("reasoning-start", { id })), "Alive")
    assert.strictEqual(read(Response.makePart("reasoning-delta", { id, delta: "Let me see" })), "Content")
    assert.strictEqual(read(Response.makePart("reasoning-end", { id })), "Alive")
    assert.strictEqual(
      read(Response.makePart("file", { mediaType: "image/png", data: new Uint8Array() })),
      "Content"
    )
    assert.strictEqual(
      read(
        Response.UrlSourcePart.make({
          type: "source",
          sourceType: "url",
          id,
          url: new URL("https://a.b"),
          title: "A",
          metadata
        })
      ),
      "Content"
    )
  })

  it("waits for tools, unless the provider runs them", () => {
    const id = "1"
    const name = "get"
    const call = (providerExecuted: boolean) => Response.toolCallPart({ id, name, params: {}, providerExecuted })
    const result = (providerExecuted: boolean) =>
      Response.toolResultPart({
        id,
        name,
        providerExecuted,
        isFailure: false,
        result: 1,
        encodedResult: 1,
        preliminary: false
      })
    assert.strictEqual(read(Response.makePart("tool-params-start", { id, name, providerExecuted: false })), "Alive")
    assert.strictEqual(read(Response.makePart("tool-params-delta", { id, delta: "{\"ci" })), "Content")
    assert.strictEqual(read(Response.makePart("tool-params-delta", { id, delta: "" })), "Alive")
    assert.strictEqual(read(Response.makePart("tool-params-end", { id })), "Alive")
    assert.strictEqual(read(call(false)), "Waiting")
    assert.strictEqual(read(result(false)), "Alive")
    assert.strictEqual(read(call(true)), "Content")
    assert.strictEqual(read(result(true)), "Content")
    assert.strictEqual(read(Response.toolApprovalRequestPart({ approvalId: "2", toolCallId: id })), "Alive")
  })

  it.each(
    [
      ["stop", "Finish Success"],
      ["length", "Finish Success"],
      ["tool-calls", "Finish Success"],
      ["pause", "Finish Success"],
      ["other", "Finish Success"],
      ["unknown", "Finish Success"],
      ["content-filter", "Finish Ignored content_policy"],
      ["error", "Failed Failure unknown"]
    ] as const
  )("reads the finish with reason %s as %s", (reason, signal) => {
    assert.strictEqual(read(Response.makePart("finish", { reason, usage, response: undefined })), signal)
  })

  it.each([
    [
      aiError(new AiError.RateLimitError({ retryAfter: Duration.seconds(7) })),
      "Failed Throttled rate_limited 7s"
    ],
    [
      aiError(new AiError.InternalProviderError({ description: "529" })),
      "Failed Failure server_error"
    ],
    [aiError(new AiError.InvalidOutputError({ description: "not JSON" })), "Failed Ignored model_output"],
    [{ type: "overloaded_error", message: "Overloaded" }, "Failed Failure overloaded"],
    [{ type: "error", error: { type: "rate_limit_error" } }, "Failed Failure rate_limited"],
    [{ code: "server_error", message: "boom" }, "Failed Failure server_error"],
    [new Error("boom"), "Failed Failure unknown"],
    ["boom", "Failed Failure unknown"],
    [undefined, "Failed Failure unknown"]
  ])("reads the error part with %o", (error, signal) => {
    // Whatever the provider adds to the part is not its error.
    const metadata = { openai: { code: "insufficient_quota" } }
    assert.strictEqual(read(Response.makePart("error", { error, metadata })), signal)
  })
})

describe("parts longer than 64 KiB", () => {
  const long = "x".repeat(70_000)

  it("are content, but for those that repeat the prompt, which count by their type", () => {
    const recording: Recording = [
      ["Alive", { ...event("response.created", {}), instructions: long }],
      ["Content", { ...event("response.output_text.delta", {}), delta: long }],
      ["Content", { ...event("response.image_generation_call.partial_image", {}), partial_image_b64: long }],
      ["Finish Success", { ...event("response.completed", {}), instructions: long }],
      ["Finish Success", { ...event("response.incomplete", {}), instructions: long }],
      ["Failed Failure server_error", { ...event("response.failed", {}), instructions: long }],
      ["Failed Failure unknown", { ...event("error", {}), message: long }]
    ]
    for (const [signal, part] of recording) {
      for (const [form, text] of Object.entries(forms(part)).slice(1)) {
        assert.strictEqual(short(LlmStream.openAi(text)), signal, `${form} of ${String(part.type)}`)
      }
    }
    assert.strictEqual(short(LlmStream.openAi(JSON.stringify(chunk({ delta: { content: long } })))), "Content")
    assert.strictEqual(short(LlmStream.anthropic(JSON.stringify(delta("text_delta", { text: long })))), "Content")
    assert.strictEqual(
      short(LlmStream.anthropic(JSON.stringify(block("web_search_tool_result", { content: [long] })))),
      "Content"
    )
    assert.strictEqual(
      short(LlmStream.anthropic(JSON.stringify({ type: "message_start", message: { content: long } }))),
      "Alive"
    )
  })

  it("count by the name of their event where the data does not begin with it", () => {
    const data = JSON.stringify({ response: { instructions: long }, type: "response.completed" })
    assert.strictEqual(short(LlmStream.openAi({ event: "response.completed", data })), "Finish Success")
  })

  it("are no progress where they are not even an object", () => {
    assert.strictEqual(short(LlmStream.openAi(`<html>${long}`)), "Alive")
    assert.strictEqual(short(LlmStream.anthropic(`data: ${long}`)), "Alive")
  })

  it("are the last if they say how the answer ended", () => {
    const last = JSON.stringify(chunk({ delta: { content: long }, finish_reason: "stop" }))
    assert.strictEqual(short(LlmStream.openAi(last)), "Finish Success")
    assert.strictEqual(short(LlmStream.openAi({ event: "message", data: last })), "Finish Success")
    const cut = JSON.stringify(chunk({ delta: { content: long }, finish_reason: "network_error" }))
    assert.strictEqual(short(LlmStream.openAi(cut)), "Failed Failure server_error")
  })

  it("are not the last because their content speaks of an end", () => {
    const said = JSON.stringify(chunk({ delta: { content: `"finish_reason":"stop"${long}"finish_reason":"stop"` } }))
    assert.strictEqual(short(LlmStream.openAi(said)), "Content")
  })

  it("are never parsed", () => {
    const huge = `data: ${JSON.stringify(chunk({ delta: { content: "x".repeat(5_000_000) } }))}`
    const { parse } = JSON
    let parsed = 0
    JSON.parse = (text, reviver) => {
      parsed += text.length
      return parse(text, reviver)
    }
    try {
      assert.strictEqual(short(LlmStream.openAi(huge)), "Content")
    } finally {
      JSON.parse = parse
    }
    assert.strictEqual(parsed, 0)
  })
})

describe("a text that was cut anywhere", () => {
  it("is no progress, and no end", () => {
    const recordings = [...chat, ...responses, ...anthropic]
    for (const [, part] of recordings) {
      const text = `data: ${JSON.stringify(part)}`
      for (let length = 0; length < text.length; length++) {
        const cut = text.slice(0, length)
        assert.strictEqual(LlmStream.openAi(cut)._tag, "Alive")
        assert.strictEqual(LlmStream.anthropic(cut)._tag, "Alive")
      }
    }
  })
})
