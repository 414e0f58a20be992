// What a caller gets when a call fails: a response, or an event in a stream that has begun.
import { Duration } from "effect"
import { type CircuitError, type FailoverError, LlmOutcome, Outcome } from "effect-resilience"
import type { Sse } from "effect/encoding"
import { type HttpClientError, type HttpServerError, HttpServerResponse } from "effect/http"
import type { Ended } from "./ending.ts"
import * as OpenAiError from "./openAiError.ts"
import type { RequestError } from "./requestError.ts"
import { hasError } from "./target.ts"
import { TargetError } from "./targetError.ts"

/** Every way in which a call fails. */
export type Failure =
  | RequestError
  | HttpServerError.HttpServerError
  | TargetError
  | HttpClientError.HttpClientError
  | Sse.SseError
  | FailoverError.FailoverError
  | CircuitError.CircuitBreakerError
  | Ended

interface Answer {
  readonly status: number
  readonly error: OpenAiError.OpenAiError
  /** In place of the error: the body of the target that has refused. */
  readonly body?: unknown
  readonly retryAfter?: Duration.Duration | undefined
}

type Table = { readonly [Tag in Failure["_tag"]]: (failure: Extract<Failure, { readonly _tag: Tag }>) => Answer }

const table: Table = {
  RequestError: ({ code, message, status }) => ({
    status,
    error: { message, type: status < 500 ? "invalid_request_error" : "server_error", code }
  }),

  HttpServerError: ({ reason }) =>
    reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
      ? {
        status: 413,
        error: {
          message: "The body of the request is too large.",
          type: "invalid_request_error",
          code: "request_too_large"
        }
      }
      : {
        status: 400,
        error: { message: "The request could not be read.", type: "invalid_request_error", code: null }
      },

  // The caller gets a target's refusal as it is.
  TargetError: ({ body, status }) => ({
    status: status >= 400 ? status : 400,
    error: OpenAiError.fromBody(body, status),
    body: hasError(body) ? body : undefined
  }),

  FailoverError: (failure) => {
    const { message, reason } = failure
    const attempts = failure.attempts.map(({ cause, target }) => ({ target, cause }))
    switch (reason._tag) {
      case "NoTargetAvailable": {
        const last = failure.attempts.at(-1)
        const isRefused = last !== undefined &&
          (refusals.has(last.cause) || failure.attempts.every(({ cause }) => cause === "invalid_request"))
        return isRefused && last.error instanceof TargetError
          ? table.TargetError(last.error)
          : {
            status: 503,
            error: { message, type: "server_error", code: "no_target_available", attempts },
            retryAfter: failure.retryAfter ?? Duration.seconds(1)
          }
      }
      case "DeadlineExceeded":
        return { status: 504, error: { message, type: "server_error", code: "deadline_exceeded", attempts } }
      case "UnknownRoute":
        return {
          status: 404,
          error: {
            message: `There is no model "${reason.route.slice(0, 100)}".`,
            type: "invalid_request_error",
            code: "model_not_found"
          }
        }
      case "NoTargetAllowed":
        return { status: 403, error: { message, type: "invalid_request_error", code: "no_target_allowed" } }
    }
  },

  HttpClientError: (failure) => broken(failure),
  SseError: (failure) => broken(failure),
  CircuitBreakerError: (failure) => broken(failure),

  Ended: ({ message }) => ({
    status: 503,
    error: { message, type: "server_error", code: "shutting_down" },
    retryAfter: Duration.seconds(1)
  })
}

// No other target is asked for what one has refused.
const refusals = new Set<string>(["content_policy", "context_length"] satisfies ReadonlyArray<Outcome.Kind>)

/** An answer that did not come to its end. */
const broken = (failure: Failure): Answer => {
  const code = Outcome.kindOf(LlmOutcome.fromError(failure)) ?? "unknown"
  const message = `The answer of the target ended before it was complete (${code}).`
  return { status: 502, error: { message, type: "upstream_error", code } }
}

const tell = <Tag extends Failure["_tag"]>(failure: Extract<Failure, { readonly _tag: Tag }>): Answer =>
  table[failure._tag as Tag](failure)

export const toResponse = (failure: Failure): HttpServerResponse.HttpServerResponse => {
  const { body, error, retryAfter, status } = tell(failure)
  const wait = retryAfter === undefined ? undefined : Math.max(1, Math.ceil(Duration.toSeconds(retryAfter)))
  return HttpServerResponse.jsonUnsafe(body ?? { error }, {
    status,
    headers: wait === undefined ? {} : { "retry-after": String(wait) }
  })
}

/** For an event in a stream. */
export const toError = (failure: Failure): OpenAiError.OpenAiError => tell(failure).error
