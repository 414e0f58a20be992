/**
 * An HTTP provider that answers as a script says, faults of the connection included: for tests of whatever calls it.
 *
 * `make(script).handler` is a listener for `createServer` of `node:http`, which this module does not import. An answer
 * is a list of what is done to the connection, one after the other; `json`, `text`, `events`, `cut` and their like
 * write such lists. Waits are in real time, also under `TestClock`: there is a real socket.
 *
 * **Gotchas**
 *
 * - There is no answer for a refused connection: use the port of a server that was closed.
 * - An answer that hangs ends when its client goes away. Close the server with `closeAllConnections()` first.
 *
 * @since 0.1.0
 */
import { Duration, Effect, Fiber } from "effect"

/**
 * One step of an answer: what is done to a connection.
 *
 * - `Head`: sends the status and the headers. Sent as 200 by the first `Write` or `End` where it is missing.
 * - `Write`: sends a piece of the body.
 * - `Wait`: does nothing for a while.
 * - `End`: ends the answer as HTTP wants it. Happens by itself at the end of the list.
 * - `Cut`: destroys the socket, with a reset if nothing was sent yet.
 * - `Hang`: does nothing any more.
 *
 * @category models
 * @since 0.1.0
 */
export type Action =
  | { readonly _tag: "Head"; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly _tag: "Write"; readonly chunk: string | Uint8Array }
  | { readonly _tag: "Wait"; readonly duration: Duration.Duration }
  | { readonly _tag: "End" }
  | { readonly _tag: "Cut" }
  | { readonly _tag: "Hang" }

/**
 * What is done to the connection of one request, in order.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = ReadonlyArray<Action>

/**
 * A request that was answered. `body` is parsed if it is JSON, and its text otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/**
 * What the handler needs of a `node:http` request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request extends AsyncIterable<Uint8Array | string> {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

/**
 * What the handler needs of a `node:http` response.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response {
  readonly headersSent: boolean
  readonly socket: { readonly destroy: () => unknown; readonly resetAndDestroy?: () => unknown } | null
  readonly writeHead: (status: number, headers: Record<string, string>) => unknown
  readonly flushHeaders: () => void
  readonly write: (chunk: string | Uint8Array, done: () => void) => unknown
  readonly end: () => unknown
  readonly on: (event: "close", listener: () => void) => unknown
}

/**
 * - `handler`: answers requests; give it to `createServer`.
 * - `requests`: what was asked so far, in order.
 * - `abandoned`: how many clients went away before their answer was complete.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScriptedProvider {
  readonly handler: (request: Request, response: Response) => void
  readonly requests: Effect.Effect<ReadonlyArray<Asked>>
  readonly abandoned: Effect.Effect<number>
}

/**
 * The head of an answer. Default: status 200, and the `content-type` of the body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Head {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * A piece of a stream of server-sent events: an event, whose `data` is written as JSON unless it is a text; a text that
 * goes out as it is, such as `": ping\n\n"` or garbage; or a pause.
 *
 * @category models
 * @since 0.1.0
 */
export type Part =
  | string
  | { readonly event?: string | undefined; readonly data: unknown }
  | { readonly pause: Duration.Input }

/**
 * Makes a provider from a script: a list of answers, of which the last one repeats for good, or a function that
 * chooses by what is asked.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ScriptedProvider } from "effect-resilience/testing"
 * import { createServer } from "node:http"
 *
 * const provider = ScriptedProvider.make([
 *   ScriptedProvider.json({ error: { code: "slow_down" } }, { status: 429, headers: { "retry-after": "2" } }),
 *   ScriptedProvider.cut(ScriptedProvider.events([{ data: { choices: [{ delta: { content: "Hel" } }] } }]))
 * ])
 *
 * const server = createServer(provider.handler)
 * await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)))
 * const { port } = server.address() as { readonly port: number }
 * const ask = () => fetch(`http://127.0.0.1:${port}/v1/chat`, { method: "POST", body: "{}" })
 *
 * const busy = await ask()
 * busy.headers.get("retry-after") // => "2"
 *
 * const half = await ask()
 * half.status // => 200
 * await half.text().catch((error) => error.message) // => "terminated"
 *
 * const requests = await Effect.runPromise(provider.requests)
 * requests.map(({ path }) => path) // => ["/v1/chat", "/v1/chat"]
 * server.close()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (script: ReadonlyArray<Answer> | ((asked: Asked) => Answer)): ScriptedProvider => {
  const requests: Array<Asked> = []
  let abandoned = 0
  const next = (asked: Asked): Answer =>
    typeof script === "function" ? script(asked) : script[Math.min(requests.length, script.length) - 1] ?? []
  return {
    handler: (request, response) => {
      let complete = false
      const answering = asked(request).pipe(
        Effect.flatMap((asked) => {
          requests.push(asked)
          return perform(next(asked), response)
        }),
        // A script that throws is a mistake in the test: say so, rather than hang.
        Effect.catchDefect((defect) => Effect.andThen(Effect.logError("the script failed", defect), cutOff(response))),
        Effect.ensuring(Effect.sync(() => {
          complete = true
        })),
        Effect.runFork
      )
      response.on("close", () => {
        if (complete) return
        abandoned++
        Effect.runFork(Fiber.interrupt(answering))
      })
    },
    requests: Effect.sync(() => Array.from(requests)),
    abandoned: Effect.sync(() => abandoned)
  }
}

/**
 * A JSON body.
 *
 * @category answers
 * @since 0.1.0
 */
export const json = (body: unknown, head: Head = {}): Answer =>
  text(JSON.stringify(body), { ...head, headers: { "content-type": "application/json", ...head.headers } })

/**
 * A body as it is: a page of HTML, half a JSON text, nothing at all.
 *
 * @category answers
 * @since 0.1.0
 */
export const text = (body: string | Uint8Array, head: Head = {}): Answer => [
  {
    _tag: "Head",
    status: head.status ?? 200,
    headers: { "content-type": "text/html; charset=utf-8", ...head.headers }
  },
  ...(body.length === 0 ? [] : [{ _tag: "Write", chunk: body } as const])
]

/**
 * A stream of server-sent events. It ends after the last part, finished or not: whether there is a `[DONE]` is up to
 * the parts.
 *
 * @category answers
 * @since 0.1.0
 */
export const events = (parts: ReadonlyArray<Part>, head: Head = {}): Answer => [
  { _tag: "Head", status: head.status ?? 200, headers: { "content-type": "text/event-stream", ...head.headers } },
  ...parts.map(action)
]

/**
 * Accepts the request and never answers.
 *
 * @category answers
 * @since 0.1.0
 */
export const silence: Answer = [{ _tag: "Hang" }]

/**
 * Resets the connection instead of an answer.
 *
 * @category answers
 * @since 0.1.0
 */
export const reset: Answer = [{ _tag: "Cut" }]

/**
 * The answer up to where its body ends, or only that many bytes of its body, and then a destroyed socket.
 *
 * @category combinators
 * @since 0.1.0
 */
export const cut = (answer: Answer, options: { readonly afterBytes?: number | undefined } = {}): Answer => {
  let left = options.afterBytes ?? Infinity
  const kept = answer.filter(({ _tag }) => _tag !== "End").map((action): Action => {
    if (action._tag !== "Write" || left === Infinity) return action
    const bytes = typeof action.chunk === "string" ? new TextEncoder().encode(action.chunk) : action.chunk
    const chunk = bytes.slice(0, left)
    left -= chunk.length
    return { _tag: "Write", chunk }
  })
  return [...kept, { _tag: "Cut" }]
}

/**
 * The answer up to where it ends, and then silence on an open connection.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stall = (answer: Answer): Answer => [...answer.filter(({ _tag }) => _tag !== "End"), { _tag: "Hang" }]

/**
 * The answer, begun only after a while.
 *
 * @category combinators
 * @since 0.1.0
 */
export const late = (answer: Answer, after: Duration.Input): Answer => [
  { _tag: "Wait", duration: Duration.fromInputUnsafe(after) },
  ...answer
]

const action = (part: Part): Action => {
  if (typeof part === "string") return { _tag: "Write", chunk: part }
  if ("pause" in part) return { _tag: "Wait", duration: Duration.fromInputUnsafe(part.pause) }
  const name = part.event === undefined ? "" : `event: ${part.event}\n`
  const data = typeof part.data === "string" ? part.data : JSON.stringify(part.data)
  return { _tag: "Write", chunk: `${name}data: ${data}\n\n` }
}

const asked = (request: Request): Effect.Effect<Asked> =>
  Effect.promise(async () => {
    const decoder = new TextDecoder()
    let body = ""
    for await (const chunk of request) {
      body += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true })
    }
    return {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)])
      ),
      body: parsed(body)
    }
  })

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

const perform = (answer: Answer, response: Response): Effect.Effect<void> =>
  Effect.forEach([...answer, { _tag: "End" } as const], (action) => act(action, response), { discard: true })

const act = (action: Action, response: Response): Effect.Effect<void> => {
  switch (action._tag) {
    case "Head":
      return Effect.sync(() => {
        response.writeHead(action.status, { ...action.headers })
        response.flushHeaders()
      })
    case "Write":
      return Effect.callback((resume) => {
        response.write(action.chunk, () => resume(Effect.void))
      })
    case "Wait":
      return Effect.sleep(action.duration)
    case "End":
      return Effect.sync(() => {
        response.end()
      })
    case "Cut":
      return cutOff(response)
    case "Hang":
      return Effect.never
  }
}

const cutOff = (response: Response): Effect.Effect<never> =>
  Effect.andThen(
    Effect.sync(() => {
      const { headersSent, socket } = response
      if (headersSent || socket?.resetAndDestroy === undefined) socket?.destroy()
      else socket.resetAndDestroy()
    }),
    Effect.interrupt
  )
