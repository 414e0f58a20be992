// What a caller asks for. It is read as far as the gateway has to know it, and the rest is the target's to judge.
import { Effect, Schema } from "effect"
import { Evidence, type FailoverRoute } from "effect-resilience"
import { HttpServerRequest } from "effect/http"
import { RequestError } from "./requestError.ts"

export interface ChatRequest {
  readonly model: string
  readonly stream: boolean
  /** Which targets it may go to. */
  readonly allow: FailoverRoute.Fence
  /** How many answers are asked for. */
  readonly choices: number
  /** As it came. */
  readonly body: Readonly<Record<string, unknown>>
}

/** A request that came from a caller. */
export interface Asked extends ChatRequest {
  readonly evidence: Evidence.Evidence
}

const Form = Schema.Struct({
  model: Schema.String,
  messages: Schema.Array(Schema.Unknown),
  stream: Schema.optional(Schema.NullOr(Schema.Boolean))
})

/** `regions` is what the header `x-allow-regions` says. */
export const decode = (text: string, regions?: string): Effect.Effect<ChatRequest, RequestError> =>
  Effect.gen(function*() {
    const body = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: () => RequestError.malformed("The body of the request is not JSON.")
    })
    const { model, stream } = yield* Effect.mapError(
      Schema.decodeUnknownEffect(Form)(body),
      () =>
        RequestError.malformed(
          "The body of the request must be an object with a text as `model`, a list as `messages` and, if there is " +
            "one, true or false as `stream`."
        )
    )
    const fields = body as Readonly<Record<string, unknown>>
    const choices = typeof fields["n"] === "number" && fields["n"] > 1 ? fields["n"] : 1
    const allow = regions === undefined ? {} : { regions: regions.split(",").map((region) => region.trim()) }
    return { model, stream: stream === true, allow, choices, body: fields }
  })

export const read = Effect.gen(function*() {
  const { headers, text } = yield* HttpServerRequest.HttpServerRequest
  const body = yield* text
  const request = yield* decode(body, headers["x-allow-regions"])
  // The same body sent again is the same request, and callers differ by their key.
  return { ...request, evidence: Evidence.make({ request: body, source: headers["authorization"] }) } satisfies Asked
})
