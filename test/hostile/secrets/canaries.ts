/** Texts that nobody else writes, in the places where secrets and prompts are. An output that shows one has leaked it. */
import { Redacted } from "effect"
import { AiError } from "effect/ai"
import { HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"

/** What all of them begin with. */
const mark = "canary"

/** The text for one place; the place is in it, so that a leak tells where it began. */
export const canary = (place: string): string => `${mark}-${place}-7f3a`

// The three ways in which base64 writes the mark, by where it begins.
const forms = [mark, "Y2FuYXJ5", "NhbmFye", "jYW5hcn", "%63%61%6e%61%72%79"]

/** What of them a text shows, as it is or encoded. */
export const leaksIn = (text: string): ReadonlyArray<string> =>
  forms.flatMap((form) => Array.from(text.matchAll(new RegExp(`${form}[\\w-]*`, "gi")), ([leak]) => leak))

export const prompt = `What is ${canary("prompt")}?`
export const answer = `It is ${canary("answer")}.`
const apiKey = Redacted.make(`sk-${canary("key")}`)

/** A request with a secret in every place that a provider takes one from. */
export const request = HttpClientRequest.post(
  `https://user:${canary("password")}@api.example.com/v1/chat?key=${canary("query")}#${canary("fragment")}`
).pipe(
  HttpClientRequest.setHeaders({
    authorization: `Bearer ${Redacted.value(apiKey)}`,
    "x-api-key": canary("x-api-key"),
    "x-goog-api-key": canary("x-goog-api-key"),
    "api-key": canary("azure-key"),
    cookie: canary("cookie")
  }),
  HttpClientRequest.bodyText(prompt, "application/json")
)

/** The body of an answer that quotes what it was sent. */
export const body = JSON.stringify({
  error: {
    message: `Incorrect API key provided: ${Redacted.value(apiKey)}. You asked: ${prompt}`,
    type: "invalid_request_error",
    param: canary("param"),
    code: canary("code")
  },
  request_id: canary("request-id")
})

/** A response with a secret in its headers and its body. */
export const response = (status: number, more: Readonly<Record<string, string>> = {}) =>
  new Response(body, {
    status,
    headers: {
      "content-type": "application/json",
      "set-cookie": canary("set-cookie"),
      "x-request-id": canary("x-request-id"),
      ...more
    }
  })

class ApiError extends Error {
  readonly status: number
  readonly headers = { authorization: `Bearer ${Redacted.value(apiKey)}`, "set-cookie": canary("set-cookie") }
  readonly error: unknown = JSON.parse(body)
  readonly request = { body: prompt, headers: this.headers }
  override readonly name = "ApiError"

  constructor(status: number) {
    super(`${status} ${body}`, {
      cause: new Error(canary("cause"), { cause: new TypeError(canary("cause-of-cause")) })
    })
    this.status = status
  }
}

const httpError = (status: number) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.StatusCodeError({
      request,
      response: HttpClientResponse.fromWeb(request, response(status)),
      description: canary("description")
    })
  })

export const aiError = (description = canary("description")) =>
  AiError.make({
    module: "Provider",
    method: "generateText",
    reason: new AiError.InternalProviderError({ description, metadata: { provider: { key: canary("metadata") } } })
  })

/** What calls fail and die with, by what it is like. */
export const errors: Readonly<Record<string, unknown>> = {
  text: `401 ${body}`,
  json: body,
  "an error of an official client": new ApiError(529),
  "a wrong key": new ApiError(401),
  "a refused request": new ApiError(400),
  "a rate limit": Object.assign(new ApiError(429), { headers: { "retry-after": "2", "x-id": canary("header") } }),
  "a wait in words": { status: 429, message: `${prompt} Please try again in 2s. ${body}` },
  "a quota": { status: 429, error: { code: "insufficient_quota", message: body } },
  "several errors": new AggregateError([new Error(canary("one")), new ApiError(503)], canary("aggregate")),
  "an error of Effect's client": httpError(503),
  "an error of effect/ai": aiError(),
  "an object without a form": { [canary("field")]: canary("value"), reason: canary("reason"), type: canary("type") },
  "a kind that is none": { _tag: canary("tag"), kind: canary("kind"), code: canary("code"), status: 503 }
}
