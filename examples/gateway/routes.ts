// What the gateway answers to.
import { ByteSize, Effect, Layer } from "effect"
import { CircuitConsole } from "effect-resilience/console"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { randomUUID } from "node:crypto"
import * as Authorization from "./authorization.ts"
import * as Chat from "./chat.ts"
import type { Configuration } from "./configuration.ts"
import type { Ending } from "./ending.ts"
import { toResponse } from "./failures.ts"
import { RequestError } from "./requestError.ts"
import type { Models } from "./resilience.ts"

/** Enough for a long conversation with some images. */
const maxBody = ByteSize.megabytes(10)

export const layer = ({ apiKey }: Configuration, models: Models, ending: Ending) => {
  const authorized = Authorization.required(apiKey)
  const chat = Chat.make(models, ending).pipe(
    Effect.provideService(HttpServerRequest.MaxBodySize, maxBody),
    // Also on the lines of its circuits.
    (self) => Effect.suspend(() => Effect.annotateLogs(self, { request: randomUUID() }))
  )
  const list = HttpServerResponse.jsonUnsafe({
    object: "list",
    data: Array.from(models.keys(), (id) => ({ id, object: "model", created: 0, owned_by: "gateway" }))
  })
  return Layer.mergeAll(
    HttpRouter.add("POST", "/v1/chat/completions", authorized(chat)),
    HttpRouter.add("GET", "/v1/models", authorized(Effect.succeed(list))),
    HttpRouter.add("*", "/v1/*", authorized(notFound)),
    HttpRouter.add("*", "/*", notFound),
    PrometheusMetrics.layerHttp({ path: "/metrics" }),
    CircuitConsole.layer({ title: "Gateway", operators: apiKey === undefined ? {} : { operator: apiKey } })
  )
}

const notFound = Effect.map(HttpServerRequest.HttpServerRequest, ({ method, url }) =>
  toResponse(
    new RequestError({
      status: 404,
      code: "unknown_url",
      message: `There is no ${method} ${url.replace(/\?.*$/, "")}.`
    })
  ))
