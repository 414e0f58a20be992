import { Ollama } from "ollama"
import { circularValue, type Client, readAll, type Target } from "./client.ts"
import { ollama as dialect } from "./dialects.ts"

// It has no limit and no signal of its own: both come with the `fetch` that it is given.
const clientOf = ({ signal, timeoutMillis, url }: Target) => {
  const limit = timeoutMillis === undefined ? signal : AbortSignal.timeout(timeoutMillis)
  return new Ollama({
    host: url,
    fetch: (input, init) => fetch(input, limit === undefined ? init! : { ...init, signal: limit })
  })
}

const request = { model: "m", messages: [{ role: "user", content: "Hi" }] }

export const ollama: Client = {
  name: "ollama",
  dialect,
  // Its errors have no headers.
  except: { "limited, hint in a header": "Failure rate_limited" },
  once: (target) => clientOf(target).chat(request),
  drain: async (target) => readAll(await clientOf(target).chat({ ...request, stream: true })),
  mistakes: {
    "a request that is no JSON": (url) => clientOf({ url }).chat({ ...request, format: circularValue }),
    "a header that is none": (url) => new Ollama({ host: url, headers: { "x-name": "two\nlines" } }).chat(request)
  }
}
