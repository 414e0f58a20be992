// A server on a free port that speaks HTTP/1.1 and, as AWS's client wants it, HTTP/2 on plain sockets.
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { createServer } from "node:http"
import { createServer as createServer2 } from "node:http2"
import { type AddressInfo, createServer as listener, type Socket } from "node:net"

const open = (answer: ScriptedProvider.Answer) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const { handler } = ScriptedProvider.make([answer])
      const plain = createServer(handler)
      const second = createServer2((request, response) => handler(request, response as never))
      const sockets = new Set<Socket>()
      const server = listener((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.once("readable", () => {
          const head: Buffer | null = socket.read()
          if (head === null) return
          socket.unshift(head)
          const to = head.subarray(0, 3).toString() === "PRI" ? second : plain
          to.emit("connection", socket)
          if (to === plain) socket.resume()
        })
      })
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** The URL of a server that gives every request the same answer, gone with its scope. */
export const served = (answer: ScriptedProvider.Answer) => Effect.map(open(answer), ({ url }) => url)

/** A URL at which nobody listens any more. */
export const nobody = Effect.scoped(served([]))
