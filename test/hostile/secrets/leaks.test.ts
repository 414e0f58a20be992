// Leaks that were found, and closed.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import {
  CircuitBreaker,
  CircuitStore,
  FailoverError,
  FailoverRouter,
  type Outcome,
  TripPolicy
} from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { canary, errors, leaksIn } from "./canaries.ts"
import { assertClean, faces } from "./sinks.ts"

const overloaded = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response("", { status: 529 })))
)

describe("leaks that were closed", () => {
  for (const url of [`https://user:${canary("pw")}@host:99999/v1`, `//user:${canary("pw")}@host/v1`]) {
    it.effect(`the key of a request whose URL cannot be parsed has no password in it: ${url.split("user")[0]}`, () =>
      Effect.gen(function*() {
        const client = GuardedHttpClient.withCircuitBreaker(overloaded)
        yield* Effect.exit(client.get(url))
        const keys = (yield* CircuitBreaker.states).map(({ key }) => key)
        assert.lengthOf(keys, 1)
        assert.deepStrictEqual(leaksIn(keys.join(" ")), [])
      }).pipe(Effect.provide(CircuitTest.layer())))
  }

  it.effect("the error of a request that GuardedHttpClient.layer turns away shows nothing of its query", () =>
    Effect.gen(function*() {
      const request = HttpClientRequest.get(`https://api.example.com/v1?key=${canary("query")}#${canary("fragment")}`)
      yield* Effect.exit(HttpClient.execute(request))
      assertClean(faces(yield* Effect.flip(HttpClient.execute(request))))
    }).pipe(Effect.provide(
      GuardedHttpClient.layer().pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, overloaded)),
        Layer.provide(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
        Layer.provide(CircuitStore.layerMemory)
      )
    )))

  it.effect("a FailoverError as JSON has nothing of what targets said", () =>
    Effect.gen(function*() {
      const own = errors["an error of an official client"]
      const error = yield* Effect.flip(FailoverRouter.execute("chat", () => Effect.fail(own)))
      assert.isTrue(FailoverError.isFailoverError(error))
      assert.deepStrictEqual(leaksIn(JSON.stringify(error)), [])
    }).pipe(Effect.provide(
      FailoverRouter.layer({ routes: { chat: { targets: ["us", "eu"] } } }).pipe(Layer.provide(CircuitTest.layer()))
    )))

  it.effect("the name of what a classifier throws is a name, whatever it says", () =>
    Effect.gen(function*() {
      const classify = (): Outcome.Outcome => {
        throw Object.assign(new Error("no"), { name: `Incorrect API key provided: ${canary("name")}` })
      }
      yield* Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model", classify })))
      const recorded = yield* RecordedEvents.RecordedEvents
      const failed = yield* recorded.of("classify.failed")
      assert.lengthOf(failed, 1)
      assert.deepStrictEqual(leaksIn(JSON.stringify(failed)), [])
    }).pipe(Effect.provide(CircuitTest.layer())))
})
