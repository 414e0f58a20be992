import { ChatOpenAI } from "@langchain/openai"
import { type Client, readAll, type Target } from "./client.ts"
import { openAi } from "./dialects.ts"

const modelOf = ({ timeoutMillis, url }: Target) =>
  new ChatOpenAI({
    model: "m",
    apiKey: "test",
    maxRetries: 0,
    configuration: { baseURL: `${url}/v1`, logLevel: "off" },
    ...(timeoutMillis === undefined ? {} : { timeout: timeoutMillis })
  })

const optionsOf = ({ signal }: Target) => signal === undefined ? {} : { signal }

export const langchain: Client = {
  name: "@langchain/openai",
  dialect: openAi,
  // It aborts with its own signal, and hides the reason of the caller's.
  except: { "AbortSignal.timeout of the caller": "Ignored cancelled" },
  once: (target) => modelOf(target).invoke("Hi", optionsOf(target)),
  drain: async (target) => readAll(await modelOf(target).stream("Hi", optionsOf(target))),
  mistakes: {
    "no key": async () => new ChatOpenAI({ model: "m", apiKey: "" }).invoke("Hi"),
    "a prompt of the wrong shape": (url) => modelOf({ url }).invoke([{ role: "nobody" }] as never)
  }
}
