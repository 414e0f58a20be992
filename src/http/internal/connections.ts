/** How the requests of `node:http` show which connection they use. */
import { Effect, type Scope } from "effect"
import { property } from "../../internal/untrusted/values.ts"

/** As far as it is known of a `ClientRequest`. */
interface Request {
  readonly reusedSocket: boolean
  readonly res: unknown
  readonly socket: Socket | null
  readonly host: string
  readonly agent: { readonly freeSockets: Readonly<Record<string, ReadonlyArray<Socket> | undefined>> } | undefined
  readonly once: (event: "socket", heard: (socket: Socket) => void) => void
}

interface Socket {
  readonly bytesRead: number
  readonly destroy: () => void
}

interface Channels {
  readonly subscribe: (name: string, heard: (message: unknown) => void) => void
  readonly unsubscribe: (name: string, heard: (message: unknown) => void) => void
}

// Errors of requests, by identity, because an error does not tell which connection it is of.
const resets = new WeakSet<object>()
const readBefore = new WeakMap<Request, number>()

/** Whether an error is the reset of a connection that was used before, before any byte of a response. */
export const isReset = (error: unknown): boolean => typeof error === "object" && error !== null && resets.has(error)

const created = (message: unknown) => {
  const { request } = message as { readonly request: Request }
  request.once("socket", (socket) => readBefore.set(request, socket.bytesRead))
}

const failed = (message: unknown) => {
  const { error, request } = message as { readonly error: object; readonly request: Request }
  const code = property(error, "code")
  if (!request.reusedSocket || request.res || (code !== "ECONNRESET" && code !== "EPIPE")) return
  if (request.socket !== null && request.socket.bytesRead !== readBefore.get(request)) return
  resets.add(error)
  closeIdle(request)
}

/** Closes the other idle connections to a host, so that the next request does not meet another dead one. */
const closeIdle = ({ agent, host }: Request) => {
  for (const [name, sockets] of Object.entries(agent?.freeSockets ?? {})) {
    if (name.startsWith(`${host}:`)) sockets?.forEach((socket) => socket.destroy())
  }
}

/** Learns of the resets of this process until the scope closes. Nothing where there is no `node:http`. */
export const watchConnections: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(Effect.acquireRelease(
  Effect.sync(() => {
    const channels = channelsOfNode()
    channels?.subscribe("http.client.request.created", created)
    channels?.subscribe("http.client.request.error", failed)
    return channels
  }),
  (channels) =>
    Effect.sync(() => {
      channels?.unsubscribe("http.client.request.created", created)
      channels?.unsubscribe("http.client.request.error", failed)
    })
))

// Asked of the process, so that the module can be loaded where there is no Node.
const channelsOfNode = (): Channels | undefined => {
  const { process } = globalThis as { readonly process?: { readonly getBuiltinModule?: (name: string) => unknown } }
  return process?.getBuiltinModule?.("node:diagnostics_channel") as Channels | undefined
}
