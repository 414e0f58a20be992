// An HTTP client behind a circuit that judges the body too: a 200 that breaks off and a 529 open the circuit, the third
// request is turned away without being sent, and a probe closes the circuit again.
// Run it: node examples/http-client.ts
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, LlmStream, TripPolicy } from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { ScriptedProvider } from "effect-resilience/testing"
import { HttpClient, HttpClientRequest } from "effect/http"
import { createServer } from "node:http"

// Stands for a provider: half an answer, an overload, and then all is well.
const provider = ScriptedProvider.make([
  ScriptedProvider.cut(ScriptedProvider.json({ text: "hello" }), { afterBytes: 8 }),
  ScriptedProvider.json({ error: { message: "Overloaded" } }, { status: 529 }),
  ScriptedProvider.json({ text: "hello" })
])

const serve = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer(provider.handler)
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(Effect.map((server) => {
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : ""}`
}))

const ask = (url: string) =>
  Effect.gen(function*() {
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.mapRequest(HttpClientRequest.prependUrl(url)),
      GuardedHttpClient.withCircuitBreaker({
        key: "local/model",
        events: LlmStream.openAi,
        firstContentTimeout: "30 seconds",
        idleTimeout: "10 seconds"
      }),
      // Outside: the guard has judged the response by then.
      HttpClient.filterStatusOk
    )
    const response = yield* client.post("/v1/chat")
    return JSON.stringify(yield* response.json)
  }).pipe(
    Effect.catchReason("CircuitBreakerError", "CircuitOpen", ({ key }) => Effect.succeed(`${key} is resting`)),
    Effect.catchReason("HttpClientError", "StatusCodeError", ({ response }) =>
      Effect.succeed(`it said ${response.status}`)),
    Effect.catchReason("HttpClientError", "DecodeError", () =>
      Effect.succeed("the answer broke off"))
  )

const Breaker = CircuitBreaker.layer({
  classify: LlmOutcome.classify,
  tripPolicy: TripPolicy.consecutive(2),
  openDuration: "100 millis"
}).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

export const program = Effect.gen(function*() {
  const url = yield* serve
  const answers = yield* Effect.forEach([1, 2, 3], () => ask(url))
  yield* Effect.sleep("100 millis")
  const all = [...answers, yield* ask(url)]
  yield* Console.log(all.join("\n"))
  return all
}).pipe(Effect.scoped, Effect.provide([Breaker, NodeHttpClient.layerNodeHttp]))

if (import.meta.main) NodeRuntime.runMain(program)
