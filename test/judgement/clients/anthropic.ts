import Anthropic from "@anthropic-ai/sdk"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { anthropic as dialect } from "./dialects.ts"

const clientOf = ({ timeoutMillis, url }: Target) =>
  new Anthropic({ apiKey: "test", baseURL: url, maxRetries: 0, logLevel: "off", timeout: timeoutMillis })

const message = { model: "m", max_tokens: 64, messages: [{ role: "user" as const, content: "Hi" }] }

export const anthropic: Client = {
  name: "@anthropic-ai/sdk",
  dialect,
  // It aborts with its own signal, and hides the reason of the caller's.
  except: { "AbortSignal.timeout of the caller": "Ignored cancelled" },
  once: (target) => clientOf(target).messages.create(message, { signal: target.signal }),
  drain: async (target) =>
    readAll(await clientOf(target).messages.create({ ...message, stream: true }, { signal: target.signal })),
  mistakes: {
    "no key": (url) =>
      new Anthropic({ apiKey: null, authToken: null, baseURL: url, maxRetries: 0 }).messages.create(message),
    "a request that is no JSON": (url) => clientOf({ url }).messages.create({ ...message, metadata: circularValue }),
    "a URL that is none": () => clientOf({ url: "nowhere" }).messages.create(message),
    "an answer that would take too long": (url) =>
      clientOf({ url }).messages.create({ ...message, max_tokens: 10_000_000 })
  }
}
