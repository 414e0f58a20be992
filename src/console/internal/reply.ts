/** Answers of the console, and the headers that all of them carry. */
import { Data } from "effect"
import { HttpServerResponse } from "effect/http"

/** Keeps answers out of caches and frames, and browsers from guessing their type. */
export const headers = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
} as const

export const json = (body: string, status = 200, more: Record<string, string> = {}) =>
  HttpServerResponse.text(body, { status, contentType: "application/json", headers: { ...headers, ...more } })

/** Why a request was refused, as a status and a sentence. It changes nothing. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  readonly message: string
  readonly headers?: Record<string, string>
}> {
  get response(): HttpServerResponse.HttpServerResponse {
    return json(JSON.stringify({ error: this.message }), this.status, this.headers)
  }
}
