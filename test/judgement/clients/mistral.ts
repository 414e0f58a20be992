import { Mistral } from "@mistralai/mistralai"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { mistral as dialect } from "./dialects.ts"

const chatOf = ({ timeoutMillis, url }: Target) =>
  new Mistral({
    apiKey: "test",
    serverURL: url,
    retryConfig: { strategy: "none" },
    ...(timeoutMillis === undefined ? {} : { timeoutMs: timeoutMillis })
  }).chat

const request = { model: "m", messages: [{ role: "user" as const, content: "Hi" }] }

const optionsOf = ({ signal }: Target) => signal === undefined ? {} : { fetchOptions: { signal } }

export const mistral: Client = {
  name: "@mistralai/mistralai",
  dialect,
  // It checks every part as one of an answer, and says only that this one is none.
  except: { "a stream that fails": "Failure malformed_response" },
  once: (target) => chatOf(target).complete(request, optionsOf(target)),
  drain: async (target) => readAll(await chatOf(target).stream(request, optionsOf(target))),
  mistakes: {
    "a request of the wrong shape": (url) => chatOf({ url }).complete({ model: "m", messages: "Hi" as never }),
    "a request that is no JSON": (url) => chatOf({ url }).complete({ ...request, metadata: circularValue }),
    "a URL that is none": () => chatOf({ url: "nowhere" }).complete(request)
  }
}
