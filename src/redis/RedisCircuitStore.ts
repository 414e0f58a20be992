/**
 * One breaker for the whole fleet: circuits whose authority is a Redis server, a Cluster or a server behind Sentinels.
 *
 * How processes share a circuit, what a call waits for, and what happens while Redis is away, is in
 * `SharedCircuitStore`; this module keeps the records in Redis.
 *
 * **Gotchas**
 *
 * - This store lives in real time. Under `TestClock` provide `CircuitStore.layerMemory`.
 * - Teams that share a server need a `prefix` each, or their circuits of the same name are one.
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
import { Clock, Config, Effect, Layer, type Scope } from "effect"
import type { Redis as RedisService } from "effect/persistence/Redis"
import type { Cluster, ClusterNode, Redis } from "ioredis"
import { CircuitStore } from "../CircuitStore.ts"
import { checkOptions } from "../internal/options/known.ts"
import { invalidAsConfigError, setting, underPrefix } from "../internal/options/settings.ts"
import { invalid } from "../internal/options/validation.ts"
import { makeShared, sharedConfig, sharedFields, sharedSettings } from "../internal/shared/options.ts"
import type { StoreUnavailable } from "../RecordStore.ts"
import type * as SharedCircuitStore from "../SharedCircuitStore.ts"
import * as effectRedisPort from "./internal/effectRedisPort.ts"
import * as ioredisPort from "./internal/ioredisPort.ts"
import type { RedisPort } from "./internal/port.ts"
import * as redisRecordStore from "./internal/redisRecordStore.ts"

/**
 * How a store behaves, whatever its client: the options of `SharedCircuitStore`, and
 *
 * - `prefix`: what every key and channel begins with. Breakers that share it share their circuits; other programs
 *   should have another. Default: `effect-resilience`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends SharedCircuitStore.Options {
  readonly prefix?: string | undefined
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
 * Circuits in Redis, through ioredis, which has to be installed beside this library.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  (options: Connection & Options & { readonly requireConnection: true }): Layer.Layer<CircuitStore, StoreUnavailable>
  (options: Connection & Options & { readonly requireConnection?: false | undefined }): Layer.Layer<CircuitStore>
  (options: Connection & Options): Layer.Layer<CircuitStore, StoreUnavailable>
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
  ): Layer.Layer<CircuitStore, StoreUnavailable, RedisService>
  (
    options?: Options & { readonly requireConnection?: false | undefined }
  ): Layer.Layer<CircuitStore, never, RedisService>
  (options: Options): Layer.Layer<CircuitStore, StoreUnavailable, RedisService>
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
      ...sharedConfig()
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
): Layer.Layer<CircuitStore, Config.ConfigError | StoreUnavailable> =>
  Layer.effect(
    CircuitStore,
    Effect.flatMap(options, (options) => invalidAsConfigError(make(connect(options), options, connectionFields)))
  )

const fields: Record<keyof Options, true> = { prefix: true, ...sharedFields }

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
  const { prefix, ...settings } = read(options)
  const records = redisRecordStore.make(yield* port, prefix)
  // Redis has the time of people, also where a test has its own.
  return yield* Effect.provideService(makeShared(records, settings), Clock.Clock, Clock.Clock.defaultValue())
})

const read = ({ prefix, ...options }: Options) => ({
  prefix: prefixOf(prefix ?? "effect-resilience"),
  ...sharedSettings(options)
})

const prefixOf = (prefix: unknown): string =>
  typeof prefix === "string" && /^[^\s{}]{1,200}$/.test(prefix)
    ? prefix
    : invalid("prefix", prefix, "1 to 200 characters without spaces and braces")
