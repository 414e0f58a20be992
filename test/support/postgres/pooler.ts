/** A way to the server that loses notifications, as a pooler does that lends connections for a transaction only. */
import { Effect, type Scope } from "effect"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** The port at which it listens. It is without TLS. */
export const make = (server: number): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Socket>()
    const listener = createServer((client) => {
      const upstream = connect(server, "127.0.0.1")
      const messages = withoutNotifications()
      client.on("data", (bytes) => upstream.write(bytes))
      upstream.on("data", (bytes) => client.write(messages(bytes)))
      for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => {
          sockets.delete(socket)
          other.destroy()
        })
      }
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void listener.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.sync(() => {
          listener.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    return (listener.address() as AddressInfo).port
  })

/** A message is a letter, its length without the letter in four bytes, and the rest. `A` is a notification. */
const withoutNotifications = () => {
  let rest = Buffer.alloc(0)
  return (bytes: Buffer): Buffer => {
    rest = Buffer.concat([rest, bytes])
    const kept: Array<Buffer> = []
    while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
      const end = 1 + rest.readUInt32BE(1)
      if (rest[0] !== 0x41) kept.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    return Buffer.concat(kept)
  }
}
