// Rows 4 to 10: the provider fails, is cut off, or is too slow.
import { ScriptedProvider } from "effect-resilience/testing"
import { begun, both, type Case, complete, each, everybody, first, once, stream } from "./case.ts"
import { deadlineMillis } from "./client.ts"
import {
  answers,
  anthropicError,
  anthropicEvent,
  bedrockError,
  bedrockEvent,
  failedResponse,
  googleChunk,
  googleError,
  openAiError,
  openAiEvent,
  openRouterError,
  page,
  type Provider,
  streams
} from "./wire.ts"

const { cut, events, json, late, reset, silence, stall, text } = ScriptedProvider

const slow = `${deadlineMillis} millis`
const pings = (provider: Provider): ReadonlyArray<ScriptedProvider.Part> =>
  Array.from({ length: 40 }, () => [{ pause: "10 millis" }, streams[provider].ping] as const).flat()

export const failures: ReadonlyArray<Case> = [
  ...both(
    4,
    "anthropic",
    "529 overloaded_error",
    { aimock: { error: { message: "Overloaded", type: "overloaded_error" }, status: 529 } },
    "Failure overloaded"
  ),
  ...both(
    4,
    "anthropic",
    "529 overloaded_error, retry-after: 20",
    anthropicError(529, "overloaded_error", { headers: { "retry-after": "20" } }),
    "Failure overloaded 20000"
  ),
  ...stream(
    4,
    "anthropic",
    "event: error first, overloaded_error",
    first(anthropicEvent("overloaded_error")),
    "Failure overloaded"
  ),
  ...stream(
    4,
    "anthropic",
    "event: error last, overloaded_error",
    begun("anthropic", anthropicEvent("overloaded_error")),
    "Failure overloaded"
  ),
  ...both(4, "openai-chat", "503 server_is_overloaded", openAiError(503, "server_is_overloaded"), "Failure overloaded"),
  ...stream(
    4,
    "openai-chat",
    "in-band, server_is_overloaded",
    begun("openai-chat", {
      data: { error: { message: "Overloaded", type: "server_error", code: "server_is_overloaded" } }
    }),
    "Failure overloaded"
  ),
  ...stream(
    4,
    "openai-responses",
    "event: error last, server_is_overloaded",
    begun("openai-responses", openAiEvent("server_is_overloaded")),
    "Failure overloaded"
  ),
  ...both(4, "gemini", "503 UNAVAILABLE", googleError(503, "UNAVAILABLE"), "Failure overloaded"),
  ...stream(4, "gemini", "in-band, UNAVAILABLE", first(googleChunk(503, "UNAVAILABLE")), "Failure overloaded"),
  ...both(
    4,
    "azure",
    "429, x-ms-throttle-reason: ModelCapacityExceeded",
    openAiError(429, "429", { headers: { "x-ms-throttle-reason": "ModelCapacityExceeded", "retry-after": "10" } }),
    "Failure overloaded 10000"
  ),
  ...both(
    4,
    "bedrock",
    "503 ServiceUnavailableException",
    bedrockError(503, "ServiceUnavailableException"),
    "Failure overloaded"
  ),
  ...both(
    4,
    "bedrock",
    "429 ModelNotReadyException",
    bedrockError(429, "ModelNotReadyException"),
    "Failure overloaded"
  ),
  ...stream(
    4,
    "bedrock",
    "event: serviceUnavailableException",
    begun("bedrock", bedrockEvent("serviceUnavailableException")),
    "Failure overloaded"
  ),
  ...both(4, "openrouter", "503", openRouterError(503), "Failure overloaded"),
  ...both(4, "compatible", "498 of Groq", text("capacity exceeded", { status: 498 }), "Failure overloaded"),

  ...each(["openai-chat", "anthropic", "azure", "openrouter", "compatible"], (provider) =>
    both(
      5,
      provider,
      "500",
      { aimock: { error: { message: "The server had an error", type: "server_error" }, status: 500 } },
      "Failure server_error"
    )),
  ...[502, 504, 520, 522, 524].flatMap((status) =>
    each(
      status === 502 ? ["openai-chat", "anthropic", "gemini"] : ["anthropic"],
      (provider) => both(5, provider, `${status}, a page of HTML`, page(status), "Failure server_error")
    )
  ),
  ...both(5, "gemini", "500 INTERNAL", googleError(500, "INTERNAL"), "Failure server_error"),
  ...stream(
    5,
    "anthropic",
    "event: error, api_error",
    begun("anthropic", anthropicEvent("api_error")),
    "Failure server_error"
  ),
  ...stream(
    5,
    "openai-responses",
    "response.failed, server_error",
    begun("openai-responses", failedResponse({ code: "server_error", message: "It did not work." })),
    "Failure server_error"
  ),
  ...stream(5, "azure", "response.failed that says nothing", first(failedResponse(null)), "Failure server_error"),
  ...both(
    5,
    "bedrock",
    "500 InternalServerException",
    bedrockError(500, "InternalServerException"),
    "Failure server_error"
  ),
  ...both(5, "bedrock", "424 ModelErrorException", bedrockError(424, "ModelErrorException"), "Failure server_error"),
  ...stream(
    5,
    "bedrock",
    "event: internalServerException",
    begun("bedrock", bedrockEvent("internalServerException")),
    "Failure server_error"
  ),
  ...both(5, "openrouter", "502", openRouterError(502), "Failure server_error"),

  ...each(everybody, (provider) => [
    ...both(6, provider, "silence, a deadline of the client", silence, "Failure timeout", { how: "deadline" }),
    ...once(6, provider, "silence, attemptTimeout", silence, "Failure timeout", { attemptTimeout: deadlineMillis })
  ]),
  ...each(
    ["openai-chat", "openrouter", "compatible"],
    (provider) => both(6, provider, "408", text("Request Timeout", { status: 408 }), "Failure timeout")
  ),
  ...both(6, "anthropic", "504 timeout_error", anthropicError(504, "timeout_error"), "Failure timeout", {
    blind: "Failure server_error"
  }),
  ...both(6, "gemini", "504 DEADLINE_EXCEEDED", googleError(504, "DEADLINE_EXCEEDED"), "Failure timeout", {
    blind: "Failure server_error"
  }),
  ...both(6, "bedrock", "408 ModelTimeoutException", bedrockError(408, "ModelTimeoutException"), "Failure timeout"),
  ...stream(
    6,
    "bedrock",
    "event: modelTimeoutException",
    begun("bedrock", bedrockEvent("modelTimeoutException")),
    "Failure timeout"
  ),

  ...each(everybody, (provider) => [
    ...both(7, provider, "the connection is refused", "refused", "Failure connection"),
    ...both(7, provider, "the connection is reset before the headers", reset, "Failure connection")
  ]),
  ...each(["openai-chat", "anthropic"], (provider) => [
    ...both(7, provider, "nobody there speaks TLS", "tls", "Failure connection"),
    ...both(7, provider, "the name does not resolve", "unresolved", "Failure connection")
  ]),

  ...each(everybody, (provider) => [
    ...once(
      8,
      provider,
      "the body is cut",
      cut(json(answers[provider](false)), { afterBytes: 20 }),
      "Failure stream_cut",
      {
        raw: "Success",
        except: { "effect/ai": "Failure malformed_response" }
      }
    ),
    ...stream(8, provider, "the body is cut after content", cut(begun(provider)), "Failure stream_cut", {
      except: { "effect/ai": "Failure malformed_response" }
    }),
    ...stream(8, provider, "an end without the last part", begun(provider), "Failure stream_cut"),
    ...stream(8, provider, "an end after the first part", first(...streams[provider].opener), "Failure stream_cut")
  ]),
  ...stream(
    8,
    "bedrock",
    "event: modelStreamErrorException",
    begun("bedrock", bedrockEvent("modelStreamErrorException")),
    "Failure stream_cut"
  ),

  ...each(everybody, (provider) => [
    ...stream(9, provider, "silence after content", stall(begun(provider)), "Failure stream_stalled", {
      firstContentTimeout: 20_000,
      idleTimeout: 80
    }),
    ...stream(
      9,
      provider,
      "nothing but pings after content",
      begun(provider, ...pings(provider)),
      "Failure stream_stalled",
      { firstContentTimeout: 20_000, idleTimeout: 80 }
    ),
    ...stream(
      9,
      provider,
      "pauses shorter than the limit",
      events([
        ...streams[provider].opener,
        ...streams[provider].content.flatMap((part) => [{ pause: "30 millis" } as const, part]),
        ...streams[provider].finish
      ]),
      "Success",
      { idleTimeout: 20_000 }
    ),

    ...stream(10, provider, "silence", silence, "Failure slow_first_content", { firstContentTimeout: 80 }),
    ...stream(
      10,
      provider,
      "the first part and no content",
      stall(first(...streams[provider].opener)),
      "Failure slow_first_content",
      { firstContentTimeout: 80, idleTimeout: 20_000 }
    ),
    ...stream(
      10,
      provider,
      "nothing but pings",
      first(...streams[provider].opener, ...pings(provider)),
      "Failure slow_first_content",
      { firstContentTimeout: 80 }
    ),
    ...stream(10, provider, "slow headers, in time", late(complete(provider), slow), "Success", {
      firstContentTimeout: 20_000
    })
  ])
]
