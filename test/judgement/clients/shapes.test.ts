import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { LlmOutcome } from "effect-resilience"
import { short } from "../short.ts"

const error = (name: string, message: string, fields: object = {}) =>
  Object.assign(new Error(message), { name, ...fields })

const slow = error("AI_APICallError", "No", { statusCode: 429, responseHeaders: { "retry-after": "7" } })
const broken = error("AI_APICallError", "Internal", { statusCode: 500 })

// Clients that nothing here installs. What a caller wrote is in them, too, and says nothing.
const sent = { data: "insufficient_quota", body: { inputs: "insufficient_quota" } }

const shapes: ReadonlyArray<readonly [name: string, expected: string, error: unknown]> = [
  [
    "axios, a status",
    "Throttled rate_limited 7000",
    error("AxiosError", "Request failed with status code 429", {
      code: "ERR_BAD_REQUEST",
      config: sent,
      response: { status: 429, headers: { "retry-after": "7" }, data: { error: { message: "Slow down" } } }
    })
  ],
  [
    "axios, its limit",
    "Failure timeout",
    error("AxiosError", "timeout of 100ms exceeded", { code: "ECONNABORTED" })
  ],
  ["axios, cancelled", "Ignored cancelled", error("CanceledError", "canceled", { code: "ERR_CANCELED" })],
  ["axios, no connection", "Failure connection", error("AxiosError", "Network Error", { code: "ERR_NETWORK" })],
  [
    "got, a status",
    "Failure overloaded 7000",
    error("HTTPError", "Response code 503", { response: { statusCode: 503, headers: { "retry-after": "7" } } })
  ],
  ["got, its limit", "Failure timeout", error("TimeoutError", "Timeout awaiting 'request'", { code: "ETIMEDOUT" })],
  ["got, cancelled", "Ignored cancelled", error("CancelError", "Promise was canceled")],
  [
    "got, no JSON",
    "Failure malformed_response",
    error("ParseError", "Unexpected token < in JSON at position 0", { response: { statusCode: 200 } })
  ],
  [
    "ky, a status",
    "Ignored auth",
    error("HTTPError", "Request failed with status code 401", { response: { status: 401 } })
  ],
  [
    "node-fetch, its limit",
    "Failure timeout",
    error("FetchError", "network timeout at: x", { type: "request-timeout" })
  ],
  [
    "node-fetch, its limit for a body",
    "Failure timeout",
    error("FetchError", "Response timeout while trying to fetch x (over 100ms)", { type: "body-timeout" })
  ],
  [
    "node-fetch, no JSON",
    "Failure malformed_response",
    error("FetchError", "invalid json response body at x reason: Unexpected token <", { type: "invalid-json" })
  ],
  [
    "node-fetch, cut",
    "Failure stream_cut",
    error("FetchError", "Premature close", { type: "system", code: "ERR_STREAM_PREMATURE_CLOSE" })
  ],
  [
    "Azure's pipeline, a status",
    "Throttled rate_limited 7000",
    error("RestError", "Too many", {
      code: "429",
      statusCode: 429,
      response: { status: 429, headers: { get: (name: string) => name === "retry-after" ? "7" : undefined } }
    })
  ],
  [
    "Azure's pipeline, no connection",
    "Failure connection",
    error("RestError", "getaddrinfo ENOTFOUND x", { code: "REQUEST_SEND_ERROR" })
  ],
  [
    "Hugging Face, a status and a wait in the body",
    "Failure overloaded 20000",
    error("InferenceClientProviderApiError", "Failed to perform inference: Model is loading", {
      httpRequest: sent,
      httpResponse: { status: 503, body: { error: "Model is currently loading", estimated_time: 20 } }
    })
  ],
  [
    "Hugging Face, a mistake",
    "Ignored caller_error",
    error("InferenceClientInputError", "Invalid inference parameters")
  ],
  [
    "Hugging Face, an answer of another shape",
    "Failure malformed_response",
    error("InferenceClientProviderOutputError", "Expected an array")
  ],
  [
    "@google/generative-ai, a status and a wait in its details",
    "Throttled rate_limited 7000",
    error("GoogleGenerativeAIFetchError", "[GoogleGenerativeAI Error]: [429 Too Many Requests] Slow down", {
      status: 429,
      errorDetails: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "7s" }]
    })
  ],
  [
    "@google/generative-ai, a mistake",
    "Ignored caller_error",
    error("GoogleGenerativeAIRequestInputError", "[GoogleGenerativeAI Error]: Must provide a model name.")
  ],
  [
    "@google/generative-ai, aborted",
    "Ignored cancelled",
    error("GoogleGenerativeAIAbortError", "[GoogleGenerativeAI Error]: Request aborted when fetching x")
  ],
  [
    "Google's credentials",
    "Ignored auth",
    new Error("Could not load the default credentials. Browse to https://cloud.google.com/docs/authentication.")
  ],
  [
    "gRPC, overloaded",
    "Failure overloaded",
    error("Error", "14 UNAVAILABLE: No connection established", { code: 14, details: "No connection established" })
  ],
  [
    "gRPC, its limit",
    "Failure timeout",
    error("Error", "4 DEADLINE_EXCEEDED: Deadline exceeded", { code: 4, details: "Deadline exceeded" })
  ],
  ["gRPC, cancelled", "Ignored cancelled", error("Error", "1 CANCELLED: Cancelled on client", { code: 1 })],
  ["gRPC, no right", "Ignored auth", error("Error", "7 PERMISSION_DENIED: No", { code: 7, details: "No" })],
  [
    "ai, the last of its own tries",
    "Throttled rate_limited 7000",
    error("AI_RetryError", "Failed after 2 attempts", { lastError: slow, errors: [broken, slow] })
  ],
  [
    "ai, an object that the model did not write",
    "Ignored model_output",
    error("AI_NoObjectGeneratedError", "No object generated", {
      text: "insufficient_quota",
      cause: error("AI_JSONParseError", "JSON parsing failed", { cause: new SyntaxError("Unexpected token") })
    })
  ],
  ["ai, a tool that is none", "Ignored model_output", error("AI_NoSuchToolError", "Model tried to call 'x'.")],
  ["LangChain, too long", "Ignored context_length", error("ContextOverflowError", "Too much")],
  ["LangChain, refused", "Ignored content_policy", error("ModelRefusalError", "No")],
  ["LangChain, aborted", "Ignored cancelled", error("ModelAbortError", "Model invocation was aborted.")],
  ["LangChain, limited", "Failure rate_limited", error("Error", "No", { lc_error_code: "MODEL_RATE_LIMIT" })],
  ["LangChain, no right", "Ignored auth", error("Error", "No", { lc_error_code: "MODEL_AUTHENTICATION" })],
  ["LangChain, no model", "Ignored invalid_request", error("Error", "No", { lc_error_code: "MODEL_NOT_FOUND" })],
  ["LangChain, no parse", "Ignored model_output", error("Error", "No", { lc_error_code: "OUTPUT_PARSING_FAILURE" })],
  ["zod, of what the model wrote", "Ignored model_output", error("ZodError", "[]", { issues: [{ path: ["city"] }] })],
  ["AWS, its limit", "Failure timeout", error("TimeoutError", "Connection timed out after 1000 ms")],
  [
    "AWS, a reset",
    "Failure connection",
    error("TimeoutError", "socket hang up", { code: "ECONNRESET", $metadata: { attempts: 1 } })
  ],
  [
    "a signal that was aborted with a word",
    "Failure timeout",
    error("CohereError", "\"timeout\"", { cause: "timeout" })
  ],
  ["ollama, no end", "Failure stream_cut", new Error("Did not receive done or success response in stream.")],
  ["@google/genai, half a part", "Failure stream_cut", new Error("Incomplete JSON segment at the end")],
  [
    "ai, no end",
    "Failure stream_cut",
    error("AI_NoOutputGeneratedError", "No output generated. The model stream ended without a finish chunk.")
  ],
  ["an abort", "Ignored cancelled", new DOMException("This operation was aborted", "AbortError")],
  [
    "an abort for a timeout",
    "Failure timeout",
    error("AbortError", "This operation was aborted", { cause: new DOMException("Too late", "TimeoutError") })
  ],
  [
    "a minified client",
    "Failure timeout",
    Object.assign(new (class a extends Error {})("Request timed out."), { status: undefined })
  ]
]

describe("errors of clients that are not installed, by shape", () => {
  it.each(shapes)("%s: %s", (_, expected, error) => {
    const { outcome, row } = LlmOutcome.explain(Exit.fail(error))
    assert.strictEqual(short(outcome), expected, row)
  })
})
