// The body of what a target answers. Some targets compress it although nobody has asked them to, and `node:http` leaves
// that to its user.
import { NodeStream } from "@effect/platform-node"
import { type Effect, Stream } from "effect"
import { HttpClientError, type HttpClientResponse } from "effect/http"
import { createBrotliDecompress, createUnzip } from "node:zlib"

const decoders: ReadonlyMap<string, typeof createUnzip | typeof createBrotliDecompress> = new Map([
  ["gzip", createUnzip],
  ["x-gzip", createUnzip],
  ["deflate", createUnzip],
  ["br", createBrotliDecompress]
])

type Body<A> = Stream.Stream<A, HttpClientError.HttpClientError>

export const bytes = (response: HttpClientResponse.HttpClientResponse): Body<Uint8Array> => {
  const encodings = (response.headers["content-encoding"] ?? "").toLowerCase().split(",")
  const onError = (cause: unknown) => unreadable(response, "the answer cannot be decompressed", cause)
  return encodings.reduceRight((body: Body<Uint8Array>, encoding) => {
    const decoder = decoders.get(encoding.trim())
    return decoder === undefined ? body : NodeStream.pipeThroughDuplex(body, { evaluate: () => decoder(), onError })
  }, response.stream)
}

export const text = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<string, HttpClientError.HttpClientError> => Stream.mkString(Stream.decodeText(bytes(response)))

/** The failure of an answer that came, and says nothing that can be read. */
export const unreadable = (response: HttpClientResponse.HttpClientResponse, description: string, cause?: unknown) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.DecodeError({ request: response.request, response, description, cause })
  })
