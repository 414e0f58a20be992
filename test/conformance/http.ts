// Plain `fetch`, with and without a wrapper that throws, and Effect's `HttpClient`.
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, type Layer, Stream } from "effect"
import * as Sse from "effect/encoding/Sse"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { ProviderError } from "../support/ProviderError.ts"
import { abortSignal, type Call, type Client, deadlineMillis, readerOf, requestOf } from "./client.ts"
import type { Mode, Provider } from "./wire.ts"

const send = (call: Call, mode: Mode, signal: AbortSignal) => {
  const { body, url } = requestOf(call, mode)
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: abortSignal(call) ?? (call.how === "deadline" ? AbortSignal.timeout(deadlineMillis) : signal)
  })
}

const okay = async (response: Response) => {
  if (!response.ok) throw new ProviderError(response, await response.text())
  return response
}

/** The events in a stream of bytes. */
export const eventsOf = <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Sse.Event, unknown> =>
  bytes.pipe(Stream.decodeText(), Stream.pipeThroughChannel(Sse.decode<E, unknown>()))

const hasEvents = (provider: Provider, mode: Mode) => mode === "once" || provider !== "bedrock"

export const fetched: Client = {
  name: "fetch",
  serves: hasEvents,
  reads: "all",
  knows: () => true,
  once: (call) =>
    Effect.tryPromise(async (signal): Promise<unknown> => (await okay(await send(call, "once", signal))).json()),
  stream: (call) =>
    Effect.tryPromise(async (signal) => okay(await send(call, "stream", signal))).pipe(
      Effect.map((response) =>
        eventsOf(Stream.fromReadableStream({
          evaluate: () => response.body!,
          onError: (error) => error
        }))
      ),
      Stream.unwrap
    ),
  classifyPart: readerOf
}

export const fetchedResponse: Client = {
  ...fetched,
  name: "fetch, its Response",
  serves: (_, mode) => mode === "once",
  reads: "none",
  once: (call) => Effect.tryPromise((signal) => send(call, "once", signal))
}

const posted = (call: Call, mode: Mode) => {
  const { body, url } = requestOf(call, mode)
  const response = HttpClientRequest.post(url).pipe(
    HttpClientRequest.bodyJson(body),
    Effect.flatMap(HttpClient.execute)
  )
  return call.how === "deadline" ? Effect.timeout(response, deadlineMillis) : response
}

const client = (name: string, layer: Layer.Layer<HttpClient.HttpClient>): Client => ({
  name,
  serves: hasEvents,
  reads: "served",
  knows: (how) => how !== "abort",
  once: (call) =>
    posted(call, "once").pipe(
      Effect.flatMap(HttpClientResponse.filterStatusOk),
      Effect.flatMap((response) => response.json),
      Effect.provide(layer)
    ),
  stream: (call) =>
    posted(call, "stream").pipe(
      Effect.flatMap(HttpClientResponse.filterStatusOk),
      Effect.map((response) => eventsOf(response.stream)),
      Stream.unwrap,
      Stream.provide(layer)
    ),
  classifyPart: readerOf
})

export const httpClient = client("HttpClient", FetchHttpClient.layer)

export const httpClientOnNode = client("HttpClient on node:http", NodeHttpClient.layerNodeHttp)

/** Turned down with all that the provider said. */
const turnedDown = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.flatMap(response.text, (body) => Effect.fail({ status: response.status, headers: response.headers, body }))

const okayAll = HttpClientResponse.matchStatus({
  "2xx": (response) => Effect.succeed(response),
  orElse: turnedDown
})

export const httpClientReading: Client = {
  ...httpClient,
  name: "HttpClient, reading errors",
  reads: "all",
  once: (call) =>
    posted(call, "once").pipe(
      Effect.flatMap(okayAll),
      Effect.flatMap((response) => response.json),
      Effect.provide(FetchHttpClient.layer)
    ),
  stream: (call) =>
    posted(call, "stream").pipe(
      Effect.flatMap(okayAll),
      Effect.map((response) => eventsOf(response.stream)),
      Stream.unwrap,
      Stream.provide(FetchHttpClient.layer)
    )
}

export const httpClientResponse: Client = {
  ...httpClient,
  name: "HttpClient, its response",
  serves: (_, mode) => mode === "once",
  reads: "none",
  once: (call) => Effect.provide(posted(call, "once"), FetchHttpClient.layer)
}
