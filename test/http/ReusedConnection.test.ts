// Connections that died while they were idle, on a real server that resets each at its next use.
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import { FailoverRoute, FailoverRouter, StreamSignal, TripPolicy } from "effect-resilience"
import { GuardedHttpClient, ReusedConnection } from "effect-resilience/http"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { HttpClient, type HttpClientError, HttpClientRequest } from "effect/http"
import { createServer, type Socket } from "node:net"

type Reset = "at its next use" | "always" | "after a byte"

/** A server that answers the first request of a connection, and resets the connection at the second one. */
const server = (reset: Reset = "at its next use") =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly requests: Array<number>; readonly close: () => void }>(
      (resume) => {
        const requests: Array<number> = []
        const sockets = new Set<Socket>()
        let isWarm = false
        const listening = createServer((socket) => {
          let seen = 0
          sockets.add(socket)
          socket.on("error", () => {})
          socket.on("data", (data) => {
            if (!/\r\n\r\n/.test(String(data))) return
            requests.push(++seen)
            if (seen > 1 || (reset === "always" && isWarm)) {
              isWarm = true
              if (reset === "after a byte") socket.write("HTTP/1.1 2", () => socket.resetAndDestroy())
              else socket.resetAndDestroy()
            } else setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), 20)
          })
        })
        listening.listen(0, "127.0.0.1", () => {
          const address = listening.address()
          assert(typeof address === "object" && address !== null)
          const close = () => {
            for (const socket of sockets) socket.destroy()
            listening.close()
          }
          resume(Effect.succeed({ url: `http://127.0.0.1:${address.port}/v1`, requests, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

const Client = GuardedHttpClient.layer({ key: "model" }).pipe(
  Layer.provide(ReusedConnection.layer),
  Layer.provide(NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })),
  Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(2) }))
)

const calls = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ result }) => result)
)

const post = (url: string) => HttpClient.execute(HttpClientRequest.bodyText(HttpClientRequest.post(url), "hello"))
const text = (url: string) => Effect.flatMap(post(url), ({ text }) => text)
/** Leaves so many connections that are idle. */
const warm = (url: string, connections: number) =>
  Effect.forEach(Array.from({ length: connections }), () => text(url), { concurrency: "unbounded" })

describe("a connection that was reset while it was idle", () => {
  it.live("H: costs no call and no circuit, for as many as there are", () =>
    Effect.gen(function*() {
      const { requests, url } = yield* server()
      yield* warm(url, 4)
      const answers = yield* Effect.forEach([1, 2, 3, 4], () => text(url), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, ["ok", "ok", "ok", "ok"])
      assert.deepStrictEqual(yield* calls, Array.from({ length: 8 }, () => "success"))
      assert.include(requests, 2)
    }).pipe(Effect.scoped, Effect.provide(Client)))

  it.live("is tried again on a new connection, though others are idle", () =>
    Effect.gen(function*() {
      const { requests, url } = yield* server()
      yield* warm(url, 4)
      assert.strictEqual(yield* text(url), "ok")
      assert.deepStrictEqual(requests, [1, 1, 1, 1, 2, 1])
    }).pipe(Effect.scoped, Effect.provide(Client)))

  it.live.each(["always", "after a byte"] as const)(
    "is tried once at most, and not after a byte: %s",
    (reset) =>
      Effect.gen(function*() {
        const { requests, url } = yield* server(reset)
        yield* warm(url, 1)
        assert.strictEqual((yield* Effect.flip(text(url))).reason._tag, "TransportError")
        assert.deepStrictEqual(requests, reset === "always" ? [1, 2, 1] : [1, 2])
        assert.deepStrictEqual(yield* calls, ["success", "failure"])
      }).pipe(Effect.scoped, Effect.provide(Client))
  )

  it.live("is not tried again with a body that is a stream, or where that is turned off", () =>
    Effect.gen(function*() {
      for (const [index, ask] of [streamed, (url: string) => Effect.asVoid(once(url))].entries()) {
        const { requests, url } = yield* server()
        yield* warm(url, 1)
        yield* Effect.flip(ask(url))
        assert.deepStrictEqual(requests, [1, 2], String(index))
      }
    }).pipe(Effect.scoped, Effect.provide(Client)))
})

describe("leg.commit", () => {
  const Routed = FailoverRouter.layer({
    routes: [FailoverRoute.make("chat", { targets: ["us"] }), FailoverRoute.make("outer", { targets: ["us"] })]
  }).pipe(Layer.provideMerge(Client))
  const inner = (url: string) => FailoverRouter.execute("chat", () => text(url))

  it.live.each(
    [
      [
        "before a request",
        (url: string) => FailoverRouter.execute("chat", (_, leg) => Effect.andThen(leg.commit, text(url))),
        false
      ],
      ["before a request of a stream", (url: string) =>
        Stream.runCollect(
          FailoverRouter.stream(
            "chat",
            (_, leg) => Stream.fromEffect(Effect.andThen(leg.commit, text(url))),
            { classifyPart: StreamSignal.opaque }
          )
        ), false],
      [
        "of a route around",
        (url: string) => FailoverRouter.execute("outer", (_, leg) => Effect.andThen(leg.commit, inner(url))),
        false
      ],
      ["that was not run", (url: string) => FailoverRouter.execute("chat", (_, leg) => leg && text(url)), true],
      ["that was not asked for", inner, true]
    ] as const
  )("%s: whether there is a second try", ([, ask, isTriedAgain]) =>
    Effect.gen(function*() {
      const { requests, url } = yield* server()
      yield* warm(url, 1)
      const exit = yield* Effect.exit(
        Effect.asVoid<unknown, unknown, FailoverRouter.FailoverRouter | HttpClient.HttpClient>(ask(url))
      )
      assert.strictEqual(Exit.isSuccess(exit), isTriedAgain)
      assert.deepStrictEqual(requests, isTriedAgain ? [1, 2, 1] : [1, 2])
    }).pipe(Effect.scoped, Effect.provide(Routed)))
})

const streamed = (url: string): Effect.Effect<void, HttpClientError.HttpClientError, HttpClient.HttpClient> =>
  Effect.asVoid(HttpClient.execute(
    HttpClientRequest.bodyStream(HttpClientRequest.post(url), Stream.make(new TextEncoder().encode("hello")))
  ))
const once = (url: string) => Effect.provideService(text(url), ReusedConnection.Enabled, false)
