// The gateway in this process, between real HTTP on both sides.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { startGateway } from "../../gateway/startGateway.ts"
import { serve } from "../../http/serve.ts"
import { answer, canary, leaksIn, prompt } from "./canaries.ts"
import { assertClean, type Written } from "./sinks.ts"

const { events, json } = ScriptedProvider

const callersKey = canary("key-of-callers")
const targetsKey = canary("key-of-targets")

/** A gateway whose targets all answer like this. */
const gateway = (...answers: ReadonlyArray<ScriptedProvider.Answer>) =>
  Effect.gen(function*() {
    const targets = yield* Effect.forEach(["us", "eu"], (name) =>
      Effect.map(serve(...answers), ({ url }) => ({
        name,
        baseUrl: url.replace("/chat", ""),
        apiKey: targetsKey,
        model: `model-of-${name}`
      })))
    const { log, url } = yield* startGateway({ apiKey: callersKey, models: { chat: { targets } } })
    const fetched = (path: string, init: RequestInit = {}) =>
      Effect.promise(async () => {
        const response = await fetch(url + path, { ...init, headers: { connection: "close", ...init.headers } })
        return { status: response.status, text: `${JSON.stringify([...response.headers])}\n${await response.text()}` }
      })
    const chat = (stream: boolean, key = callersKey) =>
      fetched("/v1/chat/completions", {
        method: "POST",
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: "chat", messages: [{ role: "user", content: prompt }], stream })
      })
    /** What it shows to those who look after it. */
    const written: Effect.Effect<Written> = Effect.gen(function*() {
      yield* Effect.sleep("100 millis")
      return {
        "the log": log.join("\n"),
        metrics: (yield* fetched("/metrics")).text,
        "the console": (yield* fetched("/circuits/snapshot")).text
      }
    })
    return { chat, fetched, written }
  })

const quoting = { error: { message: `${prompt} ${answer}`, type: "invalid_request_error", param: canary("param") } }
const echoing = { error: { message: `Incorrect API key provided: ${targetsKey}`, type: "invalid_request_error" } }
const completion = { choices: [{ index: 0, message: { role: "assistant", content: answer }, finish_reason: "stop" }] }
const chunk = { data: { choices: [{ index: 0, delta: { content: answer }, finish_reason: null }] } }

const answers: Readonly<Record<string, ScriptedProvider.Answer>> = {
  "an answer": json(completion),
  "a refusal that quotes": json(quoting, { status: 400 }),
  "a refusal with a key": json(echoing, { status: 401 }),
  overload: json(quoting, { status: 529 }),
  "a rate limit": json(quoting, { status: 429, headers: { "retry-after": "1", "set-cookie": canary("cookie") } }),
  "an error in a 200": json(quoting),
  "a cut stream": events([chunk]),
  "an error in a stream": events([chunk, { data: quoting }])
}

describe("a gateway", () => {
  for (const [name, given] of Object.entries(answers)) {
    it.live(`shows its keepers nothing of requests, answers and keys: ${name}`, () =>
      Effect.gen(function*() {
        const { chat, fetched, written } = yield* gateway(given)
        for (const stream of [false, true]) yield* chat(stream)
        yield* chat(false, canary("wrong-key"))
        yield* fetched(`/v1/nothing?key=${canary("query")}`)
        const shown = yield* written
        assertClean(shown)
        for (const [name, text] of Object.entries(shown)) assert.include(text, "chat", name)
      }))
  }

  it.live("tells callers nothing of its keys when targets turn these down, nor of what those say", () =>
    Effect.gen(function*() {
      for (const status of [401, 403, 404, 500]) {
        const { chat } = yield* gateway(json(echoing, { status }))
        for (const stream of [false, true]) {
          const { status, text } = yield* chat(stream)
          assert.strictEqual(status, 503)
          assert.deepStrictEqual(leaksIn(text), [])
        }
      }
    }))

  it.live("tells callers what a target says of their request, which is theirs", () =>
    Effect.gen(function*() {
      const { chat } = yield* gateway(json(quoting, { status: 400, headers: { "set-cookie": canary("cookie") } }))
      const { status, text } = yield* chat(false)
      assert.strictEqual(status, 400)
      const found = leaksIn(text)
      assert.include(found, canary("prompt"))
      for (const secret of [canary("cookie"), targetsKey, callersKey]) assert.notInclude(found, secret)
    }))

  it.live("a target that puts the request into its code does not write it into the log", () =>
    Effect.gen(function*() {
      const refusal = { error: { message: "no", code: `You asked: ${prompt}`, type: "invalid_request_error" } }
      const { chat, written } = yield* gateway(json(refusal, { status: 400 }))
      yield* chat(false)
      assertClean(yield* written)
    }))

  for (const stream of [false, true]) {
    it.live(`a target that quotes its own key in a refusal does not tell it to callers, stream: ${stream}`, () =>
      Effect.gen(function*() {
        const error = { message: `No such value: ${targetsKey}`, type: "invalid_request_error" }
        const { chat } = yield* gateway(json({ error }, { status: 400 }))
        const { status, text } = yield* chat(stream)
        assert.strictEqual(status, 400)
        assert.notInclude(leaksIn(text), targetsKey)
      }))
  }

  it.live("a target that quotes its own key in the middle of a stream does not tell it to callers", () =>
    Effect.gen(function*() {
      const { chat } = yield* gateway(events([chunk, { data: echoing }]))
      const { text } = yield* chat(true)
      assert.include(text, "invalid_request_error")
      assert.notInclude(leaksIn(text), targetsKey)
    }))
})
