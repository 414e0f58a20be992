import Groq from "groq-sdk"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { openAi } from "./dialects.ts"

const clientOf = ({ timeoutMillis, url }: Target) =>
  new Groq({ apiKey: "test", baseURL: url, maxRetries: 0, logLevel: "off", timeout: timeoutMillis })

const chat = { model: "m", messages: [{ role: "user" as const, content: "Hi" }] }

export const groq: Client = {
  name: "groq-sdk",
  dialect: openAi,
  // It aborts with its own signal, and hides the reason of the caller's.
  except: { "AbortSignal.timeout of the caller": "Ignored cancelled" },
  once: (target) => clientOf(target).chat.completions.create(chat, { signal: target.signal }),
  drain: async (target) =>
    readAll(await clientOf(target).chat.completions.create({ ...chat, stream: true }, { signal: target.signal })),
  mistakes: {
    "no key": async () => new Groq({ apiKey: undefined }),
    "a request that is no JSON": (url) => clientOf({ url }).chat.completions.create({ ...chat, user: circularValue }),
    "a URL that is none": () => clientOf({ url: "nowhere" }).chat.completions.create(chat)
  }
}
