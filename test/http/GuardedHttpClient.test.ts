import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Duration, Effect, Exit, Fiber, type Layer, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  type CircuitPolicy,
  CircuitStore,
  LlmOutcome,
  LlmStream,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import {
  HttpClient,
  HttpClientError,
  HttpClientRequest,
  HttpClientResponse,
  HttpIncomingMessage,
  UrlParams
} from "effect/http"
import { TestClock } from "effect/testing"
import { stepper } from "../support/stepper.ts"

type Piece = string | Uint8Array | number | Effect.Effect<never, unknown>

/** An answer: pieces of a body are texts or bytes, milliseconds of silence, or an effect for an end of its own. */
interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: ReadonlyArray<Piece>
  /** Milliseconds until the headers. */
  readonly after?: number
}

const key = "model"
const url = "https://api.example.com/v1/chat"
const encoder = new TextEncoder()

const unreadable = (request: HttpClientRequest.HttpClientRequest, response: HttpClientResponse.HttpClientResponse) =>
(
  cause: unknown
) =>
  new HttpClientError.HttpClientError({
    reason: cause === "no body"
      ? new HttpClientError.EmptyBodyError({ request, response })
      : new HttpClientError.DecodeError({ request, response, cause })
  })

/** A client that gives these answers, the last one for good, and what became of it. */
const provider = (...answers: ReadonlyArray<Answer>) => {
  const seen = { requests: 0, pieces: 0, closed: 0 }
  const client = HttpClient.make((request) => {
    const { after = 0, body = [], headers = {}, status = 200 } = answers[
      Math.min(seen.requests++, answers.length - 1)
    ]!
    const web = HttpClientResponse.fromWeb(request, new Response(null, { status, headers }))
    const stream = Stream.fromIterable(body).pipe(
      Stream.flatMap((piece) => {
        if (Effect.isEffect(piece)) return Stream.fromEffect(piece)
        if (typeof piece === "number") return Stream.fromEffectDrain(Effect.sleep(piece))
        seen.pieces++
        return Stream.succeed(typeof piece === "string" ? encoder.encode(piece) : piece)
      }),
      Stream.mapError(unreadable(request, web)),
      Stream.ensuring(Effect.sync(() => {
        seen.closed++
      }))
    )
    const response: HttpClientResponse.HttpClientResponse = Object.create(web, { stream: { value: stream } })
    return Effect.delay(Effect.succeed(response), after)
  })
  return { client, seen }
}

const guarded = (options: GuardedHttpClient.Options, ...answers: ReadonlyArray<Answer>) => {
  const { client, seen } = provider(...answers)
  return { client: GuardedHttpClient.withCircuitBreaker(client, { key, ...options }), seen }
}

/** How the calls ended so far. */
const calls = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)

const tag = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)

const policy = (rest: CircuitPolicy.CircuitPolicy = {}): Layer.Layer<
  CircuitBreaker.CircuitBreaker | RecordedEvents.RecordedEvents
> => CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(100), ...rest })

/** The breaker's reason in a failure, if it is one, also where it is the cause of a body that cannot be read. */
const reasonOf = (error: unknown): unknown =>
  error instanceof CircuitError.CircuitBreakerError
    ? error.reason._tag
    : error instanceof HttpClientError.HttpClientError
    ? `${error.reason._tag}${error.cause === undefined ? "" : ` ${String(reasonOf(error.cause))}`}`
    : error

const json = { "content-type": "application/json" }
const sse = { "content-type": "text/event-stream; charset=utf-8" }
const tooMany = { error: { code: "insufficient_quota", message: "You exceeded your current quota" } }
const tooLong = { error: { code: "context_length_exceeded", message: "too many tokens" } }

describe("GuardedHttpClient, the head", () => {
  it.effect("W16: a 200 is no success before its body has been read", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { headers: json, body: ["{\"a\":", 1000, "1}"] })
      const response = yield* client.get(url)
      assert.deepStrictEqual(yield* calls, [])
      const reading = yield* Effect.forkChild(response.json, { startImmediately: true })
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(yield* calls, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(reading), { a: 1 })
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))

  const judged: ReadonlyArray<readonly [name: string, answer: Answer, verdict: string]> = [
    ["W6: 529", { status: 529 }, "failure overloaded"],
    ["W6: 503", { status: 503, body: ["<html>"] }, "failure overloaded"],
    ["W6: 500", { status: 500, headers: json, body: ["{}"] }, "failure server_error"],
    ["W6: 504", { status: 504 }, "failure server_error"],
    ["W6: 524", { status: 524 }, "failure server_error"],
    ["W6: 401", { status: 401 }, "ignored auth"],
    ["W7: 400", { status: 400 }, "ignored invalid_request"],
    ["400, context length", { status: 400, body: [JSON.stringify(tooLong)] }, "ignored context_length"],
    ["429 without a hint", { status: 429 }, "failure rate_limited"],
    ["W11: 429 with a hint", { status: 429, headers: { "retry-after": "2" } }, "ignored rate_limited"],
    ["W12: 429 with a long hint", { status: 429, headers: { "retry-after": "121" } }, "failure rate_limited"],
    ["429, quota", { status: 429, body: [JSON.stringify(tooMany)] }, "failure quota_exhausted"],
    [
      "429, quota, in pieces and in spite of a hint",
      { status: 429, headers: { "retry-after": "2" }, body: [...JSON.stringify(tooMany)] },
      "failure quota_exhausted"
    ],
    ["a body that is no text", { status: 500, body: ["\u0000\uFFFF"] }, "failure server_error"],
    ["half a JSON text", { status: 400, body: ["{\"error\":{\"code\":\"context_length"] }, "ignored invalid_request"],
    ["a body that breaks", { status: 400, body: ["{", Effect.fail("reset")] }, "ignored invalid_request"]
  ]
  it.effect.each(judged)("judges before it is handed out: %s", ([, answer, verdict]) =>
    Effect.gen(function*() {
      const { client } = guarded({}, answer)
      const response = yield* client.post(url)
      assert.strictEqual(response.status, answer.status)
      assert.deepStrictEqual(yield* calls, [verdict])
      yield* Effect.exit(response.text)
      assert.deepStrictEqual(yield* calls, [verdict])
    }).pipe(Effect.provide(policy())))

  it.effect("a short 429 shuts the gate, a quota opens the circuit, and neither request is sent again", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded(
        { key: (request) => HttpClientRequest.toUrl(request).pipe(String) },
        { status: 429, headers: { "retry-after": "2" } },
        { status: 429, body: [JSON.stringify(tooMany)] }
      )
      for (const path of ["/a", "/b"]) yield* client.get(url + path)
      const errors = yield* Effect.forEach(["/a", "/b"], (path) => Effect.flip(client.get(url + path)))
      assert.deepStrictEqual(errors.map(reasonOf), ["CircuitThrottled", "CircuitOpen"])
      assert.strictEqual(seen.requests, 2)
    }).pipe(Effect.provide(policy())))

  it.effect("keys requests by origin, and never by what may be a secret", () =>
    Effect.gen(function*() {
      const { client } = guarded({ key: undefined }, { status: 500 })
      yield* client.get("https://user:secret@api.example.com:8443/v1?key=secret#secret")
      yield* Effect.exit(client.get("/v1/relative?key=secret"))
      yield* Effect.exit(client.get("?key=secret"))
      const states = yield* CircuitBreaker.states
      assert.deepStrictEqual(states.map(({ key }) => key).sort(), [
        "/v1/relative",
        "https://api.example.com:8443",
        "unknown"
      ])
    }).pipe(Effect.provide(policy())))

  it.effect("turns requests away without sending them while the circuit is open", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { status: 529 })
      yield* client.get(url)
      const error = yield* Effect.flip(client.get(url))
      assert.strictEqual(reasonOf(error), "CircuitOpen")
      assert.strictEqual(seen.requests, 1)
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("counts a request that finds nobody, and fails as the client does", () =>
    Effect.gen(function*() {
      const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
      const dead = HttpClient.make((request) =>
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, cause: refused })
          })
        )
      )
      const client = dead.pipe(GuardedHttpClient.withCircuitBreaker({ key }))
      const error = yield* Effect.flip(client.get(url))
      assert.instanceOf(error, HttpClientError.HttpClientError)
      assert.strictEqual(error.cause, refused)
      assert.deepStrictEqual(yield* calls, ["failure connection"])
    }).pipe(Effect.provide(policy())))

  it.effect("asks a classifier of its own, with the response or the error", () =>
    Effect.gen(function*() {
      const heads: Array<unknown> = []
      const options: GuardedHttpClient.Options = {
        classify: (exit) => {
          heads.push(Exit.isSuccess(exit) ? [exit.value.status, exit.value.body] : reasonOf(exit.cause.reasons[0]))
          return Exit.isSuccess(exit) && exit.value.status === 409 ? Outcome.failure("overloaded") : Outcome.success
        }
      }
      const { client } = guarded(options, { status: 409, body: ["busy"] }, { body: ["fine"] }, { status: 404 })
      for (let i = 0; i < 3; i++) yield* Effect.flatMap(client.get(url), ({ text }) => text)
      assert.deepStrictEqual(heads, [[409, "busy"], [200, undefined], [404, ""]])
      assert.deepStrictEqual(yield* calls, ["failure overloaded", "success", "success"])
    }).pipe(Effect.provide(policy())))

  it.effect("a classifier can tell by the headers of a 200 that it is none", () =>
    Effect.gen(function*() {
      const { client } = guarded({
        classify: (exit) =>
          Exit.isSuccess(exit) && exit.value.headers["x-degraded"] === "1"
            ? Outcome.failure("overloaded")
            : LlmOutcome.classify(exit)
      }, { headers: { "x-degraded": "1" }, body: ["hello"] })
      const response = yield* client.get(url)
      assert.deepStrictEqual(yield* calls, ["failure overloaded"])
      assert.strictEqual(yield* response.text, "hello")
      assert.deepStrictEqual(yield* calls, ["failure overloaded"])
    }).pipe(Effect.provide(policy())))

  it.effect.each([200, 500])(
    "a classifier that throws at a %i costs nothing but its verdict",
    (status) =>
      Effect.gen(function*() {
        const { client } = guarded({
          classify: () => {
            throw new Error("oops")
          }
        }, { status, body: ["hello"] })
        const response = yield* client.get(url)
        assert.deepStrictEqual(yield* calls, ["ignored caller_error"])
        assert.strictEqual(yield* response.text, "hello")
        assert.deepStrictEqual(yield* calls, ["ignored caller_error"])
        const recorded = yield* RecordedEvents.RecordedEvents
        assert.deepStrictEqual(yield* recorded.names, ["classify.failed"])
      }).pipe(Effect.provide(policy()))
  )

  it.effect("a classifier that returns something else counts as one that throws", () =>
    Effect.gen(function*() {
      const nothing = JSON.parse("{\"_tag\":\"Nothing\"}")
      const { client } = guarded({ classify: () => nothing }, { status: 500, body: ["hello"] })
      assert.strictEqual(yield* Effect.flatMap(client.get(url), ({ text }) => text), "hello")
      assert.deepStrictEqual(yield* calls, ["ignored caller_error"])
    }).pipe(Effect.provide(policy())))

  it("rejects limits that are none", () => {
    const { client } = provider({})
    for (const options of [{ idleTimeout: -1 }, { firstContentTimeout: Number.NaN }, { unreadTimeout: 0 }]) {
      assert.throws(() => GuardedHttpClient.withCircuitBreaker(client, options), Object.keys(options)[0])
    }
  })
})

describe("GuardedHttpClient, the body of an error", () => {
  it.effect("can be read as usual, in any way and more than once", () =>
    Effect.gen(function*() {
      const text = JSON.stringify(tooLong)
      const { client } = guarded({}, { status: 400, headers: json, body: [text.slice(0, 9), text.slice(9)] })
      const response = yield* client.get(url)
      assert.deepStrictEqual(yield* response.json, tooLong)
      assert.strictEqual(yield* response.text, text)
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), text)
      assert.strictEqual((yield* response.arrayBuffer).byteLength, text.length)
      assert.deepStrictEqual(yield* calls, ["ignored context_length"])
    }).pipe(Effect.provide(policy())))

  it.effect("is there for a classifier that judges the error later, and not in what is printed of it", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { status: 429, body: [JSON.stringify(tooMany)] })
      const error = yield* Effect.flip(client.pipe(HttpClient.filterStatusOk).get(url))
      assert.deepStrictEqual(LlmOutcome.fromError(error), Outcome.openNow("quota_exhausted"))
      assert(error instanceof HttpClientError.HttpClientError)
      assert.notInclude(JSON.stringify(error.response), "quota")
      assert.notInclude(JSON.stringify(error), "quota")
      assert.notInclude(String(error), "quota")
    }).pipe(Effect.provide(policy())))

  it.effect("is read up to 64 KiB before it is handed out, and on from there by the reader", () =>
    Effect.gen(function*() {
      const piece = "x".repeat(16_384)
      const { client, seen } = guarded({}, { status: 500, body: Array.from({ length: 64 }, () => piece) })
      const response = yield* client.get(url)
      assert.strictEqual(seen.pieces, 4)
      assert.deepStrictEqual(yield* calls, ["failure server_error"])
      assert.strictEqual((yield* response.text).length, 64 * 16_384)
      assert.strictEqual(seen.closed, 1)
    }).pipe(Effect.provide(policy())))

  it.effect("is waited for up to a second, and loses nothing by that", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { status: 503, body: ["a", 5000, "b", 5000, "c"] })
      const asking = yield* Effect.forkChild(client.get(url), { startImmediately: true })
      yield* TestClock.adjust(999)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      const response = yield* Fiber.join(asking)
      assert.deepStrictEqual(yield* calls, ["failure overloaded"])
      const reading = yield* Effect.forkChild(response.text, { startImmediately: true })
      yield* TestClock.adjust(9000)
      assert.strictEqual(yield* Fiber.join(reading), "abc")
    }).pipe(Effect.provide(policy())))

  it.effect("does not turn the error into a slow answer", () =>
    Effect.gen(function*() {
      const { client } = guarded(
        { firstContentTimeout: 500 },
        { status: 429, headers: { "retry-after": "9" }, after: 400, body: [60_000] }
      )
      const asking = yield* Effect.forkChild(client.get(url), { startImmediately: true })
      yield* TestClock.adjust(499)
      assert.strictEqual((yield* Fiber.join(asking)).status, 429)
      assert.deepStrictEqual(yield* calls, ["ignored rate_limited"])
    }).pipe(Effect.provide(policy())))

  it.effect("is kept if it is short, and can be read at any time", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { status: 500, body: ["oh ", "no"] })
      const response = yield* client.get(url)
      assert.strictEqual(seen.closed, 1)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* response.text, "oh no")
      assert.deepStrictEqual(yield* calls, ["failure server_error"])
    }).pipe(Effect.provide(policy())))

  it.effect.each(
    [
      ["a long one", ["x".repeat(70_000), 60_000, "y"], 0],
      ["one that never comes", [60_000], 1000]
    ] as const
  )("lets the connection go when nobody reads %s", ([, body, inspecting]) =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { status: 500, body })
      const asking = yield* Effect.forkChild(client.get(url), { startImmediately: true })
      yield* TestClock.adjust(inspecting)
      yield* Fiber.join(asking)
      yield* TestClock.adjust(4999)
      assert.strictEqual(seen.closed, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(seen.closed, 1)
      assert.deepStrictEqual(yield* calls, ["failure server_error"])
    }).pipe(Effect.provide(policy())))
})

describe("GuardedHttpClient, the body of an answer", () => {
  it.effect("passes as it comes: nothing is read ahead of the reader", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { body: Array.from({ length: 100 }, () => "piece") })
      const response = yield* client.get(url)
      assert.strictEqual(seen.pieces, 0)
      yield* Stream.runForEach(response.stream, () => Effect.sync(() => assert.isAtMost(seen.pieces, 100)))
      const { client: slow, seen: first } = guarded({}, { body: ["a", "b", "c"] })
      yield* Effect.flatMap(slow.get(url), ({ stream }) => Stream.runHead(stream))
      assert.strictEqual(first.pieces, 1)
      assert.strictEqual(first.closed, 1)
    }).pipe(Effect.provide(policy())))

  const malformed: ReadonlyArray<readonly [name: string, body: ReadonlyArray<string>, value: unknown]> = [
    ["a truncated JSON", ["{\"choices\":[{\"mess"], "DecodeError"],
    ["a page of HTML", ["<html><body>Bad gateway</body></html>"], "DecodeError"],
    ["nothing at all", [], null]
  ]
  it.effect.each(malformed)(
    "`json` finds %s: counted, and the reader gets what it always got",
    ([, body, value]) =>
      Effect.gen(function*() {
        const { client } = guarded({}, { body })
        const read = yield* Effect.flatMap(client.get(url), ({ json }) => json).pipe(
          Effect.catchTag("HttpClientError", ({ reason }) => Effect.succeed(reason._tag))
        )
        assert.deepStrictEqual(read, value as typeof read)
        assert.deepStrictEqual(yield* calls, ["failure malformed_response"])
      }).pipe(Effect.provide(policy()))
  )

  it.effect("`text` and `stream` are not looked into", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { headers: json, body: ["{\"choices\":"] })
      yield* Effect.flatMap(client.get(url), ({ text }) => text)
      yield* Effect.flatMap(client.get(url), ({ stream }) => Stream.runDrain(stream))
      assert.deepStrictEqual(yield* calls, ["success", "success"])
    }).pipe(Effect.provide(policy())))

  it.effect("`json` finds the error of a provider behind a gateway", () =>
    Effect.gen(function*() {
      const { client } = guarded(
        {},
        { headers: json, body: [JSON.stringify({ error: { code: 429, message: "slow down", type: "slow_down" } })] },
        { headers: json, body: [JSON.stringify({ error: "no such user" })] },
        { headers: json, body: [JSON.stringify({ id: "resp_1", error: null })] }
      )
      for (let i = 0; i < 3; i++) yield* Effect.flatMap(client.get(url), ({ json }) => json)
      assert.deepStrictEqual(yield* calls, ["failure rate_limited", "success", "success"])
    }).pipe(Effect.provide(policy())))

  it.effect("`classifyBody` judges what `json` read", () =>
    Effect.gen(function*() {
      const { client } = guarded(
        { classifyBody: LlmOutcome.classifyBody },
        { body: [JSON.stringify({ id: "1" })] },
        { body: [JSON.stringify({ choices: [{ message: { content: "hi" } }] })] }
      )
      for (let i = 0; i < 2; i++) yield* Effect.flatMap(client.get(url), ({ json }) => json)
      assert.deepStrictEqual(yield* calls, ["failure malformed_response", "success"])
    }).pipe(Effect.provide(policy())))

  it.effect("a `classifyBody` that throws costs nothing but its verdict", () =>
    Effect.gen(function*() {
      const { client } = guarded({
        classifyBody: () => {
          throw new Error("oops")
        }
      }, { body: ["[1]"] })
      assert.deepStrictEqual(yield* Effect.flatMap(client.get(url), ({ json }) => json), [1])
      assert.deepStrictEqual(yield* calls, ["ignored caller_error"])
    }).pipe(Effect.provide(policy())))

  const html = { "content-type": "text/html" }
  const asked: ReadonlyArray<readonly [accept: string | undefined, answer: Answer, verdict: string]> = [
    ["application/json", { headers: html, body: ["<html>"] }, "failure malformed_response"],
    ["text/event-stream", { headers: html, body: ["<html>"] }, "failure malformed_response"],
    ["application/json, text/plain, */*", { headers: html, body: ["<html>"] }, "success"],
    ["application/json, text/html", { headers: html, body: ["<html>"] }, "success"],
    [undefined, { headers: html, body: ["<html>"] }, "success"],
    ["application/json", { headers: json, body: [] }, "failure malformed_response"],
    ["application/json", { headers: json, body: ["1"] }, "success"],
    [undefined, { headers: json, body: [] }, "success"]
  ]
  it.effect.each(asked)("asked for %s", ([accept, answer, verdict]) =>
    Effect.gen(function*() {
      const { client } = guarded({}, answer)
      const response = yield* client.get(url, { headers: accept === undefined ? {} : { accept } })
      assert.strictEqual(yield* response.text, answer.body?.[0] ?? "")
      assert.deepStrictEqual(yield* calls, [verdict])
    }).pipe(Effect.provide(policy())))

  it.effect("a body that breaks off is a failure of the provider, and fails as it does without a guard", () =>
    Effect.gen(function*() {
      const reset = Object.assign(new Error("aborted"), { code: "ECONNRESET" })
      const { client } = guarded({}, { body: ["{\"a\":", Effect.fail(reset)] })
      const reads: ReadonlyArray<
        (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, HttpClientError.HttpClientError>
      > = [({ text }) => text, ({ json }) => json, ({ arrayBuffer }) => arrayBuffer]
      for (const read of reads) {
        const error = yield* Effect.flip(Effect.flatMap(client.get(url), read))
        assert(error instanceof HttpClientError.HttpClientError)
        assert.strictEqual(error.cause, reset)
      }
      const response = yield* client.get(url)
      const error = yield* Effect.flip(Stream.runDrain(response.stream))
      assert.strictEqual(error.cause, reset)
      assert.deepStrictEqual(yield* calls, Array.from({ length: 4 }, () => "failure stream_cut"))
    }).pipe(Effect.provide(policy())))

  it.effect("is read once and kept, whether caller or classifier asks, and counted once", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { headers: json, body: ["{\"a\":", 100, "1}"] })
      const response = yield* client.get(url)
      const both = yield* Effect.forkChild(
        Effect.all([response.json, response.text, response.arrayBuffer], { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust(100)
      const [value, text, bytes] = yield* Fiber.join(both)
      assert.deepStrictEqual([value, text, bytes.byteLength], [{ a: 1 }, "{\"a\":1}", 7])
      assert.deepStrictEqual(yield* response.json, { a: 1 })
      assert.notStrictEqual(yield* response.json, value)
      assert.strictEqual(seen.closed, 1)
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))

  it.effect("gives forms and parameters", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: ["?a=1", "&b=%20"]
      })
      const response = yield* client.get(url)
      assert.deepStrictEqual(UrlParams.toRecord(yield* response.urlParamsBody), { "?a": "1", b: " " })
      assert.strictEqual((yield* response.formData).get("b"), " ")
    }).pipe(Effect.provide(policy())))

  it.effect("a client without a body says so to who streams it, and is empty to who reads it", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { body: [Effect.fail("no body")] }, { body: [Effect.fail("no body")] }, {
        status: 500,
        body: [Effect.fail("no body")]
      })
      assert.strictEqual(yield* Effect.flatMap(client.get(url), ({ text }) => text), "")
      for (let i = 0; i < 2; i++) {
        const error = yield* Effect.flip(Effect.flatMap(client.get(url), ({ stream }) => Stream.runDrain(stream)))
        assert.strictEqual(reasonOf(error), "EmptyBodyError")
      }
      assert.deepStrictEqual(yield* calls, ["success", "success", "failure server_error"])
    }).pipe(Effect.provide(policy())))

  it.effect("is no longer than the reader allows, which is not the provider's doing", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { body: Array.from({ length: 9 }, () => "0123456789") })
      const error = yield* Effect.flatMap(client.get(url), ({ text }) => text).pipe(
        Effect.flip,
        Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(25))
      )
      assert.include(String(error.cause), "maxBytes exceeded")
      assert.strictEqual(seen.pieces, 3)
      assert.deepStrictEqual(yield* calls, ["interrupted cancelled"])
    }).pipe(Effect.provide(policy())))
})

describe("GuardedHttpClient, slow bodies", () => {
  it.effect("W17: a limit before the headers fails the request", () =>
    Effect.gen(function*() {
      const { client } = guarded({ firstContentTimeout: 1000 }, { after: 1001, body: ["late"] })
      const asking = yield* Effect.forkChild(Effect.flip(client.get(url)), { startImmediately: true })
      yield* TestClock.adjust(1000)
      assert.strictEqual(reasonOf(yield* Fiber.join(asking)), "AttemptTimedOut")
      assert.deepStrictEqual(yield* calls, ["failure slow_first_content"])
    }).pipe(Effect.provide(policy())))

  it.effect("the first content has to come in time from the start of the request, headers or not", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({ firstContentTimeout: 1000 }, { after: 600, body: [600, "late"] })
      const asking = yield* Effect.forkChild(
        Effect.flip(Effect.flatMap(client.get(url), ({ text }) => text)),
        { startImmediately: true }
      )
      yield* TestClock.adjust(999)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(asking)
      assert.strictEqual(reasonOf(error), "DecodeError AttemptTimedOut")
      assert.strictEqual(LlmOutcome.explain(Exit.fail(error)).outcome._tag, "Failure")
      assert.deepStrictEqual(yield* calls, ["failure slow_first_content"])
      assert.strictEqual(seen.closed, 1)
    }).pipe(Effect.provide(policy())))

  it.effect("W16: a body that stalls is cut off and counted", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({ idleTimeout: 1000 }, { body: ["a", 999, "b", 1001, "c"] })
      const reading = yield* Effect.forkChild(
        Effect.flip(Effect.flatMap(client.get(url), ({ json }) => json)),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1998)
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(reasonOf(yield* Fiber.join(reading)), "DecodeError AttemptTimedOut")
      assert.deepStrictEqual(yield* calls, ["failure stream_stalled"])
      assert.strictEqual(seen.closed, 1)
    }).pipe(Effect.provide(policy())))

  it.effect("without limits, an answer in one piece has ten minutes to come, and two to go on", () =>
    Effect.gen(function*() {
      const { client } = guarded(
        {},
        { after: 599_999, body: ["whole"] },
        { after: 600_001, body: ["late"] },
        { body: ["a", 120_001, "b"] }
      )
      for (let i = 0; i < 3; i++) {
        const reading = yield* Effect.forkChild(Effect.exit(Effect.flatMap(client.get(url), ({ text }) => text)))
        yield* TestClock.adjust("1 hour")
        yield* Fiber.join(reading)
      }
      assert.deepStrictEqual(yield* calls, ["success", "failure slow_first_content", "failure stream_stalled"])
    }).pipe(Effect.provide(policy())))

  it.effect("a reader that takes its time stalls nobody", () =>
    Effect.gen(function*() {
      const { client } = guarded({ idleTimeout: 1000 }, { body: ["a", 500, "b", 500, "c"] })
      const response = yield* client.get(url)
      yield* TestClock.adjust(4000)
      const reading = yield* Effect.forkChild(
        Stream.runForEach(response.stream, () => Effect.sleep("1 minute")),
        { startImmediately: true }
      )
      yield* TestClock.adjust("4 minutes")
      yield* Fiber.join(reading)
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))
})

describe("GuardedHttpClient, readers that go away", () => {
  it.effect("a body that nobody reads is judged by its headers after five seconds", () =>
    Effect.gen(function*() {
      const { client, seen } = guarded({}, { body: ["hello"] })
      yield* client.get(url)
      yield* TestClock.adjust(4999)
      assert.deepStrictEqual(yield* calls, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* calls, ["success"])
      assert.strictEqual(seen.pieces, 0)
    }).pipe(Effect.provide(policy())))

  it.effect("who begins to read in time has all the time", () =>
    Effect.gen(function*() {
      const { client } = guarded({ unreadTimeout: "1 second" }, { body: [10_000, "hello"] })
      const response = yield* client.get(url)
      yield* TestClock.adjust(999)
      const reading = yield* Effect.forkChild(response.text, { startImmediately: true })
      yield* TestClock.adjust(9999)
      assert.deepStrictEqual(yield* calls, [])
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(reading), "hello")
    }).pipe(Effect.provide(policy())))

  it.effect("W17: a probe whose body nobody reads gives its slot back", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { status: 500 }, { body: ["hello"] })
      yield* client.get(url)
      yield* CircuitTest.adjustToProbe(key)
      yield* client.get(url)
      assert.strictEqual(reasonOf(yield* Effect.flip(client.get(url))), "CircuitHalfOpen")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect.each([["HEAD", 200], ["GET", 204], ["GET", 205], ["GET", 304]] as const)(
    "%s with %i has no body to wait for",
    ([method, status]) =>
      Effect.gen(function*() {
        const { client, seen } = guarded({}, { status, body: [Effect.never] })
        const response = yield* client.execute(HttpClientRequest.make(method)(url))
        assert.deepStrictEqual(yield* calls, ["success"])
        assert.strictEqual(yield* response.text, "")
        assert.strictEqual(seen.closed, 0)
      }).pipe(Effect.provide(policy()))
  )

  it.effect("HEAD with a failure is judged by its headers", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { status: 503, body: [Effect.never] })
      yield* client.head(url)
      assert.deepStrictEqual(yield* calls, ["failure overloaded"])
    }).pipe(Effect.provide(policy())))

  const leaving: ReadonlyArray<
    readonly [string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>]
  > = [
    ["takes one piece", ({ stream }) => Stream.runHead(stream)],
    ["fails", ({ stream }) => Stream.runForEach(stream, () => Effect.fail("consumer"))],
    ["dies", ({ stream }) => Stream.runForEach(stream, () => Effect.die("consumer"))],
    ["is interrupted while it streams", ({ stream }) => Effect.timeout(Stream.runDrain(stream), 10)],
    ["is interrupted while it reads text", ({ text }) => Effect.timeout(text, 10)],
    ["is interrupted while it reads JSON", ({ json }) => Effect.timeout(json, 10)],
    [
      "closes its scope",
      ({ stream }) => Effect.scoped(Effect.flatMap(Stream.toPull(stream), (pull) => Effect.asVoid(pull)))
    ]
  ]
  it.effect.each(leaving)(
    "W16: a reader that %s says nothing about the provider",
    ([, leave]) =>
      Effect.gen(function*() {
        const { client, seen } = guarded({}, { body: ["a", 60_000, "b"] })
        const response = yield* client.get(url)
        const left = yield* Effect.forkChild(Effect.exit(leave(response)), { startImmediately: true })
        yield* TestClock.adjust(10)
        yield* Fiber.join(left)
        assert.deepStrictEqual(yield* calls, ["interrupted cancelled"])
        assert.strictEqual(seen.closed, 1)
      }).pipe(Effect.provide(policy()))
  )

  it.effect("W17: a probe that is interrupted before its headers gives its slot back", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { status: 500 }, { after: 1000 }, { body: ["hello"] })
      yield* client.get(url)
      yield* CircuitTest.adjustToProbe(key)
      const asking = yield* Effect.forkChild(client.get(url), { startImmediately: true })
      yield* TestClock.adjust(500)
      yield* Fiber.interrupt(asking)
      assert.strictEqual(yield* Effect.flatMap(client.get(url), ({ text }) => text), "hello")
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("W17: interrupted after any operation, a probe gives its slot back", () =>
    Effect.gen(function*() {
      const context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
      for (const answer of [{ body: ["a", "b"] }, { status: 500, body: ["a", "b"] }]) {
        const { client } = guarded({}, answer)
        const reading = Effect.flatMap(client.get(url), ({ json }) => Effect.exit(json))
        let operations = 0
        for (let isOver = false; !isOver; operations++) {
          yield* CircuitBreaker.reset(key)
          yield* CircuitBreaker.forceOpen(key, { for: 1 })
          yield* TestClock.adjust(1)
          const { scheduler, step } = stepper()
          const fiber = Effect.runForkWith(context)(reading, { scheduler })
          for (let i = 0; i < operations; i++) step()
          isOver = fiber.pollUnsafe() !== undefined
          fiber.interruptUnsafe()
          const finish = () => {
            while (step()) {
              // Until nothing is left to do.
            }
          }
          finish()
          // It may have been interrupted just before it began to read.
          yield* TestClock.adjust("5 seconds")
          finish()
          const state = yield* CircuitBreaker.state(key)
          assert.isTrue(state._tag !== "HalfOpen" || state.probing === 0, `after ${operations} operations`)
        }
        assert.isAbove(operations, 50)
      }
    }).pipe(Effect.provide(policy())))

  it.effect("who comes too late to read takes nothing from who reads", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { body: ["a", 1000, "b"] })
      const response = yield* client.get(url)
      const first = yield* Effect.forkChild(Stream.mkString(Stream.decodeText(response.stream)), {
        startImmediately: true
      })
      assert.strictEqual(yield* response.text, "")
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(first), "ab")
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))

  it.effect("two that read at once are one reader until both are gone", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { body: ["a", 1000, "b"] })
      const response = yield* client.get(url)
      const first = yield* Effect.forkChild(response.text, { startImmediately: true })
      const second = yield* Effect.forkChild(response.text, { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(second), "ab")
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))
})

const delta = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`
const done = "data: [DONE]\n\n"

describe("GuardedHttpClient, server-sent events", () => {
  const read = (options: GuardedHttpClient.Options, answer: Answer) => {
    const { client } = guarded({ events: LlmStream.openAi, ...options }, { headers: sse, ...answer })
    return Effect.flatMap(client.post(url), ({ stream }) => Stream.mkString(Stream.decodeText(stream)))
  }

  const whole: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["as they come", [delta("Hel"), delta("lo"), done]],
    ["all at once", [delta("Hel") + delta("lo") + done]],
    ["letter by letter", [...delta("Héllo") + done]],
    ["with CRLF", [...(delta("Hello") + done).replaceAll("\n", "\r\n")]],
    ["with CR", [(delta("Hello") + done).replaceAll("\n", "\r")]],
    ["with pings, names and ids", [": ping\n\n", `event: x\nid: 1\nretry: 5\n${delta("a")}`, done]],
    ["without the last empty line", [delta("a"), "data: [DONE]"]]
  ]
  it.effect.each(whole)("a finish is a success: %s", ([, body]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* read({}, { body }), body.join(""))
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))

  it.effect("W16: an end without a finish is a cut, and no normal end", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read({}, { body: [delta("Hel")] }))
      assert.strictEqual(reasonOf(error), "DecodeError StreamCut")
      assert.deepStrictEqual(yield* calls, ["failure stream_cut"])
    }).pipe(Effect.provide(policy())))

  it.effect("an error among them is judged at once, and passed on", () =>
    Effect.gen(function*() {
      const body = ["event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"]
      assert.strictEqual(yield* read({ events: LlmStream.anthropic }, { body }), body[0])
      assert.deepStrictEqual(yield* calls, ["failure overloaded"])
    }).pipe(Effect.provide(policy())))

  it.effect("pings are no progress", () =>
    Effect.gen(function*() {
      const pings = Array.from({ length: 9 }, () => [300, ": ping\n\n"]).flat()
      const reading = yield* Effect.forkChild(
        Effect.flip(read({ idleTimeout: 1000 }, { body: [delta("a"), ...pings, done] })),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1000)
      assert.strictEqual(reasonOf(yield* Fiber.join(reading)), "DecodeError AttemptTimedOut")
      assert.deepStrictEqual(yield* calls, ["failure stream_stalled"])
    }).pipe(Effect.provide(policy())))

  it.effect("an event too long to keep is content", () =>
    Effect.gen(function*() {
      const letters = Array.from({ length: 20 }, () => [100, "x".repeat(10_000)]).flat()
      const body = ["data: ", ...letters, "\n\n", done]
      const reading = yield* Effect.forkChild(read({ idleTimeout: 1000 }, { body }), { startImmediately: true })
      yield* TestClock.adjust(2000)
      assert.strictEqual((yield* Fiber.join(reading)).length, 200_000 + 8 + done.length)
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))

  it.effect("are read across the pieces in which they come", () =>
    Effect.gen(function*() {
      const bytes = encoder.encode("event: x\ndata: Grüße 🌍\ndata: two\n\ndata: last")
      const seen: Array<unknown> = []
      yield* read({
        events: ({ data, event }) => {
          seen.push([event, data])
          return data === "last" ? StreamSignal.finish(Outcome.success) : StreamSignal.content
        }
      }, { body: Array.from(bytes, (byte) => Uint8Array.of(byte)) })
      assert.deepStrictEqual(seen, [["x", "Grüße 🌍\ntwo"], ["message", "last"]])
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(Effect.provide(policy())))

  it.effect("a reader that throws at garbage ends in a cut", () =>
    Effect.gen(function*() {
      const events = () => {
        throw new Error("oops")
      }
      assert.strictEqual(reasonOf(yield* Effect.flip(read({ events }, { body: [done] }))), "DecodeError StreamCut")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("classify.failed")).length, 1)
    }).pipe(Effect.provide(policy())))

  it.effect("other answers of the same client are judged as always", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* read({}, { headers: json, body: ["{}"] }), "{}")
      assert.strictEqual(yield* read({}, { status: 529, body: [delta("a")] }), delta("a"))
      assert.deepStrictEqual(yield* calls, ["success", "failure overloaded"])
    }).pipe(Effect.provide(policy())))

  it.effect("a probe can close the circuit with its first content", () =>
    Effect.gen(function*() {
      const { client } = guarded(
        { events: LlmStream.openAi, settleProbeAt: "first_content" },
        { status: 500 },
        { headers: sse, body: [delta("a"), 1000, done] }
      )
      yield* client.get(url)
      yield* CircuitTest.adjustToProbe(key)
      const reading = yield* Effect.forkChild(
        Effect.flatMap(client.get(url), ({ text }) => text),
        { startImmediately: true }
      )
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* tag, "Closed")
      yield* TestClock.adjust(500)
      yield* Fiber.join(reading)
      assert.strictEqual(yield* tag, "Closed")
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("a probe that meets an error does not close the circuit by its body", () =>
    Effect.gen(function*() {
      const { client } = guarded({ settleProbeAt: "first_content" }, { status: 500, body: ["a", "b"] })
      yield* client.get(url)
      yield* CircuitTest.adjustToProbe(key)
      yield* Effect.flatMap(client.get(url), ({ text }) => text)
      assert.strictEqual(yield* tag, "Open")
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("GuardedHttpClient, as a layer and without a breaker", () => {
  const ask = Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.get(url)
    return yield* response.text
  })

  it.effect("keeps the type of the client: a rejection is a TransportError that tells of the breaker", () =>
    Effect.gen(function*() {
      const { client, seen } = provider({ status: 500, body: ["oh"] })
      const [text, error] = yield* Effect.all([ask, Effect.flip(ask)]).pipe(
        Effect.provide(GuardedHttpClient.layer({ key })),
        Effect.provideService(HttpClient.HttpClient, client)
      )
      assert.strictEqual(text, "oh")
      assert.strictEqual(seen.requests, 1)
      assert.strictEqual(reasonOf(error), "TransportError CircuitOpen")
      assert.include(error.message, "circuit \"model\" is open")
      assert.deepStrictEqual(LlmOutcome.fromError(error), Outcome.ignored("caller_error"))
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect("turns itself off with the breaker", () =>
    Effect.gen(function*() {
      const { client } = guarded({}, { status: 500, body: ["x".repeat(70_000), "y"] }, { body: ["[1,", "2]"] })
      const broken = yield* client.get(url)
      assert.strictEqual((yield* broken.text).length, 70_001)
      assert.deepStrictEqual(yield* Effect.flatMap(client.get(url), ({ json }) => json), [1, 2])
      yield* client.get(url)
      yield* TestClock.adjust("1 minute")
    }).pipe(Effect.provide(CircuitBreaker.layerNoop)))

  it.effect("leaves a thousand calls with random endings settled, each once, and no permit", () =>
    Effect.gen(function*() {
      const endings: ReadonlyArray<readonly [Answer, keyof HttpClientResponse.HttpClientResponse | "none" | "head"]> = [
        [{ body: ["a", 50, "b"] }, "text"],
        [{ status: 500, body: ["a"] }, "text"],
        [{ status: 500, body: ["a"] }, "none"],
        [{ body: ["a", Effect.fail("cut")] }, "text"],
        [{ body: ["a", 5000, "b"] }, "text"],
        [{ body: ["a", "b"] }, "head"],
        [{ body: ["a", "b"] }, "none"],
        [{ after: 5000 }, "none"]
      ]
      const one = (i: number) => {
        const [answer, how] = endings[i % endings.length]!
        const { client } = guarded({ idleTimeout: 1000 }, answer)
        return client.get(url).pipe(
          Effect.flatMap((response) =>
            how === "text"
              ? Effect.asVoid(response.text)
              : how === "head"
              ? Effect.asVoid(Stream.runHead(response.stream))
              : Effect.void
          ),
          Effect.exit
        )
      }
      const all = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 1000 }, (_, i) => i), one, { concurrency: "unbounded" })
      )
      yield* TestClock.adjust(Duration.seconds(10))
      yield* Fiber.join(all)
      const counts = new Map<string, number>()
      for (const call of yield* calls) counts.set(call, (counts.get(call) ?? 0) + 1)
      assert.deepStrictEqual(Object.fromEntries(Array.from(counts).sort()), {
        "failure malformed_response": 125,
        "failure server_error": 250,
        "failure slow_first_content": 125,
        "failure stream_stalled": 125,
        "interrupted cancelled": 125,
        success: 250
      })
    }).pipe(Effect.provide(policy({ tripPolicy: TripPolicy.consecutive(2000) }))))
})

describe("GuardedHttpClient, types", () => {
  it("adds the breaker to what the client fails with and needs", () => {
    const { client } = provider({})
    const piped: HttpClient.HttpClient.With<
      HttpClientError.HttpClientError | CircuitError.CircuitBreakerError,
      CircuitBreaker.CircuitBreaker
    > = client.pipe(GuardedHttpClient.withCircuitBreaker())
    const direct: typeof piped = GuardedHttpClient.withCircuitBreaker(client, { classify: LlmOutcome.classify })
    assert.isTrue(HttpClient.isHttpClient(piped) && HttpClient.isHttpClient(direct))
    assert.isDefined(CircuitStore.layerMemory)
  })
})
