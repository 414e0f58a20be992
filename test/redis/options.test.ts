import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Layer, Scope } from "effect"
import { type CircuitStore, RecordStore } from "effect-resilience"
import { InvalidOptions } from "effect-resilience/CircuitPolicy"
import { RedisCircuitStore } from "effect-resilience/redis"
import { Redis } from "ioredis"
import { eventually } from "../support/eventually.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { sharedServer } from "../support/redis/sharedServer.ts"
import { all, assertNoOutage, down, member, memberAt, settings, stateOf, trip, up } from "./outages/faults.ts"

const server = await sharedServer()
const { command, port, url } = server

type Store = Layer.Layer<CircuitStore.CircuitStore, unknown>

const problemOf = (store: Store) =>
  Effect.map(
    Effect.exit(Effect.scoped(Layer.build(store))),
    (exit) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  )

const tagOf = (problem: unknown) => (problem as { readonly _tag?: unknown })._tag

describe("an option that is no use", () => {
  const durations = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "soon", {}]
  const invalid: Readonly<Record<string, ReadonlyArray<unknown>>> = {
    operationTimeout: durations,
    maxStaleness: [...durations, "9 millis"],
    flushInterval: durations,
    lease: [...durations, "99 millis"],
    connectTimeout: durations,
    idleTimeToLive: durations,
    maxCircuits: [0, -1, 1.5, Number.NaN, "many"],
    prefix: ["", " ", "a b", "a{b", "a}b", "a\nb", "a".repeat(201), 7],
    url: ["", "localhost:6379", "http://localhost", 7, null]
  }

  it.live.each(Object.entries(invalid))(
    "%s ends the build with a sentence that names it",
    ([field, values]) =>
      Effect.gen(function*() {
        for (const value of values) {
          // `null` is none for most options of JavaScript, and no type allows it.
          if (value === null && field !== "url") continue
          const problem = yield* problemOf(RedisCircuitStore.layer({ url, [field]: value } as { readonly url: string }))
          assert.instanceOf(problem, InvalidOptions, `${field}: ${String(value)}`)
          assert.include(problem.message, field)
        }
        const clients = String(yield* command("CLIENT", "LIST", "TYPE", "normal")).trim().split("\n")
        assert.strictEqual(clients.length, 1, "nothing is left connected")
      })
  )

  it.live("and no way to Redis at all", () =>
    Effect.gen(function*() {
      const problem = yield* problemOf(RedisCircuitStore.layer({} as { readonly url: string }))
      assert.instanceOf(problem, InvalidOptions)
      assert.include(problem.message, "url")
    }))
})

describe("options from the environment", () => {
  const from = (env: Record<string, string>): Store =>
    Layer.provide(RedisCircuitStore.layerConfig(), ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

  it.live("are all read", () =>
    Effect.gen(function*() {
      const one = yield* member(from({
        CIRCUIT_REDIS_URL: url,
        CIRCUIT_REDIS_PREFIX: "from-env",
        CIRCUIT_REDIS_OPERATION_TIMEOUT: "250 millis",
        CIRCUIT_REDIS_CONNECT_TIMEOUT: "2 seconds",
        CIRCUIT_REDIS_MAX_STALENESS: "300 millis",
        CIRCUIT_REDIS_FLUSH_INTERVAL: "50 millis",
        CIRCUIT_REDIS_LEASE: "400 millis",
        CIRCUIT_REDIS_IDLE_TIME_TO_LIVE: "1 minute",
        CIRCUIT_REDIS_MAX_CIRCUITS: "10",
        CIRCUIT_REDIS_REQUIRE_CONNECTION: "true"
      }))
      yield* down(one, "key")
      const left = Number(yield* command("PTTL", "from-env:records:{key}"))
      assert.isTrue(left > 50_000 && left <= 60_000)
    }))

  it.live("are those of the layer where they are silent", () =>
    Effect.gen(function*() {
      const one = yield* member(from({ CIRCUIT_REDIS_URL: url }))
      yield* down(one, "from silence")
      const left = Number(yield* command("PTTL", "effect-resilience:records:{from%0020silence}"))
      assert.isTrue(left > 3_590_000 && left <= 3_600_000)
    }))

  const atLeast = (millis: number) => `a finite duration of at least ${millis} ms and at most ten years`
  const anUrl = "a URL that begins with redis:// or rediss://"
  const invalid: ReadonlyArray<readonly [setting: string, value: string, rule: string, shown: string]> = [
    ["OPERATION_TIMEOUT", "soon", atLeast(1), "\"soon\""],
    ["OPERATION_TIMEOUT", "0 millis", atLeast(1), "\"0\""],
    ["CONNECT_TIMEOUT", "at once", atLeast(1), "\"at once\""],
    ["MAX_STALENESS", "1 millis", atLeast(10), "\"1ms\""],
    ["FLUSH_INTERVAL", "-1 seconds", atLeast(1), "\"-1s\""],
    ["LEASE", "1 millis", atLeast(100), "\"1ms\""],
    ["IDLE_TIME_TO_LIVE", "Infinity", atLeast(1), "\"Infinity\""],
    ["MAX_CIRCUITS", "-1", "a whole number of 1 or more", "-1"],
    ["MAX_CIRCUITS", "many", "a whole number of 1 or more", "\"many\""],
    ["PREFIX", "a b", "1 to 200 characters without spaces and braces", "\"a b\""],
    ["REQUIRE_CONNECTION", "perhaps", "true or false", "\"perhaps\""],
    ["URL", "http://:secret@localhost", anUrl, "\"of another form\""]
  ]

  it.live.each(invalid)(
    "are a ConfigError that names CIRCUIT_REDIS_%s where it is %s",
    ([setting, value, rule, shown]) =>
      Effect.gen(function*() {
        const problem = yield* problemOf(from({ CIRCUIT_REDIS_URL: url, [`CIRCUIT_REDIS_${setting}`]: value }))
        assert.strictEqual(tagOf(problem), "ConfigError")
        assert.strictEqual(
          String(problem),
          `ConfigError(SourceError: CIRCUIT_REDIS_${setting} must be ${rule}, but is ${shown})`
        )
      })
  )

  it.live("are a ConfigError when there is no URL, and an error of its own when Redis is required and gone", () =>
    Effect.gen(function*() {
      assert.include(String(yield* problemOf(from({}))), `CIRCUIT_REDIS_URL must be ${anUrl}, but is undefined`)
      const gone = { CIRCUIT_REDIS_URL: "redis://127.0.0.1:1", CIRCUIT_REDIS_REQUIRE_CONNECTION: "true" }
      assert.instanceOf(yield* problemOf(from(gone)), RecordStore.StoreUnavailable)
    }))
})

describe("a connection", () => {
  const connected = ({ command }: RedisServer.RedisServer) =>
    Effect.map(command("CLIENT", "LIST"), (list) => String(list).trim().split("\n").length - 1)

  it.live("of the layer's own is closed with it, for commands and for messages", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(memberAt(server.port), scope)
      yield* down(one, "key")
      assert.strictEqual(yield* connected(server), 2)
      yield* Scope.close(scope, Exit.void)
      yield* eventually(Effect.map(connected(server), (count) => count === 0))
    }))

  it.live("of the user's stays open, and is as it was", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis({ port: server.port, enableOfflineQueue: false })),
        (client) => Effect.sync(() => client.disconnect())
      )
      yield* eventually(Effect.sync(() => client.status === "ready"))
      const listeners = client.eventNames().map((name) => [name, client.listenerCount(name)])
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(member(RedisCircuitStore.layer({ client, ...settings })), scope)
      yield* down(one, "key")
      assert.strictEqual(yield* connected(server), 2)
      yield* Scope.close(scope, Exit.void)
      yield* eventually(Effect.map(connected(server), (count) => count === 1))
      assert.strictEqual(yield* Effect.promise(() => client.ping()), "PONG")
      assert.deepStrictEqual(client.eventNames().map((name) => [name, client.listenerCount(name)]), listeners)
    }))
})

describe("a prefix that another library uses too", () => {
  it.live("keeps what is theirs, and ignores what they say", () =>
    Effect.gen(function*() {
      const theirs: ReadonlyArray<readonly [name: string, ...args: ReadonlyArray<string>]> = [
        ["SET", "theirs:transitions", "a key, and no channel"],
        ["SET", "theirs:key", "a string"],
        ["RPUSH", "theirs:{key}:pulse", "a list"],
        ["HSET", "theirs:{key}:", "state", "open"],
        ["HSET", "theirs:{key", "state", "open"],
        ["HSET", "theirs:{another}", "state", "open", "generation", "7"]
      ]
      for (const [name, ...args] of theirs) yield* command(name, ...args)
      const dumps = Effect.forEach(theirs, ([, key]) => command("DUMP", key!))
      const before = yield* dumps

      const prefix = "theirs"
      const [one, other] = [yield* memberAt(port, { prefix }), yield* memberAt(port, { prefix })]
      yield* up(other, "key")
      for (const message of ["", "hello", "[]", "{}", "[\"key\",\"me\"]", JSON.stringify(Array(30).fill("key"))]) {
        yield* command("PUBLISH", "theirs:transitions", message)
      }
      yield* trip(one, "key")
      yield* eventually(Effect.map(up(other, "key"), (result) => result === "CircuitOpen"))
      yield* Effect.sleep(2 * settings.maxStaleness)
      assert.deepStrictEqual(yield* dumps, before)
      yield* Effect.forEach([one, other], assertNoOutage)
    }))
})

describe("a key", () => {
  const keys = [
    " ",
    "\u0000",
    "\n",
    "a",
    "A",
    "ä",
    "%",
    "%0020",
    "{",
    "}",
    "{}",
    "{a}",
    "a}",
    "}{",
    ":",
    "a:b",
    "a:processes",
    "changes",
    "__proto__",
    "\ud83d\ude00",
    "\ud83d",
    "\ude00",
    "\ufffd",
    "\uffff",
    "x".repeat(10_000),
    "\"\\'`"
  ]

  it.live("may be of any bytes, and is the same in every process and no other", () =>
    Effect.gen(function*() {
      const prefix = "bytes"
      const [one, other] = [yield* memberAt(port, { prefix }), yield* memberAt(port, { prefix })]
      yield* all(keys.map((key) => up(other, key)))
      for (const [index, key] of keys.entries()) {
        yield* one.breaker.forceOpen(key)
        yield* eventually(Effect.map(up(other, key), (result) => result === "CircuitForcedOpen"))
        for (const later of keys.slice(index + 1)) assert.strictEqual(yield* up(other, later), "hello")
      }
      const newcomer = yield* memberAt(port, { prefix })
      const states = yield* Effect.forEach(keys, (key) => stateOf(newcomer, key))
      assert.deepStrictEqual(states, Array(keys.length).fill("ForcedOpen"))
      const records = (yield* command("KEYS", "bytes:records:{*}")) as ReadonlyArray<string>
      assert.strictEqual(records.length, keys.length)
    }))
})
