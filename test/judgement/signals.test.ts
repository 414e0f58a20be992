import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { isSuspect, readAnswer } from "../../src/internal/judgement/answer.ts"
import { nothing, read } from "../../src/internal/judgement/signals.ts"

const signals = (source: unknown) => read("error", source, 0)
const codes = (source: unknown) => signals(source).codes
/** What the body of an answer says, and nothing but that. */
const body = (answer: unknown) => readAnswer(answer, 0, true).codes

describe("the signals of an error", () => {
  const none = { status: undefined, codes: [], messages: [], retryAfter: undefined }

  it("are none where there is nothing to read", () => {
    assert.deepStrictEqual(signals({}), { origin: "error", ...none })
    assert.deepStrictEqual(signals({ code: "", type: "" }), { origin: "error", ...none })
    assert.deepStrictEqual(nothing, { origin: "value", ...none })
  })

  it.each<[string, unknown, ReadonlyArray<string>]>([
    ["a tag", { _tag: "Boom" }, ["Boom"]],
    ["a reason in words, without a tag", { reason: "none" }, ["none"]],
    ["a reason in words, with a tag", { _tag: "Boom", reason: "none" }, ["Boom", "Boom/none", "none"]],
    ["a reason that is an error", { _tag: "Boom", reason: { _tag: "Why" } }, ["Boom", "Why", "Boom/Why"]],
    ["a cause, which is no reason", { _tag: "Boom", cause: { _tag: "Why" } }, ["Boom", "Why"]],
    ["the module of an AiError", { _tag: "AiError", module: "M", reason: { _tag: "Why" } }, [
      "AiError",
      "M/Why",
      "Why",
      "AiError/Why"
    ]],
    ["no module of an AiError", { _tag: "AiError", reason: { _tag: "Why" } }, ["AiError", "Why", "AiError/Why"]],
    ["a module of something else", { _tag: "Boom", module: "M", cause: {}, reason: { _tag: "Why" } }, [
      "Boom",
      "Why",
      "Boom/Why"
    ]],
    ["the phase of a timeout", { _tag: "AttemptTimedOut", phase: "idle" }, ["AttemptTimedOut", "AttemptTimedOut/idle"]],
    ["a phase of something else", { _tag: "Boom", phase: "idle" }, ["Boom"]]
  ])("name %s", (_, source, expected) => {
    assert.deepStrictEqual(codes(source), expected)
  })

  it.each(["code", "type", "error_code", "errorCode", "errorType", "__type", "reason", "quotaId", "name"])(
    "are found under %s",
    (key) => {
      assert.deepStrictEqual(codes({ [key]: "busy" }), ["busy"])
    }
  )

  it.each(["lastError", "openai", "anthropic", "google", "raw", "metadata", "violations", "responseBody", "http"])(
    "are found inside of %s",
    (key) => {
      assert.deepStrictEqual(codes({ [key]: { code: "busy" } }), ["busy"])
    }
  )

  it("are found in the error of a response of OpenAI, and nowhere else in it", () => {
    const response = { object: "response", error: { code: "busy" }, metadata: { code: "made up" } }
    assert.deepStrictEqual(codes(response), ["busy"])
  })

  it("are words, not texts: up to 128 characters", () => {
    assert.deepStrictEqual(codes({ code: "x".repeat(128) }), ["x".repeat(128)])
    assert.deepStrictEqual(codes({ code: "x".repeat(129) }), [])
  })

  it("have messages and descriptions, of which the beginning and the end of the first 64 Ki characters are kept", () => {
    const long = "x".repeat(65_536)
    const kept = `${"x".repeat(4096)} … ${"x".repeat(4096)}`
    assert.deepStrictEqual(signals({ message: `${long}y`, description: "why" }).messages, [kept, "why"])
    assert.deepStrictEqual(signals(`${long}y`).messages, [kept])
    assert.deepStrictEqual(signals({ message: `Bad prompt "${long.slice(0, 60_000)}": too long` }).messages, [
      "Bad prompt '': too long"
    ])
    assert.deepStrictEqual(codes({ message: "Bad (POST) [code: busy]" }), ["busy"])
    assert.deepStrictEqual(codes({ message: `${long.slice(0, 1024)} (POST) [code: busy]` }), [])
  })

  it.each(["message", "msg", "detail", "title", "error", "error_msg", "status_msg", "error_message", "description"])(
    "have texts under %s",
    (key) => {
      assert.deepStrictEqual(signals({ [key]: "why" }).messages, ["why"])
    }
  )

  it("have the texts of bodies that are plain text, and not of pages", () => {
    assert.deepStrictEqual(signals({ status: 402, body: "You have no quota" }).messages, ["You have no quota"])
    assert.deepStrictEqual(signals({ body: "<html><body>Rate limit exceeded</body></html>" }).messages, [])
    assert.deepStrictEqual(signals({ body: "{\"error\": {\"code\": \"insuf" }).messages, [])
  })

  it.each<[string, string, string]>([
    ["quotes", "The model `gpt-5` does not know \"insufficient_quota\".", "The model '' does not know ''."],
    ["apostrophes", "You've used the team's 'credits', haven't you?", "You've used the team's '', haven't you?"],
    ["typographic quotes", "“You are banned” is no «reason»", "'' is no ''"],
    ["escaped quotes", "Invalid \"say \\\"no credits\\\" to me\" value", "Invalid '' value"],
    ["a quote that is cut off", "Invalid prompt: \"You are out of cred", "Invalid prompt: "],
    ["a status", "429 You have had enough", "You have had enough"],
    ["a status and its words", "[429 Too Many Requests] You have had enough", "You have had enough"],
    ["classes", "litellm.BadRequestError: AnthropicException - It is too long", "It is too long"],
    ["who was asked", "Error from provider (X): Upstream request failed", "Upstream request failed"],
    ["the word for an error", "Error: Bad Request: The endpoint is paused", "The endpoint is paused"]
  ])("have messages without %s", (_, message, expected) => {
    assert.deepStrictEqual(signals({ message }).messages, [expected])
  })

  it("have the classes that a message begins with, but for those of the language", () => {
    assert.deepStrictEqual(codes({ message: "litellm.RateLimitError: OpenAIException - No" }), [
      "RateLimitError",
      "OpenAIException"
    ])
    assert.deepStrictEqual(
      codes({ message: "An error occurred (ThrottlingException) when calling the X operation: No" }),
      [
        "ThrottlingException"
      ]
    )
    assert.deepStrictEqual(codes({ message: "SyntaxError: Unexpected token" }), [])
  })

  it("have the status that a message begins with, where there is no other", () => {
    assert.strictEqual(signals({ message: "HTTP 429: no" }).status, 429)
    assert.strictEqual(signals({ message: "Error code: 503 - no" }).status, 503)
    assert.strictEqual(signals({ status: 400, message: "500 no" }).status, 400)
    assert.strictEqual(signals({ message: "5000 tokens are too many" }).status, undefined)
    assert.strictEqual(signals({ message: "404" }).status, undefined)
  })

  it("have what an answer says that a client or a proxy has written into a message", () => {
    const error = { code: "busy", message: "It's \"full\"" }
    const json = JSON.stringify({ error })
    const python = "{'error': {'code': 'busy', 'message': \"It's full\", 'param': None, 'ok': False}}"
    for (
      const message of [
        json,
        `429 ${json}`,
        `got status: UNAVAILABLE. ${json}`,
        `litellm.RateLimitError: GroqException - ${json}`,
        `Error code: 429 - ${python}`
      ]
    ) assert.include(codes({ message }), "busy", message)
    assert.deepStrictEqual(codes({ message: `Invalid prompt: ${json}` }), [])
  })

  it("have numbers as codes, those of one provider with the name of their field", () => {
    assert.deepStrictEqual(codes({ code: 30_001, message: "no" }), ["30001"])
    assert.deepStrictEqual(codes({ code: 0 }), [])
    assert.deepStrictEqual(codes({ code: 429 }), [])
    assert.deepStrictEqual(codes({ error_code: 17 }), ["error_code/17"])
    assert.deepStrictEqual(codes({ base_resp: { status_code: 1008 } }), ["base_resp/1008"])
  })

  it("are not looked for where a caller's words are", () => {
    const echo = { code: "insufficient_quota", message: "You are out of credits", type: "invalid_api_key" }
    for (const field of ["param", "input", "prompt", "failed_generation", "request", "value", "messages", "ctx"]) {
      assert.deepStrictEqual(signals({ [field]: echo, error: { [field]: echo } }), {
        origin: "error",
        ...none
      }, field)
      assert.deepStrictEqual(codes({ [field]: "insufficient_quota" }), [])
    }
    const detail = [{ type: "string_type", loc: ["body", "input"], msg: "Input should be a string", input: echo }]
    assert.deepStrictEqual(codes({ detail }), ["string_type"])
  })

  it("do not name what every error and every object is", () => {
    assert.deepStrictEqual(codes(new Error("why")), [])
    assert.deepStrictEqual(codes(new RangeError("why")), ["RangeError"])
  })

  it("are looked for in lists of lists, up to seven deep", () => {
    const within = (lists: number) => {
      let errors: unknown = { code: "deep" }
      for (let list = 0; list < lists; list++) errors = [errors]
      return codes({ errors })
    }
    assert.deepStrictEqual(within(7), ["deep"])
    assert.deepStrictEqual(within(8), [])
  })

  it("are looked for in 49 values, lists among them", () => {
    const errors = Array.from(
      { length: 8 },
      (_, list) => Array.from({ length: 8 }, (_, index) => ({ code: `${list}.${index}` }))
    )
    // The error, the list, and six lists in it leave 41.
    assert.strictEqual(codes({ errors }).length, 41)
  })

  it("have the wait of an error that carries it itself", () => {
    const retryInfo = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "46s" }
    assert.deepStrictEqual(signals({ details: [retryInfo] }).retryAfter, Duration.seconds(46))
    assert.deepStrictEqual(signals({ retryAfter: Duration.seconds(3) }).retryAfter, Duration.seconds(3))
  })

  it("have the status of the failure before that of the answer around it", () => {
    assert.strictEqual(signals({ status: 200, error: { status: 400 } }).status, 400)
    assert.strictEqual(signals({ status: 200 }).status, 200)
  })

  it("have a status of three digits", () => {
    assert.strictEqual(signals({ status: 999 }).status, 999)
    assert.strictEqual(signals({ status: 1000 }).status, undefined)
    assert.strictEqual(signals({ status: 99 }).status, undefined)
  })
})

describe("a value of a call that succeeded", () => {
  const headers = new Headers()

  it("is suspect with an error in it, or as a response of 400 or more", () => {
    const suspects = [{ error: {} }, { status: 400, ok: false, headers }]
    assert.deepStrictEqual(suspects.map(isSuspect), [true, true])
  })

  it("is not suspect with anything less, or when it cannot be read", () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const others = [
      { error: null },
      { error: "boom" },
      { status: 399, ok: true, headers },
      { status: "500", ok: false, headers },
      { status: 500, headers },
      { status: 500, ok: false },
      proxy
    ]
    assert.deepStrictEqual(others.map(isSuspect), others.map(() => false))
  })

  it("says nothing with an error in words, even where the words are JSON", () => {
    assert.strictEqual(readAnswer({ error: "{\"code\":\"busy\"}" }, 0, false), nothing)
  })
})

describe("the body of an answer", () => {
  it.each([
    ["promptFeedback", {}],
    ["completion", "hi"],
    ["embeddings", [[0.1]]],
    ["embedding", [0.1]],
    ["results", [{}]],
    ["data", [{}]],
    ["text", "hi"],
    ["content", []],
    ["output", []]
  ])("is one with %s", (member, value) => {
    assert.deepStrictEqual(body({ [member]: value }), [])
    assert.deepStrictEqual(body({ [member]: null }), ["Answer/malformed"])
  })

  it("tells how it ended, in a word", () => {
    const ended = (reason: string) => body({ choices: [{ finish_reason: reason }] })
    assert.deepStrictEqual(ended("error"), ["Answer/error"])
    assert.deepStrictEqual(ended("length"), ["length"])
    assert.deepStrictEqual(ended("sensitive"), ["sensitive", "Answer/refused"])
    assert.deepStrictEqual(ended("x".repeat(128)), ["x".repeat(128), "Answer/unknown"])
    assert.deepStrictEqual(ended("x".repeat(129)), [])
  })

  it("is taken for an answer where it is too long to be parsed, if it begins like one", () => {
    assert.deepStrictEqual(body("{".padEnd(65_537, "x")), [])
    assert.deepStrictEqual(body("{".padEnd(65_536, "x")), ["Answer/malformed"])
    assert.deepStrictEqual(body("<".padEnd(65_537, "x")), ["Answer/malformed"])
  })
})
