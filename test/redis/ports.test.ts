import { NodeRedis } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Schedule } from "effect"
import type { Scope } from "effect"
import { InvalidOptions } from "effect-resilience/CircuitPolicy"
import { Cluster, Redis } from "ioredis"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as effectRedisPort from "../../src/redis/internal/effectRedisPort.ts"
import { faultCode } from "../../src/redis/internal/faultCode.ts"
import * as ioredisPort from "../../src/redis/internal/ioredisPort.ts"
import type { RedisPort } from "../../src/redis/internal/port.ts"
import { script } from "../../src/redis/internal/script.ts"
import { eventually } from "../support/eventually.ts"
import * as RedisCluster from "../support/redis/RedisCluster.ts"
import * as RedisSentinel from "../support/redis/RedisSentinel.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"

const incr = script("return redis.call('INCR', KEYS[1])")
const get = script("return redis.call('GET', KEYS[1])")
const say = script("return redis.call('PUBLISH', ARGV[1], ARGV[2])")
const ping = script("return 'PONG'")

const ready = (port: RedisPort) => eventually(Effect.as(port.run(ping, ["{ready}"], []), true))

const codeOf = <R>(self: Effect.Effect<unknown, { readonly code: string }, R>) =>
  Effect.map(Effect.flip(self), ({ code }) => code)

type OnMessage = (message: string) => void

const subscribe = (port: RedisPort, onMessage: OnMessage, channel = "channel") =>
  Effect.asVoid(port.subscribe(channel, onMessage))

const again = Schedule.spaced("20 millis")

/** What is waited for in these tests does not come: this is the patience of a busy machine. */
const atOnce = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.orDie(Effect.timeout(self, "500 millis"))

/** Everything that is heard, in order. */
const listener = () => {
  const heard: Array<string> = []
  return {
    onMessage: (message: string): void => void heard.push(message),
    hears: (...messages: ReadonlyArray<string>) =>
      Effect.andThen(
        eventually(Effect.sync(() => heard.length >= messages.length)),
        Effect.sync(() => assert.deepStrictEqual(heard, messages))
      )
  }
}

const subscribers = (server: RedisServer.RedisServer) =>
  Effect.map(server.command("CLIENT", "LIST", "TYPE", "pubsub"), (list) => String(list).split("\n").length - 1)

const clients = (server: RedisServer.RedisServer) =>
  Effect.map(server.command("CLIENT", "LIST", "TYPE", "normal"), (list) => String(list).split("\n").length - 2)

const onIoredis = (url: string, options: ioredisPort.Options = {}) =>
  Effect.flatMap(ioredisPort.connect({ url, options }), ioredisPort.make)

const onNodeRedis = (url: string) =>
  Layer.build(NodeRedis.layer({ url, disableOfflineQueue: true })).pipe(
    Effect.provide(Logger.layer([])),
    Effect.orDie,
    Effect.flatMap((services) => Effect.provide(effectRedisPort.make, services))
  )

const implementations: ReadonlyArray<{
  readonly name: string
  readonly make: (url: string) => Effect.Effect<RedisPort, never, Scope.Scope>
}> = [
  { name: "ioredis", make: onIoredis },
  { name: "Effect's Redis service", make: onNodeRedis }
]

const owned = <C extends Redis | Cluster>(make: () => C) =>
  Effect.acquireRelease(Effect.sync(make), (client) => Effect.sync(() => client.disconnect()))

// Nothing here may print, and a test that drops a rejected promise fails the whole run.
const printed: Array<unknown> = []
beforeAll(() => {
  for (const method of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, method).mockImplementation((...args) => void printed.push(args))
  }
})
afterAll(() => {
  vi.restoreAllMocks()
  assert.deepStrictEqual(printed, [])
})

describe.each(implementations)("a port on $name", ({ make }) => {
  const open = (server: RedisServer.RedisServer) => Effect.tap(make(server.url), ready)

  it.live("runs a script on a key and gives the reply as it is", () =>
    Effect.gen(function*() {
      const port = yield* open(yield* RedisServer.make())
      const nested = script("return {KEYS[1], {ARGV[1], 2, {}}, ARGV[2], false, #ARGV}")
      assert.deepStrictEqual(yield* port.run(nested, ["schlüssel"], ["ü\n", ""]), [
        "schlüssel",
        ["ü\n", 2, []],
        "",
        null,
        2
      ])
      assert.strictEqual(yield* port.run(get, ["none"], []), null)
    }))

  it.live("teaches a script to a server that does not know it, once", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* open(server)
      for (let round = 1; round <= 2; round++) {
        yield* server.command("SCRIPT", "FLUSH")
        yield* server.resetStats
        for (let call = 1; call <= 3; call++) yield* port.run(incr, ["count"], [])
        const { eval: evals = 0, "script|load": loads = 0 } = yield* server.commandstats
        assert.strictEqual(evals + loads, 1)
      }
      assert.strictEqual(yield* port.run(get, ["count"], []), "6")
    }))

  it.live("tells the server's error by its first word", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make({ config: ["busy-reply-threshold 1"] })
      const { url } = server
      yield* server.command("ACL", "SETUSER", "reader", "on", ">secret", "~mine", "&mine", "+@all")
      const port = yield* open(server)

      yield* server.command("RPUSH", "list", 1)
      assert.strictEqual(yield* codeOf(port.run(incr, ["list"], [])), "WRONGTYPE")
      const unknown = script("return redis.call('FOO', 'NOSCRIPT', 'NOPERM')")
      assert.strictEqual(yield* codeOf(port.run(unknown, ["key"], [])), "ERR")
      assert.strictEqual(yield* codeOf(port.run(script("not Lua"), ["key"], [])), "ERR")
      assert.strictEqual(yield* codeOf(port.run(script("error('NOPERM')"), ["key"], [])), "ERR")

      const reader = yield* make(url.replace("//", "//reader:secret@"))
      yield* eventually(Effect.as(reader.run(ping, ["mine"], []), true))
      assert.strictEqual(yield* codeOf(reader.run(ping, ["yours"], [])), "NOPERM")
      assert.strictEqual(yield* codeOf(reader.subscribe("yours", () => {})), "NOPERM")

      const spin = yield* Effect.forkChild(server.command("EVAL", "while true do end", 0))
      yield* eventually(Effect.map(codeOf(port.run(ping, ["key"], [])), (code) => code === "BUSY"))
      yield* server.command("SCRIPT", "KILL")
      yield* Fiber.await(spin)

      yield* server.command("CONFIG", "SET", "min-replicas-to-write", 1)
      assert.strictEqual(yield* codeOf(port.run(incr, ["key"], [])), "NOREPLICAS")
      yield* server.command("CONFIG", "SET", "min-replicas-to-write", 0)
      yield* server.command("CONFIG", "SET", "maxmemory", 1)
      assert.strictEqual(yield* codeOf(port.run(incr, ["key"], [])), "OOM")
      yield* server.command("CONFIG", "SET", "maxmemory", 0)

      yield* server.command("REPLICAOF", "127.0.0.1", 1)
      assert.strictEqual(yield* codeOf(port.run(incr, ["key"], [])), "READONLY")
      yield* server.command("CONFIG", "SET", "replica-serve-stale-data", "no")
      yield* eventually(Effect.map(codeOf(port.run(get, ["key"], [])), (code) => code === "MASTERDOWN"))
    }))

  it.live("fails at once without a connection, keeps nothing for later, and comes back with the server", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* open(server)
      yield* server.kill
      yield* Effect.sleep("20 millis")
      for (let call = 1; call <= 10; call++) {
        assert.strictEqual(yield* atOnce(codeOf(port.run(incr, ["count"], []))), "CONNECTION")
      }
      assert.strictEqual(yield* codeOf(Effect.scoped(port.subscribe("channel", () => {}))), "CONNECTION")
      yield* server.restart
      yield* ready(port)
      assert.strictEqual(yield* port.run(incr, ["count"], []), 1)
    }))

  it.live("can be interrupted at once while the server hangs", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* open(server)
      yield* server.freeze
      for (const hangs of [port.run(incr, ["count"], []), Effect.scoped(port.subscribe("channel", () => {}))]) {
        const fiber = yield* Effect.forkChild(hangs)
        yield* Effect.sleep("50 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* atOnce(Fiber.interrupt(fiber))
      }
      yield* server.thaw
      yield* ready(port)
      yield* eventually(Effect.map(subscribers(server), (count) => count === 0))
    }))

  it.live("hears the messages of its channel, until the scope closes", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* open(server)
      const one = listener()
      const other = listener()
      yield* Effect.gen(function*() {
        const lost = yield* port.subscribe("a", one.onMessage)
        yield* subscribe(port, other.onMessage, "b")
        assert.strictEqual(yield* port.run(say, ["key"], ["a", "1"]), 1)
        yield* one.hears("1")
        assert.strictEqual(yield* port.run(say, ["key"], ["b", "2"]), 1)
        assert.strictEqual(yield* port.run(say, ["key"], ["c", "3"]), 0)
        assert.strictEqual(yield* port.run(say, ["key"], ["a", ""]), 1)
        yield* one.hears("1", "")
        yield* other.hears("2")
        assert.isTrue((yield* Effect.timeoutOption(lost, "20 millis"))._tag === "None")
      }).pipe(Effect.scoped)
      yield* eventually(Effect.map(subscribers(server), (count) => count === 0))
      assert.strictEqual(yield* port.run(say, ["key"], ["b", "4"]), 0)
    }))
})

describe("a port on ioredis", () => {
  describe("loses its subscription when", () => {
    const losses: ReadonlyArray<
      readonly [
        name: string,
        lose: (server: RedisServer.RedisServer, proxy: TcpProxy.TcpProxy) => Effect.Effect<unknown, unknown>
      ]
    > = [
      ["the server is killed", (server) => server.kill],
      ["the connection is cut", (_, proxy) => proxy.cut],
      ["the server drops its listeners", (server) => server.command("CLIENT", "KILL", "TYPE", "pubsub")],
      ["the user may no longer listen", (server) => server.command("ACL", "SETUSER", "default", "resetchannels")]
    ]

    it.live.each(losses)("%s", ([, lose]) =>
      Effect.gen(function*() {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make(server.port)
        const port = yield* Effect.tap(onIoredis(`redis://127.0.0.1:${proxy.port}`), ready)
        const { hears, onMessage } = listener()
        const lost = yield* port.subscribe("channel", onMessage)
        yield* server.command("PUBLISH", "channel", "before")
        yield* hears("before")
        yield* lose(server, proxy)
        // Nobody has to be waiting for it.
        yield* Effect.sleep("50 millis")
        assert.strictEqual(yield* atOnce(codeOf(lost)), "CONNECTION")
      }))
  })

  it.live("says why it may not subscribe", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* onIoredis(server.url.replace("//", "//nobody:wrong@"))
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* codeOf(port.run(ping, ["key"], [])), "CONNECTION")
      assert.strictEqual(yield* codeOf(port.subscribe("channel", () => {})), "WRONGPASS")
    }))

  it.live("drops a connection that may not listen", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* Effect.tap(onIoredis(server.url), ready)
      yield* server.command("ACL", "SETUSER", "default", "resetchannels")
      assert.strictEqual(yield* codeOf(port.subscribe("channel", () => {})), "NOPERM")
      yield* eventually(Effect.map(clients(server), (count) => count === 1))
    }))

  it.live("says that a server loads its data", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make({
        config: ["enable-debug-command yes", "loading-process-events-interval-bytes 1024"]
      })
      const port = yield* Effect.tap(onIoredis(server.url), ready)
      yield* server.command("DEBUG", "POPULATE", 1000)
      yield* server.command("CONFIG", "SET", "key-load-delay", 500)
      const reload = yield* Effect.forkChild(server.command("DEBUG", "RELOAD"))
      yield* eventually(Effect.map(codeOf(port.run(incr, ["key"], [])), (code) => code === "LOADING"))
      yield* Fiber.join(reload)
      yield* ready(port)
    }))

  it.live("answers for an operation whose connection breaks, and does not repeat it", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const port = yield* Effect.tap(onIoredis(`redis://127.0.0.1:${proxy.port}`), ready)
      yield* port.run(incr, ["count"], [])
      yield* proxy.delay(10_000)
      const fiber = yield* Effect.forkChild(codeOf(port.run(incr, ["count"], [])))
      yield* eventually(Effect.map(server.command("GET", "count"), (count) => count === "2"))
      yield* proxy.cut
      assert.strictEqual(yield* atOnce(Fiber.join(fiber)), "CONNECTION")
      yield* proxy.delay(0)
      yield* ready(port)
      assert.strictEqual(yield* port.run(get, ["count"], []), "2")
    }))

  it.live("leaves a connection on which nothing is answered", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const port = yield* Effect.tap(onIoredis(`redis://127.0.0.1:${proxy.port}`, { socketTimeout: 200 }), ready)
      yield* proxy.silence
      yield* proxy.target(server.port)
      assert.strictEqual(yield* codeOf(port.run(ping, ["key"], [])), "CONNECTION")
      yield* proxy.restore
      yield* ready(port)
    }))

  it.live("looks for the master again when its server was demoted", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* RedisServer.make(), yield* RedisServer.make()]
      const proxy = yield* TcpProxy.make(one.port)
      const port = yield* Effect.tap(onIoredis(`redis://127.0.0.1:${proxy.port}`), ready)
      yield* one.command("REPLICAOF", "127.0.0.1", two.port)
      yield* proxy.target(two.port)
      assert.strictEqual(yield* codeOf(port.run(incr, ["count"], [])), "READONLY")
      yield* eventually(Effect.as(port.run(incr, ["count"], []), true))
      assert.strictEqual(yield* two.command("GET", "count"), "1")
    }))

  it.live("starts without a server, and finds it when it comes", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      yield* server.kill
      const port = yield* atOnce(onIoredis(server.url))
      assert.strictEqual(yield* atOnce(codeOf(port.run(ping, ["key"], []))), "CONNECTION")
      yield* Effect.sleep("300 millis")
      yield* server.restart
      yield* ready(port)
    }))

  it.live("starts without a Cluster or a Sentinel", () =>
    Effect.gen(function*() {
      const nowhere = { host: "127.0.0.1", port: 1 }
      for (const to of [{ cluster: { nodes: [nowhere] } }, { options: { name: "master", sentinels: [nowhere] } }]) {
        const port = yield* atOnce(Effect.flatMap(ioredisPort.connect(to), ioredisPort.make))
        for (let time = 1; time <= 2; time++) {
          assert.strictEqual(yield* atOnce(codeOf(port.run(ping, ["key"], []))), "CONNECTION")
          assert.strictEqual(yield* atOnce(codeOf(subscribe(port, () => {}))), "CONNECTION")
          yield* Effect.sleep("50 millis")
        }
      }
    }))

  it.live("has settings of its own, and takes a user's", () =>
    Effect.gen(function*() {
      const own = {
        maxRetriesPerRequest: 0,
        autoResendUnfulfilledCommands: false,
        connectTimeout: 2000,
        socketTimeout: 5000,
        disconnectTimeout: 250,
        maxLoadingRetryTime: 500
      }
      const { port } = yield* RedisServer.make()
      const single = yield* ioredisPort.connect({ options: { port, connectTimeout: undefined } })
      assert.deepInclude(single.options, { ...own, enableOfflineQueue: false, sentinelCommandTimeout: 2000 })
      const users = { connectTimeout: 1, retryStrategy: null, enableOfflineQueue: true }
      const other = yield* ioredisPort.connect({ options: { port, ...users } })
      assert.deepInclude(other.options, { ...own, ...users })

      const nodes = [{ port }]
      const cluster = yield* ioredisPort.connect({
        cluster: {
          nodes,
          options: { maxRedirections: 3, retryDelayOnFailover: 1, redisOptions: { connectTimeout: 1 } }
        }
      })
      assert.deepInclude(cluster.options, { maxRedirections: 3, retryDelayOnFailover: 1, retryDelayOnClusterDown: 0 })
      assert.deepInclude((cluster as Cluster).options.redisOptions, { ...own, connectTimeout: 1 })
    }))

  it.live("closes its own client with the scope", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      yield* Effect.scoped(Effect.gen(function*() {
        const port = yield* Effect.tap(onIoredis(server.url), ready)
        yield* subscribe(port, () => {})
        assert.deepStrictEqual([yield* clients(server), yield* subscribers(server)], [1, 1])
      }))
      yield* eventually(Effect.map(clients(server), (count) => count === 0))
      assert.strictEqual(yield* subscribers(server), 0)
    }))

  it.live("leaves a user's client open, uses its prefix for keys, and not for channels", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const client = yield* owned(() => new Redis({ port: server.port, keyPrefix: "app:", lazyConnect: true }))
      const { hears, onMessage } = listener()
      yield* Effect.scoped(Effect.gen(function*() {
        const port = yield* Effect.tap(ioredisPort.make(client), ready)
        yield* subscribe(port, onMessage)
        yield* port.run(incr, ["count"], [])
        yield* port.run(say, ["key"], ["channel", "hello"])
        yield* hears("hello")
      }))
      assert.strictEqual(yield* server.command("GET", "app:count"), "1")
      yield* eventually(Effect.map(subscribers(server), (count) => count === 0))
      assert.strictEqual(yield* Effect.promise(() => client.get("count")), "1")
      assert.strictEqual(client.listenerCount("error"), 0)
    }))

  it.live("puts nothing into the queue of a user's client", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const client = yield* owned(() => new Redis({ port: server.port }))
      client.on("error", () => {})
      const port = yield* Effect.tap(ioredisPort.make(client), ready)
      yield* server.kill
      yield* eventually(Effect.sync(() => client.status !== "ready"))
      for (let call = 1; call <= 3; call++) {
        assert.strictEqual(yield* atOnce(codeOf(port.run(incr, ["count"], []))), "CONNECTION")
      }
      yield* server.restart
      yield* ready(port)
      assert.strictEqual(yield* port.run(incr, ["count"], []), 1)
    }))

  it.live("works on a user's client that pipelines by itself", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const client = yield* owned(() => new Redis({ port: server.port, enableAutoPipelining: true }))
      const port = yield* Effect.tap(ioredisPort.make(client), ready)
      yield* Effect.all(Array.from({ length: 20 }, () => port.run(incr, ["count"], [])), { concurrency: "unbounded" })
      assert.strictEqual(yield* port.run(get, ["count"], []), "20")
      assert.strictEqual(yield* codeOf(port.run(script("return redis.call('FOO')"), ["count"], [])), "ERR")
    }))

  it.live("connects to a URL with a user and a password", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      yield* server.command("ACL", "SETUSER", "app", "on", ">p@ss/word", "~*", "&*", "+@all")
      yield* server.command("ACL", "SETUSER", "default", "off")
      const port = yield* Effect.tap(onIoredis(server.url.replace("//", "//app:p%40ss%2Fword@")), ready)
      const { hears, onMessage } = listener()
      yield* subscribe(port, onMessage)
      yield* port.run(say, ["key"], ["channel", "hello"])
      yield* hears("hello")
    }))

  it.live("does not tell a password in a URL that is none", () =>
    Effect.gen(function*() {
      const error = yield* ioredisPort.connect({ url: "redis://app:secret@host:99999999" }).pipe(
        Effect.catchDefect(Effect.succeed)
      )
      assert.instanceOf(error, InvalidOptions)
      assert.notInclude(JSON.stringify(error), "secret")
    }))

  it.live("speaks TLS", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make({ tls: true })
      const tls = { ca: RedisServer.certificate }
      const port = yield* Effect.tap(onIoredis(server.url, { tls }), ready)
      const { hears, onMessage } = listener()
      yield* subscribe(port, onMessage)
      yield* port.run(say, ["key"], ["channel", "hello"])
      yield* hears("hello")

      const distrustful = yield* onIoredis(server.url)
      assert.strictEqual(yield* codeOf(distrustful.subscribe("channel", () => {})), "CONNECTION")
    }))

  it("tells what to install if there is no ioredis", () => {
    const hook = `
      import { registerHooks } from "node:module"
      registerHooks({ resolve(name, context, next) {
        if (name === "ioredis") throw Object.assign(new Error("gone"), { code: "ERR_MODULE_NOT_FOUND" })
        return next(name, context)
      } })`
    const main = `
      import { Cause, Effect, Exit } from "effect"
      import * as ioredisPort from "./src/redis/internal/ioredisPort.ts"
      const exit = await Effect.runPromiseExit(Effect.scoped(ioredisPort.connect({ url: "redis://localhost" })))
      process.stdout.write(Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "connected")`
    const said = execFileSync(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, "--input-type=module", "--eval", main],
      { cwd: fileURLToPath(new URL("../..", import.meta.url)), encoding: "utf8" }
    )
    assert.include(said, "npm install ioredis")
  })
})

// Servers take a while to find together, and clients to give up.
describe.concurrent("a port on ioredis, in its own time,", () => {
  it.live("follows a failover of Sentinel", () =>
    Effect.gen(function*() {
      const { failover, name, replica, sentinels } = yield* RedisSentinel.make
      const client = yield* ioredisPort.connect({ options: { name, sentinels: [...sentinels] } })
      const port = yield* Effect.tap(ioredisPort.make(client), ready)
      const lost = yield* port.subscribe("channel", () => {})
      yield* failover
      assert.strictEqual(yield* codeOf(lost), "CONNECTION")
      yield* eventually(Effect.as(port.run(incr, ["count"], []), true))
      assert.strictEqual(yield* replica.command("GET", "count"), "1")
      const { hears, onMessage } = listener()
      yield* Effect.retry(subscribe(port, onMessage), again)
      yield* replica.command("PUBLISH", "channel", "hello")
      yield* hears("hello")
    }))

  it.live("gives up on a server that accepts a subscriber and says nothing", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const port = yield* Effect.tap(onIoredis(server.url, { socketTimeout: 60_000 }), ready)
      yield* server.freeze
      const code = codeOf(port.subscribe("channel", () => {}))
      assert.strictEqual(yield* Effect.timeout(code, "6 seconds"), "TIMEOUT")
    }))

  describe("in a Cluster", () => {
    const keys = Array.from({ length: 30 }, (_, index) => `key:${index}`)

    const open = Effect.gen(function*() {
      const cluster = yield* RedisCluster.make(3)
      const client = yield* ioredisPort.connect({ cluster: { nodes: cluster.nodes } })
      const port = yield* Effect.tap(ioredisPort.make(client), ready)
      return { cluster, client: client as Cluster, port }
    })

    it.live("runs scripts where their keys are, also when a slot moves", () =>
      Effect.gen(function*() {
        const { cluster, port } = yield* open
        const all = Effect.forEach(keys, (key) => port.run(incr, [key], []), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* all, keys.map(() => 1))
        const owners = yield* Effect.forEach(keys, cluster.slotOwner)
        assert.strictEqual(new Set(owners).size, 3)
        yield* cluster.moveSlot("key:0", (owners[0]! + 1) % 3)
        assert.deepStrictEqual(yield* all, keys.map(() => 2))
        for (const { command } of cluster.servers) yield* command("SCRIPT", "FLUSH")
        assert.deepStrictEqual(yield* all, keys.map(() => 3))
      }))

    it.live("is the whole Cluster's, where a client of one node is sent away", () =>
      Effect.gen(function*() {
        const { cluster, port } = yield* open
        const elsewhere = (yield* cluster.slotOwner("key")) === 0 ? 1 : 0
        const single = yield* onIoredis(cluster.servers[elsewhere]!.url)
        yield* eventually(Effect.map(codeOf(single.run(incr, ["key"], [])), (code) => code === "MOVED"))
        assert.strictEqual(yield* port.run(incr, ["key"], []), 1)
      }))

    it.live("leaves a user's Cluster open, uses its prefix for keys, and not for channels", () =>
      Effect.gen(function*() {
        const cluster = yield* RedisCluster.make(3)
        const client = yield* owned(() => new Cluster([...cluster.nodes], { redisOptions: { keyPrefix: "app:" } }))
        const { hears, onMessage } = listener()
        yield* Effect.scoped(Effect.gen(function*() {
          const port = yield* Effect.tap(ioredisPort.make(client), ready)
          yield* subscribe(port, onMessage)
          yield* port.run(incr, ["count"], [])
          yield* port.run(say, ["key"], ["channel", "hello"])
          yield* hears("hello")
        }))
        const owner = cluster.servers[yield* cluster.slotOwner("app:count")]!
        assert.strictEqual(yield* owner.command("GET", "app:count"), "1")
        assert.strictEqual(yield* Effect.promise(() => client.get("count")), "1")
      }))

    it.live("asks the node that a slot is moving to", () =>
      Effect.gen(function*() {
        const { cluster, port } = yield* open
        const from = yield* cluster.slotOwner("key")
        const to = (from + 1) % 3
        const [source, target] = [cluster.servers[from]!, cluster.servers[to]!]
        const slot = Number(yield* source.command("CLUSTER", "KEYSLOT", "key"))
        yield* target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", String(yield* source.command("CLUSTER", "MYID")))
        yield* source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", String(yield* target.command("CLUSTER", "MYID")))
        assert.deepStrictEqual([yield* port.run(incr, ["key"], []), yield* port.run(incr, ["key"], [])], [1, 2])
        assert.strictEqual(yield* target.command("CLUSTER", "COUNTKEYSINSLOT", slot), 1)
      }))

    it.live("hears what any node says, and notices the loss of its own", () =>
      Effect.gen(function*() {
        const { cluster, port } = yield* open
        const { hears, onMessage } = listener()
        const lost = yield* port.subscribe("channel", onMessage)
        const said: Array<string> = []
        for (const key of keys.slice(0, 6)) {
          yield* port.run(say, [key], ["channel", key])
          yield* hears(...said, key)
          said.push(key)
        }
        const listening = yield* Effect.forEach(cluster.servers, subscribers)
        assert.deepStrictEqual([...listening].sort(), [0, 0, 1])
        yield* cluster.servers[listening.indexOf(1)]!.kill
        assert.strictEqual(yield* codeOf(lost), "CONNECTION")
        yield* Effect.retry(subscribe(port, onMessage), again)
      }))

    it.live("fails soon for the keys of a node that is gone, and comes back with it", () =>
      Effect.gen(function*() {
        const { cluster, port } = yield* open
        yield* Effect.forEach(cluster.servers, ({ command }) =>
          command("CONFIG", "SET", "cluster-require-full-coverage", "no"))
        const owners = yield* Effect.forEach(keys, cluster.slotOwner)
        yield* Effect.forEach(keys, (key) =>
          port.run(incr, [key], []))
        yield* cluster.servers[owners[0]!]!.kill
        for (const [index, key] of keys.entries()) {
          const run = port.run(incr, [key], [])
          if (owners[index] === owners[0]) {
            const code = yield* atOnce(codeOf(run))
            assert.include(["CONNECTION", "CLUSTERDOWN"], code)
          } else assert.strictEqual(yield* run, 2)
        }
        yield* cluster.servers[owners[0]!]!.restart
      }))

    it.live("comes back after all nodes were gone", () =>
      Effect.gen(function*() {
        const { client, cluster, port } = yield* open
        const lost = yield* port.subscribe("channel", () => {})
        yield* Effect.forEach(cluster.servers, ({ freeze }) => freeze)
        yield* Effect.forEach(cluster.servers, ({ kill }) => kill, { concurrency: "unbounded" })
        assert.strictEqual(yield* codeOf(lost), "CONNECTION")
        yield* eventually(Effect.map(codeOf(port.run(ping, ["{ready}"], [])), (code) => code === "CONNECTION"))
        assert.strictEqual(yield* codeOf(port.subscribe("channel", () => {})), "CONNECTION")
        yield* Effect.forEach(cluster.servers, ({ restart }) => restart)
        yield* Effect.forEach(cluster.servers, ({ command }) => command("CLUSTER", "INFO"))
        yield* ready(port)
        assert.strictEqual(client.status, "ready")
      }))
  })
})

describe("the code of a fault", () => {
  it("is the first word of the server's error, and nothing else of it", () => {
    const codes: ReadonlyArray<readonly [error: unknown, code: string]> = [
      [new Error("READONLY You can't write against a read only replica."), "READONLY"],
      [new Error("ERR unknown command 'FOO', with args beginning with: 'eval' 'NOSCRIPT'"), "ERR"],
      [new Error("MOVED 3999 127.0.0.1:6381"), "MOVED"],
      [new Error("EXECABORT"), "EXECABORT"],
      [{ cause: new Error("NOPERM this user has no permissions") }, "NOPERM"],
      [{ message: "failed", cause: { message: "", cause: new Error("OOM command not allowed") } }, "OOM"],
      [new Error("connect ECONNREFUSED 127.0.0.1:6379"), "CONNECTION"],
      [new Error("Connection is closed."), "CONNECTION"],
      [new Error("The client is offline"), "CONNECTION"],
      [new Error("ENOENT: no such file"), "CONNECTION"],
      [new Error("A connection was lost"), "CONNECTION"],
      [new Error("Too many Cluster redirections. Last error: ReplyError: MOVED 1 host:1"), "CONNECTION"],
      [undefined, "CONNECTION"],
      ["READONLY", "CONNECTION"]
    ]
    for (const [error, code] of codes) assert.strictEqual(faultCode(error), code, String(error))
    const loop = new Error("loop")
    loop.cause = loop
    assert.strictEqual(faultCode(loop), "CONNECTION")
  })
})
