/** Events for the clients that watch: a bounded queue for each, so that no client waits for another. */
import { type Cause, Effect, type Fiber, Queue, type Scope, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import * as reply from "./reply.ts"
import type { Happened } from "./snapshot.ts"

const maxClients = 100
const maxWaiting = 256
const ticksToKeepAlive = 15

type Message = Happened | "keep-alive"

interface Client {
  readonly queue: Queue.Queue<Message, Cause.Done>
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly source: object
  leaving: boolean
}

/** A client that watches. */
export interface Feed {
  readonly tell: (happened: Happened) => void
  /** Streams the events after the one with this number. */
  readonly open: (
    after: number
  ) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    reply.Refused,
    HttpServerRequest.HttpServerRequest | Scope.Scope
  >
}

export const make: Effect.Effect<Feed, never, Scope.Scope> = Effect.gen(function*() {
  const clients = new Set<Client>()
  const tell = (message: Message) => {
    for (const { queue } of clients) Queue.offerUnsafe(queue, message)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach(({ queue }) => Queue.endUnsafe(queue))))
  let ticks = 0
  yield* Effect.sync(() => {
    if (++ticks % ticksToKeepAlive === 0) tell("keep-alive")
    for (const client of clients) if (isClosing(client.source)) letGo(client)
  }).pipe(
    Effect.delay("1 second"),
    Effect.forever,
    Effect.forkScoped
  )
  const open: Feed["open"] = Effect.fnUntraced(function*(after) {
    const { source } = yield* HttpServerRequest.HttpServerRequest
    if (clients.size >= maxClients) {
      return yield* new reply.Refused({
        status: 503,
        message: `${maxClients} clients are watching already, and no more can`,
        headers: { "retry-after": "10" }
      })
    }
    const fiber = yield* Effect.withFiber((fiber) => Effect.succeed(fiber))
    const queue = yield* Queue.make<Message, Cause.Done>({ capacity: maxWaiting, strategy: "sliding" })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = { queue, fiber, source, leaving: false }
        clients.add(client)
        return client
      }),
      (client) => Effect.sync(() => clients.delete(client))
    )
    // Closes the connection after the stream, because a server that closes waits for connections that stay open.
    return HttpServerResponse.stream(Stream.concat(Stream.make(encode("retry: 1000\n\n")), parts(queue, after)), {
      contentType: "text/event-stream",
      headers: { ...reply.headers, connection: "close", "x-accel-buffering": "no" }
    })
  })
  return { tell, open }
})

const parts = (queue: Queue.Dequeue<Message, Cause.Done>, after: number): Stream.Stream<Uint8Array> => {
  let last = after
  return Stream.map(Stream.fromQueue(queue), (message) => {
    if (message === "keep-alive") return encode(": still here\n\n")
    // A gap in the numbers is what the queue has dropped, because events are numbered without gaps.
    const dropped = message.id - last - 1
    last = message.id
    return dropped === 0 ? text(message) : Uint8Array.from([...notice(dropped), ...text(message)])
  })
}

const encoder = new TextEncoder()
const encode = (text: string): Uint8Array => encoder.encode(text)

const notice = (dropped: number) => encode(`event: dropped\ndata: ${JSON.stringify({ dropped })}\n\n`)

// Encoded once for all clients.
const texts = new WeakMap<Happened, Uint8Array>()
const text = (happened: Happened): Uint8Array => {
  let written = texts.get(happened)
  if (written === undefined) {
    written = encode(`id: ${happened.id}\ndata: ${JSON.stringify(happened.event)}\n\n`)
    texts.set(happened, written)
  }
  return written
}

// Whether the server is closing. Node's server waits for its connections before it emits an event, and these never end.
const isClosing = (source: object): boolean => {
  const { socket } = source as { readonly socket?: { readonly server?: { readonly listening?: unknown } } }
  return socket?.server?.listening === false
}

// Ends a client: by the end of its queue first, and then by interruption, because a client may not be reading.
const letGo = (client: Client): void => {
  if (client.leaving) client.fiber.interruptUnsafe()
  client.leaving = true
  Queue.endUnsafe(client.queue)
}
