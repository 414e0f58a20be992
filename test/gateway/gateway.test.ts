// The gateway in this process, between real HTTP on both sides.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { request as httpRequest } from "node:http"
import { serve } from "../http/serve.ts"
import { startGateway } from "./startGateway.ts"

const { events, json, silence, stall, text } = ScriptedProvider

const answer = {
  id: "chatcmpl-1",
  model: "gpt-5-us",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
  usage: { total_tokens: 3 }
}
const chunk = (content: string, finish_reason: string | null = null) => ({
  data: { model: "gpt-5-us", choices: [{ index: 0, delta: { content }, finish_reason }] }
})
const streamed = [chunk("Hel"), chunk("lo", "stop"), { data: "[DONE]" }]

interface Options {
  readonly apiKey?: string
  readonly eu?: ScriptedProvider.Answer
}

/** A gateway with a model "chat", whose targets are us, which answers in order as the test says, and eu. */
const start = (us: ReadonlyArray<ScriptedProvider.Answer>, { apiKey, eu = json(answer) }: Options = {}) =>
  Effect.gen(function*() {
    const providers = { us: yield* serve(...us), eu: yield* serve(eu) }
    const target = (name: "us" | "eu") => ({
      name,
      baseUrl: `${providers[name].url.replace("/chat", "")}/`,
      apiKey: `key-of-${name}`,
      region: name,
      model: `gpt-5-${name}`
    })
    const targets = [target("us"), target("eu")]
    const { lines, log, url } = yield* startGateway({ apiKey, models: { chat: { targets } } })
    const chat = (body: object, headers: Record<string, string> = {}) =>
      fetched(`${url}/v1/chat/completions`, {
        method: "POST",
        headers,
        body: JSON.stringify({ model: "chat", messages: [], ...body })
      })
    return { url, chat, lines, log, us: providers.us.provider, eu: providers.eu.provider }
  })

const fetched = (url: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const response = await fetch(url, { ...init, headers: { connection: "close", ...init.headers } })
    const body = await response.text()
    return { status: response.status, headers: response.headers, body }
  })

const codeOf = (body: string): unknown => JSON.parse(body).error.code

describe("gateway", () => {
  it.live("says what is wrong, and where it is", () =>
    Effect.gen(function*() {
      const { chat, lines, log } = yield* start([json(answer)])
      yield* chat({ messages: [{ role: "user", content: "a secret" }] })
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^gateway listens on http:\/\/127\.0\.0\.1:\d+$/)
      assert.match(log.join("\n"), /message=call request=[\w-]+ model=chat target=us attempts=1 status=200 millis=\d+/)
      assert.notMatch(log.join("\n"), /secret|key-of|hello/)
    }))

  it.live("keeps a call in the regions it names, and says so if there is none", () =>
    Effect.gen(function*() {
      const { chat, eu, log, us } = yield* start([json(answer)])
      for (const body of [{}, { stream: true }]) {
        const { body: got, status } = yield* chat(body, { "x-allow-regions": "ch" })
        assert.deepStrictEqual([status, codeOf(got)], [403, "no_target_allowed"])
      }
      const { headers } = yield* chat({}, { "x-allow-regions": "ch, eu" })
      assert.strictEqual(headers.get("x-served-by"), "eu")
      assert.deepStrictEqual([(yield* us.requests).length, (yield* eu.requests).length], [0, 1])
      assert.strictEqual(new Set(log.map((line) => /request=([\w-]+)/.exec(line)?.[1])).size, 3)
    }))

  it.live("tells in the log which call a circuit speaks of", () =>
    Effect.gen(function*() {
      const { chat, log } = yield* start([json({}, { status: 503 })])
      yield* chat({})
      const requests = log.filter((line) => /message=(call|circuit\.failure)/.test(line)).map((line) =>
        /request=([\w-]+)/.exec(line)?.[1]
      )
      assert.isAbove(requests.length, 1)
      assert.deepStrictEqual(new Set(requests).size, 1)
      assert.isDefined(requests[0])
    }))

  it.live("asks as it was asked, under the name and with the key of the target", () =>
    Effect.gen(function*() {
      const { chat, us } = yield* start([json(answer)])
      const body = { messages: [{ role: "user", content: "hello" }], temperature: 0.5, own: { nested: [null] } }
      const { body: got, headers, status } = yield* chat(body, { authorization: "Bearer key-of-caller", "x-own": "1" })
      assert.deepStrictEqual([status, JSON.parse(got)], [200, answer])
      assert.deepStrictEqual([headers.get("x-served-by"), headers.get("x-failover-attempts")], ["us", "1"])
      const [asked] = yield* us.requests
      assert.strictEqual(asked!.path, "/v1/chat/completions")
      assert.deepStrictEqual(asked!.body, { model: "gpt-5-us", ...body })
      assert.strictEqual(asked!.headers["authorization"], "Bearer key-of-us")
      assert.notInclude(JSON.stringify(asked!.headers), "caller")
      for (const name of ["x-own", "traceparent", "b3"]) assert.notProperty(asked!.headers, name)
    }))

  it.live("tells who served, and after how many attempts", () =>
    Effect.gen(function*() {
      const { chat } = yield* start([json({}, { status: 503 })])
      const { headers, status } = yield* chat({})
      assert.deepStrictEqual(
        [status, headers.get("x-served-by"), headers.get("x-failover-attempts")],
        [200, "eu", "2"]
      )
    }))

  it.live("streams the events as they are", () =>
    Effect.gen(function*() {
      const { chat } = yield* start([events(streamed)])
      const { body, headers, status } = yield* chat({ stream: true })
      assert.deepStrictEqual([status, headers.get("x-served-by")], [200, "us"])
      assert.match(headers.get("content-type")!, /^text\/event-stream/)
      assert.strictEqual(
        body,
        streamed.map(({ data }) => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`).join("")
      )
    }))

  for (
    const [what, us] of [
      ["an error in one piece", json({ error: { message: "oops", code: "server_error" } })],
      ["an answer in one piece", json(answer)],
      ["a page of HTML", text("<html>", { headers: { "content-type": "text/html" } })],
      ["garbage", events([{ data: "garbage" }])],
      ["an error event", events([{ data: { error: { message: "oops" } } }])]
    ] as const
  ) {
    it.live(`${what} is no stream: eu serves`, () =>
      Effect.gen(function*() {
        const { chat } = yield* start([us], { eu: events(streamed) })
        const { body, headers, status } = yield* chat({ stream: true })
        assert.deepStrictEqual([status, headers.get("x-served-by")], [200, "eu"])
        assert.match(body, /"Hel".*\n\n.*"lo".*\n\ndata: \[DONE\]\n\n$/)
      }))
  }

  const refusal = { error: { message: "filtered", type: "x", code: "content_filter" } }
  for (
    const [how, us, ways] of [
      ["as a refusal", json(refusal, { status: 400 }), [false, true]],
      ["with a status of 200", json(refusal), [false, true]],
      // As Google's OpenAI-compatible API has it.
      ["in a list of one", json([refusal], { status: 400 }), [false, true]],
      ["in an event", events([{ data: refusal }]), [true]]
    ] as const
  ) {
    it.live(`a prompt that is refused ${how}: is answered as a refusal`, () =>
      Effect.gen(function*() {
        const { chat, eu } = yield* start([us])
        for (const stream of ways) {
          const { body, status } = yield* chat({ stream })
          assert.deepStrictEqual([status, JSON.parse(body)], [400, refusal])
        }
        assert.deepStrictEqual(yield* eu.requests, [])
      }))
  }

  it.live("a refusal whose body never ends is a refusal", () =>
    Effect.gen(function*() {
      const { chat, eu } = yield* start([stall(json({}, { status: 422 }))])
      const { body, status } = yield* chat({})
      assert.deepStrictEqual([status, codeOf(body), (yield* eu.requests).length], [422, null, 0])
    }))

  for (const stream of [false, true]) {
    const what = stream ? "a stream" : "an answer"
    it.live(`a caller who leaves before ${what}: us is let go`, () =>
      Effect.gen(function*() {
        const { eu, log, url, us } = yield* start([silence])
        const outgoing = httpRequest(`${url}/v1/chat/completions`, { method: "POST", agent: false })
        outgoing.on("error", () => {})
        outgoing.end(JSON.stringify({ model: "chat", messages: [], stream }))
        yield* eventually(Effect.map(us.requests, ({ length }) => length === 1))
        assert.strictEqual(yield* us.abandoned, 0)
        outgoing.destroy()
        yield* eventually(Effect.map(us.abandoned, (count) => count === 1))
        yield* eventually(Effect.sync(() => log.some((line) => line.includes("failure=caller_left"))))
        assert.deepStrictEqual(yield* eu.requests, [])
        assert.isFalse(log.some((line) => line.includes("circuit.failure")))
      }))
  }

  it.live("a caller who leaves within a stream: us is let go", () =>
    Effect.gen(function*() {
      const { url, us } = yield* start([stall(events([chunk("Hel")]))])
      const outgoing = httpRequest(`${url}/v1/chat/completions`, { method: "POST", agent: false })
      outgoing.on("error", () => {})
      outgoing.on("response", (response) => response.once("data", () => outgoing.destroy()))
      outgoing.end(JSON.stringify({ model: "chat", messages: [], stream: true }))
      yield* eventually(Effect.map(us.abandoned, (count) => count === 1))
    }))

  it.live("wants its key for what is below /v1, and for nothing else", () =>
    Effect.gen(function*() {
      const { chat, eu, url, us } = yield* start([json(answer)], { apiKey: "key-of-gateway" })
      const authorization = "Bearer key-of-gateway"
      for (const headers of [{}, { authorization: "Bearer key" }, { authorization: "key-of-gateway" }]) {
        for (const answer of [yield* chat({}, headers), yield* fetched(`${url}/v1/models`, { headers })]) {
          assert.deepStrictEqual([answer.status, codeOf(answer.body)], [401, "invalid_api_key"])
        }
      }
      assert.deepStrictEqual([yield* us.requests, yield* eu.requests], [[], []])
      assert.strictEqual((yield* chat({}, { authorization })).status, 200)

      const models = yield* fetched(`${url}/v1/models`, { headers: { authorization } })
      assert.deepStrictEqual(JSON.parse(models.body), {
        object: "list",
        data: [{ id: "chat", object: "model", created: 0, owned_by: "gateway" }]
      })
      assert.include((yield* fetched(`${url}/metrics`)).body, "cb_requests_total{backend=\"chat/us\"")
      assert.include((yield* fetched(`${url}/circuits`)).body, "<h1>Gateway</h1>")
      const reset = (token: string) =>
        fetched(`${url}/circuits/reset`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
          body: JSON.stringify({ key: "chat/us", reason: "test" })
        })
      assert.deepStrictEqual([(yield* reset("key")).status, (yield* reset("key-of-gateway")).status], [401, 200])
    }))

  it.live("knows nothing else", () =>
    Effect.gen(function*() {
      const { chat, url } = yield* start([json(answer)])
      for (
        const [path, method] of [["/", "GET"], ["/v1/chat/completions", "GET"], ["/v1/nothing?key=1", "PUT"]] as const
      ) {
        const { body, status } = yield* fetched(`${url}${path}`, { method })
        assert.deepStrictEqual([status, codeOf(body)], [404, "unknown_url"])
        assert.notInclude(body, "?key")
      }
      const { body, status } = yield* chat({ model: "constructor" })
      assert.deepStrictEqual([status, codeOf(body)], [404, "model_not_found"])
      const large = yield* chat({ messages: ["x".repeat(10_000_000)] })
      assert.deepStrictEqual([large.status, codeOf(large.body)], [413, "request_too_large"])
    }))
})

const eventually = (is: Effect.Effect<boolean>) =>
  Effect.repeat(is, { until: (is) => is, schedule: Schedule.spaced("10 millis") }).pipe(Effect.timeout("10 seconds"))
