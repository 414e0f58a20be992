// `effect/ai`: a model as a provider's package makes it, with errors and parts in the common form.
import { Effect, Layer, Stream } from "effect"
import { LlmStream } from "effect-resilience"
import { AiError, LanguageModel, type Response } from "effect/ai"
import {
  FetchHttpClient,
  HttpClient,
  type HttpClientError,
  HttpClientRequest,
  type HttpClientResponse
} from "effect/http"
import { type Call, type Client, deadlineMillis, requestOf } from "./client.ts"
import { eventsOf } from "./http.ts"
import { type Mode, readAnswer } from "./wire.ts"

const errorOf = (method: string, reason: AiError.AiErrorReason) =>
  AiError.make({ module: "TestProviderClient", method, reason })

// As the packages for OpenAI and Anthropic map it: of what went wrong with a body only a description is left.
const fromHttp = (error: HttpClientError.HttpClientError) => {
  const { reason } = error
  switch (reason._tag) {
    case "TransportError":
    case "EncodeError":
    case "InvalidUrlError":
      return errorOf("request", AiError.NetworkError.fromRequestError(reason))
    default:
      return errorOf("request", new AiError.InvalidOutputError({ description: reason.description ?? "cannot be read" }))
  }
}

const fromStatus = (response: HttpClientResponse.HttpClientResponse, body: string) => {
  const { status } = response
  return errorOf(
    "request",
    AiError.reasonFromHttpStatus({
      status,
      body,
      http: { response: { status, headers: { ...response.headers } }, body },
      description: AiError.buildErrorDescription({ status, message: undefined, method: "POST", url: "/", body })
    })
  )
}

const posted = (call: Call, mode: Mode) => {
  const { body, url } = requestOf(call, mode)
  return HttpClientRequest.post(url).pipe(
    HttpClientRequest.bodyJson(body),
    Effect.orDie,
    Effect.flatMap(HttpClient.execute),
    Effect.mapError(fromHttp),
    Effect.tap((response) =>
      response.status < 400 ? Effect.void : response.text.pipe(
        Effect.mapError(fromHttp),
        Effect.flatMap((body) => Effect.fail(fromStatus(response, body)))
      )
    ),
    Effect.provide(FetchHttpClient.layer)
  )
}

const usage = { inputTokens: {}, outputTokens: {} } as const

const generateText = (call: Call) =>
  posted(call, "once").pipe(
    Effect.flatMap((response) => Effect.mapError(response.json, fromHttp)),
    Effect.flatMap((body): Effect.Effect<Array<Response.PartEncoded>, AiError.AiError> => {
      const answer = readAnswer(body)
      return answer === undefined
        ? Effect.fail(errorOf("decode", new AiError.InvalidOutputError({ description: "Missing key" })))
        : Effect.succeed([
          { type: "text", text: answer.text },
          { type: "finish", reason: reasons[answer.ended] ?? "stop", usage }
        ])
    })
  )

const streamText = (call: Call): Stream.Stream<Response.StreamPartEncoded, AiError.AiError> =>
  posted(call, "stream").pipe(
    Effect.map((response) => eventsOf(Stream.mapError(response.stream, fromHttp))),
    Stream.unwrap,
    Stream.mapError((error) =>
      AiError.isAiError(error)
        ? error
        : errorOf("stream", new AiError.InvalidOutputError({ description: "no server-sent events" }))
    ),
    Stream.mapEffect(({ data }) => partsOf(data)),
    Stream.flatMap(Stream.fromIterable)
  )

const partsOf = (data: string): Effect.Effect<ReadonlyArray<Response.StreamPartEncoded>, AiError.AiError> =>
  data === "[DONE]" ? Effect.succeed([]) : Effect.try({
    try: () => [partOf(JSON.parse(data) as Event)],
    catch: () => errorOf("stream", new AiError.InvalidOutputError({ description: "no JSON" }))
  })

interface Delta {
  readonly text?: string | undefined
  readonly stop_reason?: string | undefined
}

type Event = Partial<{
  readonly type: string
  readonly error: object
  readonly response: object
  readonly delta: string | Delta
  readonly choices: ReadonlyArray<
    { readonly delta?: { readonly content?: string }; readonly finish_reason?: string | null }
  >
  readonly candidates: ReadonlyArray<
    { readonly content?: { readonly parts?: ReadonlyArray<{ readonly text: string }> }; readonly finishReason?: string }
  >
}>

const partOf = (event: Event): Response.StreamPartEncoded => {
  if (event.error !== undefined || event.type === "error") return { type: "error", error: event }
  if (event.type === "response.failed") return { type: "error", error: event.response }
  const [choice] = event.choices ?? []
  const [candidate] = event.candidates ?? []
  const delta: Delta = typeof event.delta === "object" ? event.delta : { text: event.delta }
  const reason = choice?.finish_reason ?? candidate?.finishReason ?? delta.stop_reason ??
    /^response\.(completed|incomplete)$/.exec(event.type ?? "")?.[1]
  if (reason !== undefined) return { type: "finish", reason: reasons[reason] ?? "stop", usage }
  const text = choice?.delta?.content ?? candidate?.content?.parts?.[0]?.text ?? delta.text
  return text === undefined ? { type: "response-metadata" } : { type: "text-delta", id: "1", delta: text }
}

const reasons: Readonly<Record<string, "content-filter" | "error">> = {
  content_filter: "content-filter",
  refusal: "content-filter",
  SAFETY: "content-filter",
  incomplete: "content-filter",
  guardrail_intervened: "content-filter",
  error: "error"
}

const modelOf = (call: Call) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({ generateText: () => generateText(call), streamText: () => streamText(call) })
  )

export const effectAi: Client = {
  name: "effect/ai",
  serves: (provider, mode) => mode === "once" || provider !== "bedrock",
  reads: "all",
  knows: (how, mode) => how === "patient" || (how === "deadline" && mode === "once"),
  once: (call) => {
    const text = LanguageModel.generateText({ prompt: call.prompt }).pipe(Effect.provide(modelOf(call)))
    return call.how === "deadline" ? Effect.timeout(text, deadlineMillis) : text
  },
  stream: (call) => LanguageModel.streamText({ prompt: call.prompt }).pipe(Stream.provide(modelOf(call))),
  classifyPart: () => LlmStream.effectAi
}
