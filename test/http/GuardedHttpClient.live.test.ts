// The guard over real connections: a server on the loopback interface, and every client that Effect has for Node.
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Option, Stream } from "effect"
import { CircuitError, LlmStream, Outcome, TripPolicy } from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { CircuitTest, RecordedEvents, ScriptedProvider } from "effect-resilience/testing"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { gzipSync } from "node:zlib"
import { collectGarbage } from "../support/collectGarbage.ts"
import { serve } from "./serve.ts"

const transports: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["node:http", NodeHttpClient.layerNodeHttp],
  ["undici", NodeHttpClient.layerUndici]
]

const guardedClient = (options: GuardedHttpClient.Options = {}) =>
  Effect.map(HttpClient.HttpClient, GuardedHttpClient.withCircuitBreaker({ key: "model", ...options }))

const calls = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)

/** Waits for something that happens on the other side of a socket. */
const eventually = <A, R>(self: Effect.Effect<A, never, R>, is: (value: A) => boolean) =>
  self.pipe(
    Effect.tap(Effect.sleep(5)),
    Effect.repeat({ until: is, times: 400 }),
    Effect.tap((value) => Effect.sync(() => assert.isTrue(is(value), String(value))))
  )

type Read = (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>

const text: Read = ({ text }) => text
const stream: Read = ({ stream }) => Stream.mkString(Stream.decodeText(stream))
const reads: ReadonlyArray<readonly [string, Read]> = [
  ["text", text],
  ["json", ({ json }) => json],
  ["arrayBuffer", ({ arrayBuffer }) => Effect.map(arrayBuffer, (bytes) => new TextDecoder().decode(bytes))],
  ["urlParamsBody", ({ urlParamsBody }) => Effect.map(urlParamsBody, ({ params }) => params)],
  ["formData", ({ formData }) => Effect.map(formData, (form) => Array.from(form))],
  ["stream", stream],
  ["text, text", (response) => Effect.all([text(response), text(response)])],
  ["json, text", (response) => Effect.all([response.json, text(response)])],
  ["schemaBodyJson", ({ json }) => json]
]

/** What reading gave, or how it failed. */
const outcomeOf = <R>(read: Effect.Effect<unknown, unknown, R>) =>
  Effect.matchCause(read, {
    onSuccess: (value) => ({ value }),
    onFailure: ({ reasons }) =>
      reasons.map((reason) =>
        reason._tag === "Fail" && reason.error instanceof HttpClientError.HttpClientError
          ? reason.error.reason._tag
          : reason._tag
      )
  })

const isGuards = (error: unknown) =>
  error instanceof HttpClientError.HttpClientError && error.cause instanceof CircuitError.CircuitBreakerError
    ? error.cause.reason._tag
    : error

/** 1,600 pieces of 64 KiB, and how many bytes of them the server has tried to send. */
const hundredMegabytes = () => {
  const piece = new Uint8Array(65_536).fill(120)
  let sent = 0
  const write: ScriptedProvider.Action = {
    _tag: "Write",
    get chunk() {
      sent += piece.length
      return piece
    }
  }
  return { sent: () => sent, writes: Array.from({ length: 1600 }, () => write) }
}

const chat = { choices: [{ message: { content: "hello" } }] }
const tooLong = { error: { message: "too long", type: "invalid_request_error", code: "context_length_exceeded" } }
const quota = { error: { message: "no money", type: "insufficient_quota", code: "insufficient_quota" } }
const delta = (content: string) => ({ data: { choices: [{ delta: { content } }] } })
const html = "<html><body><h1>502 Bad Gateway</h1></body></html>"
const tooMany = (headers: Record<string, string>) =>
  ScriptedProvider.json({ error: { type: "rate_limit_error" } }, { status: 429, headers })

const answers: ReadonlyArray<readonly [name: string, answer: ScriptedProvider.Answer, verdict: string]> = [
  ["200", ScriptedProvider.json(chat), "success"],
  ["W6: 529", ScriptedProvider.json({ type: "error" }, { status: 529 }), "failure overloaded"],
  ["W6: 503, a page", ScriptedProvider.text(html, { status: 503 }), "failure overloaded"],
  ["W6: 500, empty", ScriptedProvider.text("", { status: 500 }), "failure server_error"],
  ["W7: 400, context length", ScriptedProvider.json(tooLong, { status: 400 }), "ignored context_length"],
  ["401", ScriptedProvider.json({}, { status: 401 }), "ignored auth"],
  ["404", ScriptedProvider.json({}, { status: 404 }), "ignored invalid_request"],
  ["429, quota", ScriptedProvider.json(quota, { status: 429 }), "failure quota_exhausted"],
  ["429, no hint", tooMany({}), "failure rate_limited"],
  ["W12: 429, retry-after", tooMany({ "retry-after": "1" }), "ignored rate_limited"],
  ["W12: 429, retry-after in decimals", tooMany({ "retry-after": "1.5" }), "ignored rate_limited"],
  ["W12: 429, retry-after-ms", tooMany({ "retry-after-ms": "20" }), "ignored rate_limited"],
  ["W12: 429, x-ms-retry-after-ms", tooMany({ "x-ms-retry-after-ms": "20" }), "ignored rate_limited"],
  ["W12: 429, a date", tooMany({ "retry-after": new Date(Date.now() + 60_000).toUTCString() }), "ignored rate_limited"],
  ["W12: 429, a reset", tooMany({ "x-ratelimit-reset-tokens": "1s" }), "ignored rate_limited"],
  ["W12: 429, an hour", tooMany({ "retry-after": "3600" }), "failure rate_limited"],
  ["W12: 429, junk", tooMany({ "retry-after": "soon" }), "failure rate_limited"],
  ["HTML in a 200", ScriptedProvider.text(html), "failure malformed_response"],
  ["an empty 200", ScriptedProvider.text(""), "failure malformed_response"],
  [
    "a truncated JSON",
    ScriptedProvider.text(JSON.stringify(chat).slice(0, 20), { headers: { "content-type": "application/json" } }),
    "failure malformed_response"
  ],
  [
    "an error in a 200",
    ScriptedProvider.json({ error: { code: 502, message: "Upstream error", type: "server_error" } }),
    "failure server_error"
  ]
]

for (const [transport, client] of transports) {
  const provided = Effect.provide([
    client,
    CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(100) })
  ])

  describe(`GuardedHttpClient over ${transport}`, () => {
    it.live.each(answers)("%s", ([, answer, verdict]) =>
      Effect.gen(function*() {
        const { url } = yield* serve(answer)
        const client = yield* guardedClient()
        const response = yield* client.post(url)
        yield* Effect.exit(response.json)
        assert.deepStrictEqual(yield* calls, [verdict])
      }).pipe(provided))

    it.live("a body reads as it does without a guard, in every way and whatever it is", () =>
      Effect.gen(function*() {
        const bodies: ReadonlyArray<ScriptedProvider.Answer> = [
          ScriptedProvider.json(chat),
          ScriptedProvider.json(tooLong, { status: 400 }),
          ScriptedProvider.text(html, { status: 500 }),
          ScriptedProvider.text(""),
          ScriptedProvider.text("", { status: 503 }),
          ScriptedProvider.text("?a=1&b=%20c", { headers: { "content-type": "application/x-www-form-urlencoded" } }),
          ScriptedProvider.text("{\"a\":", { headers: { "content-type": "application/json" } }),
          ScriptedProvider.cut(ScriptedProvider.json(chat), { afterBytes: 9 }),
          ScriptedProvider.cut(ScriptedProvider.json(tooLong, { status: 400 }), { afterBytes: 9 }),
          ScriptedProvider.text("", { status: 204 })
        ]
        for (const body of bodies) {
          const { url } = yield* serve(body)
          const plain = yield* HttpClient.HttpClient
          const guarded = yield* guardedClient({ classify: () => Outcome.success })
          for (const [name, read] of reads) {
            const usual = yield* Effect.flatMap(plain.get(url), (response) => outcomeOf(read(response)))
            const ours = yield* Effect.flatMap(guarded.get(url), (response) => outcomeOf(read(response)))
            assert.deepStrictEqual(ours, usual, `${name} of ${JSON.stringify(body)}`)
          }
        }
      }).pipe(provided))

    it.live("a body that was read by its stream is gone, as it is without a guard", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(ScriptedProvider.json(chat))
        const plain = yield* HttpClient.HttpClient
        const guarded = yield* guardedClient()
        const twice: ReadonlyArray<readonly [Read, Read]> = [[stream, text], [stream, stream]]
        for (const [first, second] of twice) {
          const read: Read = (response) => Effect.andThen(outcomeOf(first(response)), outcomeOf(second(response)))
          const usual = yield* Effect.flatMap(plain.get(url), read)
          assert.deepStrictEqual(yield* Effect.flatMap(guarded.get(url), read), usual)
        }
        assert.deepStrictEqual(yield* calls, ["success", "success"])
      }).pipe(provided))

    const cuts: ReadonlyArray<readonly [string, ScriptedProvider.Answer]> = [
      ["in chunks", ScriptedProvider.cut(ScriptedProvider.json(chat), { afterBytes: 20 })],
      [
        "shorter than announced",
        ScriptedProvider.cut(ScriptedProvider.json(chat, { headers: { "content-length": "1000" } }))
      ],
      ["before the first byte", ScriptedProvider.cut(ScriptedProvider.json(chat), { afterBytes: 0 })]
    ]
    it.live.each(cuts)("W16: a 200 that is cut is a failure: %s", ([, answer]) =>
      Effect.gen(function*() {
        const { url } = yield* serve(answer)
        const client = yield* guardedClient()
        for (const read of [text, stream, reads[1]![1]]) {
          const error = yield* Effect.flip(Effect.flatMap(client.get(url), read))
          assert.instanceOf(error, HttpClientError.HttpClientError)
        }
        for (const call of yield* calls) assert.match(call, /^failure (?:stream_cut|connection)$/)
        assert.lengthOf(yield* calls, 3)
      }).pipe(provided))

    it.live("a connection that is reset or refused is a failure", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(ScriptedProvider.reset)
        const client = yield* guardedClient()
        yield* Effect.flip(client.get(url))
        const gone = yield* Effect.scoped(serve())
        yield* Effect.flip(client.get(gone.url))
        assert.deepStrictEqual(yield* calls, ["failure connection", "failure connection"])
      }).pipe(provided))

    it.live("W17: a provider that is silent, before the headers, before the body and in it, is cut off", () =>
      Effect.gen(function*() {
        const { provider, url } = yield* serve(
          ScriptedProvider.silence,
          ScriptedProvider.stall(ScriptedProvider.text("")),
          ScriptedProvider.stall(ScriptedProvider.json(chat))
        )
        const client = yield* guardedClient({ firstContentTimeout: 400, idleTimeout: 200 })
        const errors = yield* Effect.forEach([1, 2, 3], () => Effect.flip(Effect.flatMap(client.get(url), text)))
        assert.deepStrictEqual(
          errors.map((error) =>
            error instanceof CircuitError.CircuitBreakerError ? error.reason._tag : isGuards(error)
          ),
          ["AttemptTimedOut", "AttemptTimedOut", "AttemptTimedOut"]
        )
        assert.deepStrictEqual(yield* calls, [
          "failure slow_first_content",
          "failure slow_first_content",
          "failure stream_stalled"
        ])
        yield* eventually(provider.abandoned, (abandoned) => abandoned === 3)
      }).pipe(provided))

    it.live("an error whose body stalls is judged by its headers, and its body is still to be had", () =>
      Effect.gen(function*() {
        const { url } = yield* serve([
          { _tag: "Head", status: 529, headers: { "content-type": "application/json" } },
          { _tag: "Write", chunk: "{\"a\":" },
          ...ScriptedProvider.late([{ _tag: "Write", chunk: "1}" }], 700)
        ])
        const client = yield* guardedClient({ firstContentTimeout: 1000 })
        const response = yield* client.get(url)
        assert.deepStrictEqual(yield* calls, ["failure overloaded"])
        assert.deepStrictEqual(yield* response.json, { a: 1 })
      }).pipe(provided))

    it.live("W16: a caller that goes away ends the request and says nothing about the provider", () =>
      Effect.gen(function*() {
        const { provider, url } = yield* serve(
          ScriptedProvider.silence,
          ScriptedProvider.stall(ScriptedProvider.events([delta("Hel")]))
        )
        const client = yield* guardedClient()
        yield* Effect.timeoutOption(client.get(url), 50)
        yield* Effect.timeoutOption(Effect.flatMap(client.get(url), text), 50)
        yield* Effect.flatMap(client.get(url), ({ stream }) => Stream.runHead(stream))
        assert.deepStrictEqual(yield* calls, Array.from({ length: 3 }, () => "interrupted cancelled"))
        yield* eventually(provider.abandoned, (abandoned) => abandoned === 3)
      }).pipe(provided))

    it.live("a body that nobody reads is judged by its headers, and can be read later", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(ScriptedProvider.json(chat))
        const client = yield* guardedClient({ unreadTimeout: 50 })
        const response = yield* client.get(url)
        yield* eventually(calls, ({ length }) => length > 0)
        assert.deepStrictEqual(yield* response.json, chat)
        assert.deepStrictEqual(yield* calls, ["success"])
        yield* client.head(url)
        assert.deepStrictEqual(yield* calls, ["success", "success"])
      }).pipe(provided))

    it.live("a scope that ends the request ends nothing but the request", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(ScriptedProvider.stall(ScriptedProvider.events([delta("Hel")])))
        const client = yield* Effect.map(guardedClient({ unreadTimeout: 50 }), HttpClient.withScope)
        yield* Effect.scoped(client.get(url))
        yield* eventually(calls, ({ length }) => length > 0)
        assert.deepStrictEqual(yield* calls, ["success"])
      }).pipe(provided))

    it.live("server-sent events are judged one by one", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(
          ScriptedProvider.events([delta("Hel"), ": ping\n\n", delta("lo"), { data: "[DONE]" }]),
          ScriptedProvider.events([delta("Hel")]),
          ScriptedProvider.cut(ScriptedProvider.events([delta("Hel")])),
          ScriptedProvider.events([{ data: { error: { code: "server_is_overloaded", message: "busy" } } }]),
          ScriptedProvider.json(tooLong, { status: 400 })
        )
        const client = yield* guardedClient({ events: LlmStream.openAi })
        const ends = yield* Effect.forEach([1, 2, 3, 4, 5], () => outcomeOf(Effect.flatMap(client.post(url), stream)))
        assert.deepStrictEqual(ends.map((end) => "value" in end), [true, false, false, true, true])
        const [first, second, third, ...rest] = yield* calls
        assert.deepStrictEqual([first, second, ...rest], [
          "success",
          "failure stream_cut",
          "failure overloaded",
          "ignored context_length"
        ])
        assert.match(String(third), /^failure (?:stream_cut|connection)$/)
      }).pipe(provided))

    it.live("100 MB pass without being kept, and no faster than they are read", () =>
      Effect.gen(function*() {
        const { sent, writes } = hundredMegabytes()
        const { url } = yield* serve([{ _tag: "Head", status: 200, headers: {} }, ...writes])
        const client = yield* guardedClient()
        const response = yield* client.get(url)
        yield* Effect.sleep(100)
        assert.isBelow(sent(), 20_000_000)
        let read = 0
        const pieces: Array<WeakRef<Uint8Array>> = []
        let kept = Infinity
        yield* Stream.runForEach(response.stream, (piece) => {
          read += piece.length
          pieces.push(new WeakRef(piece))
          if (kept < Infinity || read < 90_000_000) return Effect.void
          // A weak reference is a strong one until the event loop goes on.
          return Effect.map(Effect.sleep(1), () => {
            collectGarbage()
            kept = pieces.filter((piece) => piece.deref() !== undefined).length
          })
        })
        assert.strictEqual(read, 1600 * 65_536)
        assert.isBelow(kept, pieces.length / 10)
        assert.deepStrictEqual(yield* calls, ["success"])
      }).pipe(provided))

    it.live("of an error of 100 MB no more than the start is read", () =>
      Effect.gen(function*() {
        const { sent, writes } = hundredMegabytes()
        const { provider, url } = yield* serve([{ _tag: "Head", status: 500, headers: {} }, ...writes])
        const client = yield* guardedClient({ unreadTimeout: 100 })
        yield* client.get(url)
        assert.deepStrictEqual(yield* calls, ["failure server_error"])
        yield* eventually(provider.abandoned, (abandoned) => abandoned === 1)
        assert.isBelow(sent(), 20_000_000)
      }).pipe(provided))

    it.live("the body of an error passes byte by byte, however it is packed", () =>
      Effect.gen(function*() {
        const packed = gzipSync(JSON.stringify(tooLong))
        const { url } = yield* serve(
          ScriptedProvider.text(packed, { status: 400, headers: { "content-encoding": "gzip" } })
        )
        const client = yield* guardedClient()
        const bytes = yield* Effect.flatMap(client.get(url), ({ arrayBuffer }) => arrayBuffer)
        const isDecoded = transport === "fetch"
        assert.deepStrictEqual(
          Buffer.from(bytes).toString("hex"),
          (isDecoded ? Buffer.from(JSON.stringify(tooLong)) : packed).toString("hex")
        )
        assert.deepStrictEqual(yield* calls, [isDecoded ? "ignored context_length" : "ignored invalid_request"])
      }).pipe(provided))

    it.live("tells of a response what the client tells, and hands out no body around the guard", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(
          ScriptedProvider.json(chat, { headers: { "set-cookie": "a=1", "x-request-id": "7" } })
        )
        const client = yield* guardedClient()
        const request = HttpClientRequest.get(url).pipe(HttpClientRequest.setUrlParam("q", "1"))
        const plain = yield* Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(request))
        const response = yield* client.execute(request)
        assert.deepStrictEqual([response.status, response.url], [plain.status, plain.url])
        assert.deepStrictEqual(response.request.urlParams, request.urlParams)
        assert.strictEqual(Option.isSome(response.remoteAddress), transport === "node:http")
        assert.deepStrictEqual(response.headers["x-request-id"], "7")
        assert.deepStrictEqual(response.cookies.toJSON(), plain.cookies.toJSON())
        assert.isTrue(Option.isNone(HttpClientResponse.toWeb(response)))
        assert.strictEqual((yield* Effect.flip(response.upgrade)).reason._tag, "StatusCodeError")
        yield* response.text
        yield* plain.text
        assert.deepStrictEqual(yield* calls, ["success"])
      }).pipe(provided))
  })
}
