/**
 * One breaker for the whole fleet: circuits whose authority is a Redis server, a Cluster or a server behind Sentinels.
 *
 * Every process keeps a replica of each circuit in memory. Healthy calls are admitted and ended there, and rejections
 * are decided there, without waiting for Redis. A call waits at the first use of a key, for a failure that counts, and
 * for a probe: one round trip each, never longer than `operationTimeout`. Transitions are pushed to every process.
 * While Redis does not answer, a process is degraded: its circuits decide by themselves, and are merged when Redis is
 * back.
 *
 * **Gotchas**
 *
 * - This store lives in real time. Under `TestClock` provide `CircuitStore.layerMemory`.
 * - A shared window of more than 64 calls (or milliseconds) forgets by slots of a 64th of it, not call by call.
 * - Successes reach the windows of the fleet within `flushInterval`, and failures at once.
 * - A success that ends while a failure of another process is on its way here does not end that streak. Where many
 *   calls end within one round trip to Redis, take a longer streak or a rate.
 * - An operator's order while Redis is away holds in that process only. Of these orders only `forceOpen` is merged.
 *
 * **Example** (swapping one layer)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, LlmOutcome } from "effect-resilience"
 * import { RedisCircuitStore } from "effect-resilience/redis"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify }).pipe(
 *   Layer.provide(RedisCircuitStore.layer({ url: "redis://127.0.0.1:1" }))
 * )
 *
 * const program = Effect.succeed("hello").pipe(
 *   CircuitBreaker.execute({ key: "openai/gpt-5/eu" }),
 *   Effect.provide(Breaker)
 * )
 *
 * // Nothing listens there, and the call goes through all the same.
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @since 0.1.0
 */
import { Config, Data, type Duration, Effect, Layer, type Scope } from "effect"
import type { Redis as RedisService } from "effect/persistence/Redis"
import type { Cluster, ClusterNode, Redis } from "ioredis"
import { CircuitStore, type MemoryOptions } from "../CircuitStore.ts"
import { Initial } from "../internal/circuit/initial.ts"
import { Registry } from "../internal/circuit/registry.ts"
import { UnguardedCircuit } from "../internal/circuit/unguardedCircuit.ts"
import { wallMillis } from "../internal/clock/time.ts"
import { checkOptions } from "../internal/options/known.ts"
import { invalidAsConfigError, setting, underPrefix } from "../internal/options/settings.ts"
import { boolean, invalid, millis, positiveInt } from "../internal/options/validation.ts"
import { Authority } from "./internal/authority.ts"
import * as circuitId from "./internal/circuitId.ts"
import * as effectRedisPort from "./internal/effectRedisPort.ts"
import { Heartbeat } from "./internal/heartbeat.ts"
import * as ioredisPort from "./internal/ioredisPort.ts"
import type { RedisPort } from "./internal/port.ts"
import { readMessage } from "./internal/record.ts"
import { RedisCircuit } from "./internal/redisCircuit.ts"

/**
 * How a store behaves, whatever its client.
 *
 * - `prefix`: what every key and channel begins with. Breakers that share it share their circuits; other programs
 *   should have another. Default: `effect-resilience`.
 * - `operationTimeout`: how long an operation may take before this process is degraded. Default: 100 ms.
 * - `maxStaleness`: how old the view of a circuit in use may be when pushed messages are lost. Default: 1 second.
 * - `flushInterval`: how long successes that only a rate counts wait to be reported together. Default: 200 ms.
 * - `lease`: how long the probe slot of a process that died stays taken. It is renewed while the probe runs, up to the
 *   policy's `probeLease`. Default: 10 seconds.
 * - `idleTimeToLive`, `maxCircuits`: as in `CircuitStore.layerMemoryWith`, for the circuits of this process;
 *   `idleTimeToLive` also for the records in Redis.
 * - `connectTimeout`: how long the layer waits for Redis before the program starts without it. Default: 1 second.
 * - `requireConnection`: fail with `RedisUnavailable` instead. Default: false.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MemoryOptions {
  readonly prefix?: string | undefined
  readonly operationTimeout?: Duration.Input | undefined
  readonly maxStaleness?: Duration.Input | undefined
  readonly flushInterval?: Duration.Input | undefined
  readonly lease?: Duration.Input | undefined
  readonly connectTimeout?: Duration.Input | undefined
  readonly requireConnection?: boolean | undefined
}

/**
 * How to reach Redis, one of:
 *
 * - `url`, beginning with `redis://`, or `rediss://` for TLS, with user and password; `redisOptions` for all else.
 * - `redisOptions`: the options of ioredis, also those for Sentinels.
 * - `cluster`: some nodes of a Cluster, and the options of ioredis for it.
 * - `client`: a client of ioredis that you have already, and close yourself. Set `maxRetriesPerRequest: 0` on it, or
 *   operations that were given up may run after a reconnect, and `socketTimeout`, to notice a dead connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Connection =
  | { readonly url: string; readonly redisOptions?: ioredisPort.Options | undefined }
  | { readonly redisOptions: ioredisPort.Options }
  | {
    readonly cluster: {
      readonly nodes: ReadonlyArray<ClusterNode>
      readonly options?: ioredisPort.OfCluster | undefined
    }
  }
  | { readonly client: Redis | Cluster }

/**
 * Redis did not answer while the layer was built, and `requireConnection` is set. `error` is a code as in the
 * `store.degraded` event.
 *
 * @category errors
 * @since 0.1.0
 */
export class RedisUnavailable extends Data.TaggedError("RedisUnavailable")<{ readonly error: string }> {
  override get message(): string {
    return `Redis did not answer in time (${this.error}). ` +
      "Check the connection, or leave out requireConnection to start without it."
  }
}

/**
 * Circuits in Redis, through ioredis, which has to be installed beside this library.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  (options: Connection & Options & { readonly requireConnection: true }): Layer.Layer<CircuitStore, RedisUnavailable>
  (options: Connection & Options & { readonly requireConnection?: false | undefined }): Layer.Layer<CircuitStore>
  (options: Connection & Options): Layer.Layer<CircuitStore, RedisUnavailable>
} = (options: Connection & Options) =>
  Layer.effect(CircuitStore, make(connect(options), options, connectionFields)) as Layer.Layer<CircuitStore>

/**
 * Circuits in Redis, through Effect's own `Redis` service, such as `NodeRedis.layer` of `@effect/platform-node`. Set
 * `disableOfflineQueue: true` on its client, or operations that were given up run after a reconnect. Such a client
 * reconnects its subscriptions silently, so a process may miss a transition for `maxStaleness`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRedis: {
  (
    options: Options & { readonly requireConnection: true }
  ): Layer.Layer<CircuitStore, RedisUnavailable, RedisService>
  (
    options?: Options & { readonly requireConnection?: false | undefined }
  ): Layer.Layer<CircuitStore, never, RedisService>
  (options: Options): Layer.Layer<CircuitStore, RedisUnavailable, RedisService>
} = (options: Options = {}) =>
  Layer.effect(CircuitStore, make(effectRedisPort.make, options, fields)) as Layer.Layer<
    CircuitStore,
    never,
    RedisService
  >

/**
 * Reads the options of a store from settings under a prefix; a setting that is absent keeps its default. One that
 * breaks its rule is a `ConfigError` that names its variable, the rule and the value, but for the URL, which can be a
 * secret.
 *
 * | setting | field |
 * | --- | --- |
 * | `CIRCUIT_REDIS_URL` | `url` |
 * | `CIRCUIT_REDIS_PREFIX` | `prefix` |
 * | `CIRCUIT_REDIS_OPERATION_TIMEOUT`, `CIRCUIT_REDIS_CONNECT_TIMEOUT` | `operationTimeout`, `connectTimeout` |
 * | `CIRCUIT_REDIS_MAX_STALENESS`, `CIRCUIT_REDIS_FLUSH_INTERVAL` | `maxStaleness`, `flushInterval` |
 * | `CIRCUIT_REDIS_LEASE`, `CIRCUIT_REDIS_IDLE_TIME_TO_LIVE` | `lease`, `idleTimeToLive` |
 * | `CIRCUIT_REDIS_MAX_CIRCUITS`, `CIRCUIT_REDIS_REQUIRE_CONNECTION` | `maxCircuits`, `requireConnection` |
 *
 * @category constructors
 * @since 0.1.0
 */
export const config = (prefix = "CIRCUIT_REDIS"): Config.Config<{ readonly url: string } & Options> =>
  underPrefix(
    prefix,
    Config.all({
      url: setting(Config.String, "URL"),
      prefix: setting(Config.String, "PREFIX"),
      operationTimeout: setting(Config.Duration, "OPERATION_TIMEOUT"),
      connectTimeout: setting(Config.Duration, "CONNECT_TIMEOUT"),
      maxStaleness: setting(Config.Duration, "MAX_STALENESS"),
      flushInterval: setting(Config.Duration, "FLUSH_INTERVAL"),
      lease: setting(Config.Duration, "LEASE"),
      idleTimeToLive: setting(Config.Duration, "IDLE_TIME_TO_LIVE"),
      maxCircuits: setting(Config.Number, "MAX_CIRCUITS"),
      requireConnection: setting(Config.Boolean, "REQUIRE_CONNECTION")
    }),
    ({ url, ...options }) => {
      read(options)
      return { url: urlOf(url), ...options }
    }
  )

/**
 * Circuits in the Redis that the environment names: see `config` for the settings. An invalid one is a `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Config<Connection & Options> = config()
): Layer.Layer<CircuitStore, Config.ConfigError | RedisUnavailable> =>
  Layer.effect(
    CircuitStore,
    Effect.flatMap(options, (options) => invalidAsConfigError(make(connect(options), options, connectionFields)))
  )

const fields: Record<keyof Options, true> = {
  prefix: true,
  operationTimeout: true,
  maxStaleness: true,
  flushInterval: true,
  lease: true,
  idleTimeToLive: true,
  maxCircuits: true,
  connectTimeout: true,
  requireConnection: true
}

const connectionFields = { url: true, redisOptions: true, cluster: true, client: true, ...fields } as const

const connect = (connection: Connection): Effect.Effect<RedisPort, never, Scope.Scope> =>
  Effect.suspend(() => {
    if ("client" in connection) return ioredisPort.make(connection.client)
    const client = ioredisPort.connect(
      "cluster" in connection
        ? { cluster: connection.cluster }
        : "url" in connection
        ? { url: urlOf(connection.url), options: connection.redisOptions }
        : "redisOptions" in connection
        ? { options: connection.redisOptions }
        : invalid("url", undefined, "given, or redisOptions, cluster or client in its place")
    )
    return Effect.flatMap(client, ioredisPort.make)
  })

const urlOf = (url: unknown): string =>
  typeof url === "string" && /^rediss?:\/\/./.test(url)
    ? url
    : invalid("url", url === undefined ? url : "of another form", "a URL that begins with redis:// or rediss://")

const make = Effect.fnUntraced(function*<R>(
  port: Effect.Effect<RedisPort, never, R>,
  options: Options,
  known: Record<keyof Options, true>
) {
  checkOptions(options, known)
  const settings = read(options)
  const opened = yield* port
  const authority = yield* Authority.make(opened, settings)
  const heartbeat = new Heartbeat(authority, opened, () => registry.values(), (message) => {
    const published = readMessage(message, authority.now())
    if (published !== undefined && published.owner !== authority.owner) {
      registry.peek(circuitId.decode(published.id))?.learn(published.read)
    }
  })
  // In microseconds, as generations of Redis are, and seldom equal in two processes.
  const initial = new Initial(wallMillis(authority.clock) * 1000 + Math.ceil(Math.random() * 1000))
  const registry = new Registry<RedisCircuit>(
    {
      make: (key, policy) => {
        authority.use()
        return new RedisCircuit(key, policy, authority, heartbeat, initial, true)
      },
      unguarded: (key, policy) => new UnguardedCircuit(key, policy, authority.hub, initial.circuit, initial.pass),
      dropped: (circuit) => {
        circuit.forgotten()
        initial.outlive(circuit)
      }
    },
    authority.hub,
    settings
  )
  yield* Effect.addFinalizer(() => heartbeat.flushed)
  yield* heartbeat.start(settings.connectMillis)
  if (settings.requireConnection && authority.fault !== undefined) {
    return yield* new RedisUnavailable({ error: authority.fault })
  }
  return CircuitStore.of({
    circuit: (key, policy, clock, now) => registry.use(key, policy, clock, now),
    keep: (key, policy, clock, now) => registry.keep(key, policy, clock, now),
    find: (key, policy, now) =>
      registry.get(key, now) ?? new RedisCircuit(key, policy, authority, heartbeat, initial, false),
    circuits: (now) => registry.all(now),
    hub: authority.hub
  })
})

const read = (options: Options) => ({
  prefix: prefixOf(options.prefix ?? "effect-resilience"),
  operationMillis: millis("operationTimeout", options.operationTimeout ?? "100 millis"),
  maxStalenessMillis: millis("maxStaleness", options.maxStaleness ?? "1 second", 10),
  flushMillis: millis("flushInterval", options.flushInterval ?? "200 millis"),
  leaseMillis: millis("lease", options.lease ?? "10 seconds", 100),
  idleMillis: millis("idleTimeToLive", options.idleTimeToLive ?? "1 hour"),
  connectMillis: millis("connectTimeout", options.connectTimeout ?? "1 second"),
  maxCircuits: positiveInt("maxCircuits", options.maxCircuits ?? 100_000),
  requireConnection: boolean("requireConnection", options.requireConnection ?? false)
})

const prefixOf = (prefix: unknown): string =>
  typeof prefix === "string" && /^[^\s{}]{1,200}$/.test(prefix)
    ? prefix
    : invalid("prefix", prefix, "1 to 200 characters without spaces and braces")
