import { assert, describe, it } from "@effect/vitest"
import { Cause, Exit } from "effect"
import { CircuitPolicy, LlmOutcome, Outcome } from "effect-resilience"

const rowOf = (error: unknown) => LlmOutcome.explain(Exit.fail(error)).row

// The names of the rows are what `rows` of the options, dashboards and tests of others hold on to, and the outcomes are
// what they rely on. The table itself cannot tell when one of them is changed by mistake.
describe("what the table promises", () => {
  it("is what it always was, row by row", () => {
    const rows = LlmOutcome.table.map(({ id, kind, outcome, ...row }) =>
      [
        `${id}:`,
        typeof outcome === "string" ? outcome : `${outcome.short}, ${outcome.long} or ${outcome.none}`,
        ..."elsewhere" in row ? ["elsewhere"] : [],
        kind
      ].join(" ")
    )
    assert.deepStrictEqual(rows, [
      "guard/slow-first-content: Failure slow_first_content",
      "guard/stream-stalled: Failure stream_stalled",
      "guard/attempt-timed-out: Failure timeout",
      "guard/stream-cut: Failure stream_cut",
      "guard/rejected: Ignored caller_error",
      "client/own-code: Ignored caller_error",
      "client/model-output: Ignored model_output",
      "code/content-policy: Ignored content_policy",
      "number/content-policy: Ignored content_policy",
      "code/context-length: Ignored context_length",
      "number/context-length: Ignored context_length",
      "message/request-too-large: Ignored context_length",
      "code/quota: OpenNow quota_exhausted",
      "number/quota: OpenNow quota_exhausted",
      "message/quota: OpenNow quota_exhausted",
      "message/auth: Ignored auth",
      "message/content-policy: Ignored content_policy",
      "message/quota-by-status: OpenNow quota_exhausted",
      "message/quota-denied: OpenNow quota_exhausted",
      "message/no-quota-at-all: OpenNow quota_exhausted",
      "message/per-day: Throttled, OpenNow or OpenNow rate_limited",
      "code/overloaded: Failure overloaded",
      "number/overloaded: Failure overloaded",
      "code/rate-limited: Throttled, OpenNow or Failure rate_limited",
      "number/rate-limited: Throttled, OpenNow or Failure rate_limited",
      "code/timeout: Failure timeout",
      "code/stream-cut: Failure stream_cut",
      "code/auth: Ignored auth",
      "number/auth: Ignored auth",
      "message/unsupported: Ignored elsewhere invalid_request",
      "message/context-length: Ignored context_length",
      "message/too-many-tokens: Ignored context_length",
      "client/provider-error: Failure server_error",
      "message/overloaded-by-status: Failure overloaded",
      "message/overloaded: Failure overloaded",
      "message/rate-limited: Throttled, OpenNow or Failure rate_limited",
      "message/upstream: Failure server_error",
      "request/unknown-model: Ignored invalid_request",
      "status/446: Ignored content_policy",
      "status/402: OpenNow quota_exhausted",
      "status/auth: Ignored auth",
      "status/408: Failure timeout",
      "status/413: Ignored context_length",
      "status/424: Failure server_error",
      "status/429: Throttled, OpenNow or Failure rate_limited",
      "status/498: Failure overloaded",
      "status/499: Ignored cancelled",
      "status/overloaded: Failure overloaded",
      "status/5xx: Failure server_error",
      "status/404: Ignored invalid_request",
      "status/4xx: Ignored invalid_request",
      "model/unknown: Ignored unknown",
      "client/not-json: Failure malformed_response",
      "code/server-error: Failure server_error",
      "code/invalid-request: Ignored invalid_request",
      "client/request: Ignored caller_error",
      "client/mistake: Ignored caller_error",
      "network/reset: Failure connection",
      "network/timeout: Failure timeout",
      "network/timeout-message: Failure timeout",
      "client/cancelled: Ignored cancelled",
      "client/cancelled-message: Ignored cancelled",
      "network/cut: Failure stream_cut",
      "network/cut-node: Failure stream_cut",
      "network/cut-client: Failure stream_cut",
      "network/connection: Failure connection",
      "network/fetch-failed: Failure connection",
      "answer/failed: Failure server_error",
      "network/malformed: Failure malformed_response",
      "network/not-json: Failure malformed_response",
      "client/unreadable: Failure malformed_response",
      "model/output: Ignored model_output",
      "network/wrong-shape: Failure malformed_response",
      "message/invalid-request: Ignored invalid_request",
      "answer/unknown-ending: Ignored elsewhere unknown",
      "interruption: Ignored cancelled",
      "value: Success unknown",
      "defect: Ignored caller_error",
      "unrecognised: Failure unknown"
    ])
  })
})

describe("patterns of the table", () => {
  it.each<[row: string, error: unknown]>([
    ["message/context-length", { status: 400, message: "Your request would exceed context limit." }],
    ["message/context-length", { status: 400, message: "This request exceeds the context window." }],
    ["code/invalid-request", { code: "invalid_image_url" }],
    ["code/invalid-request", { code: "unsupported_image_media_type" }],
    ["code/invalid-request", { code: "image_too_large" }],
    ["network/fetch-failed", new TypeError("network error")],
    ["network/fetch-failed", new TypeError("Load failed")],
    ["network/connection", { code: "ERR_HTTP2_STREAM_ERROR" }],
    ["network/connection", { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }],
    ["network/connection", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }],
    ["network/connection", { code: "SELF_SIGNED_CERT_IN_CHAIN" }],
    ["network/wrong-shape", new TypeError("undefined is not an object (evaluating 'answer.choices')")],
    ["code/rate-limited", { name: "throttlingException" }],
    ["code/overloaded", { name: "serviceUnavailableException" }],
    ["code/stream-cut", { name: "modelStreamErrorException" }],
    ["code/server-error", { name: "internalServerException" }],
    ["code/invalid-request", { name: "validationException" }]
  ])("%s decides %o", (row, error) => {
    assert.strictEqual(rowOf(error), row)
  })

  it.each<[what: string, error: unknown]>([
    ["a code that ends like that of an image", { code: "my_invalid_image" }],
    ["a code with an image in it", { code: "the_image_size" }],
    ["a code of undici in another", { code: "MY_UND_ERR_SOCKET" }],
    ["a code of TLS in another", { code: "MY_ERR_TLS_X" }],
    ["a code of a certificate in another", { code: "MY_CERT_X" }],
    ["a code of the parser in another", { code: "MY_HPE_X" }],
    ["a message that quotes a timeout", new Error("He said: Request timed out.")],
    ["a message that quotes an abort", new Error("He said: Request was aborted.")],
    ["a message that goes on after an abort", new Error("Request was aborted. By whom?")],
    ["a message that quotes a failed fetch", new TypeError("He said: fetch failed")],
    ["a word that ends with terminated", new TypeError("unterminated")],
    ["a message that goes on after terminated", new TypeError("terminated by hand")],
    ["a message that quotes a wrong shape", new TypeError("He said: Cannot read properties of undefined")]
  ])("nothing is known about %s", (_, error) => {
    assert.strictEqual(rowOf(error), "unrecognised")
  })

  it("a lost connection is no cut answer, whatever else it says of an abort", () => {
    const reset = (message: string) => rowOf(Object.assign(new Error(message), { code: "ECONNRESET" }))
    assert.strictEqual(reset("aborted"), "network/cut-node")
    assert.strictEqual(reset("aborted by peer"), "network/connection")
    assert.strictEqual(reset("was aborted"), "network/connection")
  })

  it("no quota at all is a limit of zero, not one that begins or ends like it", () => {
    const limited = (message: string) => rowOf({ status: 429, message })
    assert.strictEqual(limited("Quota exceeded, limit: 0, model: pro"), "message/no-quota-at-all")
    assert.strictEqual(limited("Quota exceeded, limit: 05"), "status/429")
    assert.strictEqual(limited("Quota exceeded, softlimit: 0"), "status/429")
  })

  it("an output is malformed only where a client could not read it", () => {
    const reason = (module: string, tag: string) => rowOf({ _tag: "AiError", module, reason: { _tag: tag } })
    assert.strictEqual(reason("OpenAiClient", "InvalidOutputError"), "network/malformed")
    assert.strictEqual(reason("OpenAiClient", "InvalidOutputErrors"), "unrecognised")
  })
})

describe("rows of one's own", () => {
  const row = { id: "busy", match: { status: [409] }, kind: "overloaded", outcome: "Failure" } as const
  const refusal = (...rows: NonNullable<LlmOutcome.Options["rows"]>) => {
    try {
      LlmOutcome.make({ rows })
    } catch (error) {
      assert(error instanceof CircuitPolicy.InvalidOptions)
      return `${error.field} must be ${error.rule}`
    }
    return "taken"
  }

  it("are taken when they are complete, or change a row of the table", () => {
    assert.strictEqual(refusal(row), "taken")
    assert.strictEqual(refusal({ id: "status/408", kind: "overloaded" }), "taken")
  })

  it.each(["match", "kind", "outcome"] as const)("are refused without %s", (field) => {
    const rule = "rows must be a complete row, or the id of a row of the table"
    assert.strictEqual(refusal({ ...row, [field]: undefined }), rule)
  })

  it("are refused twice", () => {
    assert.strictEqual(refusal(row, row), "rows must be a list in which no id appears twice")
  })
})

describe("what is looked at", () => {
  it("the first wait in words that any message has", () => {
    const outcome = LlmOutcome.fromError({
      status: 429,
      message: "Rate limit reached.",
      error: { message: "Please try again in 20s." }
    })
    assert.deepStrictEqual(outcome, Outcome.throttled("20 seconds"))
  })

  it("an error for itself, as an exit that failed with it", () => {
    const outcome = Outcome.failure("malformed_response")
    assert.deepStrictEqual(LlmOutcome.fromError(new SyntaxError("Unexpected token <")), outcome)
  })

  it("a failure without a reason, as an error", () => {
    assert.strictEqual(LlmOutcome.explain(Exit.failCause(Cause.empty)).signals.origin, "error")
  })

  it("not a function, whatever is in it: nothing that a provider answers is one", () => {
    const value = Object.assign(() => {}, { error: { code: 502 } })
    assert.strictEqual(LlmOutcome.classify(Exit.succeed(value)), Outcome.success)
  })
})
