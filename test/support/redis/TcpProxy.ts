/** A proxy between a client and a server, that breaks the network between them on demand. */
import { Effect, type Scope } from "effect"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"

/**
 * Every effect is done when the state is in force. Faults last until `restore`.
 *
 * - `delay`: replies take so much longer, on every connection. Their order stays, and 0 ends it.
 * - `refuse`: all connections are destroyed, and new ones get ECONNREFUSED.
 * - `cut`: all connections are destroyed, and new ones work.
 * - `cutMidReply`: of the next bytes from the server, if more than one, the first half arrives. Then that connection is
 *   destroyed.
 * - `silence`: half-open TCP. Connections stay, and new ones are accepted, but no byte passes and nothing is closed,
 *   even if the server is gone.
 * - `restore`: all is well, but for the connections that were silent: those are destroyed.
 * - `connections`: how many clients are connected, as far as the proxy knows: one that leaves a silent proxy counts on.
 * - `target`: the port of the server for new connections. If nobody listens there they are accepted, and destroyed.
 */
export interface TcpProxy {
  readonly port: number
  readonly delay: (millis: number) => Effect.Effect<void>
  readonly refuse: Effect.Effect<void>
  readonly cut: Effect.Effect<void>
  readonly cutMidReply: Effect.Effect<void>
  readonly silence: Effect.Effect<void>
  readonly restore: Effect.Effect<void>
  readonly connections: () => number
  readonly target: (port: number) => Effect.Effect<void>
}

export const make = (targetPort: number): Effect.Effect<TcpProxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    let target = targetPort
    let delayMillis = 0
    let silent = false
    let cutsMidReply = false
    const clients = new Set<Socket>()
    const servers = new Set<Socket>()

    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      track(clients, client)
      if (silent) {
        client.resume()
        return
      }

      const server = connect({ host: "127.0.0.1", port: target, allowHalfOpen: true, noDelay: true })
      track(servers, server)
      client.on("data", (request) => silent || server.write(request))
      client.on("end", () => silent || server.end())
      client.on("close", () => silent || server.destroySoon())

      let replies: Promise<unknown> = Promise.resolve()
      const reply = (deliver: () => void) => {
        const due = delayMillis === 0 ? undefined : setTimeout(delayMillis)
        replies = Promise.all([replies, due]).then(() => silent || !client.writable || deliver())
      }
      const write = (bytes: Buffer) => {
        const half = Math.floor(bytes.length / 2)
        if (!cutsMidReply || half === 0) return client.write(bytes)
        cutsMidReply = false
        client.write(bytes.subarray(0, half))
        return client.destroySoon()
      }
      server.on("data", (bytes) => reply(() => write(bytes)))
      server.on("end", () => reply(() => client.end()))
      server.on("close", () => reply(() => client.destroySoon()))
    })

    const listen = (port: number) =>
      Effect.callback<void>((resume) => {
        if (listener.listening) return resume(Effect.void)
        const fail = (error: Error) => resume(Effect.die(error))
        listener.once("error", fail).listen(port, "127.0.0.1", () => {
          listener.off("error", fail)
          resume(Effect.void)
        })
      })
    const cut = Effect.promise(() => Promise.all([...clients, ...servers].map(destroy))).pipe(Effect.asVoid)
    // Its callback waits for the last connection.
    const close = Effect.callback<void>((resume) => void listener.close(() => resume(Effect.void)))
    const refuse = Effect.all([close, cut], { concurrency: "unbounded", discard: true })

    yield* Effect.acquireRelease(listen(0), () => refuse)
    const { port } = listener.address() as AddressInfo
    return {
      port,
      delay: (millis) => Effect.sync(() => void (delayMillis = millis)),
      refuse,
      cut,
      cutMidReply: Effect.sync(() => void (cutsMidReply = true)),
      silence: Effect.andThen(Effect.sync(() => silent = true), listen(port)),
      restore: Effect.suspend(() => {
        const wasSilent = silent
        silent = cutsMidReply = false
        delayMillis = 0
        return Effect.andThen(wasSilent ? cut : Effect.void, listen(port))
      }),
      connections: () => clients.size,
      target: (port) => Effect.sync(() => void (target = port))
    }
  })

const track = (sockets: Set<Socket>, socket: Socket) => {
  sockets.add(socket)
  socket.once("close", () => sockets.delete(socket))
  // What happened to a socket shows in its end.
  socket.on("error", () => {})
}

const destroy = (socket: Socket) =>
  new Promise<void>((resolve) => {
    socket.once("close", () => resolve())
    socket.destroy()
  })
