// How this demo calls a model: a plain HTTP call.
import { Effect, type Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"

export interface Endpoint {
  readonly url: string
  readonly model: string
  readonly apiKey: Redacted.Redacted | undefined
}

const Completion = Schema.Struct({
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.NullOr(Schema.String) }) }))
})

export const complete = ({ apiKey, model, url }: Endpoint, prompt: string) =>
  HttpClientRequest.post(`${url}/chat/completions`).pipe(
    apiKey === undefined ? (request) => request : HttpClientRequest.bearerToken(apiKey),
    HttpClientRequest.bodyJsonUnsafe({ model, messages: [{ role: "user", content: prompt }] }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Completion)),
    Effect.map(({ choices }) => choices[0].message.content)
  )
