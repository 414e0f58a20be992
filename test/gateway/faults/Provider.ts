/** A provider compatible with OpenAI, on a port of loopback, that answers as the story says and remembers who asked. */
import { Effect, type Scope } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { createServer, type Server } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { type Chat, type Reply, whole } from "./replies.ts"
import { now } from "./storyTime.ts"

/** `at`, `leftAt`: in seconds of `now`; the latter when the one who asked went away before the answer was complete. */
export interface Request {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly leftAt: number | undefined
}

/**
 * - `requests`: what arrived so far, in order.
 * - `script`: the answers from now on, of which the last one repeats for good.
 * - `forget`: from now on the connections that there are, are reset at their next use.
 * - `resets`: how many were.
 * - `shut`: from now on connections are refused.
 */
export interface Provider {
  readonly name: string
  readonly baseUrl: string
  readonly requests: ReadonlyArray<Request>
  readonly script: (...replies: ReadonlyArray<Reply>) => void
  readonly forget: () => void
  readonly resets: () => number
  readonly shut: Effect.Effect<void>
}

export const make = (name: string): Effect.Effect<Provider, never, Scope.Scope> =>
  Effect.gen(function*() {
    let replies: ReadonlyArray<Reply> = [whole(name)]
    let answered = 0
    const requests: Array<Request> = []
    const provider = ScriptedProvider.make(({ body }) => {
      const reply = replies[Math.min(answered++, replies.length - 1)]!
      return reply(chat(body))
    })
    const connections = makeConnections()
    const server = yield* Effect.acquireRelease(listen(watched(provider, requests, connections)), close)
    const { port } = server.address() as AddressInfo
    return {
      name,
      baseUrl: `http://127.0.0.1:${port}/v1`,
      requests,
      script: (...next) => {
        replies = next
        answered = 0
      },
      forget: connections.forget,
      resets: connections.resets,
      shut: close(server)
    }
  })

/** Which connections there are, and which of them are forgotten. */
const makeConnections = () => {
  const known = new Set<Socket>()
  const forgotten = new WeakSet<Socket>()
  let resets = 0
  return {
    forget: () => known.forEach((socket) => forgotten.add(socket)),
    resets: () => resets,
    /** Whether a request came on one that is forgotten. */
    reset: (socket: Socket): boolean => {
      known.add(socket)
      if (!forgotten.has(socket)) return false
      resets++
      socket.resetAndDestroy()
      return true
    }
  }
}

/** Its server, which notes the requests. */
const watched = (
  { abandoned, handler }: ScriptedProvider.ScriptedProvider,
  requests: Array<Request>,
  connections: ReturnType<typeof makeConnections>
): Server => {
  let known = 0
  return createServer((incoming, response) => {
    if (connections.reset(incoming.socket)) return
    const index = requests.push({
      at: now(),
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      headers: incoming.headers,
      leftAt: undefined
    }) - 1
    handler(incoming, response)
    // The provider hears of the end of a response first, and has counted it by now.
    response.on("close", () => {
      const count = Effect.runSync(abandoned)
      if (count > known) requests[index] = { ...requests[index]!, leftAt: now() }
      known = count
    })
  })
}

const listen = (server: Server) =>
  Effect.callback<Server>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server))))

const close = (server: Server) =>
  Effect.callback<void>((resume) => {
    server.closeAllConnections()
    server.close(() => resume(Effect.void))
  })

const chat = (body: unknown): Chat => {
  const { messages, model, stream, stream_options } = body as {
    readonly model: string
    readonly messages?: ReadonlyArray<{ readonly content?: unknown }>
    readonly stream?: boolean
    readonly stream_options?: { readonly include_usage?: boolean }
  }
  return {
    model,
    stream: stream === true,
    includeUsage: stream_options?.include_usage === true,
    prompt: String(messages?.[0]?.content ?? "")
  }
}
