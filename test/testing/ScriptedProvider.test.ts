import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const serving = (provider: ScriptedProvider.ScriptedProvider) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer(provider.handler)
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const ask = (url: string, init?: RequestInit) => Effect.promise(() => fetch(url, { method: "POST", ...init }))
const textOf = (response: Response) => Effect.tryPromise(() => response.text())

describe("ScriptedProvider", () => {
  it.live("gives its answers in order, and the last one for good", () =>
    Effect.gen(function*() {
      const provider = ScriptedProvider.make([
        ScriptedProvider.json({ busy: true }, { status: 503, headers: { "retry-after": "3" } }),
        ScriptedProvider.text("<html>")
      ])
      const { url } = yield* serving(provider)
      const first = yield* ask(url, { body: "{\"model\":\"gpt\"}", headers: { "x-team": "a" } })
      assert.strictEqual(first.status, 503)
      assert.strictEqual(first.headers.get("retry-after"), "3")
      assert.strictEqual(yield* textOf(first), "{\"busy\":true}")
      for (const _ of [1, 2]) assert.strictEqual(yield* textOf(yield* ask(url)), "<html>")
      const requests = yield* provider.requests
      assert.deepStrictEqual(requests.map(({ method, path }) => `${method} ${path}`), Array(3).fill("POST /v1"))
      assert.deepStrictEqual(requests[0]?.body, { model: "gpt" })
      assert.strictEqual(requests[0]?.headers["x-team"], "a")
    }))

  it.live("chooses by what is asked", () =>
    Effect.gen(function*() {
      const { url } = yield* serving(ScriptedProvider.make(({ path }) => ScriptedProvider.text(path)))
      assert.strictEqual(yield* textOf(yield* ask(`${url}/a`)), "/v1/a")
      assert.strictEqual(yield* textOf(yield* ask(`${url}/b`)), "/v1/b")
    }))

  it.live("streams events, raw pieces and pauses", () =>
    Effect.gen(function*() {
      const { url } = yield* serving(ScriptedProvider.make([ScriptedProvider.events([
        ": ping\n\n",
        { event: "delta", data: { text: "Hi" } },
        { pause: "30 millis" },
        { data: "[DONE]" }
      ])]))
      const startedAt = performance.now()
      assert.strictEqual(
        yield* textOf(yield* ask(url)),
        ": ping\n\nevent: delta\ndata: {\"text\":\"Hi\"}\n\ndata: [DONE]\n\n"
      )
      assert.isAtLeast(performance.now() - startedAt, 25)
    }))

  it.live("cuts an answer at its end, after some bytes, and before its headers", () =>
    Effect.gen(function*() {
      const answer = ScriptedProvider.json({ text: "hello" })
      const { url } = yield* serving(ScriptedProvider.make([
        ScriptedProvider.cut(answer),
        ScriptedProvider.cut(answer, { afterBytes: 4 }),
        ScriptedProvider.reset
      ]))
      for (const _ of [1, 2]) {
        const response = yield* ask(url)
        assert.strictEqual(response.status, 200)
        assert.include(String((yield* Effect.flip(textOf(response))).cause), "terminated")
      }
      const error = yield* Effect.flip(Effect.tryPromise(() => fetch(url)))
      assert.strictEqual(((error.cause as Error).cause as { readonly code?: string }).code, "ECONNRESET")
    }))

  it.live("counts who went away before the answer was complete", () =>
    Effect.gen(function*() {
      const provider = ScriptedProvider.make([
        ScriptedProvider.silence,
        ScriptedProvider.stall(ScriptedProvider.events([{ data: "x" }])),
        ScriptedProvider.late(ScriptedProvider.text("late"), "10 millis")
      ])
      const { url } = yield* serving(provider)
      const impatient = Effect.flip(
        Effect.tryPromise(() => fetch(url, { signal: AbortSignal.timeout(40) }).then((response) => response.text()))
      )
      yield* impatient
      yield* impatient
      assert.strictEqual(yield* textOf(yield* ask(url)), "late")
      yield* Effect.sleep("10 millis")
      assert.strictEqual(yield* provider.abandoned, 2)
      assert.strictEqual((yield* provider.requests).length, 3)
    }))
})
