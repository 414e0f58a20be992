/** The response of an error with the start of its body, for a classifier that runs after the connection has gone. */
import { Effect } from "effect"
import { HttpClientResponse } from "effect/http"
import type { GuardedResponse } from "../GuardedHttpClient.ts"
import { concat, inspect, maxInspectedMillis } from "./inspect.ts"

/** Reads the start of the body, up to a size and for a time. What its accessors give from then on is that start. */
export const keepBody = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<GuardedResponse> => {
  if (isKept(response)) return Effect.succeed(response)
  return Effect.map(Effect.scoped(inspect(response.stream, maxInspectedMillis)), ({ start, text }) => {
    // As a web response, because that has all the accessors. A status without a body has only an empty one.
    const web = new Response(start.length === 0 ? null : concat(start), { headers: response.headers })
    const { arrayBuffer, formData, json, stream, text: whole, urlParamsBody } = HttpClientResponse.fromWeb(
      response.request,
      web
    )
    const accessors = { arrayBuffer, formData, json, stream, text: whole, urlParamsBody }
    // Not enumerable, so that nothing prints it.
    return Object.create(response, {
      body: { value: text },
      ...Object.fromEntries(Object.entries(accessors).map(([name, value]) => [name, { value }]))
    })
  })
}

const isKept = (response: HttpClientResponse.HttpClientResponse): response is GuardedResponse =>
  "body" in response && typeof response.body === "string"
