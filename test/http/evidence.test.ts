// One request is one piece of evidence, also behind guarded clients and Effect's own breaker.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { CircuitBreaker, LlmOutcome, TripPolicy } from "effect-resilience"
import { EffectCircuitBreaker, GuardedHttpClient } from "effect-resilience/http"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { HttpBody, HttpClient, HttpClientResponse } from "effect/http"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"

const url = "https://api.example.com/v1/chat"
const Breaker = CircuitTest.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(2) })

/** A provider that fails what has the word in it. */
const provider = HttpClient.make((request) => {
  const { body } = request
  const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : `${request.url}`
  return Effect.succeed(
    HttpClientResponse.fromWeb(request, new Response("{}", { status: text.includes("poison") ? 500 : 200 }))
  )
})
const client = GuardedHttpClient.withCircuitBreaker(provider, { key: "model" })

const post = (text: string) =>
  Effect.flatMap(client.post(url, { body: HttpBody.text(text) }), (response) => Effect.exit(response.text))
const get = (path: string) => Effect.flatMap(client.get(`${url}${path}`), (response) => Effect.exit(response.text))

const notCounted = Effect.gen(function*() {
  const recorded = yield* RecordedEvents.RecordedEvents
  return (yield* recorded.of("circuit.failure")).map((event) => event.not_counted ?? "counted")
})
const stateOf = (key: string) => Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)

describe("a guarded client", () => {
  it.effect("knows the same body again", () =>
    Effect.gen(function*() {
      yield* post("fine")
      for (let sent = 0; sent < 4; sent++) yield* post("poison")
      assert.deepStrictEqual(yield* notCounted, ["counted", "repeat", "repeat", "repeat"])
      assert.strictEqual(yield* stateOf("model"), "Closed")
      yield* post("poison, and another word")
      assert.strictEqual(yield* stateOf("model"), "Open")
    }).pipe(Effect.provide(Breaker)))

  it.effect("knows the same address without a body again", () =>
    Effect.gen(function*() {
      yield* get("/fine")
      for (let sent = 0; sent < 4; sent++) yield* get("/poison?n=1")
      assert.strictEqual(yield* stateOf("model"), "Closed")
      yield* get("/poison?n=2")
      assert.strictEqual(yield* stateOf("model"), "Open")
    }).pipe(Effect.provide(Breaker)))

  it.effect("of a provider that serves nobody opens by one body too", () =>
    Effect.gen(function*() {
      yield* post("poison")
      yield* post("poison")
      assert.strictEqual(yield* stateOf("model"), "Open")
    }).pipe(Effect.provide(Breaker)))
})

describe("Effect's breaker", () => {
  it.effect("takes what Effect.retry runs again for the same request", () =>
    Effect.gen(function*() {
      const breaker = yield* EffectBreaker.CircuitBreaker
      yield* breaker.execute(Effect.void, { key: "model" })
      yield* Effect.suspend(() => Effect.fail({ status: 500 })).pipe(
        breaker.execute({ key: "model" }),
        Effect.retry(Schedule.recurs(4)),
        Effect.exit
      )
      assert.deepStrictEqual(yield* notCounted, ["counted", "repeat", "repeat", "repeat", "repeat"])
      assert.strictEqual(yield* stateOf("model"), "Closed")
    }).pipe(Effect.provide(EffectCircuitBreaker.layer.pipe(Layer.provideMerge(Breaker)))))
})
