// What each provider sends in the situations of the table, as the client of that provider gets it.
import { ScriptedProvider } from "effect-resilience/testing"
import {
  anthropicError,
  anthropicEvent,
  bedrockError,
  googleChunk,
  googleError,
  openAiError,
  retryInfo,
  streams
} from "../../conformance/wire.ts"
import { eventFrame, exceptionFrame } from "./frames.ts"

const { events, json, text } = ScriptedProvider

/** Trouble that every provider has a word for. */
export type Refusal =
  | "too long"
  | "wrong key"
  | "no access"
  | "no such model"
  | "limited, hint in a header"
  | "limited, hint in its own place"
  | "no credit"
  | "server error"
  | "overloaded"

export interface Dialect {
  readonly refusals: Readonly<Record<Refusal, ScriptedProvider.Answer>>
  readonly answer: object
  /** A stream that has begun, and the failure in it; each provider says that it is overloaded. */
  readonly failingStream: ScriptedProvider.Answer
}

const hint = { headers: { "retry-after": "7" } }
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
const completion = {
  id: "1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage
}
const chunk = {
  data: {
    id: "1",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta: { role: "assistant", content: "Hel" }, finish_reason: null }]
  }
}
const overloadedText = "The engine is currently overloaded, please try again later"

export const openAi: Dialect = {
  refusals: {
    "too long": openAiError(400, "context_length_exceeded", {
      type: "invalid_request_error",
      message: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
    }),
    "wrong key": openAiError(401, "invalid_api_key", {
      type: "invalid_request_error",
      message: "Incorrect API key provided: sk-1."
    }),
    "no access": openAiError(403, "unsupported_country_region_territory", {
      type: "request_forbidden",
      message: "Country, region, or territory not supported"
    }),
    "no such model": openAiError(404, "model_not_found", {
      type: "invalid_request_error",
      message: "The model `m` does not exist or you do not have access to it."
    }),
    "limited, hint in a header": openAiError(429, "rate_limit_exceeded", { ...hint, message: "Rate limit reached." }),
    "limited, hint in its own place": openAiError(429, "rate_limit_exceeded", {
      message: "Rate limit reached for m on tokens per min (TPM): Limit 1, Used 1. Please try again in 7s."
    }),
    "no credit": openAiError(429, "insufficient_quota", {
      type: "insufficient_quota",
      message: "You exceeded your current quota, please check your plan and billing details."
    }),
    "server error": openAiError(500, null, {
      type: "server_error",
      message: "The server had an error while processing your request. Sorry about that!"
    }),
    overloaded: openAiError(503, null, { type: "server_error", message: overloadedText })
  },
  answer: completion,
  failingStream: events([chunk, {
    data: { error: { message: overloadedText, type: "server_error", param: null, code: "server_is_overloaded" } }
  }])
}

export const anthropic: Dialect = {
  refusals: {
    "too long": anthropicError(400, "invalid_request_error", {
      message: "prompt is too long: 210000 tokens > 200000 maximum"
    }),
    "wrong key": anthropicError(401, "authentication_error", { message: "invalid x-api-key" }),
    "no access": anthropicError(403, "permission_error", {
      message: "Your API key does not have permission to use the specified resource."
    }),
    "no such model": anthropicError(404, "not_found_error", { message: "model: m" }),
    "limited, hint in a header": anthropicError(429, "rate_limit_error", hint),
    "limited, hint in its own place": anthropicError(429, "rate_limit_error", {
      headers: { "retry-after-ms": "7000" }
    }),
    "no credit": anthropicError(400, "invalid_request_error", {
      message: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    }),
    "server error": anthropicError(500, "api_error", { message: "Internal server error" }),
    overloaded: anthropicError(529, "overloaded_error", { message: "Overloaded" })
  },
  answer: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: "Hello" }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 }
  },
  failingStream: events([
    {
      event: "message_start",
      data: {
        type: "message_start",
        message: {
          id: "msg_1",
          type: "message",
          role: "assistant",
          model: "m",
          content: [],
          stop_reason: null,
          usage: { input_tokens: 1, output_tokens: 1 }
        }
      }
    },
    ...streams.anthropic.opener.slice(1),
    ...streams.anthropic.content,
    anthropicEvent("overloaded_error")
  ])
}

export const google: Dialect = {
  refusals: {
    "too long": googleError(
      400,
      "INVALID_ARGUMENT",
      [],
      "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    ),
    "wrong key": googleError(
      400,
      "INVALID_ARGUMENT",
      [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }],
      "API key not valid. Please pass a valid API key."
    ),
    "no access": googleError(403, "PERMISSION_DENIED", [], "The caller does not have permission"),
    "no such model": googleError(
      404,
      "NOT_FOUND",
      [],
      "models/m is not found for API version v1beta, or is not supported for generateContent."
    ),
    "limited, hint in a header": json(
      { error: { code: 429, message: "Resource has been exhausted.", status: "RESOURCE_EXHAUSTED" } },
      { status: 429, ...hint }
    ),
    "limited, hint in its own place": googleError(429, "RESOURCE_EXHAUSTED", [retryInfo("7s")], "You exceeded it."),
    "no credit": googleError(
      429,
      "RESOURCE_EXHAUSTED",
      [],
      "Your project has exceeded its monthly spending cap. Please go to AI Studio to manage it."
    ),
    "server error": googleError(500, "INTERNAL", [], "An internal error has occurred."),
    overloaded: googleError(503, "UNAVAILABLE", [], "The model is overloaded. Please try again later.")
  },
  answer: {
    candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP", index: 0 }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 }
  },
  failingStream: events([...streams.gemini.content, googleChunk(503, "UNAVAILABLE")])
}

const mistralError = (status: number, type: string, code: string, message: string, head = {}) =>
  json({ object: "error", message, type, param: null, code }, { status, ...head })

export const mistral: Dialect = {
  refusals: {
    "too long": mistralError(
      400,
      "invalid_request_prompt_too_long",
      "3051",
      "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"
    ),
    "wrong key": json({ detail: "Unauthorized" }, { status: 401 }),
    "no access": json({ detail: "Forbidden" }, { status: 403 }),
    "no such model": mistralError(404, "invalid_model", "1500", "Invalid model: m"),
    "limited, hint in a header": mistralError(429, "rate_limited", "1300", "Rate limit exceeded", hint),
    "limited, hint in its own place": mistralError(429, "rate_limited", "1300", "Rate limit exceeded", {
      headers: { "x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "7" }
    }),
    "no credit": json({ detail: "Payment required: please check your billing details." }, { status: 402 }),
    "server error": mistralError(500, "internal_server_error", "1000", "Internal server error"),
    overloaded: mistralError(503, "unreachable_backend", "3000", "Service unavailable.")
  },
  answer: completion,
  failingStream: events([
    chunk,
    { data: { object: "error", message: "Service unavailable.", type: "service_unavailable", code: "3000" } }
  ])
}

const cohereError = (status: number, message: string, head = {}) => json({ id: "1", message }, { status, ...head })

export const cohere: Dialect = {
  refusals: {
    "too long": cohereError(
      400,
      "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."
    ),
    "wrong key": cohereError(401, "invalid api token"),
    "no access": cohereError(403, "your organization does not have access to this model"),
    "no such model": cohereError(404, "model 'm' not found, make sure the correct model ID was used"),
    "limited, hint in a header": cohereError(429, "You are past the per minute request limit.", hint),
    "limited, hint in its own place": cohereError(
      429,
      "You are past the per minute request limit, please wait and try again after 7 seconds."
    ),
    "no credit": cohereError(402, "Please add or update your payment method to continue."),
    "server error": cohereError(500, "internal server error"),
    overloaded: cohereError(503, "all backends are overloaded")
  },
  answer: {
    id: "1",
    finish_reason: "COMPLETE",
    message: { role: "assistant", content: [{ type: "text", text: "Hello" }] }
  },
  failingStream: events([
    { event: "message-start", data: { type: "message-start", id: "1", delta: { message: { role: "assistant" } } } },
    {
      event: "content-delta",
      data: { type: "content-delta", index: 0, delta: { message: { content: { text: "Hel" } } } }
    },
    {
      event: "message-end",
      data: { type: "message-end", id: "1", delta: { finish_reason: "ERROR", error: "all backends are overloaded" } }
    }
  ])
}

const ollamaError = (status: number, error: string, head = {}) => json({ error }, { status, ...head })
const line = (value: object) => `${JSON.stringify(value)}\n`
const ollamaPart = { model: "m", created_at: "2026-01-01T00:00:00Z", done: false }

export const ollama: Dialect = {
  refusals: {
    "too long": ollamaError(400, "the input length exceeds the context length"),
    "wrong key": ollamaError(401, "unauthorized"),
    "no access": ollamaError(403, "this model requires a subscription, upgrade for access"),
    "no such model": ollamaError(404, "model 'm' not found"),
    "limited, hint in a header": ollamaError(429, "too many requests", hint),
    "limited, hint in its own place": ollamaError(429, "too many requests, please try again in 7 seconds"),
    "no credit": ollamaError(402, "you have no credits left"),
    "server error": ollamaError(500, "llama runner process has terminated: exit status 2"),
    overloaded: ollamaError(503, "server busy, please try again.  maximum pending requests exceeded")
  },
  answer: { ...ollamaPart, message: { role: "assistant", content: "Hello" }, done: true, done_reason: "stop" },
  failingStream: text(
    line({ ...ollamaPart, message: { role: "assistant", content: "Hel" } }) +
      line({ error: "server busy, please try again.  maximum pending requests exceeded" }),
    { headers: { "content-type": "application/x-ndjson" } }
  )
}

export const bedrock: Dialect = {
  refusals: {
    "too long": bedrockError(400, "ValidationException", "Input is too long for requested model."),
    "wrong key": bedrockError(401, "UnrecognizedClientException", "The security token included is invalid."),
    "no access": bedrockError(403, "AccessDeniedException", "You don't have access to the model with that ID."),
    "no such model": bedrockError(404, "ResourceNotFoundException", "Could not resolve the foundation model."),
    "limited, hint in a header": json({ message: "Too many requests, please wait before trying again." }, {
      status: 429,
      headers: { "x-amzn-errortype": "ThrottlingException", "retry-after": "7" }
    }),
    "limited, hint in its own place": json({ message: "Too many requests, please wait before trying again." }, {
      status: 429,
      headers: { "x-amzn-errortype": "ThrottlingException", "x-amz-retry-after": "7000" }
    }),
    "no credit": bedrockError(400, "ServiceQuotaExceededException", "Your request exceeds the quota of your account."),
    "server error": bedrockError(500, "InternalServerException", "The system encountered an unexpected error."),
    overloaded: bedrockError(503, "ServiceUnavailableException", "Too many connections, please wait.")
  },
  answer: {
    output: { message: { role: "assistant", content: [{ text: "Hello" }] } },
    stopReason: "end_turn",
    usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
    metrics: { latencyMs: 1 }
  },
  failingStream: text(
    Buffer.concat([
      eventFrame("messageStart", { role: "assistant" }),
      eventFrame("contentBlockDelta", { delta: { text: "Hel" }, contentBlockIndex: 0 }),
      exceptionFrame("serviceUnavailableException", { message: "Too many connections, please wait." })
    ]),
    { headers: { "content-type": "application/vnd.amazon.eventstream" } }
  )
}
