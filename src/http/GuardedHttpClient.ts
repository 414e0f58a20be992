/**
 * An HTTP client behind circuits that judges the body too.
 *
 * One request is one call: its permit is held from the request until the body has been read, and settled once.
 *
 * | what happens | counts as |
 * | --- | --- |
 * | the request fails | what `classify` says of the error |
 * | a status of 400 or more | what `classify` says of status, headers and the start of the body, at once |
 * | the body is read to its end | success |
 * | the body breaks off, or is shorter than announced | what `classify` says: `stream_cut`, `connection` |
 * | the first bytes, or further ones, do not come in time | `slow_first_content`, `stream_stalled` |
 * | `json` finds half a document, HTML or an empty body | `malformed_response` |
 * | `json` finds JSON | what `classifyBody` says of it |
 * | HTML or an empty body, and `Accept` names only JSON or events | `malformed_response` |
 * | with `events`: the finish, a failure, an end without a finish | as in `CircuitBreaker.stream` |
 * | the caller stops reading, fails or is interrupted | ignored |
 * | the caller does not begin to read, or there can be no body | what the headers said |
 *
 * The guard buffers nothing but up to 64 KiB of the body of an error. A request with the same body, or to the same
 * address without one, is the same piece of evidence; see `Evidence`.
 *
 * **Gotchas**
 *
 * - Put `HttpClient.retryTransient` and `HttpClient.filterStatusOk` outside: the guard then judges each attempt, and
 *   sees the response of each.
 * - The policy's `attemptTimeout` does not apply, because a long answer is no failure. `firstContentTimeout` limits the
 *   wait for the headers and the first bytes, `idleTimeout` every silence after that.
 * - The accessors of a response fail with `HttpClientError` only. When a limit of the guard or a missing finish ends a
 *   body, that is a `DecodeError` with the `CircuitBreakerError` as its `cause`.
 * - The guard does not parse what `text` and `stream` return: half a JSON document is a success. Formats other than
 *   server-sent events (lines of JSON, AWS event streams) are bytes.
 * - A compressed body that the client does not decode (`node:http` and undici leave gzip to you) is judged by status
 *   and headers.
 * - A response with the body of an error is delayed for up to one second, because the guard reads the error's code.
 * - `HttpClientResponse.toWeb` is `None` for a guarded response, because its body would be read without the guard.
 *
 * **Example** (A quota code in a 429)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 * import { GuardedHttpClient } from "effect-resilience/http"
 * import { HttpClient, HttpClientResponse } from "effect/http"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify }).pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * const broke = JSON.stringify({ error: { code: "insufficient_quota" } })
 * const provider = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(broke, { status: 429 })))
 * )
 * const client = GuardedHttpClient.withCircuitBreaker(provider, { key: "openai" })
 *
 * const program = Effect.gen(function*() {
 *   const response = yield* client.get("https://api.openai.com/v1/models")
 *   const state = yield* CircuitBreaker.state("openai")
 *   return [response.status, state._tag, "lastFailureKind" in state && state.lastFailureKind]
 * }).pipe(Effect.provide(Breaker))
 *
 * await Effect.runPromise(program) // => [429, "Open", "quota_exhausted"]
 * ```
 *
 * @since 0.1.0
 */
import { Context, type Duration, Effect, Exit, Layer, Option, Scope } from "effect"
import type { Sse } from "effect/encoding"
import { dual } from "effect/Function"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import * as CircuitBreaker from "../CircuitBreaker.ts"
import type { CircuitBreakerError } from "../CircuitError.ts"
import type { Classify } from "../CircuitPolicy.ts"
import * as Evidence from "../Evidence.ts"
import { checkOptions } from "../internal/options/known.ts"
import { longestAttempt, streamLimits } from "../internal/options/streamLimits.ts"
import * as validation from "../internal/options/validation.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import type * as Outcome from "../Outcome.ts"
import type { ClassifyPart } from "../StreamSignal.ts"
import { Exchange, type Settings } from "./internal/exchange.ts"
import { keepBody } from "./internal/keptBody.ts"

/**
 * A response as `classify` and callers get it. `body` is the start of the body of an error, as text of up to 64 KiB:
 * `LlmOutcome` and `LlmRetry` find the provider's code there. It is undefined for a status below 400.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuardedResponse extends HttpClientResponse.HttpClientResponse {
  readonly body: string | undefined
}

/**
 * - `key`: the circuit of a request. Default: its origin, such as `https://api.openai.com`.
 * - `classify`: judges status and headers of every response, and the error of a request or body that fails. After a
 *   success the body still decides. Default: `LlmOutcome.classify`, and not the policy's, which may be made for other
 *   calls.
 * - `classifyBody`: judges the value that `json` read. Default: `LlmOutcome.classify`, which finds an `error` in it.
 *   `LlmOutcome.classifyBody` also finds values that are no answer of a model.
 * - `events`: judges the server-sent events of responses that have them, such as `LlmStream.openAi`.
 * - `firstContentTimeout`, `idleTimeout`, `settleProbeAt`: as in `CircuitBreaker.stream`. Without `events` every byte
 *   is content. By default the first content may take 10 minutes, because an answer in one piece comes only when it is
 *   whole.
 * - `unreadTimeout`: how long a caller may leave a body unread. After that the call is settled by its headers. The body
 *   can still be read, without the guard, but not that of an error which is longer than 64 KiB or took longer than a
 *   second. A timer keeps the process alive for that time. Default: 5 seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options
  extends Pick<CircuitBreaker.StreamOptions, "firstContentTimeout" | "idleTimeout" | "settleProbeAt">
{
  readonly key?: string | ((request: HttpClientRequest.HttpClientRequest) => string) | undefined
  readonly classify?: ((exit: Exit.Exit<GuardedResponse, unknown>) => Outcome.Outcome) | undefined
  readonly classifyBody?: Classify | undefined
  readonly events?: ClassifyPart<Sse.Event> | undefined
  readonly unreadTimeout?: Duration.Input | undefined
}

/**
 * Sends the requests of a client through circuits. Rejections, and limits that end a request before its headers, fail
 * with `CircuitBreakerError`. Throws `InvalidOptions` for a limit that is no duration.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withCircuitBreaker: {
  (options?: Options): <E, R>(
    self: HttpClient.HttpClient.With<E, R>
  ) => HttpClient.HttpClient.With<E | CircuitBreakerError, R | CircuitBreaker.CircuitBreaker>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options?: Options
  ): HttpClient.HttpClient.With<E | CircuitBreakerError, R | CircuitBreaker.CircuitBreaker>
} = dual(
  (args) => HttpClient.isHttpClient(args[0]),
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options: Options = {}
  ): HttpClient.HttpClient.With<E | CircuitBreakerError, R | CircuitBreaker.CircuitBreaker> => {
    const settings = settingsOf(options)
    return HttpClient.transform(self, (send, request) => guard(send, request, settings))
  }
)

/**
 * Fails with an `HttpClientError` for a status that is not 2xx, as `HttpClient.filterStatusOk` does, and keeps what the
 * provider said: the `response` of the error has the start of its body as `body`, up to 64 KiB and a second of waiting,
 * and its accessors give that too. With Effect's own filter the body is gone when a route judges the error, so that an
 * exhausted quota looks like any other 429.
 *
 * **Example** (A route that sees the code)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LlmOutcome } from "effect-resilience"
 * import { GuardedHttpClient } from "effect-resilience/http"
 * import { HttpClient, HttpClientResponse } from "effect/http"
 *
 * const broke = JSON.stringify({ error: { code: "insufficient_quota" } })
 * const client = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(broke, { status: 429 })))
 * ).pipe(GuardedHttpClient.filterStatusOk)
 *
 * const program = Effect.map(Effect.flip(client.get("https://api.example.com/v1")), LlmOutcome.fromError)
 *
 * const outcome = await Effect.runPromise(program)
 * outcome._tag === "OpenNow" && outcome.kind // => "quota_exhausted"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const filterStatusOk = <E, R>(
  self: HttpClient.HttpClient.With<E, R>
): HttpClient.HttpClient.With<E | HttpClientError.HttpClientError, R> =>
  HttpClient.transformResponse(
    self,
    Effect.flatMap((response) =>
      response.status >= 200 && response.status < 300
        ? Effect.succeed(response)
        : Effect.flatMap(keepBody(response), HttpClientResponse.filterStatusOk)
    )
  )

/**
 * The `HttpClient` of a program behind circuits, for libraries that take one from the context.
 *
 * What `withCircuitBreaker` fails with becomes an `HttpClientError`: a `TransportError` with the `CircuitBreakerError`
 * as its `cause`. `LlmOutcome` sees through it, and `LlmRetry` stops at a rejection; `HttpClient.retryTransient` would
 * retry it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | CircuitBreaker.CircuitBreaker> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const settings = settingsOf(options)
      const client = yield* HttpClient.HttpClient
      const breaker = yield* CircuitBreaker.CircuitBreaker
      return HttpClient.transform(client, (send, request) =>
        guard(send, request, settings).pipe(
          Effect.catchTag("CircuitBreakerError", (cause) =>
            Effect.fail(
              new HttpClientError.HttpClientError({
                reason: new HttpClientError.TransportError({
                  request: shown(request),
                  cause,
                  description: cause.message
                })
              })
            )),
          Effect.provideService(CircuitBreaker.CircuitBreaker, breaker)
        ))
    })
  )

const fields: Record<keyof Options, true> = {
  key: true,
  classify: true,
  classifyBody: true,
  events: true,
  firstContentTimeout: true,
  idleTimeout: true,
  settleProbeAt: true,
  unreadTimeout: true
}

const settingsOf = (options: Options): Settings => {
  checkOptions(options, fields)
  const { classify = LlmOutcome.classify, classifyBody = LlmOutcome.classify, events, key = originOf } = options
  if (typeof key !== "function") validation.key(key)
  validation.optionalFunction("classify", classify)
  validation.optionalFunction("classifyBody", classifyBody)
  validation.optionalFunction("events", events)
  return {
    keyOf: typeof key === "function" ? key : () => key,
    classify,
    classifyBody,
    events,
    limits: {
      ...streamLimits({
        firstContentTimeout: validation.optionalLimit("firstContentTimeout", options.firstContentTimeout),
        idleTimeout: validation.optionalLimit("idleTimeout", options.idleTimeout)
      }, longestAttempt),
      settleProbeAt: validation.settleProbeAt(options.settleProbeAt)
    },
    unreadMillis: validation.millis("unreadTimeout", options.unreadTimeout ?? "5 seconds")
  }
}

// Without the query, because it may hold a secret, and keys are in events and metrics.
const originOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), {
    onNone: () => /^\/(?![/\\])[^?#]*/.exec(request.url)?.[0] ?? "unknown",
    onSome: ({ origin }) => origin
  })

// Without the query, because the request was not sent, and errors are logged.
const shown = (request: HttpClientRequest.HttpClientRequest) =>
  HttpClientRequest.setUrl(HttpClientRequest.removeHash(request), request.url.replace(/[?#].*/s, ""))

/** What is sent: the same body again is the same request, as is an address without one. A body that streams is new. */
const contentOf = (request: HttpClientRequest.HttpClientRequest): unknown => {
  switch (request.body._tag) {
    case "Raw":
    case "Uint8Array":
      return request.body.body
    case "Empty":
      return Option.match(HttpClientRequest.toUrl(request), { onNone: () => request.url, onSome: ({ href }) => href })
    default:
      return request.body
  }
}

const guard = <E, R>(
  send: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  request: HttpClientRequest.HttpClientRequest,
  settings: Settings
): Effect.Effect<HttpClientResponse.HttpClientResponse, E | CircuitBreakerError, R | CircuitBreaker.CircuitBreaker> =>
  Effect.contextWith((context: Context.Context<R | CircuitBreaker.CircuitBreaker>) =>
    Effect.uninterruptibleMask((restore) => {
      const exchange = new Exchange(request, settings)
      const guarded = Context.get(context, CircuitBreaker.CircuitBreaker).stream(
        exchange.parts(Effect.provideContext(send, context)),
        {
          ...settings.limits,
          key: settings.keyOf(request),
          evidence: Evidence.make(() => ({ request: contentOf(request) })),
          classify: settings.classify,
          classifyPart: ({ signal }) => signal()
        }
      )
      return restore(exchange.open(guarded)).pipe(
        Effect.onError((cause) => Scope.close(exchange.scope, Exit.failCause(cause))),
        Effect.tap(exchange.handOut)
      )
    })
  )
