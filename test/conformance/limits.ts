// Rows 0 to 3: what is served, and what is not because there was too much of it.
import { ScriptedProvider } from "effect-resilience/testing"
import { begun, both, type Case, complete, each, everybody, first, limited, once, quota, stream } from "./case.ts"
import {
  answers,
  anthropicError,
  anthropicEvent,
  azureEvent,
  bedrockError,
  bedrockEvent,
  failedResponse,
  googleChunk,
  googleError,
  openAiError,
  openAiEvent,
  openRouterChunk,
  openRouterError,
  quotaFailure,
  retryInfo,
  streams
} from "./wire.ts"

const { json, text } = ScriptedProvider

const accessIn = (seconds: number) => inSeconds(seconds).toISOString().slice(0, 19).replace("T", " at ")

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000)

export const limits: ReadonlyArray<Case> = [
  ...each(
    ["openai-chat", "openai-responses", "anthropic", "gemini", "azure", "openrouter", "compatible"],
    (provider) => both(0, provider, "an answer", { aimock: { content: "Hello there" } }, "Success", { body: true })
  ),
  ...once(0, "bedrock", "an answer", { aimock: { content: "Hello there" } }, "Success", { body: true }),
  ...each(everybody, (provider) => [
    ...once(0, provider, "an answer, scripted", json(answers[provider](false)), "Success", { body: true }),
    ...stream(0, provider, "an answer, scripted", complete(provider), "Success")
  ]),

  ...each(["openai-chat", "openai-responses", "anthropic", "azure", "openrouter", "compatible"], (provider) =>
    both(
      1,
      provider,
      "429, retry-after: 7",
      { aimock: { error: { message: "Slow down", type: "rate_limit_error" }, status: 429, retryAfter: 7 } },
      "Throttled rate_limited 7000"
    )),
  ...both(
    1,
    "openai-chat",
    "429 rate_limit_exceeded, retry-after-ms: 1500",
    openAiError(429, "rate_limit_exceeded", { headers: { "retry-after-ms": "1500", "retry-after": "2" } }),
    "Throttled rate_limited 1500"
  ),
  ...both(
    1,
    "openai-chat",
    "429, x-ratelimit-reset-tokens: 1m1.5s of an empty bucket",
    openAiError(429, "rate_limit_exceeded", {
      headers: {
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "1h0m0s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m1.5s"
      }
    }),
    "Throttled rate_limited 61500"
  ),
  ...both(1, "openai-chat", "429 slow_down", openAiError(429, "slow_down"), limited),
  ...both(1, "openai-chat", "503 slow_down", openAiError(503, "slow_down"), limited, { blind: "Failure overloaded" }),
  ...stream(
    1,
    "openai-responses",
    "event: error, rate_limit_exceeded, in words",
    first(openAiEvent("rate_limit_exceeded", "Rate limit reached for gpt-5. Please try again in 2.5s.")),
    "Throttled rate_limited 2500"
  ),
  ...stream(
    1,
    "openai-responses",
    "response.failed, rate_limit_exceeded",
    first(...streams["openai-responses"].opener, failedResponse({ code: "rate_limit_exceeded", message: "Slow down" })),
    limited
  ),
  ...both(
    1,
    "anthropic",
    "429 rate_limit_error, anthropic-ratelimit-tokens-reset",
    anthropicError(429, "rate_limit_error", {
      headers: {
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": inSeconds(90).toISOString()
      }
    }),
    "Throttled rate_limited ~90000"
  ),
  ...both(
    1,
    "anthropic",
    "429 rate_limit_error, anthropic-ratelimit-unified-reset",
    anthropicError(429, "rate_limit_error", {
      headers: { "anthropic-ratelimit-unified-reset": `${Math.ceil(inSeconds(100).getTime() / 1000)}` }
    }),
    "Throttled rate_limited ~100000"
  ),
  ...stream(
    1,
    "anthropic",
    "event: error, rate_limit_error",
    begun("anthropic", anthropicEvent("rate_limit_error")),
    limited
  ),
  ...both(
    1,
    "gemini",
    "429 RESOURCE_EXHAUSTED, per minute, RetryInfo 46s",
    googleError(429, "RESOURCE_EXHAUSTED", [quotaFailure("GenerateRequestsPerMinutePerProject"), retryInfo("46s")]),
    "Throttled rate_limited 46000",
    { blind: limited }
  ),
  ...both(
    1,
    "gemini",
    "429 RESOURCE_EXHAUSTED, in words",
    googleError(429, "RESOURCE_EXHAUSTED", [], "You exceeded your quota. Please retry in 12.5s."),
    "Throttled rate_limited 12500",
    { blind: limited }
  ),
  ...stream(
    1,
    "gemini",
    "in-band, RESOURCE_EXHAUSTED",
    begun("gemini", googleChunk(429, "RESOURCE_EXHAUSTED")),
    limited
  ),
  ...both(
    1,
    "azure",
    "429, retry-after-ms: 2500",
    openAiError(429, "429", { headers: { "retry-after-ms": "2500" } }),
    "Throttled rate_limited 2500"
  ),
  ...both(
    1,
    "azure",
    "429, x-ms-retry-after-ms: 2500",
    openAiError(429, "429", { headers: { "x-ms-retry-after-ms": "2500" } }),
    "Throttled rate_limited 2500"
  ),
  ...both(
    1,
    "azure",
    "429, x-ratelimit-reset-tokens: 26",
    openAiError(429, "429", {
      headers: { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "26" }
    }),
    "Throttled rate_limited 26000"
  ),
  ...both(
    1,
    "azure",
    "429, in words",
    openAiError(429, "429", { message: "You have exceeded the token rate limit. Please retry after 26 seconds." }),
    "Throttled rate_limited 26000",
    { blind: limited }
  ),
  ...stream(1, "azure", "200, the first event: too_many_requests", first(azureEvent), limited),
  ...both(1, "bedrock", "429 ThrottlingException", bedrockError(429, "ThrottlingException"), limited),
  ...stream(
    1,
    "bedrock",
    "event: throttlingException",
    begun("bedrock", bedrockEvent("throttlingException", "No.")),
    limited
  ),
  ...stream(
    1,
    "bedrock",
    "event: throttlingException, not in the model of the client",
    begun("bedrock", bedrockEvent("throttlingException")),
    limited
  ),
  ...both(
    1,
    "openrouter",
    "429, retry-after: 1.5",
    openRouterError(429, { headers: { "retry-after": "1.5" } }),
    "Throttled rate_limited 1500"
  ),
  ...stream(1, "openrouter", "in-band, 429", begun("openrouter", openRouterChunk(429)), limited),
  ...both(
    1,
    "compatible",
    "429, retry-after as a date",
    text("Too Many Requests", { status: 429, headers: { "retry-after": inSeconds(80).toUTCString() } }),
    "Throttled rate_limited ~80000"
  ),
  ...both(
    1,
    "compatible",
    "429, ratelimit-reset: 9",
    text("Too Many Requests", { status: 429, headers: { "ratelimit-remaining": "0", "ratelimit-reset": "9" } }),
    "Throttled rate_limited 9000"
  ),

  ...both(
    2,
    "openai-chat",
    "429, retry-after: 600",
    openAiError(429, "rate_limit_exceeded", { headers: { "retry-after": "600" } }),
    "OpenNow rate_limited 600000"
  ),
  ...both(
    2,
    "openai-chat",
    "429, retry-after: soon",
    openAiError(429, null, { headers: { "retry-after": "soon" } }),
    limited
  ),
  ...both(2, "anthropic", "429 rate_limit_error, no hint", anthropicError(429, "rate_limit_error"), limited),
  ...both(
    2,
    "anthropic",
    "429 ramp_limit_exceeded, retry-after: 30",
    anthropicError(429, "rate_limit_error", {
      headers: { "retry-after": "30" },
      more: { details: { error_code: "ramp_limit_exceeded" } }
    }),
    "Throttled rate_limited 30000"
  ),
  ...both(2, "gemini", "429 RESOURCE_EXHAUSTED of Vertex AI", googleError(429, "RESOURCE_EXHAUSTED"), limited),
  ...both(
    2,
    "gemini",
    "429 RESOURCE_EXHAUSTED, RetryInfo 10h17m5.72s",
    googleError(429, "RESOURCE_EXHAUSTED", [retryInfo("10h17m5.72s")]),
    "OpenNow rate_limited 37025720",
    { blind: limited }
  ),
  ...both(
    2,
    "azure",
    "429, retry-after: 0",
    openAiError(429, "429", { headers: { "retry-after": "0" } }),
    limited
  ),
  ...both(
    2,
    "azure",
    "429, x-ratelimit-reset-tokens: -1",
    openAiError(429, "429", { headers: { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-1" } }),
    limited
  ),
  ...both(2, "compatible", "429, no hint", text("", { status: 429 }), limited),

  ...each(["openai-chat", "azure", "compatible"], (provider) =>
    both(
      3,
      provider,
      "429 insufficient_quota",
      openAiError(429, "insufficient_quota", { type: "insufficient_quota" }),
      quota,
      { blind: limited }
    )),
  ...[
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded"
  ].flatMap((code) => both(3, "openai-chat", `429 ${code}`, openAiError(429, code), quota, { blind: limited })),
  ...both(3, "anthropic", "402 billing_error", anthropicError(402, "billing_error"), quota),
  ...both(
    3,
    "anthropic",
    "400, credit balance",
    anthropicError(400, "invalid_request_error", {
      message: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    }),
    quota,
    { blind: "Ignored invalid_request" }
  ),
  ...both(
    3,
    "anthropic",
    "400, the limit that was set by oneself",
    anthropicError(400, "invalid_request_error", {
      message: `You have reached your specified API usage limits. You will regain access on ${accessIn(7200)} UTC.`
    }),
    `${quota} ~7200000`,
    { blind: "Ignored invalid_request" }
  ),
  ...["enforced_spend_limit_reached", "contract_spend_limit_reached"].flatMap((error_code) =>
    both(
      3,
      "anthropic",
      `429 ${error_code}`,
      anthropicError(429, "rate_limit_error", { more: { details: { error_code } } }),
      quota,
      { blind: limited }
    )
  ),
  ...both(
    3,
    "gemini",
    "429 RESOURCE_EXHAUSTED, per day",
    googleError(429, "RESOURCE_EXHAUSTED", [quotaFailure("GenerateRequestsPerDayPerProjectPerModel-FreeTier")]),
    quota,
    { blind: limited }
  ),
  ...both(
    3,
    "gemini",
    "429 RESOURCE_EXHAUSTED, limit: 0",
    googleError(429, "RESOURCE_EXHAUSTED", [], "Quota exceeded for metric: free_tier_requests, limit: 0"),
    quota,
    { blind: limited }
  ),
  ...both(3, "bedrock", "400 ServiceQuotaExceededException", bedrockError(400, "ServiceQuotaExceededException"), quota),
  ...both(3, "openrouter", "402", openRouterError(402, { message: "Insufficient credits" }), quota),
  ...once(3, "openrouter", "200 with error 402", openRouterError(402, { sent: 200 }), quota, {
    raw: "Success",
    except: { "effect/ai": "Failure malformed_response" }
  }),
  ...both(3, "compatible", "402", text("Payment Required", { status: 402 }), quota)
]
