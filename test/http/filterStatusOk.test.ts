// A status filter that keeps the body: what a route judges is what the provider said.
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { CircuitBreaker, FailoverRoute, FailoverRouter, LlmOutcome, Outcome, TripPolicy } from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { CircuitTest, ScriptedProvider } from "effect-resilience/testing"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { serve } from "./serve.ts"

const transports: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["node:http", NodeHttpClient.layerNodeHttp],
  ["undici", NodeHttpClient.layerUndici]
]

const quota = { error: { code: "insufficient_quota", message: "You exceeded your current quota" } }

const Router = FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }).pipe(
  Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(100) }))
)

const respond = (response: Response) =>
  HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, response))).pipe(
    GuardedHttpClient.filterStatusOk
  )
const url = "http://localhost/v1"

const errorOf = (response: Response) =>
  Effect.map(Effect.flip(respond(response).get(url)), (error) => {
    assert(error.reason._tag === "StatusCodeError")
    return { error, response: error.reason.response }
  })

describe("GuardedHttpClient.filterStatusOk", () => {
  it.live.each(transports)(
    "a quota that is exhausted stays one inside a route: %s",
    ([, transport]) =>
      Effect.gen(function*() {
        const us = yield* serve(ScriptedProvider.json(quota, { status: 429 }))
        const eu = yield* serve(ScriptedProvider.json({ choices: [] }))
        const client = GuardedHttpClient.filterStatusOk(yield* HttpClient.HttpClient)
        const answer = yield* FailoverRouter.execute(
          "chat",
          ({ name }) => Effect.flatMap(client.get(name === "us" ? us.url : eu.url), ({ json }) => json)
        )
        assert.deepStrictEqual(answer, { choices: [] })
        const state = yield* CircuitBreaker.state("chat/us")
        assert.deepStrictEqual([state._tag, "lastFailureKind" in state && state.lastFailureKind], [
          "Open",
          "quota_exhausted"
        ])
      }).pipe(Effect.scoped, Effect.provide([Router, transport]))
  )

  it.effect("passes a response that is fine, unread", () =>
    Effect.gen(function*() {
      const body = new Response("hello")
      const response = yield* respond(body).get(url)
      assert.isFalse(body.bodyUsed)
      assert.strictEqual(yield* response.text, "hello")
    }))

  it.effect("gives the error status, headers and the body, in any way, and prints nothing of the body", () =>
    Effect.gen(function*() {
      const text = JSON.stringify(quota)
      const { error, response } = yield* errorOf(
        new Response(text, { status: 429, headers: { "retry-after": "7", "content-type": "application/json" } })
      )
      assert.isTrue(HttpClientError.isHttpClientError(error))
      assert.deepStrictEqual([response.status, response.headers["retry-after"]], [429, "7"])
      assert.strictEqual("body" in response && response.body, text)
      assert.strictEqual(yield* response.text, text)
      assert.deepStrictEqual(yield* response.json, quota)
      assert.strictEqual(LlmOutcome.fromError(error)._tag, "OpenNow")
      for (const printed of [JSON.stringify(error), JSON.stringify(response), String(error)]) {
        assert.notInclude(printed, "quota")
      }
    }))

  it.effect("its body can be streamed", () =>
    Effect.gen(function*() {
      const { response } = yield* errorOf(new Response("busy", { status: 503 }))
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), "busy")
    }))

  it.effect.each([304, 404, 500])("a status without a body is an error too: %s", (status) =>
    Effect.gen(function*() {
      const { error, response } = yield* errorOf(new Response(null, { status }))
      assert.strictEqual("body" in response && response.body, "")
      assert.strictEqual(yield* response.text, "")
      if (status === 500) assert.strictEqual(Outcome.kindOf(LlmOutcome.fromError(error)), "server_error")
    }))

  it.live("reads 64 KiB of a body and waits a second for it, and lets go of the rest", () =>
    Effect.gen(function*() {
      let pulled = 0
      let left = 0
      const endless = (bytes: number) =>
        new ReadableStream({
          pull: (controller) => {
            if (bytes === 0) return new Promise(() => {})
            pulled += bytes
            controller.enqueue(new Uint8Array(bytes).fill(120))
            return undefined
          },
          cancel: () => {
            left++
          }
        })
      const { response } = yield* errorOf(new Response(endless(10_000), { status: 500 }))
      assert.strictEqual("body" in response && String(response.body).length, 65_536)
      assert.isBelow(pulled, 100_000)
      const silent = yield* errorOf(new Response(endless(0), { status: 500 }))
      assert.strictEqual("body" in silent.response && silent.response.body, "")
      assert.strictEqual(left, 2)
    }))

  it.effect("keeps the body that a guard has read before", () =>
    Effect.gen(function*() {
      const guarded = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response(JSON.stringify(quota), { status: 429 })))
      ).pipe(GuardedHttpClient.withCircuitBreaker({ key: "model" }), GuardedHttpClient.filterStatusOk)
      const error = yield* Effect.flip(guarded.get(url))
      assert.deepStrictEqual(LlmOutcome.fromError(error), Outcome.openNow("quota_exhausted"))
    }).pipe(Effect.provide(CircuitTest.layer())))
})
