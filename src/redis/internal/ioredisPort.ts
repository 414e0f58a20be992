/** The port on ioredis: a single server, one behind Sentinels, or a Cluster. */
import { Deferred, Effect, type Scope, Stream } from "effect"
import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from "ioredis"
import { invalid } from "../../internal/options/validation.ts"
import { property } from "../../internal/untrusted/values.ts"
import { StoreFault } from "../../RecordStore.ts"
import { fault, faultCode } from "./faultCode.ts"
import { keySlot } from "./keySlot.ts"
import type { RedisPort, Script } from "./port.ts"

export type Client = Redis | Cluster

/** Without `replyMapping`, because the port relies on the form of replies. */
export type Options = Omit<RedisOptions, "replyMapping">

export type Connect =
  | { readonly url: string; readonly options?: Options | undefined }
  | { readonly options: Options }
  | {
    readonly cluster: { readonly nodes: ReadonlyArray<ClusterNode>; readonly options?: OfCluster | undefined }
  }

export interface OfCluster extends Omit<ClusterOptions, "redisOptions"> {
  readonly redisOptions?: Omit<NonNullable<ClusterOptions["redisOptions"]>, "replyMapping"> | undefined
}

/** A client with settings that suit the port, closed with the scope. It connects in the background, again and again. */
export const connect = (to: Connect): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.flatMap(ioredis, ({ Cluster, Redis }) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const client = "cluster" in to
          ? new Cluster([...to.cluster.nodes], clusterSettings(to.cluster.options))
          : "url" in to
          ? atUrl(Redis, to.url, over(settings, to.options))
          : new Redis(over(settings, to.options))
        // Ignored here, because `run` and `subscribe` fail with them; without a listener ioredis prints them.
        return client.on("error", () => {})
      }),
      (client) => Effect.sync(() => client.disconnect())
    ))

const atUrl = (Client: typeof Redis, url: string, options: Options): Redis => {
  try {
    return new Client(url, options)
  } catch (error) {
    // The error quotes the URL, which may hold a password.
    if (property(error, "code") === "ERR_INVALID_URL") return invalid("url", "…", "a URL like redis://host:6379")
    throw error
  }
}

/** The port on a client of any kind, which its owner has to close. */
export const make = (client: Client): Effect.Effect<RedisPort> =>
  Effect.sync(() => {
    // Connects a lazy client, because `run` sends no command before it is connected.
    if (client.status === "wait") client.connect().catch(() => {})
    const run = runner(client)
    return {
      keyPrefix: `${databaseOf(client)}${String(client.options.keyPrefix ?? "")}`,
      run: (script, keys, args) =>
        Effect.suspend(() =>
          client.status === "ready"
            ? Effect.tryPromise({ try: () => run(script, keys, args), catch: fault })
            : Effect.fail(noConnection)
        ),
      isSpread: isCluster(client),
      partOf: (key) =>
        isCluster(client) ? client.slots[keySlot(`${client.options.keyPrefix ?? ""}${key}`)]?.[0] ?? "" : "",
      scan: (pattern) => scan(client, pattern),
      subscribe: (channel, onMessage) => subscribe(client, channel, onMessage)
    }
  })

// Keeps the channels of two databases apart, because Redis publishes to all databases.
const databaseOf = ({ options }: Client): string => "db" in options && options.db ? `${options.db}:` : ""

// Runs a script by its hash, and by its text where the server does not know it: at first, and after it has forgotten.
const runner = (client: Client) => {
  const taught = new Set<Script>()
  return async (script: Script, keys: ReadonlyArray<string>, args: ReadonlyArray<string>): Promise<unknown> => {
    if (taught.has(script)) {
      try {
        return await client.evalsha(script.sha1, keys.length, ...keys, ...args)
      } catch (error) {
        if (faultCode(error) !== "NOSCRIPT") throw error
      }
    }
    taught.add(script)
    return await client.eval(script.lua, keys.length, ...keys, ...args)
  }
}

const scan = (client: Client, pattern: string): Stream.Stream<string, StoreFault> => {
  const prefix = String(client.options.keyPrefix ?? "")
  const nodes = isCluster(client) ? client.nodes("master") : [client]
  return Stream.flatMap(Stream.fromIterable(nodes), (node) =>
    Stream.flattenIterable(
      Stream.fromAsyncIterable(
        node.scanStream({ match: `${prefix}${pattern}`, count: 1000 }) as AsyncIterable<ReadonlyArray<string>>,
        fault
      )
    )).pipe(Stream.map((key) => key.slice(prefix.length)))
}

const noConnection = new StoreFault({ code: "CONNECTION" })

const subscribe = Effect.fnUntraced(function*(
  client: Client,
  channel: string,
  onMessage: (message: string) => void
) {
  const lost = Deferred.makeUnsafe<never, StoreFault>()
  const lose = () => Deferred.doneUnsafe(lost, Effect.fail(noConnection))
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => subscriber(client)),
    (connection) => Effect.sync(() => connection?.disconnect())
  )
  if (connection === undefined) return yield* noConnection
  let reason: unknown
  connection.on("error", (error) => reason = error)
  connection.on("close", lose)
  connection.on("message", (_, message) => onMessage(message))
  return yield* Effect.tryPromise({
    try: async () => {
      await connection.connect()
      await connection.subscribe(channel)
    },
    // ioredis reports a server that refuses the connection (`WRONGPASS`) only by an event.
    catch: (cause) => {
      const refused = fault(cause)
      return refused.code === "CONNECTION" ? fault(reason) : refused
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: "5 seconds",
      orElse: () => Effect.fail(new StoreFault({ code: "TIMEOUT" }))
    }),
    Effect.onError(() => Effect.sync(() => connection.disconnect())),
    Effect.as(Deferred.await(lost))
  )
})

/**
 * A connection for messages only. It does not reconnect by itself, because that would hide that messages were missed.
 * In a Cluster it goes to one node: every node has all messages, and a client of the whole Cluster would silently move
 * on from a lost one.
 */
const subscriber = (client: Client): Redis | undefined => {
  const nodes = isCluster(client) ? client.nodes() : [client]
  return nodes[Math.floor(Math.random() * nodes.length)]?.duplicate({
    lazyConnect: true,
    retryStrategy: null,
    sentinelRetryStrategy: () => null
  })
}

const isCluster = (client: Client): client is Cluster => client.isCluster

const ioredis = Effect.promise(() =>
  import("ioredis").catch((cause: unknown) => {
    throw String(property(cause, "code")).endsWith("MODULE_NOT_FOUND")
      ? new Error("This store needs the package ioredis: install it with `npm install ioredis`", { cause })
      : cause
  })
)

/** Milliseconds: 50, doubling up to 1,000, shortened at random so that processes do not reconnect all at once. */
const backoff = (attempt: number): number => Math.min(1000, 50 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)

// For every connection: an operation runs now or fails, and a connection that does not answer is closed.
const nodeSettings = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  connectTimeout: 2000,
  socketTimeout: 5000,
  disconnectTimeout: 250,
  maxLoadingRetryTime: 500,
  reconnectOnError: (error: Error) => faultCode(error) === "READONLY"
} satisfies Options

const settings: Options = {
  ...nodeSettings,
  enableOfflineQueue: false,
  retryStrategy: backoff,
  sentinelCommandTimeout: 2000
}

// With a queue, because a Cluster connects to a node at its first command, which has to wait for that.
const clusterSettings = (options: OfCluster = {}) =>
  over({
    clusterRetryStrategy: backoff,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0
  }, { ...options, redisOptions: over(nodeSettings, options.redisOptions) })

// An option that is undefined keeps its default, as everywhere in ioredis.
const over = <A extends object, B extends object>(settings: A, own: B | undefined): A & B => ({
  ...settings,
  ...Object.fromEntries(Object.entries(own ?? {}).filter(([, value]) => value !== undefined)) as B
})
