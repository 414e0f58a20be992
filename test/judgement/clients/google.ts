import { GoogleGenAI } from "@google/genai"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { google as dialect } from "./dialects.ts"

const modelsOf = ({ timeoutMillis, url }: Target) =>
  new GoogleGenAI({
    apiKey: "test",
    httpOptions: { baseUrl: url, ...(timeoutMillis === undefined ? {} : { timeout: timeoutMillis }) }
  }).models

const request = ({ signal }: Partial<Target>) => ({
  model: "m",
  contents: "Hi",
  ...(signal === undefined ? {} : { config: { abortSignal: signal } })
})

export const google: Client = {
  name: "@google/genai",
  dialect,
  except: {
    // Its errors have no headers.
    "limited, hint in a header": "Failure rate_limited",
    // Its limit is an abort without a reason, and so is every signal of the caller.
    "its own limit": "Ignored cancelled",
    "AbortSignal.timeout of the caller": "Ignored cancelled"
  },
  once: (target) => modelsOf(target).generateContent(request(target)),
  drain: async (target) => readAll(await modelsOf(target).generateContentStream(request(target))),
  mistakes: {
    "no model": (url) => modelsOf({ url }).generateContent({ model: "", contents: "Hi" }),
    "a request that is no JSON": (url) =>
      modelsOf({ url }).generateContent({ model: "m", contents: "Hi", config: { responseSchema: circularValue } }),
    "a URL that is none": () => modelsOf({ url: "nowhere" }).generateContent(request({}))
  }
}
