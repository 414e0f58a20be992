import { createAnthropic } from "@ai-sdk/anthropic"
import { createGoogleGenerativeAI } from "@ai-sdk/google"
import { createOpenAI } from "@ai-sdk/openai"
import { generateText, type LanguageModel, streamText } from "ai"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { anthropic, type Dialect, google, openAi } from "./dialects.ts"

const optionsOf = ({ signal, timeoutMillis }: Target) => ({
  prompt: "Hi",
  maxRetries: 0,
  ...(signal === undefined ? {} : { abortSignal: signal }),
  ...(timeoutMillis === undefined ? {} : { timeout: timeoutMillis })
})

const clientOf = (
  provider: string,
  dialect: Dialect,
  modelOf: (url: string) => LanguageModel,
  except: NonNullable<Client["except"]> = {}
): Client => ({
  name: `ai with ${provider}`,
  dialect,
  except,
  once: (target) => generateText({ model: modelOf(target.url), ...optionsOf(target) }),
  drain: async (target) => {
    const answer = streamText({ model: modelOf(target.url), ...optionsOf(target), onError: () => {} })
    await readAll(answer.fullStream, (part: { readonly type: string; readonly error?: unknown }) => {
      if (part.type === "error") throw part.error
    })
    return answer.text
  },
  mistakes: {
    "a message of nobody": (url) =>
      generateText({ model: modelOf(url), messages: [{ role: "nobody" as never, content: "Hi" }] }),
    "no key": () => generateText({ model: withoutKey, prompt: "Hi" }),
    "a request that is no JSON": (url) =>
      generateText({
        model: modelOf(url),
        messages: [{ role: "user", content: [{ type: "text", text: circularValue }] }],
        maxRetries: 0
      })
  }
})

const withoutKey = createOpenAI({ baseURL: "http://127.0.0.1:1" })("m")

export const aiWithOpenAi = clientOf(
  "@ai-sdk/openai",
  openAi,
  (url) => createOpenAI({ apiKey: "test", baseURL: `${url}/v1` }).chat("m")
)

export const aiWithAnthropic = clientOf(
  "@ai-sdk/anthropic",
  anthropic,
  (url) => createAnthropic({ apiKey: "test", baseURL: `${url}/v1` })("m")
)

export const aiWithGoogle = clientOf(
  "@ai-sdk/google",
  google,
  (url) => createGoogleGenerativeAI({ apiKey: "test", baseURL: `${url}/v1beta` })("m"),
  // An answer without a candidate is for it an empty one that ended for another reason.
  { "another object": "Ignored unknown" }
)
