// Whether a caller may call.
import { Effect, Redacted } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { createHash, timingSafeEqual } from "node:crypto"
import { toResponse } from "./failures.ts"
import { RequestError } from "./requestError.ts"

const refusal = toResponse(
  new RequestError({
    status: 401,
    code: "invalid_api_key",
    message: "The request has no valid key: send it as `Authorization: Bearer <key>`."
  })
)

/** Lets requests with the key pass; all of them if there is none. */
export const required = (apiKey: Redacted.Redacted | undefined) => {
  if (apiKey === undefined) return <E, R>(handler: Handler<E, R>) => handler
  const expected = digest(`Bearer ${Redacted.value(apiKey)}`)
  return <E, R>(handler: Handler<E, R>): Handler<E, R | HttpServerRequest.HttpServerRequest> =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
      // Digests are of one length, and to compare them takes the same time whatever was sent.
      timingSafeEqual(digest(headers["authorization"] ?? ""), expected) ? handler : Effect.succeed(refusal))
}

type Handler<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const digest = (text: string) => createHash("sha256").update(text).digest()
