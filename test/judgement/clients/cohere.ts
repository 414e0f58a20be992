import { CohereClientV2 } from "cohere-ai"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { cohere as dialect } from "./dialects.ts"

const clientOf = ({ timeoutMillis, url }: Target) =>
  new CohereClientV2({
    token: "test",
    environment: url,
    maxRetries: 0,
    ...(timeoutMillis === undefined ? {} : { timeoutInSeconds: timeoutMillis / 1000 })
  })

const request = { model: "m", messages: [{ role: "user" as const, content: "Hi" }] }

const optionsOf = ({ signal }: Target) => signal === undefined ? {} : { abortSignal: signal }

export const cohere: Client = {
  name: "cohere-ai",
  dialect,
  once: (target) => clientOf(target).chat(request, optionsOf(target)),
  drain: async (target) =>
    readAll(
      await clientOf(target).chatStream(request, optionsOf(target)),
      (part: { readonly type: string; readonly delta?: { readonly error?: unknown } }) => {
        if (part.type === "message-end" && part.delta?.error !== undefined) throw part.delta
      }
    ),
  mistakes: {
    "a request that is no JSON": (url) => clientOf({ url }).chat({ ...request, documents: [{ data: circularValue }] }),
    "a URL that is none": () => clientOf({ url: "nowhere" }).chat(request)
  }
}
