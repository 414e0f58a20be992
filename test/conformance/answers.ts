// Rows 11 to 18: the provider answers, but not as it should, or something else fails than the provider.
import { ScriptedProvider } from "effect-resilience/testing"
import { begun, both, type Case, each, everybody, first, limited, once, quota, stream } from "./case.ts"
import {
  answers,
  anthropicError,
  bedrockError,
  bedrockEvent,
  googleError,
  openAiError,
  openRouterChunk,
  openRouterError,
  page,
  streams
} from "./wire.ts"

const { json, silence, stall, text } = ScriptedProvider

export const answered: ReadonlyArray<Case> = [
  ...each(everybody, (provider) => [
    ...once(11, provider, "an answer that was refused", json(answers[provider](true)), "Ignored content_policy", {
      body: true,
      raw: "Success"
    }),
    ...stream(
      11,
      provider,
      "an answer that was refused half-way",
      begun(provider, ...streams[provider].refusal),
      "Ignored content_policy"
    )
  ]),
  ...each(["openai-chat", "azure"], (provider) =>
    both(
      11,
      provider,
      "400 content_filter",
      openAiError(400, provider === "azure" ? "content_filter" : "content_policy_violation"),
      "Ignored content_policy",
      { blind: "Ignored invalid_request" }
    )),
  ...both(
    11,
    "openrouter",
    "403, moderation",
    openRouterError(403, {
      message: "openai/gpt-5 requires moderation on OpenAI. Your input was flagged for \"violence\".",
      more: { metadata: { reasons: ["violence"], flagged_input: "secret input" } }
    }),
    "Ignored content_policy",
    { blind: "Ignored auth" }
  ),

  ...each(["openai-chat", "azure", "compatible"], (provider) =>
    both(
      12,
      provider,
      "400 context_length_exceeded",
      openAiError(400, "context_length_exceeded", { type: "invalid_request_error" }),
      "Ignored context_length",
      { blind: "Ignored invalid_request" }
    )),
  ...both(
    12,
    "openai-chat",
    "429, request too large",
    openAiError(429, "rate_limit_exceeded", {
      message: "Request too large for gpt-5 on tokens per min (TPM): Limit 30000, Requested 41000.",
      type: "tokens"
    }),
    "Ignored context_length",
    { blind: limited }
  ),
  ...both(
    12,
    "anthropic",
    "400, prompt is too long",
    anthropicError(400, "invalid_request_error", { message: "prompt is too long: 210000 tokens > 200000 maximum" }),
    "Ignored context_length",
    { blind: "Ignored invalid_request" }
  ),
  ...both(12, "anthropic", "413 request_too_large", anthropicError(413, "request_too_large"), "Ignored context_length"),
  ...both(
    12,
    "gemini",
    "400, too many tokens",
    googleError(400, "INVALID_ARGUMENT", [], "The input token count (1200000) exceeds the maximum (1048576)."),
    "Ignored context_length",
    { blind: "Ignored invalid_request" }
  ),
  ...both(
    12,
    "bedrock",
    "400 ValidationException, input is too long",
    bedrockError(400, "ValidationException", "Input is too long for requested model."),
    "Ignored context_length",
    { blind: "Ignored invalid_request" }
  ),

  ...each(
    ["openai-chat", "azure", "openrouter", "compatible"],
    (provider) =>
      both(13, provider, "401", openAiError(401, "invalid_api_key", { type: "invalid_request_error" }), "Ignored auth")
  ),
  ...both(13, "anthropic", "401 authentication_error", anthropicError(401, "authentication_error"), "Ignored auth"),
  ...both(13, "anthropic", "403 permission_error", anthropicError(403, "permission_error"), "Ignored auth"),
  ...both(
    13,
    "gemini",
    "400 API_KEY_INVALID",
    googleError(400, "INVALID_ARGUMENT", [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }
    ]),
    "Ignored auth",
    { blind: "Ignored invalid_request" }
  ),
  ...both(13, "gemini", "403 PERMISSION_DENIED", googleError(403, "PERMISSION_DENIED"), "Ignored auth"),
  ...both(13, "bedrock", "403 AccessDeniedException", bedrockError(403, "AccessDeniedException"), "Ignored auth"),
  ...both(13, "bedrock", "400 ExpiredTokenException", bedrockError(400, "ExpiredTokenException"), "Ignored auth"),

  ...[400, 404, 405, 409, 415, 422].flatMap((status) =>
    both(
      14,
      "openai-chat",
      `${status} invalid_request_error`,
      openAiError(status, status === 404 ? "model_not_found" : null, { type: "invalid_request_error" }),
      "Ignored invalid_request"
    )
  ),
  ...both(14, "anthropic", "404 not_found_error", anthropicError(404, "not_found_error"), "Ignored invalid_request"),
  ...both(14, "gemini", "400 INVALID_ARGUMENT", googleError(400, "INVALID_ARGUMENT"), "Ignored invalid_request"),
  ...both(
    14,
    "bedrock",
    "400 ValidationException",
    bedrockError(400, "ValidationException"),
    "Ignored invalid_request"
  ),
  ...stream(
    14,
    "bedrock",
    "event: validationException",
    begun("bedrock", bedrockEvent("validationException")),
    "Ignored invalid_request"
  ),
  ...both(14, "openrouter", "400", openRouterError(400), "Ignored invalid_request"),

  ...each(everybody, (provider) => {
    const malformed = { body: true, raw: "Success" } as const
    return [
      ...once(15, provider, "200, a page of HTML", page(200), "Failure malformed_response", malformed),
      ...once(
        15,
        provider,
        "200, half a JSON text",
        text(JSON.stringify(answers[provider](false)).slice(0, 20), {
          headers: { "content-type": "application/json" }
        }),
        "Failure malformed_response",
        malformed
      ),
      ...once(
        15,
        provider,
        "200, nothing",
        text("", { headers: { "content-type": "application/json" } }),
        "Failure malformed_response",
        malformed
      ),
      ...once(15, provider, "200, another object", json({ ok: true }), "Failure malformed_response", malformed),
      ...stream(15, provider, "200, nothing, for a stream", first(), "Failure stream_cut")
    ]
  }),
  ...once(
    15,
    "openai-chat",
    "200, no choice",
    json({ object: "chat.completion", choices: [] }),
    "Failure malformed_response",
    {
      body: true,
      raw: "Success"
    }
  ),
  ...each(["openai-chat", "openai-responses", "anthropic", "azure", "openrouter", "compatible"], (provider) => [
    ...stream(15, provider, "200, a page of HTML for a stream", page(200), "Failure stream_cut"),
    ...stream(
      15,
      provider,
      "an event that is no JSON",
      begun(provider, { event: "content_block_delta", data: "{\"type\":" }),
      "Failure malformed_response",
      {
        except: {
          fetch: "Failure stream_cut",
          "HttpClient": "Failure stream_cut",
          "HttpClient, reading errors": "Failure stream_cut",
          "HttpClient on node:http": "Failure stream_cut"
        }
      }
    )
  ]),

  ...[429, 502].flatMap((code) =>
    once(
      16,
      "openrouter",
      `200 with error ${code}`,
      openRouterError(code, { sent: 200 }),
      code === 429 ? limited : "Failure server_error",
      { raw: "Success", except: { "effect/ai": "Failure malformed_response" } }
    )
  ),
  ...once(
    16,
    "openrouter",
    "200, a choice that ended with an error",
    json({
      choices: [{ index: 0, message: { content: "Hel" }, finish_reason: "error", error: { code: 503, message: "No." } }]
    }),
    "Failure overloaded",
    { body: true, raw: "Success", except: { "effect/ai": "Failure server_error" } }
  ),
  ...stream(16, "openrouter", "in-band, 502", begun("openrouter", openRouterChunk(502)), "Failure server_error"),
  ...stream(16, "openrouter", "in-band first, 503", first(openRouterChunk(503)), "Failure overloaded"),
  ...once(
    16,
    "openai-responses",
    "200, status failed, server_error",
    json({ object: "response", status: "failed", error: { code: "server_error", message: "No." }, output: [] }),
    "Failure server_error",
    { raw: "Success", without: ["effect/ai"] }
  ),
  ...once(
    16,
    "compatible",
    "200 with error insufficient_quota",
    json({ error: { message: "No.", type: "insufficient_quota", code: "insufficient_quota" } }),
    quota,
    {
      raw: "Success",
      except: { "effect/ai": "Failure malformed_response" }
    }
  ),

  ...each(everybody, (provider) => [
    ...once(17, provider, "the caller is interrupted", silence, "Ignored cancelled", { own: "interrupted" }),
    ...stream(17, provider, "the caller is interrupted", stall(begun(provider)), "Ignored cancelled", {
      own: "interrupted"
    })
  ]),
  ...each(
    ["openai-chat", "openai-responses", "anthropic"],
    (provider) =>
      both(17, provider, "an AbortController, before the headers", silence, "Ignored cancelled", { how: "abort" })
  ),
  // The official clients end a stream without a word when the caller aborts: no breaker can tell that from a cut.
  ...each(
    ["openai-chat", "openai-responses", "anthropic"],
    (provider) =>
      stream(17, provider, "an AbortController, after content", stall(begun(provider)), "Ignored cancelled", {
        how: "abort",
        except: { openai: "Failure stream_cut", "@anthropic-ai/sdk": "Failure stream_cut" }
      })
  ),
  ...each(everybody, (provider) => [
    ...stream(17, provider, "the consumer takes one part", stall(begun(provider)), "Ignored cancelled", {
      own: "stops"
    }),
    ...stream(17, provider, "the consumer fails", stall(begun(provider)), "Ignored cancelled", { own: "fails" }),

    ...once(18, provider, "the answer misses the schema", json(answers[provider](false)), "Ignored model_output", {
      own: "decoding"
    }),
    ...once(18, provider, "a defect", json(answers[provider](false)), "Ignored caller_error", { own: "defect" }),
    ...once(18, provider, "another circuit is open", json(answers[provider](false)), "Ignored caller_error", {
      own: "rejected"
    })
  ])
]
