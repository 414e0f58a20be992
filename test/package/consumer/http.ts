import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore } from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { HttpClient, HttpClientResponse } from "effect/http"

const provider = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response("", { status: 529 })))
).pipe(GuardedHttpClient.withCircuitBreaker({ key: () => "model" }))

const program = Effect.gen(function*() {
  const { status } = yield* provider.get("https://api.example.com")
  return `${status} through a guarded client`
}).pipe(
  Effect.provide(CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory)))
)

console.log(await Effect.runPromise(program))
