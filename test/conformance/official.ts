// The official clients, their own retries turned off: retries belong outside the breaker, where they are counted.
import Anthropic from "@anthropic-ai/sdk"
import { GoogleGenAI } from "@google/genai"
import { Effect, Stream } from "effect"
import OpenAI, { AzureOpenAI } from "openai"
import { abortSignal, type Call, type Client, deadlineMillis, readerOf } from "./client.ts"
import type { Provider } from "./wire.ts"

/** A stream of one of the clients, that takes its request with it when nobody wants it any more. */
const streamed = <A>(
  open: (signal: AbortSignal) => Promise<AsyncIterable<A> & { readonly controller: AbortController }>
): Stream.Stream<A, unknown> =>
  Effect.acquireRelease(
    Effect.tryPromise(open),
    (stream) => Effect.sync(() => stream.controller.abort()),
    { interruptible: true }
  ).pipe(
    Effect.map((stream) => Stream.fromAsyncIterable(stream, (error) => error)),
    Stream.unwrap
  )

const optionsOf = ({ how }: Call) => ({
  apiKey: "test",
  maxRetries: 0,
  logLevel: "off" as const,
  ...(how === "deadline" ? { timeout: deadlineMillis } : {})
})

const openAiOf = (call: Call) => {
  switch (call.provider) {
    case "azure":
      return new AzureOpenAI({
        ...optionsOf(call),
        endpoint: call.url,
        deployment: "gpt-5",
        apiVersion: "2026-05-01"
      })
    case "openrouter":
      return new OpenAI({ ...optionsOf(call), baseURL: `${call.url}/api/v1` })
    default:
      return new OpenAI({ ...optionsOf(call), baseURL: `${call.url}/v1` })
  }
}

const chat = (call: Call) => ({ model: "gpt-5", messages: [{ role: "user" as const, content: call.prompt }] })

const withAbort = (call: Call, signal: AbortSignal) => ({ signal: abortSignal(call) ?? signal })

const served: ReadonlySet<Provider> = new Set([
  "openai-chat",
  "openai-responses",
  "azure",
  "openrouter",
  "compatible"
])

const createOnce = (call: Call, options: { readonly signal: AbortSignal }): PromiseLike<unknown> =>
  call.provider === "openai-responses"
    ? openAiOf(call).responses.create({ model: "gpt-5", input: call.prompt }, options)
    : openAiOf(call).chat.completions.create(chat(call), options)

export const openai: Client = {
  name: "openai",
  serves: (provider) => served.has(provider),
  reads: "all",
  knows: () => true,
  once: (call) => Effect.tryPromise((signal) => createOnce(call, withAbort(call, signal))),
  stream: (call) =>
    call.provider === "openai-responses"
      ? streamed((signal) =>
        openAiOf(call).responses.create(
          { model: "gpt-5", input: call.prompt, stream: true },
          withAbort(call, signal)
        )
      )
      : streamed((signal) =>
        openAiOf(call).chat.completions.create({ ...chat(call), stream: true }, withAbort(call, signal))
      ),
  classifyPart: readerOf
}

const anthropicOf = (call: Call) => new Anthropic({ ...optionsOf(call), baseURL: call.url })

const message = (call: Call) => ({
  model: "claude-opus-5",
  max_tokens: 64,
  messages: [{ role: "user" as const, content: call.prompt }]
})

export const anthropic: Client = {
  name: "@anthropic-ai/sdk",
  serves: (provider) => provider === "anthropic",
  reads: "all",
  knows: () => true,
  once: (call) =>
    Effect.tryPromise((signal) => anthropicOf(call).messages.create(message(call), withAbort(call, signal))),
  stream: (call) =>
    streamed((signal) =>
      anthropicOf(call).messages.create({ ...message(call), stream: true }, withAbort(call, signal))
    ),
  classifyPart: readerOf
}

const contents = (call: Call, signal: AbortSignal) => ({
  model: "gemini-3-pro",
  contents: call.prompt,
  config: { abortSignal: withAbort(call, signal).signal }
})

const modelsOf = ({ url }: Call) =>
  new GoogleGenAI({ apiKey: "test", apiVersion: "v1beta", httpOptions: { baseUrl: url } }).models

export const google: Client = {
  name: "@google/genai",
  serves: (provider) => provider === "gemini",
  reads: "all",
  // Its deadline is an abort like any other.
  knows: (how) => how !== "deadline",
  once: (call) => Effect.tryPromise((signal) => modelsOf(call).generateContent(contents(call, signal))),
  stream: (call) =>
    Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    ).pipe(
      Effect.flatMap(({ signal }) =>
        Effect.tryPromise(() => modelsOf(call).generateContentStream(contents(call, signal)))
      ),
      Effect.map((stream) => Stream.fromAsyncIterable(stream, (error) => error)),
      Stream.unwrap
    ),
  classifyPart: readerOf
}
