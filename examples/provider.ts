// A provider for the examples, so that they run without a network and without a key.
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const words = (text: string) => ({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })

const script = () => {
  let calls = 0
  return ({ body, path }: ScriptedProvider.Asked): ScriptedProvider.Answer => {
    if (path.endsWith("/messages")) {
      const message = "prompt is too long: 250000 tokens > 200000 maximum"
      return ScriptedProvider.json(
        { type: "error", error: { type: "invalid_request_error", message } },
        { status: 400 }
      )
    }
    if (path.endsWith("/other")) {
      return ScriptedProvider.json({ error: { message: "slow down" } }, {
        status: 429,
        headers: { "retry-after": "30" }
      })
    }
    if (typeof body === "object" && body !== null && "stream" in body) {
      // Half an answer, and then the connection is gone.
      return ScriptedProvider.cut(ScriptedProvider.events([{ data: words("Hel") }]))
    }
    return ++calls === 1
      ? ScriptedProvider.json({ error: { message: "overloaded" } }, { status: 529 })
      : ScriptedProvider.json({ choices: [{ index: 0, message: { role: "assistant", content: "hello" } }] })
  }
}

/** Starts the provider, until the scope is closed; gives its address. */
export const provider = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
    const server = createServer(ScriptedProvider.make(script()).handler)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
).pipe(Effect.map(({ url }) => url))
