/** Answers of the console, and the headers that all of them carry. */
import { Data } from "effect"
import { HttpServerResponse } from "effect/http"

/** Nothing of a console is for caches, other pages or guesses at its type. */
export const headers = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
} as const

export const json = (body: string, status = 200, more: Record<string, string> = {}) =>
  HttpServerResponse.text(body, { status, contentType: "application/json", headers: { ...headers, ...more } })

/** A request that changes nothing, and a sentence that says why. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  readonly message: string
  readonly headers?: Record<string, string>
}> {
  get response(): HttpServerResponse.HttpServerResponse {
    return json(JSON.stringify({ error: this.message }), this.status, this.headers)
  }
}
