import { Effect } from "effect"
import { type AddressInfo, createServer } from "node:net"

/** A loopback port that was free just now. At most 55535: the bus of a cluster's node listens 10000 above. */
export const freePort: Effect.Effect<number> = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
}).pipe(Effect.repeat({ until: (port) => port <= 55_535 }))
