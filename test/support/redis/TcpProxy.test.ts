import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option } from "effect"
import type { Redis } from "ioredis"
import { connect, type Socket } from "node:net"
import { eventually } from "../eventually.ts"
import { connectTo } from "./connectTo.ts"
import * as RedisServer from "./RedisServer.ts"
import * as TcpProxy from "./TcpProxy.ts"

const setting = Effect.gen(function*() {
  const server = yield* RedisServer.make()
  return { server, proxy: yield* TcpProxy.make(server.port) }
})

const ping = (client: Redis) => Effect.orDie(Effect.tryPromise(() => client.ping()))

/** A bare connection; undefined, or the code of the error if there is none. */
const socketTo = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly socket: Socket; readonly code?: string }>((resume) => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed({ socket, code: error.code! })))
      socket.once("connect", () => resume(Effect.succeed({ socket })))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** All that arrives until the connection is closed. */
const everything = (socket: Socket) =>
  Effect.callback<string>((resume) => {
    let text = ""
    socket.on("data", (bytes) => text += bytes)
    socket.once("close", () => resume(Effect.succeed(text)))
  })

const stillOpen = (socket: Socket) => Effect.map(Effect.timeoutOption(everything(socket), 200), Option.isNone)
const hangs = (client: Redis) => Effect.map(Effect.timeoutOption(ping(client), 200), Option.isNone)

describe("TcpProxy", () => {
  it.live("passes what both sides say", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const client = yield* connectTo({ port: proxy.port })
      assert.strictEqual(yield* ping(client), "PONG")
      assert.strictEqual(proxy.connections(), 1)

      const long = "x".repeat(1_000_000)
      yield* Effect.promise(() => client.set("long", long))
      assert.strictEqual(yield* Effect.promise(() => client.get("long")), long)
      client.disconnect()
      yield* eventually(Effect.sync(() => proxy.connections() === 0))
    }))

  it.live("passes the end of either side", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* setting
      const { socket: leaving } = yield* socketTo(proxy.port)
      leaving.end("PING\r\n")
      assert.strictEqual(yield* everything(leaving), "+PONG\r\n")

      const { socket: left } = yield* socketTo(proxy.port)
      const rest = yield* Effect.forkChild(everything(left))
      yield* server.kill
      assert.strictEqual(yield* Fiber.join(rest), "")
      assert.strictEqual(yield* everything((yield* socketTo(proxy.port)).socket), "")
    }))

  it.live("delays replies on old and new connections, in their order", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const old = yield* connectTo({ port: proxy.port })
      yield* ping(old)
      yield* proxy.delay(150)
      for (const client of [old, yield* connectTo({ port: proxy.port })]) {
        const start = yield* Clock.currentTimeMillis
        yield* ping(client)
        assert.isAtLeast((yield* Clock.currentTimeMillis) - start, 145)
      }

      const first = old.incr("count")
      yield* Effect.sleep(50)
      yield* proxy.delay(0)
      const second = old.incr("count")
      assert.deepStrictEqual(yield* Effect.promise(() => Promise.all([first, second])), [1, 2])
    }))

  it.live("refuses connections until it is restored", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const { socket } = yield* socketTo(proxy.port)
      yield* proxy.refuse
      assert.strictEqual(proxy.connections(), 0)
      assert.strictEqual(yield* everything(socket), "")
      assert.strictEqual((yield* socketTo(proxy.port)).code, "ECONNREFUSED")
      yield* proxy.refuse
      yield* proxy.restore
      assert.strictEqual(yield* ping(yield* connectTo({ port: proxy.port })), "PONG")
    }))

  it.live("cuts the connections there are", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const { socket } = yield* socketTo(proxy.port)
      yield* proxy.cut
      assert.strictEqual(yield* everything(socket), "")
      assert.strictEqual(yield* ping(yield* connectTo({ port: proxy.port })), "PONG")
    }))

  it.live("cuts one reply in half", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const { socket } = yield* socketTo(proxy.port)
      const { socket: other } = yield* socketTo(proxy.port)
      yield* proxy.cutMidReply
      socket.write("ECHO 0123456789\r\n")
      assert.strictEqual(yield* everything(socket), "$10\r\n012")
      other.end("PING\r\n")
      assert.strictEqual(yield* everything(other), "+PONG\r\n")
    }))

  it.live("is silent on old and new connections, even if the server is gone", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* setting
      const old = yield* connectTo({ port: proxy.port })
      const { socket } = yield* socketTo(proxy.port)
      yield* ping(old)
      yield* proxy.silence
      assert.isTrue(yield* hangs(old))
      assert.isTrue(yield* hangs(yield* connectTo({ port: proxy.port })))
      yield* server.kill
      assert.isTrue(yield* stillOpen(socket))
      assert.strictEqual(proxy.connections(), 3)

      yield* server.restart
      yield* proxy.restore
      assert.strictEqual(yield* everything(socket), "")
      assert.strictEqual(proxy.connections(), 0)
      assert.strictEqual(yield* ping(yield* connectTo({ port: proxy.port })), "PONG")
    }))

  it.live("does not tell the server that a silenced client is gone", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* setting
      const client = yield* connectTo({ port: proxy.port })
      yield* Effect.promise(() => client.client("SETNAME", "silenced"))
      const isKnown = Effect.map(server.command("CLIENT", "LIST"), (list) => String(list).includes("silenced"))
      yield* proxy.silence
      client.disconnect()
      yield* Effect.sleep(100)
      assert.isTrue(yield* isKnown)
      yield* proxy.restore
      yield* eventually(Effect.map(isKnown, (known) => !known))
    }))

  it.live("drops replies that were on their way when it fell silent", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const { socket } = yield* socketTo(proxy.port)
      yield* proxy.delay(100)
      socket.write("PING\r\n")
      yield* Effect.sleep(50)
      yield* proxy.silence
      assert.isTrue(yield* stillOpen(socket))
      assert.strictEqual(socket.bytesRead, 0)
    }))

  it.live("leads new connections to another server", () =>
    Effect.gen(function*() {
      const { proxy } = yield* setting
      const other = yield* RedisServer.make()
      yield* other.command("SET", "key", "other")
      const old = yield* connectTo({ port: proxy.port })
      yield* ping(old)
      yield* proxy.target(other.port)
      assert.strictEqual(yield* Effect.promise(() => old.get("key")), null)
      const client = yield* connectTo({ port: proxy.port })
      assert.strictEqual(yield* Effect.promise(() => client.get("key")), "other")
    }))

  it.live("is gone with its scope", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const { port, socket } = yield* Effect.scoped(Effect.gen(function*() {
        const { port } = yield* TcpProxy.make(server.port)
        return { port, socket: connect(port, "127.0.0.1").on("error", () => {}) }
      }))
      assert.strictEqual(yield* everything(socket), "")
      assert.strictEqual((yield* socketTo(port)).code, "ECONNREFUSED")
    }))
})
