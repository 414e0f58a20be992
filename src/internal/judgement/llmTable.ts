/** The judgement of LLM calls as data: from signals to kind and outcome. */
import { type ByHint, type Row } from "./llmRow.ts"

// Wait it out, stop for now, or count it as a sign of missing capacity.
const rateLimit: ByHint = { short: "Throttled", long: "OpenNow", none: "Failure" }

// Bedrock's exceptions have a small letter where they are an event of a stream.
const aws = (...names: ReadonlyArray<string>) =>
  names.flatMap((name) => [name, name.charAt(0).toLowerCase() + name.slice(1)])

/** The row of last resort: who guards a call expects its errors to count. */
export const unrecognised: Row = { id: "unrecognised", match: {}, kind: "unknown", outcome: "Failure" }

/**
 * Looked through from the top, the first row that matches decides: a provider's specific code before the status,
 * the status before a general code, that before the network and the tags of errors, and last what is left.
 */
export const table: ReadonlyArray<Row> = [
  {
    id: "guard/slow-first-content",
    match: { code: ["AttemptTimedOut/first_content"] },
    kind: "slow_first_content",
    outcome: "Failure"
  },
  {
    id: "guard/stream-stalled",
    match: { code: ["AttemptTimedOut/idle"] },
    kind: "stream_stalled",
    outcome: "Failure"
  },
  {
    id: "guard/attempt-timed-out",
    match: { code: ["CircuitBreakerError/AttemptTimedOut"] },
    kind: "timeout",
    outcome: "Failure"
  },
  {
    id: "guard/stream-cut",
    match: { code: ["CircuitBreakerError/StreamCut"] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  // The call did not run. Effect's own breaker and rate limiter fail with the same tags.
  {
    id: "guard/rejected",
    match: { code: ["CircuitBreakerError", "RateLimiterError"] },
    kind: "caller_error",
    outcome: "Ignored"
  },

  {
    id: "code/quota",
    match: {
      code: [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "quota_exceeded",
        ...aws("ServiceQuotaExceededException"),
        "AiError/QuotaExhaustedError",
        // Google's quota ids, such as `GenerateRequestsPerDayPerProjectPerModel-FreeTier`.
        /PerDay/
      ]
    },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  {
    id: "message/quota",
    match: { status: [400, 403], message: [/credit balance is too low/i, /specified API usage limits/i] },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  {
    id: "message/no-quota-at-all",
    match: { status: [429], message: [/\blimit: 0\b/] },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  {
    id: "code/context-length",
    match: { code: ["context_length_exceeded", "request_too_large", "string_above_max_length"] },
    kind: "context_length",
    outcome: "Ignored"
  },
  {
    id: "message/context-length",
    match: {
      status: [400],
      message: [
        /prompt is too long/i,
        /maximum context length/i,
        /exceeds? (?:the )?context (?:window|limit)/i,
        /input is too long/i,
        /input token count .*exceeds/i
      ]
    },
    kind: "context_length",
    outcome: "Ignored"
  },
  // One request above the limit per minute: waiting never helps.
  {
    id: "message/request-too-large",
    match: { status: [429], message: [/request too large/i] },
    kind: "context_length",
    outcome: "Ignored"
  },
  {
    id: "code/content-policy",
    match: {
      code: [
        "content_policy_violation",
        "content_filter",
        "invalid_prompt",
        "moderation_blocked",
        "ResponsibleAIPolicyViolation",
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
        // How an answer ended: Anthropic, Gemini, Bedrock, effect/ai.
        "refusal",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "IMAGE_SAFETY",
        "content_filtered",
        "guardrail_intervened",
        "content-filter",
        "AiError/ContentPolicyError"
      ]
    },
    kind: "content_policy",
    outcome: "Ignored"
  },
  {
    id: "message/moderation",
    match: { status: [403], message: [/moderation|flagged/i] },
    kind: "content_policy",
    outcome: "Ignored"
  },
  {
    id: "code/overloaded",
    match: {
      code: [
        "overloaded_error",
        "server_is_overloaded",
        "UNAVAILABLE",
        "ModelCapacityExceeded",
        ...aws("ServiceUnavailableException", "ModelNotReadyException")
      ]
    },
    kind: "overloaded",
    outcome: "Failure"
  },
  {
    id: "code/rate-limited",
    match: {
      code: [
        "rate_limit_exceeded",
        "rate_limit_error",
        "ramp_limit_exceeded",
        "slow_down",
        "too_many_requests",
        "RESOURCE_EXHAUSTED",
        "RATE_LIMIT_EXCEEDED",
        ...aws("ThrottlingException", "TooManyRequestsException"),
        "AiError/RateLimitError"
      ]
    },
    kind: "rate_limited",
    outcome: rateLimit
  },
  {
    id: "code/timeout",
    match: { code: ["timeout_error", "DEADLINE_EXCEEDED", ...aws("ModelTimeoutException")] },
    kind: "timeout",
    outcome: "Failure"
  },
  {
    id: "code/stream-cut",
    match: { code: [...aws("ModelStreamErrorException"), "ERR_STREAM_PREMATURE_CLOSE"] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  {
    id: "code/auth",
    match: {
      code: [
        "invalid_api_key",
        "authentication_error",
        "permission_error",
        "API_KEY_INVALID",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "organization_on_hold",
        ...aws("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException"),
        "AiError/AuthenticationError"
      ]
    },
    kind: "auth",
    outcome: "Ignored"
  },

  { id: "status/402", match: { status: [402] }, kind: "quota_exhausted", outcome: "OpenNow" },
  { id: "status/auth", match: { status: [401, 403] }, kind: "auth", outcome: "Ignored" },
  { id: "status/408", match: { status: [408] }, kind: "timeout", outcome: "Failure" },
  { id: "status/413", match: { status: [413] }, kind: "context_length", outcome: "Ignored" },
  { id: "status/424", match: { status: [424] }, kind: "server_error", outcome: "Failure" },
  { id: "status/429", match: { status: [429] }, kind: "rate_limited", outcome: rateLimit },
  // Groq: no capacity left for the cheaper tier.
  { id: "status/498", match: { status: [498] }, kind: "overloaded", outcome: "Failure" },
  // What nginx notes when its caller went away.
  { id: "status/499", match: { status: [499] }, kind: "cancelled", outcome: "Ignored" },
  { id: "status/overloaded", match: { status: [503, 529] }, kind: "overloaded", outcome: "Failure" },
  // Among them 500, 502, 504, and 520 to 524 of the edge in front of a provider.
  { id: "status/5xx", match: { status: [[500, 599]] }, kind: "server_error", outcome: "Failure" },
  // Among them 400, 404, 405, 409, 415, 422.
  { id: "status/4xx", match: { status: [[400, 499]] }, kind: "invalid_request", outcome: "Ignored" },

  {
    id: "code/server-error",
    match: {
      code: [
        "api_error",
        "server_error",
        "internal_server_error",
        "INTERNAL",
        ...aws("InternalServerException", "ModelErrorException"),
        "AiError/InternalProviderError"
      ]
    },
    kind: "server_error",
    outcome: "Failure"
  },
  {
    id: "code/invalid-request",
    match: {
      code: [
        "invalid_request_error",
        "not_found_error",
        "model_not_found",
        // What the responses API says of images in a request.
        /^(?:invalid|unsupported)_image/,
        /^image_(?!content_policy)/,
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "NOT_FOUND",
        ...aws("ValidationException", "ResourceNotFoundException"),
        "AiError/InvalidRequestError"
      ]
    },
    kind: "invalid_request",
    outcome: "Ignored"
  },

  // Before the rows of the network: the network is not to blame.
  {
    id: "client/request",
    match: {
      code: [
        "ERR_INVALID_URL",
        "UND_ERR_INVALID_ARG",
        "HttpClientError/EncodeError",
        "HttpClientError/InvalidUrlError",
        "NetworkError/EncodeError",
        "NetworkError/InvalidUrlError"
      ]
    },
    kind: "caller_error",
    outcome: "Ignored"
  },
  {
    id: "network/timeout",
    match: {
      code: [
        "TimeoutError",
        "UND_ERR_CONNECT_TIMEOUT",
        "UND_ERR_HEADERS_TIMEOUT",
        "UND_ERR_BODY_TIMEOUT",
        "ESOCKETTIMEDOUT",
        "APIConnectionTimeoutError"
      ]
    },
    kind: "timeout",
    outcome: "Failure"
  },
  // In a minified program the classes of the official clients have lost their names.
  {
    id: "network/timeout-message",
    match: { message: [/^Request timed out\./] },
    kind: "timeout",
    outcome: "Failure"
  },
  // After the timeouts: a client that times out aborts its own request.
  {
    id: "client/cancelled",
    match: { code: ["AbortError", "ABORT_ERR", "ERR_CANCELED", "UND_ERR_ABORTED", "APIUserAbortError", "CANCELLED"] },
    kind: "cancelled",
    outcome: "Ignored"
  },
  {
    id: "client/cancelled-message",
    match: { message: [/^Request was aborted\.$/] },
    kind: "cancelled",
    outcome: "Ignored"
  },
  // Cut in the middle of an answer, as `fetch` and as `node:http` report it.
  {
    id: "network/cut",
    match: { code: ["TypeError"], message: [/^terminated$/] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  {
    id: "network/cut-node",
    match: { code: ["ECONNRESET"], message: [/^aborted$/] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  {
    id: "network/connection",
    match: {
      code: [
        "ECONNREFUSED",
        "ECONNRESET",
        "ECONNABORTED",
        "ETIMEDOUT",
        "EPIPE",
        "ENOTFOUND",
        "EAI_AGAIN",
        "EHOSTUNREACH",
        "EHOSTDOWN",
        "ENETUNREACH",
        "ENETDOWN",
        "EADDRNOTAVAIL",
        "EPROTO",
        /^UND_ERR_/,
        /^ERR_(?:TLS|SSL|HTTP2)_/,
        /^(?:CERT|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED)_/,
        "APIConnectionError",
        "HttpClientError/TransportError",
        "NetworkError/TransportError"
      ]
    },
    kind: "connection",
    outcome: "Failure"
  },
  {
    id: "network/fetch-failed",
    match: {
      code: ["TypeError"],
      message: [/^(?:fetch failed|failed to fetch|load failed|network ?error)/i]
    },
    kind: "connection",
    outcome: "Failure"
  },
  {
    id: "network/malformed",
    match: {
      code: [
        /^HPE_/,
        "HttpClientError/DecodeError",
        "HttpClientError/EmptyBodyError",
        "AiError/InvalidResponseError",
        "SseError",
        // The HTTP client of a provider could not read the answer; elsewhere the same error is the model's doing.
        /Client\/InvalidOutputError$/,
        "Answer/malformed"
      ]
    },
    kind: "malformed_response",
    outcome: "Failure"
  },
  // Somebody parsed an answer that is no JSON. As a defect it is more likely the caller who did.
  {
    id: "network/not-json",
    match: { origin: ["error"], code: ["SyntaxError"] },
    kind: "malformed_response",
    outcome: "Failure"
  },

  {
    id: "client/own-code",
    match: {
      code: [
        "AiError/UnsupportedSchemaError",
        "AiError/ToolConfigurationError",
        "AiError/ToolkitRequiredError",
        "AiError/InvalidUserInputError",
        "AiError/InvalidToolResultError",
        "AiError/ToolResultEncodingError",
        "ExceededCapacityError",
        "IllegalArgumentError",
        "NoSuchElementError",
        "ConfigError",
        "FailoverError/UnknownRoute",
        "FailoverError/NoTargetAllowed"
      ]
    },
    kind: "caller_error",
    outcome: "Ignored"
  },
  {
    id: "model/output",
    match: {
      code: [
        "AiError/InvalidOutputError",
        "AiError/StructuredOutputError",
        "AiError/ToolNotFoundError",
        "AiError/ToolParameterValidationError",
        "SchemaError"
      ]
    },
    kind: "model_output",
    outcome: "Ignored"
  },
  // Whoever read the answer looked for something that was not there.
  {
    id: "network/wrong-shape",
    match: {
      origin: ["error"],
      code: ["TypeError"],
      message: [/^Cannot (?:read propert|use 'in' operator)/, /is not an object/]
    },
    kind: "malformed_response",
    outcome: "Failure"
  },
  // The provider says that it failed, and no more.
  {
    id: "answer/failed",
    match: { code: ["failed", "response.failed", "Answer/error"] },
    kind: "server_error",
    outcome: "Failure"
  },
  { id: "model/unknown", match: { code: ["AiError/UnknownError"] }, kind: "unknown", outcome: "Ignored" },

  { id: "interruption", match: { origin: ["interruption"] }, kind: "cancelled", outcome: "Ignored" },
  // Only looked at because it resembles a failure.
  { id: "value", match: { origin: ["value"] }, kind: "unknown", outcome: "Success" },
  { id: "defect", match: { origin: ["defect"] }, kind: "caller_error", outcome: "Ignored" },
  unrecognised
]
