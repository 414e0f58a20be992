/** What a provider answers to a chat, in OpenAI's form. Every text tells who wrote it: "us0 us1 us2 …". */
import type { Duration } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"

/** What is asked for. */
export interface Chat {
  readonly model: string
  readonly stream: boolean
  readonly includeUsage: boolean
  /** What the caller wrote. */
  readonly prompt: string
}

export type Reply = (chat: Chat) => ScriptedProvider.Answer

const partCount = 60

const word = (name: string, index: number) => `${name}${index} `

/** The first parts of a provider's text, all of them by default. */
export const text = (name: string, parts: number = partCount): string =>
  Array.from({ length: parts }, (_, index) => word(name, index)).join("")

/** Tells the providers apart. */
export const usage = (name: string) => {
  const prompt_tokens = name.length + name.charCodeAt(0)
  return { prompt_tokens, completion_tokens: partCount, total_tokens: prompt_tokens + partCount }
}

export const filtered = "content_filter"

export interface StreamOptions {
  readonly parts?: number | undefined
  /** Before each part. */
  readonly pace?: Duration.Duration | undefined
  readonly finish?: string | undefined
  /** Of characters without a meaning, in each part. */
  readonly padding?: number | undefined
}

const chunk = (chat: Chat, name: string, rest: object): ScriptedProvider.Part => ({
  data: { id: `chatcmpl-${name}`, object: "chat.completion.chunk", created: 1_760_000_000, model: chat.model, ...rest }
})

const choice = (delta: object, finish_reason: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason }]
})

/** The role, which is not yet content. */
export const opener = (chat: Chat, name: string) => chunk(chat, name, choice({ role: "assistant", content: "" }))

/** The first parts of the text, the opener before them. */
export const beginning = (chat: Chat, name: string, { pace, padding = 0, parts = partCount }: StreamOptions = {}) => [
  opener(chat, name),
  ...Array.from({ length: parts }, (_, index) => [
    ...(pace === undefined ? [] : [{ pause: pace }]),
    chunk(chat, name, { ...choice({ content: word(name, index) }), obfuscation: "x".repeat(padding) })
  ]).flat()
]

/** A finish reason, and the usage if it is asked for. `[DONE]` is not among them. */
export const finish = (chat: Chat, name: string, reason = "stop") => [
  chunk(chat, name, choice({}, reason)),
  ...(chat.includeUsage ? [chunk(chat, name, { choices: [], usage: usage(name) })] : [])
]

export const done: ScriptedProvider.Part = { data: "[DONE]" }

/** A whole answer. */
export const whole = (name: string, options: StreamOptions = {}): Reply => (chat) => {
  const reason = options.finish ?? "stop"
  return chat.stream
    ? ScriptedProvider.events([...beginning(chat, name, options), ...finish(chat, name, reason), done])
    : ScriptedProvider.json({
      id: `chatcmpl-${name}`,
      object: "chat.completion",
      created: 1_760_000_000,
      model: chat.model,
      choices: [{
        index: 0,
        message: { role: "assistant", content: text(name, options.parts) },
        finish_reason: reason
      }],
      usage: usage(name)
    })
}

/** A stream of these parts, and no word more. */
export const stream = (parts: (chat: Chat) => ReadonlyArray<ScriptedProvider.Part>): Reply => (chat) =>
  ScriptedProvider.events(parts(chat))

/** A whole stream, with the line ends of Windows, in pieces that are cut anywhere. */
export const crumbled = (name: string): Reply => (chat) => {
  const text = [...beginning(chat, name), ...finish(chat, name), done]
    .map((part) => typeof part === "object" && "data" in part ? `data: ${JSON.stringify(part.data)}\r\n\r\n` : "")
    .join("").replace("\"[DONE]\"", "[DONE]")
  return ScriptedProvider.events(text.match(/[^]{1,50}/g) ?? [])
}

/** An error of the given status, and of the code of the provider. */
export const error =
  (status: number, code: string | null, message: string, headers: Readonly<Record<string, string>> = {}): Reply => () =>
    ScriptedProvider.json({ error: { message, type: "provider_error", param: null, code } }, { status, headers })

/** Whatever is asked for. */
export const answer = (answer: ScriptedProvider.Answer): Reply => () => answer

export const serverError = error(500, "server_error", "The server had an error while processing your request")
export const unavailable = error(503, "server_is_overloaded", "The engine is currently overloaded")
export const reset = answer(ScriptedProvider.reset)
export const silence = answer(ScriptedProvider.silence)
