import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { CircuitBreaker, LlmStream, TripPolicy } from "effect-resilience"
import { EffectCircuitBreaker, GuardedHttpClient } from "effect-resilience/http"
import { CircuitTest } from "effect-resilience/testing"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import { answer, body, canary, leaksIn, prompt, request, response } from "./canaries.ts"
import { assertClean, assertSilent, faces, inSpan, listening, without, type Written } from "./sinks.ts"

const origin = "https://api.example.com"

const events = (...data: ReadonlyArray<string>) =>
  new Response(data.map((data) => `data: ${data}\n\n`).join(""), {
    headers: { "content-type": "text/event-stream", "set-cookie": canary("set-cookie") }
  })

/** How providers answer. */
const answers: Readonly<Record<string, () => Response>> = {
  "an answer": () => response(200),
  "a wrong key": () => response(401),
  "a rate limit": () => response(429, { "retry-after": "2", "x-ratelimit-reset": canary("reset") }),
  overload: () => response(529),
  "no JSON": () => new Response(prompt),
  "events": () => events(JSON.stringify({ choices: [{ delta: { content: answer } }] }), "[DONE]"),
  "an error in events": () => events(body)
}

const client = (answer: () => Response) =>
  HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, answer())))

const broken = HttpClient.make((request) =>
  Effect.fail(
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({ request, cause: new Error(body), description: prompt })
    })
  )
)

/** Reads it in every way. */
const readings: ReadonlyArray<(response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>> = [
  ({ json }) => json,
  ({ text }) => text,
  ({ stream }) => Stream.runDrain(stream)
]

// Effect's client writes URLs and headers into spans of its own, guarded or not. What it keeps out is set with its
// `CurrentRedactedNames`.
const ofLibrary = (written: Written) => without(written, "spans")

describe("a guarded HTTP client", () => {
  for (
    const [name, provider] of [
      ...Object.entries(answers).map(([name, answer]) => [name, client(answer)] as const),
      ["no answer", broken] as const
    ]
  ) {
    it.effect(`shows nothing of requests and responses: ${name}`, () => {
      const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(1000) })
      return Effect.gen(function*() {
        const guarded = GuardedHttpClient.withCircuitBreaker(provider, { events: LlmStream.openAi })
        for (const read of readings) {
          yield* inSpan(Effect.flatMap(guarded.execute(request), read))
          yield* TestClock.adjust("1 hour")
        }
        assertSilent(ofLibrary(yield* written(origin)), origin)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("leaves in the caller's span nothing of the request", () => {
    const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(1) })
    return Effect.gen(function*() {
      const guarded = GuardedHttpClient.withCircuitBreaker(client(answers["overload"]!))
      const call = Effect.provideService(guarded.execute(request), HttpClient.TracerDisabledWhen, () => true)
      yield* inSpan(call)
      yield* inSpan(call)
      const { spans = "" } = yield* written(origin)
      assertSilent({ spans }, origin)
      assert.include(spans, "circuit.skipped")
    }).pipe(Effect.provide(layer))
  })

  it.effect("shows nothing in the error of a rejection", () => {
    const { layer } = listening({ tripPolicy: TripPolicy.consecutive(1) })
    return Effect.gen(function*() {
      const guarded = GuardedHttpClient.withCircuitBreaker(client(answers["overload"]!))
      yield* guarded.execute(request)
      assertClean(faces(yield* Effect.flip(guarded.execute(request))))
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is a layer shows of a rejected request its URL, without password, query and fragment", () => {
    const { layer } = listening({ tripPolicy: TripPolicy.consecutive(1) })
    const guarded = GuardedHttpClient.layer().pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client(answers["overload"]!))),
      Layer.provideMerge(layer)
    )
    return Effect.gen(function*() {
      const url = HttpClientRequest.setUrl(
        request,
        `https://user:${canary("password")}@api.example.com/v1?key=${canary("query")}#${canary("fragment")}`
      )
      yield* Effect.exit(HttpClient.execute(url))
      assertClean(faces(yield* Effect.flip(HttpClient.execute(url))))
    }).pipe(Effect.provide(guarded))
  })

  it.effect("as Effect's own breaker shows nothing of requests and responses", () => {
    const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(1) })
    return Effect.gen(function*() {
      const breaker = yield* EffectBreaker.CircuitBreaker
      const failing = breaker.execute(Effect.fail(prompt), { key: origin, classify: EffectCircuitBreaker.classify })
      yield* inSpan(failing)
      assertClean(faces(yield* Effect.flip(failing)))
      assertSilent(yield* written(origin), origin)
    }).pipe(Effect.provide(Layer.provideMerge(EffectCircuitBreaker.layer, layer)))
  })

  for (const url of [`https://user:${canary("pw")}@host:99999/v1`, `//user:${canary("pw")}@host/v1`]) {
    it.effect(`has no password in the key of a request whose URL cannot be parsed: ${url.split("user")[0]}`, () =>
      Effect.gen(function*() {
        const guarded = GuardedHttpClient.withCircuitBreaker(client(answers["overload"]!))
        yield* Effect.exit(guarded.get(url))
        const keys = (yield* CircuitBreaker.states).map(({ key }) => key)
        assert.lengthOf(keys, 1)
        assert.deepStrictEqual(leaksIn(keys.join(" ")), [])
      }).pipe(Effect.provide(CircuitTest.layer())))
  }
})

describe("Effect's errors", () => {
  it.effect("show the query of a URL unless its options forbid it, guarded or not", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(broken.execute(request))
      assert.include(leaksIn(error.message), canary("query"))
      assert.notInclude(leaksIn(error.message), canary("password"))
    }))
})
