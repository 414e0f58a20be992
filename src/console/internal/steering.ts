/** The orders of operators, and how they are refused. */
import { Effect, Schema, SchemaIssue, Stream } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { CircuitBreaker } from "../../CircuitBreaker.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { ActorOf } from "./operators.ts"
import { Refused } from "./reply.ts"

const maxBodyBytes = 8_192
const maxReasonLength = 500
const tenYearsMillis = 3_650 * 86_400_000

/** The orders. */
export const actions = ["force-open", "reset", "disable", "enable"] as const

/** One of them. */
export type Action = typeof actions[number]

const isReason = Schema.makeFilter((reason: string) =>
  reason.trim() === "" || reason.length > maxReasonLength ||
    /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(reason)
    ? `must be one line of 1 to ${maxReasonLength} characters that is not blank`
    : undefined
)
const isTime = Schema.makeFilter((millis: number) =>
  Number.isSafeInteger(millis) && millis >= 1 && millis <= tenYearsMillis
    ? undefined
    : "must be a whole number of milliseconds from 1 to ten years"
)
const isKey = Schema.makeFilter((key: string) => key === "" ? "must not be empty" : undefined)

const order = { key: Schema.String.check(isKey), reason: Schema.String.check(isReason) } as const
const Order = Schema.Struct(order)
const Hold = Schema.Struct({ ...order, for_ms: Schema.optionalKey(Schema.Finite.check(isTime)) })
type Order = typeof Hold.Type

const decodes: Record<Action, (body: unknown) => Effect.Effect<Order, Schema.SchemaError>> = {
  "force-open": Schema.decodeUnknownEffect(Hold, { onExcessProperty: "error" }),
  reset: Schema.decodeUnknownEffect(Order, { onExcessProperty: "error" }),
  disable: Schema.decodeUnknownEffect(Order, { onExcessProperty: "error" }),
  enable: Schema.decodeUnknownEffect(Order, { onExcessProperty: "error" })
}

/** Carries out the order of a request, and gives the circuit's state after it. */
export const steer = (breaker: CircuitBreaker["Service"], actorOf: ActorOf | undefined) =>
  Effect.fnUntraced(function*(
    action: Action,
    request: HttpServerRequest.HttpServerRequest
  ): Effect.fn.Return<CircuitState, Refused> {
    const actor = yield* authorized(request, actorOf)
    const { for_ms, key, reason } = yield* decoded(action, request)
    const operator = { reason: reason.trim(), actor }
    // Refuses both for a key that was never used, because they would change nothing.
    const isNowhere = action === "reset" || action === "enable"
      ? Effect.map(breaker.state(key), ({ generation }) => generation === 0)
      : Effect.succeed(false)
    if (yield* isNowhere) return yield* refuse(404, "there is no circuit of this key")
    yield* Effect.uninterruptible(
      action === "force-open"
        ? breaker.forceOpen(key, { ...operator, for: for_ms })
        : breaker[action](key, operator)
    )
    return yield* breaker.state(key)
  })

const refuse = (status: number, message: string, headers?: Record<string, string>) =>
  new Refused({ status, message, ...(headers === undefined ? {} : { headers }) })

const authorized = Effect.fnUntraced(function*(
  { headers }: HttpServerRequest.HttpServerRequest,
  actorOf: ActorOf | undefined
) {
  if (actorOf === undefined) return yield* refuse(403, "this console is read-only: it has no operators")
  if (/^(?:cross|same)-site$/.test(headers["sec-fetch-site"] ?? "")) {
    return yield* refuse(403, "requests of other sites are refused")
  }
  const { authorization = "" } = headers
  const actor = yield* actorOf(authorization)
  if (actor === undefined) {
    const message = authorization === "" ? "a token is required" : "the token is not an operator's"
    return yield* refuse(401, message, { "www-authenticate": "Bearer" })
  }
  return actor
})

const decoded = Effect.fnUntraced(function*(action: Action, request: HttpServerRequest.HttpServerRequest) {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers["content-type"] ?? "")) {
    return yield* refuse(415, "the body must be application/json")
  }
  const bytes = yield* body(request)
  const json = yield* Effect.try({
    try: () => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown,
    catch: () => refuse(400, "the body is not JSON")
  })
  return yield* Effect.mapError(
    decodes[action](json),
    ({ issue }) => refuse(400, sentence(issue))
  )
})

const sentence = (issue: SchemaIssue.Issue): string => {
  const [first] = SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues
  const path = (first?.path ?? []).map(String).join(".")
  return path === "" ? String(first?.message) : `${path}: ${first?.message}`
}

const tooLarge = refuse(413, `the body must not be larger than ${maxBodyBytes} bytes`)

// Counts while it reads, because the length that a client declares need not be true.
const body = Effect.fnUntraced(function*({ headers, stream }: HttpServerRequest.HttpServerRequest) {
  if (Number(headers["content-length"] ?? 0) > maxBodyBytes) return yield* tooLarge
  const bytes = new Uint8Array(maxBodyBytes)
  let size = 0
  yield* stream.pipe(
    Stream.mapError(() => refuse(400, "the body broke off")),
    Stream.runForEach((chunk) => {
      if (size + chunk.length > maxBodyBytes) return Effect.fail(tooLarge)
      bytes.set(chunk, size)
      size += chunk.length
      return Effect.void
    })
  )
  return bytes.subarray(0, size)
})

/** The answer to a request that is refused. */
export const answer = <R>(
  self: Effect.Effect<HttpServerResponse.HttpServerResponse, Refused, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catchTag(self, "Refused", (refused) => Effect.succeed(refused.response))
