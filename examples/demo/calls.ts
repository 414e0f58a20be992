// How this demo calls a model: a plain HTTP call, guarded by a circuit and a time limit, retried from outside.
import { Effect, type Redacted, Schema } from "effect"
import { CircuitBreaker, LlmRetry } from "effect-resilience"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { Story } from "./story.ts"

export interface Endpoint {
  /** The key of its circuit. */
  readonly key: string
  readonly url: string
  readonly model: string
  readonly apiKey: Redacted.Redacted | undefined
}

const Completion = Schema.Struct({
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.NullOr(Schema.String) }) }))
})

const complete = ({ apiKey, model, url }: Endpoint, prompt: string) =>
  HttpClientRequest.post(`${url}/chat/completions`).pipe(
    apiKey === undefined ? (request) => request : HttpClientRequest.bearerToken(apiKey),
    HttpClientRequest.bodyJsonUnsafe({ model, messages: [{ role: "user", content: prompt }] }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Completion)),
    Effect.map(({ choices }) => choices[0].message.content)
  )

/** One call of a user: every attempt goes through the circuit, and the retry policy knows when another one is useless. */
export const ask = Effect.fnUntraced(function*(endpoint: Endpoint, prompt: string) {
  const story = yield* Story
  return yield* complete(endpoint, prompt).pipe(
    CircuitBreaker.execute({ key: endpoint.key }),
    story.timeRejection,
    Effect.retry(LlmRetry.policy({ attempts: 3, base: "100 millis" })),
    story.countCall(endpoint.key)
  )
})
