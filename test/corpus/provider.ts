/** A provider on a port of loopback that sends the cases, each under its id, and healthy answers. */
import { Effect, type Scope } from "effect"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { createBrotliCompress, createDeflate, createGzip } from "node:zlib"
import { type Case, written } from "./case.ts"

export interface Provider {
  readonly url: string
  /** The ids under which a healthy answer was asked for, at `/healthy/<id>`. */
  readonly healthy: ReadonlySet<string>
}

const answer = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "healthy",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }]
}
const parts = [
  { ...answer, object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: "hello" } }] },
  { ...answer, object: "chat.completion.chunk", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }
]

const well = async (request: IncomingMessage, response: ServerResponse) => {
  const body: Array<Buffer> = []
  for await (const bytes of request) body.push(bytes)
  const isStreamed = /"stream":true/.test(Buffer.concat(body).toString())
  response.writeHead(200, { "content-type": isStreamed ? "text/event-stream" : "application/json" })
  response.end(
    isStreamed
      ? parts.map((part) => `data: ${JSON.stringify(part)}\n\n`).join("") + "data: [DONE]\n\n"
      : JSON.stringify(answer)
  )
}

const encoders = { gzip: createGzip, deflate: createDeflate, br: createBrotliCompress }

/** Where the body is written to: the response, or what compresses it as its headers say. */
const bodyOf = (response: ServerResponse, encoding: unknown) => {
  if (typeof encoding !== "string" || !Object.hasOwn(encoders, encoding)) return response
  const encoder = encoders[encoding as keyof typeof encoders]()
  encoder.pipe(response)
  return encoder
}

const sendLines = async (response: ServerResponse, entry: Case, headers: Readonly<Record<string, unknown>>) => {
  const body = bodyOf(response, headers["content-encoding"])
  response.flushHeaders()
  for (const line of entry.body as ReadonlyArray<string | number>) {
    if (response.destroyed) return
    if (typeof line === "number") await new Promise((done) => setTimeout(done, line))
    else if (line !== "" && !body.write(written(line) + (line.startsWith("event:") ? "\n" : "\n\n"))) {
      await Promise.race([once(body, "drain"), once(response, "close")])
    }
  }
  body.end()
}

const send = (response: ServerResponse, entry: Case) => {
  const headers = Object.fromEntries(
    Object.entries(entry.headers ?? {}).map((
      [name, value]
    ) => [name, Array.isArray(value) ? value.map(written) : written(String(value))])
  )
  const isText = typeof entry.body === "string"
  const type = entry.form === "sse" ? "text/event-stream" : isText ? "text/plain" : "application/json"
  response.writeHead(entry.status, { "content-type": type, ...headers })
  if (entry.form === "sse") return void sendLines(response, entry, headers)
  return void bodyOf(response, headers["content-encoding"]).end(
    written(isText ? String(entry.body) : JSON.stringify(entry.body))
  )
}

/** Sends these cases at `/<id>`, and anything below, until the scope closes. */
export const serve = (cases: ReadonlyArray<Case>): Effect.Effect<Provider, never, Scope.Scope> =>
  Effect.gen(function*() {
    const byId = new Map(cases.map((entry) => [entry.id, entry]))
    const healthy = new Set<string>()
    const server = createServer((request, response) => {
      const [first = "", second = ""] = request.url!.slice(1).split("/").map(decodeURIComponent)
      if (first === "healthy") {
        healthy.add(second)
        return void well(request, response)
      }
      request.resume()
      send(response, byId.get(first)!)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, healthy }
  })
