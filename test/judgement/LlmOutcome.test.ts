import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Exit, Schema } from "effect"
import { AiError } from "effect/ai"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { createServer, type RequestListener } from "node:http"
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from "node:net"
import { inspect } from "node:util"
import * as CircuitError from "../../src/CircuitError.ts"
import * as LlmOutcome from "../../src/LlmOutcome.ts"
import * as Outcome from "../../src/Outcome.ts"
import { short } from "./short.ts"

const judge = (error: unknown) => short(LlmOutcome.fromError(error))
const rowOf = (error: unknown) => LlmOutcome.explain(Exit.fail(error)).row

const request = HttpClientRequest.post("https://api.example.com/v1/chat")
const response = (status: number, headers: Record<string, string> = {}, body: string | null = "") =>
  HttpClientResponse.fromWeb(request, new Response(body, { status, headers }))

describe("LlmOutcome.table", () => {
  it("names every row once and ends with one that always matches", () => {
    const ids = LlmOutcome.table.map((row) => row.id)
    assert.deepStrictEqual(Array.from(new Set(ids)), ids)
    assert.deepStrictEqual(LlmOutcome.table.at(-1)?.match, {})
  })

  it("has only documented kinds", () => {
    for (const row of LlmOutcome.table) assert.include(Outcome.kinds, row.kind)
  })

  // An error that carries nothing but this code.
  const bearer = (code: string) => {
    const [tag, reason] = code.split("/")
    if (tag === "base_resp") return { base_resp: { status_code: Number(reason) } }
    if (tag === "error_code") return { error_code: Number(reason) }
    return reason === undefined ? { code } : { _tag: tag, reason: { _tag: reason } }
  }

  const examples: ReadonlyArray<readonly [row: string, error: unknown]> = [
    ["message/quota", { status: 400, message: "Your credit balance is too low to access the Anthropic API." }],
    ["message/quota", { status: 400, message: "You have reached your specified API usage limits." }],
    ["message/quota", { status: 429, body: { detail: "You have used all available credits." } }],
    ["message/quota-by-status", {
      status: 403,
      message: "The request was not run: there is a negative balance, please top up."
    }],
    ["message/quota-denied", { status: 403, message: "The quota was exceeded." }],
    ["message/auth", { status: 400, message: "This organization has been disabled." }],
    ["message/auth", { status: 400, message: "User location is not supported for the API use." }],
    ["message/per-day", { status: 429, message: "Too many requests per day" }],
    ["message/overloaded-by-status", { status: 429, message: "We are at capacity." }],
    ["message/overloaded", { status: 400, body: { detail: "Selected model is at capacity." } }],
    ["message/rate-limited", { status: 403, message: "API rate limit exceeded for this address" }],
    ["message/upstream", { status: 400, message: "Error from provider (X): Upstream request failed" }],
    ["message/unsupported", { status: 404, message: "No endpoints found that support tool use." }],
    ["message/too-many-tokens", { status: 400, message: "There are too many tokens." }],
    ["message/invalid-request", { message: "Invalid parameter: n" }],
    ["message/no-quota-at-all", { status: 429, message: "Quota exceeded for metric: requests, limit: 0" }],
    ["message/context-length", { status: 400, message: "prompt is too long: 210000 tokens > 200000 maximum" }],
    ["message/context-length", { status: 400, message: "This model's maximum context length is 8192 tokens." }],
    ["message/context-length", { status: 400, message: "Your input exceeds the context window of this model." }],
    ["message/context-length", { name: "ValidationException", status: 400, message: "Input is too long." }],
    ["message/context-length", { status: 400, message: "The input token count (9) exceeds the maximum (8)." }],
    ["message/request-too-large", { status: 429, code: "rate_limit_exceeded", message: "Request too large for gpt-5" }],
    ["message/content-policy", { status: 403, message: "openai/gpt-5 requires moderation. Your input was flagged." }],
    ["status/402", { status: 402 }],
    ["status/404", { status: 404 }],
    ["status/446", { status: 446 }],
    ["status/auth", { status: 401 }],
    ["status/408", { status: 408 }],
    ["status/413", { status: 413 }],
    ["status/424", { status: 424 }],
    ["status/429", { status: 429 }],
    ["status/498", { status: 498 }],
    ["status/499", { status: 499 }],
    ["status/overloaded", { status: 529 }],
    ["status/5xx", { status: 500 }],
    ["status/4xx", { status: 400 }],
    ["network/fetch-failed", new TypeError("fetch failed")],
    ["network/fetch-failed", new TypeError("Failed to fetch")],
    ["network/fetch-failed", new TypeError("NetworkError when attempting to fetch resource.")],
    ["network/cut", new TypeError("terminated")],
    ["network/cut-node", Object.assign(new Error("aborted"), { code: "ECONNRESET" })],
    ["network/timeout-message", new Error("Request timed out.")],
    ["client/cancelled-message", new Error("Request was aborted.")],
    ["network/wrong-shape", new TypeError("Cannot read properties of undefined (reading '0')")],
    ["network/wrong-shape", new TypeError("Cannot use 'in' operator to search for 'object' in <html>")],
    ["message/auth", new Error("The GROQ_API_KEY environment variable is missing or empty.")],
    ["client/mistake", new Error("model is required and must be a string")],
    ["client/mistake", new TypeError("Do not know how to serialize a BigInt")],
    ["client/mistake", new TypeError("Headers.append: \"x\" is an invalid header value.")],
    ["client/not-json", new Error("invalid json response body at x reason: Unexpected token <")],
    ["client/unreadable", { statusCode: 200, message: "Unexpected content type" }],
    ["network/reset", Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" })],
    ["network/cut-client", new Error("Did not receive done or success response in stream.")],
    ["network/malformed", { code: "HPE_INVALID_CONSTANT" }],
    ["code/quota", { error: { details: [{ violations: [{ quotaId: "GenerateRequestsPerDayPerProject" }] }] } }],
    ["network/connection", { code: "ERR_TLS_CERT_ALTNAME_INVALID" }],
    ["network/connection", { code: "ERR_SSL_WRONG_VERSION_NUMBER" }],
    ["network/connection", { code: "CERT_HAS_EXPIRED" }],
    ["network/connection", { code: "UND_ERR_SOCKET" }],
    ["unrecognised", new Error("boom")],
    ["unrecognised", new Error("{\"code\":\"insufficient_quota\"}")],
    ["unrecognised", { status: 600 }],
    ["unrecognised", { status: 399 }]
  ]

  // Of codes that providers document, those which the patterns of a row find.
  const documented: Readonly<Record<string, ReadonlyArray<string>>> = {
    "code/content-policy": [
      "image_content_policy_violation",
      "AiError/ContentPolicyError",
      "content_filtered",
      "content-filter"
    ],
    "code/quota": [
      "organization_spend_limit_exceeded",
      "project_spend_limit_exceeded",
      "organization_usage_limit_exceeded",
      "billing_hard_limit_reached",
      "billing_not_active",
      "enforced_spend_limit_reached",
      "contract_spend_limit_reached",
      "linked_organization_spend_limit_reached",
      "quota_exceeded",
      "ServiceQuotaExceededException",
      "serviceQuotaExceededException",
      "AiError/QuotaExhaustedError"
    ],
    "code/overloaded": [
      "ModelCapacityExceeded",
      "ServiceUnavailableException",
      "serviceUnavailableException",
      "ModelNotReadyException",
      "modelNotReadyException",
      "Answer/overloaded"
    ],
    "code/rate-limited": [
      "slow_down",
      "too_many_requests",
      "RESOURCE_EXHAUSTED",
      "RATE_LIMIT_EXCEEDED",
      "ThrottlingException",
      "throttlingException",
      "TooManyRequestsException",
      "tooManyRequestsException",
      "AiError/RateLimitError"
    ],
    "code/timeout": [
      "ModelTimeoutException",
      "modelTimeoutException"
    ],
    "code/auth": [
      "API_KEY_INVALID",
      "UNAUTHENTICATED",
      "PERMISSION_DENIED",
      "organization_on_hold",
      "AccessDeniedException",
      "accessDeniedException",
      "ExpiredTokenException",
      "expiredTokenException",
      "UnrecognizedClientException",
      "unrecognizedClientException",
      "AiError/AuthenticationError"
    ],
    "code/server-error": [
      "InternalServerException",
      "internalServerException"
    ],
    "code/invalid-request": [
      "INVALID_ARGUMENT",
      "NOT_FOUND",
      "ValidationException",
      "validationException"
    ]
  }

  for (const row of LlmOutcome.table) {
    // A number is only one of those with a status that it comes with.
    const isNumber = row.id.startsWith("number/") || row.id === "request/unknown-model"
    const codes = row.match.message === undefined && !isNumber ? row.match.code ?? [] : []
    const named = codes.filter((code) => typeof code === "string").concat(documented[row.id] ?? [])
    it.each(named)(`${row.id} decides %s`, (code) => {
      assert.strictEqual(rowOf(bearer(code)), row.id)
    })
  }

  it.each(examples)("%s decides %o", (row, error) => {
    assert.strictEqual(rowOf(error), row)
  })

  it("has an example or a code for every row, and tests below for what has neither", () => {
    const rows = [...examples.map(([row]) => row), ...Object.keys(documented)]
    const proven = new Set(["interruption", "defect", "value", ...rows])
    for (const { id, match } of LlmOutcome.table) {
      assert.isTrue(proven.has(id) || match.code?.some((code) => typeof code === "string"), id)
    }
  })
})

describe("LlmOutcome.classify: HTTP statuses", () => {
  const expected: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
    ["Failure server_error", [424, 500, 501, 502, 504, 520, 521, 522, 523, 524, 599]],
    ["Failure overloaded", [498, 503, 529]],
    ["Failure timeout", [408]],
    ["Failure rate_limited", [429]],
    ["OpenNow quota_exhausted", [402]],
    ["Ignored auth", [401, 403, 407]],
    ["Ignored context_length", [413]],
    ["Ignored cancelled", [499]],
    ["Ignored invalid_request", [400, 404, 405, 406, 409, 410, 415, 422, 451]]
  ]
  const cases = expected.flatMap(([outcome, statuses]) => statuses.map((status) => [status, outcome] as const))

  it.each(cases)("I39 I43 %i is %s, however it is carried", (status, expected) => {
    const reason = new HttpClientError.StatusCodeError({ request, response: response(status) })
    assert.strictEqual(short(LlmOutcome.classify(Exit.succeed(response(status)))), expected)
    assert.strictEqual(judge(new HttpClientError.HttpClientError({ reason })), expected)
    assert.strictEqual(judge({ status }), expected)
    assert.strictEqual(judge({ statusCode: status }), expected)
    assert.strictEqual(judge({ response: { status } }), expected)
    assert.strictEqual(judge({ $metadata: { httpStatusCode: status } }), expected)
    assert.strictEqual(judge({ error: { code: status } }), expected)
    assert.strictEqual(judge(new Error("app", { cause: { status } })), expected)
  })

  it("a response below 400 is a success, and so is any other value", () => {
    for (
      const value of [
        response(200),
        response(204, {}, null),
        response(304, {}, null),
        { status: 500 },
        { status: 500, headers: {} },
        "500",
        500,
        null
      ]
    ) {
      assert.strictEqual(LlmOutcome.classify(Exit.succeed(value)), Outcome.success)
    }
  })
})

describe("LlmOutcome.classify: the three kinds of 429", () => {
  const rateLimited = (retryAfter: string | undefined, threshold: Duration.Input | undefined) =>
    short(
      LlmOutcome.make({ retryAfterThreshold: threshold })(
        Exit.succeed(response(429, retryAfter === undefined ? {} : { "Retry-After": retryAfter }))
      )
    )

  it.each([
    [undefined, undefined, "Failure rate_limited"],
    ["0", undefined, "Failure rate_limited"],
    ["30", undefined, "Throttled rate_limited 30000"],
    ["120", undefined, "Throttled rate_limited 120000"],
    ["120.001", undefined, "OpenNow rate_limited 120001"],
    ["121", undefined, "OpenNow rate_limited 121000"],
    ["600", undefined, "OpenNow rate_limited 600000"],
    ["60", "60 seconds", "Throttled rate_limited 60000"],
    ["61", "60 seconds", "OpenNow rate_limited 61000"],
    ["0", 0, "Failure rate_limited"],
    ["0.001", 0, "OpenNow rate_limited 1"],
    ["1", 0, "OpenNow rate_limited 1000"],
    [undefined, 0, "Failure rate_limited"]
  ] as ReadonlyArray<[string | undefined, Duration.Input | undefined, string]>)(
    "I32 Retry-After %s with threshold %s is %s",
    (retryAfter, threshold, expected) => {
      assert.strictEqual(rateLimited(retryAfter, threshold), expected)
    }
  )

  it.each([
    ["lower case", { response: { status: 429, headers: { "retry-after": "7" } } }, "Throttled rate_limited 7000"],
    ["capitals", { response: { status: 429, headers: { "Retry-After": "7" } } }, "Throttled rate_limited 7000"],
    ["no response", { status: 429 }, "Failure rate_limited"],
    ["no header", { response: { status: 429, headers: {} } }, "Failure rate_limited"],
    ["junk", { response: { status: 429, headers: { "retry-after": "soon" } } }, "Failure rate_limited"]
  ])("I33 %s", (_, error, expected) => {
    assert.strictEqual(judge(error), expected)
  })

  it.each([
    ["inf", "Failure rate_limited"],
    ["nan", "Failure rate_limited"],
    ["-5", "Failure rate_limited"],
    ["1e12", "Failure rate_limited"],
    ["1000000000000", "OpenNow rate_limited 86400000"]
  ])("I34 Retry-After %s is %s", (retryAfter, expected) => {
    assert.strictEqual(rateLimited(retryAfter, undefined), expected)
  })

  it.effect("I34 an HTTP-date counts from the clock of the fiber", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-11-20T12:00:00Z"))
      const classify = Effect.onExit(
        Effect.fail({ status: 429, headers: { "retry-after": "Fri, 20 Nov 2026 12:01:30 GMT" } }),
        (exit) => Effect.sync(() => seen.push(short(LlmOutcome.classify(exit))))
      )
      const seen: Array<string> = []
      yield* Effect.exit(classify)
      yield* TestClock.adjust("30 seconds")
      yield* Effect.exit(classify)
      yield* TestClock.adjust("2 minutes")
      yield* Effect.exit(classify)
      assert.deepStrictEqual(seen, [
        "Throttled rate_limited 90000",
        "Throttled rate_limited 60000",
        "Failure rate_limited"
      ])
    }))

  it("I34 an HTTP-date counts from the system's clock outside of a fiber", () => {
    const until = new Date(Date.now() + 90_000)
    const outcome = LlmOutcome.fromError({ status: 429, headers: new Headers({ "retry-after": until.toUTCString() }) })
    assert(outcome._tag === "Throttled")
    const millis = Duration.toMillis(outcome.retryAfter)
    assert.isAtMost(millis, 90_000)
    // A date has no milliseconds.
    assert.isAtLeast(millis, until.getTime() - 1000 - Date.now())
  })

  it("a quota code outranks a short Retry-After", () => {
    const body = JSON.stringify({ error: { type: "insufficient_quota", code: "insufficient_quota" } })
    const error = { status: 429, headers: { "retry-after": "5" }, body }
    assert.strictEqual(judge(error), "OpenNow quota_exhausted 5000")
  })

  it("a bucket that is empty gives the wait when Retry-After does not", () => {
    const headers = { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1.5s" }
    assert.strictEqual(judge({ status: 429, headers }), "Throttled rate_limited 1500")
    assert.strictEqual(judge({ status: 503, headers }), "Failure overloaded")
  })

  it.each([[503, "overloaded"], [529, "overloaded"], [500, "server_error"], [408, "timeout"]])(
    "W12 %i keeps its Retry-After",
    (status, kind) => {
      assert.strictEqual(judge({ status, headers: { "retry-after": "20" } }), `Failure ${kind} 20000`)
    }
  )
})

describe("LlmOutcome.classify: codes in answers", () => {
  it.each([
    ["Anthropic, overloaded", 529, { type: "error", error: { type: "overloaded_error" } }, "Failure overloaded"],
    ["Anthropic, in-band", undefined, { type: "error", error: { type: "overloaded_error" } }, "Failure overloaded"],
    ["Anthropic, rate limit in-band", undefined, { error: { type: "rate_limit_error" } }, "Failure rate_limited"],
    ["Anthropic, in-band", undefined, { type: "error", error: { type: "api_error" } }, "Failure server_error"],
    [
      "Anthropic, spend limit",
      429,
      { error: { type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } } },
      "OpenNow quota_exhausted"
    ],
    ["Anthropic, billing", 402, { error: { type: "billing_error" } }, "OpenNow quota_exhausted"],
    ["Anthropic, timeout", 504, { error: { type: "timeout_error" } }, "Failure timeout"],
    [
      "OpenAI, context",
      400,
      { error: { type: "invalid_request_error", code: "context_length_exceeded" } },
      "Ignored context_length"
    ],
    [
      "OpenAI, key",
      401,
      { error: { type: "invalid_request_error", code: "invalid_api_key" } },
      "Ignored auth"
    ],
    ["OpenAI, overloaded", 503, { error: { code: "server_is_overloaded" } }, "Failure overloaded"],
    ["OpenAI, slow down", 503, { error: { code: "slow_down" } }, "Failure rate_limited"],
    [
      "OpenAI, a general code after the status",
      500,
      { error: { type: "invalid_request_error" } },
      "Failure server_error"
    ],
    ["Azure, content filter", 400, { error: { code: "content_filter" } }, "Ignored content_policy"],
    ["Azure, the status as code", undefined, { error: { code: "429" } }, "Failure rate_limited"],
    [
      "Gemini, per minute",
      429,
      {
        error: {
          code: 429,
          status: "RESOURCE_EXHAUSTED",
          details: [
            { violations: [{ quotaId: "GenerateRequestsPerMinutePerProject" }] },
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "46s" }
          ]
        }
      },
      "Throttled rate_limited 46000"
    ],
    [
      "Gemini, per day",
      429,
      {
        error: {
          code: 429,
          status: "RESOURCE_EXHAUSTED",
          details: [
            { violations: [{ quotaId: "GenerateRequestsPerDayPerProject" }] },
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "10h17m5.72s" }
          ]
        }
      },
      "OpenNow quota_exhausted 37025720"
    ],
    [
      "Gemini, key",
      400,
      { error: { status: "INVALID_ARGUMENT", details: [{ reason: "API_KEY_INVALID" }] } },
      "Ignored auth"
    ],
    ["Gemini, overloaded", 503, [{ error: { code: 503, status: "UNAVAILABLE" } }], "Failure overloaded"],
    ["Gemini, deadline", 504, { error: { status: "DEADLINE_EXCEEDED" } }, "Failure timeout"],
    ["Bedrock, by type", 400, { __type: "com.amazon.coral#ThrottlingException" }, "Failure rate_limited"],
    ["OpenRouter, error inside a 200", 200, { error: { code: 502 } }, "Failure server_error"],
    ["OpenRouter, wallet", 402, { error: { code: 402 } }, "OpenNow quota_exhausted"]
  ])("%s", (_, status, body, expected) => {
    assert.strictEqual(judge({ status, body: JSON.stringify(body) }), expected)
    assert.strictEqual(judge({ statusCode: status, responseBody: JSON.stringify(body) }), expected)
    assert.strictEqual(judge({ response: { status, data: body } }), expected)
  })

  it("headers that carry a code", () => {
    const headers = { "x-ms-throttle-reason": "ModelCapacityExceeded", "retry-after": "10" }
    assert.strictEqual(judge({ status: 429, headers }), "Failure overloaded 10000")
    assert.strictEqual(
      judge({ status: 400, headers: { "x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/" } }),
      "Failure rate_limited"
    )
  })

  it("a body above 64 KiB is not read", () => {
    const body = JSON.stringify({ error: { code: "insufficient_quota", padding: "x".repeat(65_536) } })
    assert.strictEqual(judge({ status: 429, body }), "Failure rate_limited")
  })
})

describe("LlmOutcome.classify: the errors of official clients", () => {
  class APIError extends Error {
    readonly status: number | undefined
    readonly headers: Headers | undefined
    readonly error: unknown
    readonly code: unknown
    readonly type: unknown
    constructor(status?: number, error?: { code?: string; type?: string }, message?: string, headers?: Headers) {
      super(message)
      this.status = status
      this.headers = headers
      this.error = error
      this.code = error?.code
      this.type = error?.type
    }
  }
  class APIConnectionError extends APIError {}
  class APIConnectionTimeoutError extends APIConnectionError {}
  class APIUserAbortError extends APIError {}
  class ApiError extends Error {
    override readonly name = "ApiError"
    readonly status: number
    constructor(status: number, message: string) {
      super(message)
      this.status = status
    }
  }
  const google = { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "You exceeded your quota" } }

  it.each([
    ["openai, no connection", new APIConnectionError(), "Failure connection"],
    ["openai, timeout", new APIConnectionTimeoutError(), "Failure timeout"],
    ["openai, abort", new APIUserAbortError(), "Ignored cancelled"],
    ["anthropic, timeout", Object.assign(new Error(), { name: "APIConnectionTimeoutError" }), "Failure timeout"],
    [
      "openai, rate limit",
      new APIError(429, { code: "rate_limit_exceeded" }, "429", new Headers({ "retry-after-ms": "1234" })),
      "Throttled rate_limited 1234"
    ],
    [
      "openai, quota",
      new APIError(429, { code: "insufficient_quota" }, "429", new Headers({ "retry-after": "5" })),
      "OpenNow quota_exhausted 5000"
    ],
    ["openai, in a stream", new APIError(undefined, { code: "server_is_overloaded" }), "Failure overloaded"],
    [
      "anthropic, overloaded",
      new APIError(529, { type: "overloaded_error" }, "529", new Headers({ "retry-after": "7" })),
      "Failure overloaded 7000"
    ],
    ["google, the answer as message", new ApiError(429, JSON.stringify(google)), "Failure rate_limited"],
    [
      "google, the answer twice over",
      new ApiError(500, JSON.stringify({ error: { message: JSON.stringify(google), status: "Too Many Requests" } })),
      "Failure rate_limited"
    ],
    [
      "google, the answer after some words",
      new ApiError(200, `got status: UNAVAILABLE. ${JSON.stringify({ error: { status: "UNAVAILABLE" } })}`),
      "Failure overloaded"
    ],
    [
      "aws, throttled",
      Object.assign(new Error(), { name: "ThrottlingException", $metadata: { httpStatusCode: 429 } }),
      "Failure rate_limited"
    ],
    [
      "ai sdk, after retries",
      Object.assign(new Error(), {
        name: "AI_RetryError",
        reason: "maxRetriesExceeded",
        errors: [{ statusCode: 503, responseHeaders: { "retry-after": "3" } }]
      }),
      "Failure overloaded 3000"
    ]
  ])("%s", (_, error, expected) => {
    assert.strictEqual(judge(error), expected)
    assert.strictEqual(judge(new Cause.UnknownError(error)), expected)
    assert.strictEqual(short(LlmOutcome.classify(Exit.die(error))), expected)
  })
})

describe("LlmOutcome.classify: AiError", () => {
  const http = (status: number, headers: Record<string, string> = {}, body?: string) => ({
    http: { response: { status, headers }, ...(body === undefined ? {} : { body }) }
  })
  const tool = { toolName: "search", description: "bad" }
  const network = { method: "POST", url: "https://api.example.com" } as const
  const in90Seconds = DateTime.makeUnsafe(Date.now() + 90_000)

  it.each<[string, AiError.AiErrorReason, string]>([
    ["RateLimitError", new AiError.RateLimitError({}), "Failure rate_limited"],
    [
      "RateLimitError with a wait",
      new AiError.RateLimitError({ retryAfter: Duration.seconds(3) }),
      "Throttled rate_limited 3000"
    ],
    [
      "RateLimitError with a long wait",
      new AiError.RateLimitError({ retryAfter: Duration.minutes(10) }),
      "OpenNow rate_limited 600000"
    ],
    [
      "RateLimitError with finer headers",
      new AiError.RateLimitError({ retryAfter: Duration.seconds(3), ...http(429, { "retry-after-ms": "2500" }) }),
      "Throttled rate_limited 2500"
    ],
    [
      "RateLimitError that is a spend limit",
      new AiError.RateLimitError(
        http(429, {}, JSON.stringify({ error: { details: { error_code: "enforced_spend_limit_reached" } } }))
      ),
      "OpenNow quota_exhausted"
    ],
    ["QuotaExhaustedError", new AiError.QuotaExhaustedError(http(429)), "OpenNow quota_exhausted"],
    ["AuthenticationError", new AiError.AuthenticationError({ kind: "InvalidKey" }), "Ignored auth"],
    [
      "ContentPolicyError",
      new AiError.ContentPolicyError({ description: "no", ...http(400) }),
      "Ignored content_policy"
    ],
    ["InvalidRequestError", new AiError.InvalidRequestError({}), "Ignored invalid_request"],
    [
      "InvalidRequestError for a long prompt",
      new AiError.InvalidRequestError({
        description: AiError.buildErrorDescription({
          status: 400,
          message: "Too long",
          method: "POST",
          url: "https://api.example.com",
          errorCode: "context_length_exceeded",
          body: undefined
        })
      }),
      "Ignored context_length"
    ],
    [
      "InvalidRequestError with a code in its metadata",
      new AiError.InvalidRequestError({ metadata: { openai: { errorCode: "content_policy_violation" } } }),
      "Ignored content_policy"
    ],
    ["InvalidResponseError", new AiError.InvalidResponseError({ description: "html" }), "Failure malformed_response"],
    ["InternalProviderError", new AiError.InternalProviderError({ description: "oops" }), "Failure server_error"],
    [
      "InternalProviderError for 529",
      new AiError.InternalProviderError({ description: "oops", ...http(529, { "retry-after": "9" }) }),
      "Failure overloaded 9000"
    ],
    ["NetworkError", new AiError.NetworkError({ reason: "TransportError", ...network }), "Failure connection"],
    [
      "NetworkError with a cause",
      new AiError.NetworkError({
        reason: "TransportError",
        ...network,
        cause: Object.assign(new Error("slow"), { code: "UND_ERR_HEADERS_TIMEOUT" })
      }),
      "Failure timeout"
    ],
    [
      "NetworkError in encoding",
      new AiError.NetworkError({ reason: "EncodeError", ...network }),
      "Ignored caller_error"
    ],
    [
      "NetworkError for the URL",
      new AiError.NetworkError({ reason: "InvalidUrlError", ...network }),
      "Ignored caller_error"
    ],
    ["InvalidOutputError", new AiError.InvalidOutputError({ description: "no JSON" }), "Ignored model_output"],
    [
      "StructuredOutputError",
      new AiError.StructuredOutputError({ description: "no", responseText: "{}" }),
      "Ignored model_output"
    ],
    ["ToolNotFoundError", new AiError.ToolNotFoundError({ toolName: "x", availableTools: [] }), "Ignored model_output"],
    ["ToolParameterValidationError", new AiError.ToolParameterValidationError(tool), "Ignored model_output"],
    ["UnsupportedSchemaError", new AiError.UnsupportedSchemaError({ description: "no" }), "Ignored caller_error"],
    ["InvalidToolResultError", new AiError.InvalidToolResultError(tool), "Ignored caller_error"],
    [
      "ToolResultEncodingError",
      new AiError.ToolResultEncodingError({ ...tool, toolResult: 1n }),
      "Ignored caller_error"
    ],
    ["ToolConfigurationError", new AiError.ToolConfigurationError(tool), "Ignored caller_error"],
    ["ToolkitRequiredError", new AiError.ToolkitRequiredError({ pendingApprovals: [] }), "Ignored caller_error"],
    ["InvalidUserInputError", new AiError.InvalidUserInputError({ description: "no" }), "Ignored caller_error"],
    ["UnknownError", new AiError.UnknownError({}), "Ignored unknown"],
    ["UnknownError for 402", new AiError.UnknownError(http(402)), "OpenNow quota_exhausted"],
    ["UnknownError for 408", new AiError.UnknownError(http(408)), "Failure timeout"],
    ["UnknownError for 422", new AiError.UnknownError(http(422)), "Ignored invalid_request"]
  ])("%s", (_, reason, expected) => {
    assert.strictEqual(judge(AiError.make({ module: "LanguageModel", method: "generateText", reason })), expected)
    assert.strictEqual(judge(reason), expected)
  })

  it("a quota that comes back gives the wait", () => {
    const outcome = LlmOutcome.fromError(new AiError.QuotaExhaustedError({ resetAt: in90Seconds }))
    assert.isTrue(outcome._tag === "OpenNow" && outcome.retryAfter !== undefined)
    const past = new AiError.QuotaExhaustedError({ resetAt: DateTime.makeUnsafe(0) })
    assert.strictEqual(judge(past), "OpenNow quota_exhausted")
  })

  it("an output that the HTTP client could not read is malformed, not the model's doing", () => {
    const reason = new AiError.InvalidOutputError({ description: "Unexpected token <" })
    assert.strictEqual(
      judge(AiError.make({ module: "OpenAiClient", method: "createResponse", reason })),
      "Failure malformed_response"
    )
  })
})

describe("LlmOutcome.classify: waits in words", () => {
  it("count for who limits a rate", () => {
    const message = "Rate limit reached for gpt-5. Please try again in 1m2.5s."
    assert.strictEqual(judge({ status: 429, message }), "Throttled rate_limited 62500")
    assert.strictEqual(judge({ error: { code: "rate_limit_exceeded", message } }), "Throttled rate_limited 62500")
    const long = "Please retry after 10 minutes."
    assert.strictEqual(judge({ status: 429, message: long }), "OpenNow rate_limited 600000")
  })

  it("count for nobody else: a message can quote the request", () => {
    const message = "Please try again in 20s."
    assert.strictEqual(judge({ status: 500, message }), "Failure server_error")
    assert.strictEqual(judge({ status: 503, message }), "Failure overloaded")
    assert.strictEqual(judge({ status: 429, code: "insufficient_quota", message }), "OpenNow quota_exhausted")
  })

  it("count for less than a header", () => {
    const error = { status: 429, headers: { "retry-after": "3" }, message: "Please try again in 20s." }
    assert.strictEqual(judge(error), "Throttled rate_limited 3000")
    assert.strictEqual(LlmOutcome.explain(Exit.fail({ status: 429, message: "wait 20s" })).row, "status/429")
  })

  it("show in the explanation", () => {
    const { signals } = LlmOutcome.explain(Exit.fail({ status: 429, message: "Please try again in 20s." }))
    assert.deepStrictEqual(signals.retryAfter, Duration.seconds(20))
  })
})

describe("LlmOutcome.classify: values", () => {
  const value = (value: unknown) => short(LlmOutcome.classify(Exit.succeed(value)))
  const row = (value: unknown) => LlmOutcome.explain(Exit.succeed(value)).row

  it("an error inside of a 200 is judged by its code", () => {
    assert.strictEqual(value({ error: { code: 502, message: "Provider returned error" } }), "Failure server_error")
    assert.strictEqual(value({ error: { code: 429 } }), "Failure rate_limited")
    assert.strictEqual(value({ type: "error", error: { type: "overloaded_error" } }), "Failure overloaded")
    assert.strictEqual(
      value({ object: "response", status: "failed", error: { code: "server_error" } }),
      "Failure server_error"
    )
    const wrapped = {
      error: { code: 429, metadata: { raw: JSON.stringify({ error: { code: "insufficient_quota" } }) } }
    }
    assert.strictEqual(value(wrapped), "OpenNow quota_exhausted")
  })

  it("an error that nothing is known about is the caller's business", () => {
    for (const error of [new Error("no such city"), { code: "PGRST116" }, { reason: "none" }, {}]) {
      assert.strictEqual(value({ data: null, error }), "Success")
      assert.strictEqual(row({ data: null, error }), "value")
    }
    for (const error of [null, undefined, "boom", 500]) assert.strictEqual(row({ error }), "success")
  })

  it("what an answer quotes of its request does not count", () => {
    const metadata = { status: "402", code: "insufficient_quota", reason: "rate_limit_exceeded" }
    const answer = { object: "response", status: "failed", metadata, instructions: metadata, error: null }
    assert.strictEqual(value(answer), "Success")
    assert.strictEqual(value({ ...answer, error: { message: "It did not work." } }), "Success")
    assert.strictEqual(judge(answer), "Failure server_error")
    assert.strictEqual(judge({ type: "response.failed", response: answer }), "Failure server_error")
  })

  it("a response of fetch is judged by its status and headers", () => {
    const headers = { "retry-after": "4" }
    assert.strictEqual(value(new Response("{}", { status: 429, headers })), "Throttled rate_limited 4000")
    assert.strictEqual(value(new Response("{}", { status: 529 })), "Failure overloaded")
    assert.strictEqual(value(new Response("{}", { status: 200 })), "Success")
    assert.strictEqual(row(new Response("{}", { status: 200 })), "success")
    assert.strictEqual(value({ status: 500, ok: false }), "Success")
  })
})

describe("LlmOutcome.classifyBody", () => {
  const body = (value: unknown) => short(LlmOutcome.classifyBody(Exit.succeed(value)))

  it.each<[string, unknown]>([
    ["a chat completion", { choices: [{ message: { content: "hi" }, finish_reason: "stop" }] }],
    ["a tool call", { choices: [{ message: { content: null, tool_calls: [{}] }, finish_reason: "tool_calls" }] }],
    ["a response", { object: "response", status: "completed", error: null, output: [{}] }],
    ["a response that was cut short by its limit", {
      object: "response",
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      output: []
    }],
    ["a message", { type: "message", content: [{ type: "text", text: "hi" }], stop_reason: "end_turn" }],
    ["a message without content", { type: "message", content: [], stop_reason: "end_turn" }],
    ["Gemini's candidates", { candidates: [{ content: {}, finishReason: "STOP" }] }],
    ["Bedrock's output", { output: { message: {} }, stopReason: "end_turn" }],
    ["embeddings", { object: "list", data: [{ embedding: [0.1] }] }],
    ["Ollama's message", { message: { role: "assistant", content: "hi" }, done: true }],
    ["a JSON text", JSON.stringify({ choices: [{ message: { content: "hi" } }] })],
    ["a JSON text too long to be parsed", `{"choices":[{"message":{"content":"${"x".repeat(70_000)}"}}]}`],
    ["a response of Effect's client", response(200)],
    ["a response of fetch", new Response("")]
  ])("%s is an answer", (_, value) => {
    assert.strictEqual(body(value), "Success")
  })

  it.each<[string, unknown]>([
    ["a page of HTML", "<!DOCTYPE html><html></html>"],
    ["half a JSON text", "{\"choices\":[{\"mess"],
    ["an empty text", ""],
    ["nothing", undefined],
    ["null", null],
    ["a number", 200],
    ["an empty object", {}],
    ["a list", []],
    ["another object", { ok: true }],
    ["no choice", { object: "chat.completion", choices: [] }],
    ["no candidate", { candidates: [] }],
    ["an error in words", { error: "model not found" }],
    ["an error without a code", { error: { message: "It did not work." } }]
  ])("%s is none", (_, value) => {
    assert.strictEqual(body(value), "Failure malformed_response")
    assert.strictEqual(value === undefined ? "Success" : short(LlmOutcome.classify(Exit.succeed(value))), "Success")
  })

  it.each<[string, unknown]>([
    ["OpenAI, chat", { choices: [{ message: { content: "" }, finish_reason: "content_filter" }] }],
    ["OpenAI, responses", { status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [] }],
    ["Anthropic", { content: [], stop_reason: "refusal" }],
    ["Gemini, the prompt", { promptFeedback: { blockReason: "PROHIBITED_CONTENT" } }],
    ["Gemini, the answer", { candidates: [{ finishReason: "SAFETY" }] }],
    ["Bedrock", { output: {}, stopReason: "guardrail_intervened" }],
    ["effect/ai", { content: [], finishReason: "content-filter" }]
  ])("an answer that was refused says nothing: %s", (_, value) => {
    assert.strictEqual(body(value), "Ignored content_policy")
  })

  it("an answer that ended with an error failed", () => {
    const choice = { message: { content: "Hel" }, finish_reason: "error" }
    assert.strictEqual(body({ choices: [choice] }), "Failure server_error")
    assert.strictEqual(body({ choices: [{ ...choice, error: { code: 503 } }] }), "Failure overloaded")
    assert.strictEqual(
      body({ object: "response", status: "failed", error: null, output: [{}] }),
      "Failure server_error"
    )
    assert.strictEqual(body({ content: [], finishReason: "error" }), "Failure server_error")
  })

  it("judges failures and responses as classify does", () => {
    for (
      const exit of [
        Exit.fail({ status: 503 }),
        Exit.die(new Error("bug")),
        Exit.interrupt(1),
        Exit.succeed(response(529)),
        Exit.succeed(new Response("", { status: 429, headers: { "retry-after": "2" } }))
      ]
    ) assert.deepStrictEqual(LlmOutcome.classifyBody(exit), LlmOutcome.classify(exit))
  })

  it("takes rows of one's own", () => {
    const options: LlmOutcome.Options = {
      body: true,
      rows: [{ id: "truncated", match: { code: ["length"] }, kind: "model_output", outcome: "Ignored" }]
    }
    const exit = Exit.succeed({ choices: [{ message: { content: "Hel" }, finish_reason: "length" }] })
    assert.strictEqual(short(LlmOutcome.make(options)(exit)), "Ignored model_output")
    assert.strictEqual(LlmOutcome.explain(exit, options).row, "truncated")
    assert.strictEqual(LlmOutcome.explain(exit, { body: true }).row, "value")
  })
})

describe("LlmOutcome.classify: failures without a status", () => {
  const listening = (server: Server) =>
    Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
      }),
      () => Effect.sync(() => server.close())
    )
  const serving = (listener: RequestListener) => listening(createServer(listener))
  const closedPort = Effect.scoped(listening(createTcpServer()))
  const failed = (f: (signal: AbortSignal) => PromiseLike<unknown>) => Effect.flip(Effect.tryPromise(f))

  it.effect("I46 a refused connection, through fetch", () =>
    Effect.gen(function*() {
      const port = yield* closedPort
      const call = () => fetch(`http://127.0.0.1:${port}`)
      assert.strictEqual(judge(yield* failed(call)), "Failure connection")
      assert.strictEqual(short(LlmOutcome.classify(yield* Effect.exit(Effect.promise(call)))), "Failure connection")
    }))

  it.effect("I46 a refused connection, through node:net", () =>
    Effect.gen(function*() {
      const port = yield* closedPort
      const error = yield* Effect.callback<unknown>((resume) => {
        connect(port, "127.0.0.1").once("error", (error) => resume(Effect.succeed(error)))
      })
      assert.strictEqual(judge(error), "Failure connection")
    }))

  it.effect("I46 a refused connection, through Effect's client", () =>
    Effect.gen(function*() {
      const port = yield* closedPort
      const error = yield* Effect.flip(HttpClient.get(`http://127.0.0.1:${port}`))
      assert.strictEqual(judge(error), "Failure connection")
      assert.include(LlmOutcome.explain(Exit.fail(error)).signals.codes, "ECONNREFUSED")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("I46 a connection that is reset", () =>
    Effect.gen(function*() {
      const port = yield* serving((_, response) => response.socket?.resetAndDestroy())
      assert.strictEqual(judge(yield* failed(() => fetch(`http://127.0.0.1:${port}`))), "Failure connection")
    }))

  it.effect("I46 TLS with a server that does not speak it", () =>
    Effect.gen(function*() {
      const port = yield* serving((_, response) => response.end())
      assert.strictEqual(judge(yield* failed(() => fetch(`https://127.0.0.1:${port}`))), "Failure connection")
    }))

  it.effect("I46 a body that is cut, through fetch and through Effect's client", () =>
    Effect.gen(function*() {
      const port = yield* serving((_, response) => {
        response.writeHead(200, { "content-length": "1000" })
        response.write("{", () => response.socket?.destroy())
      })
      const url = `http://127.0.0.1:${port}`
      assert.strictEqual(
        judge(yield* failed(() => fetch(url).then((response) => response.text()))),
        "Failure stream_cut"
      )
      const error = yield* Effect.flip(Effect.flatMap(HttpClient.get(url), (response) => response.text))
      assert.strictEqual(judge(error), "Failure stream_cut")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("a body that is no JSON is malformed", () =>
    Effect.gen(function*() {
      const port = yield* serving((_, response) => response.end("<html>"))
      const error = yield* Effect.flip(
        Effect.flatMap(HttpClient.get(`http://127.0.0.1:${port}`), (response) => response.json)
      )
      assert.strictEqual(judge(error), "Failure malformed_response")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("an answer that Effect's client turned down keeps its headers", () =>
    Effect.gen(function*() {
      const port = yield* serving((_, response) => response.writeHead(429, { "Retry-After": "11" }).end())
      const error = yield* Effect.flip(
        Effect.flatMap(HttpClient.get(`http://127.0.0.1:${port}`), HttpClientResponse.filterStatusOk)
      )
      assert.strictEqual(judge(error), "Throttled rate_limited 11000")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("a fetch with a deadline is a timeout, an aborted one is cancelled", () =>
    Effect.gen(function*() {
      const port = yield* serving(() => {})
      const call = (signal: AbortSignal) => fetch(`http://127.0.0.1:${port}`, { signal })
      assert.strictEqual(judge(yield* failed(() => call(AbortSignal.timeout(1)))), "Failure timeout")
      assert.strictEqual(judge(yield* failed(() => call(AbortSignal.abort()))), "Ignored cancelled")
      assert.strictEqual(
        short(LlmOutcome.classify(yield* Effect.exit(Effect.promise(() => call(AbortSignal.abort()))))),
        "Ignored cancelled"
      )
    }))

  it.effect("a URL that cannot be is the caller's mistake", () =>
    Effect.gen(function*() {
      assert.strictEqual(judge(yield* failed(() => fetch("not a url"))), "Ignored caller_error")
    }))

  it.each([
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EPIPE",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ECONNABORTED",
    "UND_ERR_SOCKET",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "ERR_HTTP2_STREAM_ERROR"
  ])("I46 W6 %s is a lost connection, also deep down", (code) => {
    const error = Object.assign(new Error("x"), { code })
    assert.strictEqual(judge(error), "Failure connection")
    assert.strictEqual(judge(new TypeError("fetch failed", { cause: error })), "Failure connection")
    assert.strictEqual(judge(new AggregateError([error], "all failed")), "Failure connection")
  })

  it.each(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"])("%s is a timeout", (code) => {
    const cause = Object.assign(new Error("x"), { code })
    assert.strictEqual(judge(new TypeError("fetch failed", { cause })), "Failure timeout")
  })

  it.effect("Effect.timeout is a timeout", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.timeout(Effect.never, 0))
      assert.strictEqual(short(LlmOutcome.classify(exit)), "Failure timeout")
    }).pipe(TestClock.withLive))

  it.each<[string, HttpClientError.HttpClientErrorReason, string]>([
    ["TransportError", new HttpClientError.TransportError({ request }), "Failure connection"],
    ["EncodeError", new HttpClientError.EncodeError({ request }), "Ignored caller_error"],
    ["InvalidUrlError", new HttpClientError.InvalidUrlError({ request }), "Ignored caller_error"],
    [
      "DecodeError",
      new HttpClientError.DecodeError({ request, response: response(200) }),
      "Failure malformed_response"
    ],
    [
      "DecodeError of a 500",
      new HttpClientError.DecodeError({ request, response: response(500) }),
      "Failure server_error"
    ],
    [
      "EmptyBodyError",
      new HttpClientError.EmptyBodyError({ request, response: response(200) }),
      "Failure malformed_response"
    ]
  ])("HttpClientError with %s", (_, reason, expected) => {
    assert.strictEqual(judge(new HttpClientError.HttpClientError({ reason })), expected)
  })
})

describe("LlmOutcome.classify: the breaker's own errors", () => {
  const key = "openai/gpt-5"
  const second = Duration.seconds(1)

  it.each<[CircuitError.Reason, string]>([
    [{ _tag: "CircuitOpen", key, retryAfter: second, openedAt: 0, outageId: "1" }, "Ignored caller_error"],
    [{ _tag: "CircuitHalfOpen", key }, "Ignored caller_error"],
    [{ _tag: "CircuitThrottled", key, retryAfter: second }, "Ignored caller_error"],
    [{ _tag: "CircuitForcedOpen", key }, "Ignored caller_error"],
    [{ _tag: "AttemptTimedOut", key, phase: "attempt", limit: second }, "Failure timeout"],
    [{ _tag: "AttemptTimedOut", key, phase: "first_content", limit: second }, "Failure slow_first_content"],
    [{ _tag: "AttemptTimedOut", key, phase: "idle", limit: second }, "Failure stream_stalled"],
    [{ _tag: "StreamCut", key }, "Failure stream_cut"]
  ])("$_tag", (reason, expected) => {
    assert.strictEqual(judge(CircuitError.make(reason)), expected)
    assert.strictEqual(judge(new CircuitError.CircuitBreakerError({ reason })), expected)
    assert.strictEqual(judge(new Error("no answer", { cause: CircuitError.make(reason) })), expected)
  })
})

describe("LlmOutcome.classify: exits", () => {
  const failure = (...reasons: ReadonlyArray<Cause.Reason<unknown>>) =>
    short(LlmOutcome.classify(Exit.failCause(Cause.fromReasons(reasons))))
  const fail = Cause.makeFailReason
  const die = Cause.makeDieReason
  const interrupt = Cause.makeInterruptReason(1)

  it("shares one success", () => {
    assert.strictEqual(LlmOutcome.classify(Exit.succeed("hello")), Outcome.success)
    assert.strictEqual(LlmOutcome.classify(Exit.void), Outcome.success)
  })

  it("interruption by itself is cancelled", () => {
    assert.strictEqual(failure(interrupt), "Ignored cancelled")
    assert.strictEqual(failure(interrupt, interrupt), "Ignored cancelled")
  })

  it("a failure beside an interruption counts", () => {
    assert.strictEqual(failure(interrupt, fail({ status: 503 })), "Failure overloaded")
  })

  it("a defect is the caller's mistake, unless it is known", () => {
    assert.strictEqual(failure(die(new TypeError("x is not a function"))), "Ignored caller_error")
    assert.strictEqual(failure(die("boom")), "Ignored caller_error")
    assert.strictEqual(failure(die({ status: 503 })), "Failure overloaded")
  })

  it("an error that nothing is known about counts", () => {
    assert.strictEqual(failure(fail(new Error("boom"))), "Failure unknown")
    assert.strictEqual(failure(fail("boom")), "Failure unknown")
    assert.strictEqual(failure(fail(undefined)), "Failure unknown")
    assert.strictEqual(failure(), "Failure unknown")
  })

  it("of several errors the first that is known decides", () => {
    assert.strictEqual(failure(fail("boom"), fail({ status: 400 }), fail({ status: 503 })), "Ignored invalid_request")
    assert.strictEqual(failure(die(new Error("bug")), fail("boom")), "Failure unknown")
    assert.strictEqual(failure(die({ status: 503 }), fail("boom")), "Failure overloaded")
  })

  it("own code is not the provider's fault", () => {
    assert.strictEqual(judge(new Cause.NoSuchElementError()), "Ignored caller_error")
    const miss = Schema.decodeUnknownExit(Schema.Struct({ name: Schema.String }))({})
    assert.strictEqual(short(LlmOutcome.classify(miss)), "Ignored model_output")
  })
})

describe("LlmOutcome.make", () => {
  it.each([
    [-1, "retryAfterThreshold must be"],
    [Number.NaN, "retryAfterThreshold must be"],
    [Duration.millis(-1), "retryAfterThreshold must be"],
    [Infinity, "retryAfterThreshold must be"]
  ])("says what is wrong with a threshold of %s", (retryAfterThreshold, message) => {
    assert.throws(() => LlmOutcome.make({ retryAfterThreshold }), message)
  })

  it("replaces the named fields of a row, in place", () => {
    const classify = LlmOutcome.make({ rows: [{ id: "status/413", kind: "invalid_request", outcome: "Failure" }] })
    assert.strictEqual(short(classify(Exit.fail({ status: 413 }))), "Failure invalid_request")
    assert.strictEqual(
      short(classify(Exit.fail({ status: 413, code: "request_too_large" }))),
      "Ignored context_length"
    )
    assert.strictEqual(judge({ status: 413 }), "Ignored context_length")
  })

  it("tries new rows first, in the given order", () => {
    const options: LlmOutcome.Options = {
      rows: [
        { id: "busy", match: { status: [409], message: [/busy/g] }, kind: "overloaded", outcome: "Failure" },
        { id: "alive", match: { status: [404, 409] }, kind: "invalid_request", outcome: "Success" },
        {
          id: "wait",
          match: { code: [/^come_back/] },
          kind: "rate_limited",
          outcome: { short: "Throttled", long: "Failure", none: "Ignored" }
        }
      ]
    }
    const classify = LlmOutcome.make(options)
    for (const _ of [1, 2]) {
      assert.strictEqual(short(classify(Exit.fail({ status: 409, message: "I am busy" }))), "Failure overloaded")
    }
    assert.strictEqual(classify(Exit.fail({ status: 409 })), Outcome.success)
    assert.strictEqual(classify(Exit.succeed(response(404))), Outcome.success)
    assert.strictEqual(short(classify(Exit.fail({ code: "come_back_later" }))), "Ignored rate_limited")
    assert.strictEqual(
      short(classify(Exit.fail({ code: "come_back", headers: { "retry-after": "121" } }))),
      "Failure rate_limited 121000"
    )
    assert.strictEqual(LlmOutcome.explain(Exit.fail({ status: 409 }), options).row, "alive")
  })

  it("an override can count what is ignored by default", () => {
    const classify = LlmOutcome.make({ rows: [{ id: "defect", outcome: "Failure", kind: "unknown" }] })
    assert.strictEqual(short(classify(Exit.die("boom"))), "Failure unknown")
  })

  it("refuses a change to a row that does not exist, and two changes to one", () => {
    assert.throws(
      // @ts-expect-error no row of the table, and no whole one
      () => LlmOutcome.make({ rows: [{ id: "status/592", outcome: "Ignored" }] }),
      /rows must be .*"status\/592"/
    )
    assert.throws(
      () => LlmOutcome.make({ rows: [{ id: "defect", kind: "slow" }, { id: "defect", kind: "unknown" }] }),
      /no id appears twice/
    )
  })
})

describe("LlmOutcome.explain", () => {
  it("tells the row and what it was given", () => {
    const error = { status: 429, headers: { "retry-after": "2" }, error: { type: "requests", message: "Slow down" } }
    assert.deepStrictEqual(LlmOutcome.explain(Exit.fail(error)), {
      row: "status/429",
      outcome: Outcome.throttled("2 seconds"),
      signals: {
        origin: "error",
        status: 429,
        codes: ["requests"],
        messages: ["Slow down"],
        retryAfter: Duration.seconds(2)
      }
    })
  })

  it("names success, interruption and defects", () => {
    assert.strictEqual(LlmOutcome.explain(Exit.succeed(1)).row, "success")
    assert.strictEqual(LlmOutcome.explain(Exit.interrupt(1)).row, "interruption")
    assert.strictEqual(LlmOutcome.explain(Exit.die(1)).row, "defect")
  })

  it("takes no small code for a status", () => {
    const error = new DOMException("stop", "AbortError")
    assert.strictEqual(error.code, 20)
    assert.strictEqual(LlmOutcome.explain(Exit.fail(error)).signals.status, undefined)
  })

  it("does not read the request of an error", () => {
    const reason = new HttpClientError.StatusCodeError({
      request: HttpClientRequest.setHeader(request, "x-ms-throttle-reason", "secret"),
      response: response(500)
    })
    const explanation = LlmOutcome.explain(Exit.fail(new HttpClientError.HttpClientError({ reason })))
    assert.notInclude(JSON.stringify(explanation), "secret")
  })
})

describe("LlmOutcome, whatever it is given", () => {
  const isDocumented = (exit: Exit.Exit<unknown, unknown>, classify = LlmOutcome.classify) => {
    const outcome = classify(exit)
    assert.include(["Success", "Failure", "Ignored", "Throttled", "OpenNow"], outcome._tag)
    if (outcome._tag === "Success") return
    assert.include(Outcome.kinds, outcome.kind)
    const wait = "retryAfter" in outcome ? outcome.retryAfter : undefined
    if (wait === undefined) return
    const millis = Duration.toMillis(wait)
    assert.isTrue(Number.isInteger(millis) && millis >= 0 && millis <= 86_400_000, inspect(wait))
  }
  const isDocumentedEverywhere = (junk: unknown) => {
    isDocumented(Exit.fail(junk))
    isDocumented(Exit.die(junk))
    isDocumented(Exit.succeed(junk))
    isDocumented(Exit.fail<unknown>(new Error("wrapped", { cause: junk })))
    isDocumented(Exit.fail({ status: 429, headers: junk, body: junk, message: junk, retryAfter: junk, resetAt: junk }))
    isDocumented(Exit.succeed({ "~effect/http/HttpClientResponse": true, status: 500, headers: junk }))
    isDocumented(Exit.succeed({ ok: false, status: junk, headers: junk }))
    for (const value of [junk, { error: junk }, { choices: junk }, { choices: [junk] }, { candidates: [junk] }]) {
      isDocumented(Exit.succeed(value))
      isDocumented(Exit.succeed(value), LlmOutcome.classifyBody)
    }
  }

  const { proxy: revoked, revoke } = Proxy.revocable([], {})
  revoke()
  const throwing = new Proxy({}, {
    get: () => {
      throw new Error("get")
    },
    has: () => {
      throw new Error("has")
    },
    ownKeys: () => {
      throw new Error("ownKeys")
    },
    getPrototypeOf: () => {
      throw new Error("getPrototypeOf")
    }
  })
  const everything: unknown = new Proxy(() => {}, { get: (_, __, self) => self, apply: (_, self) => self })
  const endless: object = {
    get cause() {
      return Object.create(endless) as unknown
    },
    get reason() {
      return Object.create(endless) as unknown
    }
  }
  const links = ["reason", "error", "response", "http", "body", "data", "cause", "lastError"]
  const bushy: object = {}
  const knot: object = {}
  for (const link of links) {
    Object.defineProperty(bushy, link, { get: () => Object.create(bushy) as unknown })
    Object.defineProperty(knot, link, { value: knot })
  }
  const cyclic = new Error("cyclic")
  cyclic.cause = { reason: cyclic, errors: [cyclic, cyclic] }
  const list: Array<unknown> = []
  list.push(list, list)
  const wide = { errors: Array.from({ length: 10_000 }, (_, code) => ({ code })) }
  const nasty = {
    revoked,
    throwing,
    everything,
    endless,
    bushy,
    knot,
    cyclic,
    list,
    wide,
    huge: "x".repeat(1_000_000),
    none: undefined,
    symbol: Symbol("x"),
    big: 10n,
    nan: Number.NaN,
    f: () => 1
  }

  it.each(Object.entries(nasty))("does not throw for %s", (_, junk) => {
    isDocumentedEverywhere(junk)
  })

  const keys = [
    "_tag",
    "name",
    "message",
    "code",
    "type",
    "status",
    "reason",
    "cause",
    "error",
    "errors",
    "response",
    "headers",
    "body",
    "details",
    "metadata",
    "retryAfter",
    "resetAt",
    "constructor",
    "module",
    "stack"
  ] as const
  const Property = Schema.Struct({
    key: Schema.Literals(keys),
    value: Schema.Union([
      Schema.Json,
      Schema.Literals([429, 402, 529, 400, "insufficient_quota", "AiError", "UnknownError"])
    ]),
    nasty: Schema.Literals(["no", "no", "no", "getter", ...Object.keys(nasty)])
  })

  it.prop(
    "errors made of anything are judged, and never throw",
    { layers: Schema.Array(Schema.Array(Property)) },
    ({ layers }) => {
      let error: unknown = undefined
      for (const layer of layers) {
        const next: object = layer.length % 2 === 0 ? {} : new Error()
        Object.defineProperty(next, "cause", { value: error, configurable: true, writable: true })
        for (const { key, nasty: how, value } of layer) {
          Object.defineProperty(next, key, {
            configurable: true,
            get: () => {
              if (how === "getter") throw new Error("getter")
              return how === "no" ? value : nasty[how as keyof typeof nasty]
            }
          })
        }
        error = next
      }
      isDocumentedEverywhere(error)
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop("any JSON is judged, and never throws", { json: Schema.Json }, ({ json }) => {
    isDocumentedEverywhere(json)
    isDocumentedEverywhere(JSON.stringify(json))
  })

  it("finds a cause eight errors down and stops looking there", () => {
    const nest = (depth: number): unknown => depth === 0 ? { status: 503 } : new Error("x", { cause: nest(depth - 1) })
    assert.strictEqual(judge(nest(8)), "Failure overloaded")
    assert.strictEqual(judge(nest(9)), "Failure unknown")
  })
})
