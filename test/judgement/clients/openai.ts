import OpenAI from "openai"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { openAi } from "./dialects.ts"

const clientOf = ({ timeoutMillis, url }: Target) =>
  new OpenAI({ apiKey: "test", baseURL: `${url}/v1`, maxRetries: 0, logLevel: "off", timeout: timeoutMillis })

const chat = { model: "m", messages: [{ role: "user" as const, content: "Hi" }] }

export const openai: Client = {
  name: "openai",
  dialect: openAi,
  once: (target) => clientOf(target).chat.completions.create(chat, { signal: target.signal }),
  drain: async (target) =>
    readAll(await clientOf(target).chat.completions.create({ ...chat, stream: true }, { signal: target.signal })),
  mistakes: {
    "no key": async () => new OpenAI({ apiKey: undefined }),
    "a request that is no JSON": (url) =>
      clientOf({ url }).chat.completions.create({ ...chat, metadata: circularValue }),
    "a URL that is none": () => clientOf({ url: "nowhere" }).chat.completions.create(chat),
    "a header that is none": (url) =>
      clientOf({ url }).chat.completions.create(chat, { headers: { "x-name": "two\nlines" } })
  }
}
