// One call at one target. Every failure is an error here, and the router decides which target is next.
import { Effect, Exit, Redacted, type Schema, Sink, Stream } from "effect"
import { LlmOutcome, LlmStream } from "effect-resilience"
import type { Sse } from "effect/encoding"
import { HttpClient, type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import * as Body from "./body.ts"
import type { ChatRequest } from "./chatRequest.ts"
import type { Target } from "./configuration.ts"
import * as ServerSentEvents from "./serverSentEvents.ts"
import { TargetError } from "./targetError.ts"

/** An event of a streamed answer. `value` is its data, or undefined for the `[DONE]` at the end. */
export interface Part extends Sse.Event {
  readonly value: unknown
}

type Failure = TargetError | HttpClientError.HttpClientError

/** What calls a target. */
export interface Client {
  /** The whole answer. */
  readonly complete: (request: ChatRequest) => Effect.Effect<Schema.Json, Failure, HttpClient.HttpClient>
  /** The answer part by part. */
  readonly stream: (request: ChatRequest) => Stream.Stream<Part, Failure | Sse.SseError, HttpClient.HttpClient>
}

export const make = (target: Target): Client => ({
  complete: (request) =>
    Effect.flatMap(send(target, request), (response) => json(target, response, Body.text(response))),
  stream: (request) => stream(target, request)
})

const stream = (target: Target, request: ChatRequest): ReturnType<Client["stream"]> =>
  Stream.unwrap(Effect.gen(function*() {
    const response = yield* send(target, request)
    const texts = Stream.decodeText(Body.bytes(response))
    const [head, rest] = yield* Stream.peel(Stream.dropWhile(texts, isBlank), Sink.take<string>(1))
    const body = Stream.concat(Stream.fromArray(head), rest)
    // Whatever its label says: only a document begins like that.
    if (/^\s*[{[<]/.test(head.join(""))) return yield* notStreamed(target, response, Stream.mkString(body))
    let isFinished = false
    return ServerSentEvents.read(body).pipe(
      Stream.mapEffect((event) =>
        Effect.try({
          try: (): Part => {
            const data = withoutKey(target)(event.data)
            const value: unknown = data.trim() === "[DONE]" ? undefined : JSON.parse(data)
            isFinished ||= LlmStream.openAi(value)._tag === "Finish"
            // Not the finish, because some proxies send it after an answer that was cut off.
            if (value === undefined && !isFinished) throw new TypeError("[DONE] came before a finish_reason")
            return { ...event, data, value }
          },
          catch: (cause) => Body.unreadable(response, "an event is not part of an answer", cause)
        })
      ),
      // As in one piece: it may be what comes first, and then has a status.
      Stream.mapEffect((part) =>
        reportsError(part)
          ? Effect.fail(new TargetError({ ...headOf(response), body: part.value }))
          : Effect.succeed(part)
      )
    )
  }))

const send = (target: Target, { body }: ChatRequest) =>
  HttpClientRequest.post(`${target.baseUrl.replace(/\/+$/, "")}/chat/completions`).pipe(
    bearer(target.apiKey),
    HttpClientRequest.bodyJsonUnsafe({ ...body, model: target.model }),
    HttpClient.execute,
    // Keeps the caller's trace ids from providers.
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    Effect.filterOrElse(({ status }) => status >= 200 && status < 300, refused(target))
  )

const bearer = (apiKey: Redacted.Redacted | undefined) =>
  apiKey === undefined
    ? (request: HttpClientRequest.HttpClientRequest) => request
    : HttpClientRequest.bearerToken(apiKey)

/**
 * Hides the key in what a target answers, because some targets quote a key that they refuse, and callers get the text.
 * A short key, such as the `none` of a target without keys, is no secret, and may be a word of the answer.
 */
const withoutKey = ({ apiKey }: Target) => (text: string): string => {
  const key = apiKey === undefined ? "" : Redacted.value(apiKey)
  return key.length < 12 ? text : text.replaceAll(JSON.stringify(key).slice(1, -1), "[key]")
}

const json = (
  target: Target,
  response: HttpClientResponse.HttpClientResponse,
  text: Effect.Effect<string, HttpClientError.HttpClientError>
) =>
  Effect.flatMap(text, (text) =>
    Effect.try({
      try: (): Schema.Json => JSON.parse(withoutKey(target)(text)),
      catch: (cause) => Body.unreadable(response, "the answer is not JSON", cause)
    }))

const refused = (target: Target) => (response: HttpClientResponse.HttpClientResponse) =>
  Body.text(response).pipe(
    // Ignores a body that cannot be read, because the status says enough.
    Effect.timeout("1 second"),
    Effect.orElseSucceed(() => ""),
    Effect.flatMap((text) => new TargetError({ ...headOf(response), body: parsed(withoutKey(target)(text)) }))
  )

/** The error of a body that came in place of a stream: the one that it reports, or that it is no answer. */
const notStreamed = (
  target: Target,
  response: HttpClientResponse.HttpClientResponse,
  text: Effect.Effect<string, HttpClientError.HttpClientError>
): Effect.Effect<never, Failure> =>
  Effect.flatMap(
    Effect.map(json(target, response, text), unlisted),
    (body): Effect.Effect<never, Failure> =>
      Effect.fail(
        isRefusal(body)
          ? new TargetError({ ...headOf(response), body })
          : Body.unreadable(response, "an answer in one piece where a stream was asked for")
      )
  )

/** Whether a body reports an error, whatever the status says. An error that says nothing is none. */
export const hasError = (body: unknown): body is { readonly error: object } =>
  typeof body === "object" && body !== null && "error" in body && typeof body.error === "object" &&
  Object.values(body.error ?? {}).some(Boolean)

/** Whether an event reports an error. One that only tells how its answer ended is a part of that. */
const reportsError = (part: Part): boolean =>
  LlmStream.openAi(part)._tag === "Failed" && (hasError(part.value) || !("choices" in Object(part.value)))

const isBlank = (text: string) => text.trim() === ""

/** Whether a body says that there is no answer: by an error, or by whatever else its provider has for that. */
export const isRefusal = (body: unknown): boolean => {
  if (hasError(body)) return true
  const outcome = LlmOutcome.classifyBody(Exit.succeed(body))
  return !hasChoices(body) && outcome._tag !== "Success" && outcome.kind !== "malformed_response"
}

const hasChoices = (body: unknown): boolean =>
  typeof body === "object" && body !== null && "choices" in body && Array.isArray(body.choices) &&
  body.choices.length > 0

const headOf = ({ headers, status }: HttpClientResponse.HttpClientResponse) => ({ status, headers })

// Some targets put the one error that they have into a list.
const unlisted = (body: unknown): unknown => Array.isArray(body) && body.length === 1 ? body[0] : body

const parsed = (text: string): unknown => {
  try {
    return unlisted(JSON.parse(text))
  } catch {
    return text
  }
}
