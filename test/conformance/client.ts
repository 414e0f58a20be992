// What the suite wants of a client: to ask a provider once or for a stream, as a user of it would write it down.
import type { Effect, Stream } from "effect"
import { LlmStream, Outcome, StreamSignal } from "effect-resilience"
import type { Mode, Provider } from "./wire.ts"

/** How the caller behaves: patient, with a deadline in its client, or with an `AbortController` that stops it. */
export type How = "patient" | "deadline" | "abort"

export interface Call {
  readonly provider: Provider
  /** Where the provider is, without the path of its API. */
  readonly url: string
  readonly prompt: string
  readonly how: How
}

export interface Client {
  readonly name: string
  readonly serves: (provider: Provider, mode: Mode) => boolean
  /** Which bodies it reads before anybody judges: all, those of a 200, or none. */
  readonly reads: "all" | "served" | "none"
  /** Whether its caller can behave that way. */
  readonly knows: (how: How, mode: Mode) => boolean
  readonly once: (call: Call) => Effect.Effect<unknown, unknown>
  readonly stream: (call: Call) => Stream.Stream<unknown, unknown>
  readonly classifyPart: (provider: Provider) => StreamSignal.ClassifyPart<unknown>
}

/** A deadline that no answer under test keeps, and the time after which a caller loses interest. */
export const deadlineMillis = 80
export const patienceMillis = 40

export const abortSignal = ({ how }: Call): AbortSignal | undefined => {
  if (how !== "abort") return undefined
  const controller = new AbortController()
  setTimeout(() => controller.abort(), patienceMillis)
  return controller.signal
}

/** Where to ask and what, in the form of the provider. */
export const requestOf = (
  { prompt, provider, url }: Call,
  mode: Mode
): { readonly url: string; readonly body: object } => {
  const messages = [{ role: "user", content: prompt }]
  const stream = mode === "stream"
  switch (provider) {
    case "openai-responses":
      return { url: `${url}/v1/responses`, body: { model: "gpt-5", input: prompt, stream } }
    case "anthropic":
      return { url: `${url}/v1/messages`, body: { model: "claude-opus-5", max_tokens: 64, messages, stream } }
    case "gemini":
      return {
        url: `${url}/v1beta/models/gemini-3-pro:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
        body: { contents: [{ role: "user", parts: [{ text: prompt }] }] }
      }
    case "bedrock":
      return {
        url: `${url}/model/anthropic.claude-opus-5/converse${stream ? "-stream" : ""}`,
        body: { messages: [{ role: "user", content: [{ text: prompt }] }] }
      }
    case "azure":
      return {
        url: `${url}/openai/deployments/gpt-5/chat/completions?api-version=2026-05-01`,
        body: { model: "gpt-5", messages, stream }
      }
    case "openrouter":
      return { url: `${url}/api/v1/chat/completions`, body: { model: "openai/gpt-5", messages, stream } }
    default:
      return { url: `${url}/v1/chat/completions`, body: { model: "gpt-5", messages, stream } }
  }
}

/** The reader of a provider's parts: a preset, and for Bedrock what a user writes. */
export const readerOf = (provider: Provider): StreamSignal.ClassifyPart<unknown> => {
  switch (provider) {
    case "anthropic":
      return LlmStream.anthropic
    case "gemini":
      return LlmStream.gemini
    case "bedrock":
      return bedrock
    default:
      return LlmStream.openAi
  }
}

const refused = StreamSignal.finish(Outcome.ignored("content_policy"))
const finished = StreamSignal.finish(Outcome.success)

const bedrock: StreamSignal.ClassifyPart<unknown> = (part) => {
  const event = part as { readonly contentBlockDelta?: object; readonly messageStop?: { readonly stopReason: string } }
  if (event.contentBlockDelta !== undefined) return StreamSignal.content
  if (event.messageStop === undefined) return StreamSignal.alive
  return event.messageStop.stopReason === "guardrail_intervened" ? refused : finished
}
