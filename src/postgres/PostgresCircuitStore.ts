/**
 * One breaker for the whole fleet: circuits whose authority is a PostgreSQL database.
 *
 * How processes share a circuit, what a call waits for, and what happens while the database is away, is in
 * `SharedCircuitStore`; this module keeps the records in a table.
 *
 * The table, its index and a function are made by `migration`, which is run once, with the rights of a deployment. A
 * layer creates nothing. It needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the table, and `EXECUTE` on the
 * function.
 *
 * Changes arrive by `LISTEN`, on one connection of each process. Where that does not work, as behind a pooler that
 * lends connections for a transaction, a process looks for changes four times in `maxStaleness`. A pooler that does not
 * know prepared statements needs `prepare: false` in `pgOptions`.
 *
 * What is wrong with a database is in the `store.degraded` event as the SQLSTATE of its answer: `42P01` or `42883` if
 * the migration was not run, `42703` if the table is another one, `42501` if rights are missing, `25006` if it is
 * read-only, `57014` if its `statement_timeout` was over.
 *
 * **Gotchas**
 *
 * - This store lives in real time. Under `TestClock` provide `CircuitStore.layerMemory`.
 * - Teams that share a table need a `namespace` each, or their circuits of the same name are one.
 * - A row that another transaction keeps locked is a database that does not answer.
 *
 * **Example** (swapping one layer)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, LlmOutcome } from "effect-resilience"
 * import { PostgresCircuitStore } from "effect-resilience/postgres"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify }).pipe(
 *   Layer.provide(PostgresCircuitStore.layer({ url: "postgres://127.0.0.1:1/app" }))
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
import type { PgClient } from "@effect/sql-pg"
import { Clock, Config, Context, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { CircuitStore } from "../CircuitStore.ts"
import { checkOptions } from "../internal/options/known.ts"
import { invalidAsConfigError, setting, underPrefix } from "../internal/options/settings.ts"
import { boolean, invalid } from "../internal/options/validation.ts"
import { makeShared, sharedConfig, sharedFields, sharedSettings } from "../internal/shared/options.ts"
import type { StoreUnavailable } from "../RecordStore.ts"
import type * as SharedCircuitStore from "../SharedCircuitStore.ts"
import { migrationOf } from "./internal/migration.ts"
import * as postgresRecordStore from "./internal/postgresRecordStore.ts"
import { sqlPg } from "./internal/sqlPg.ts"

/**
 * How a store behaves, whatever its client: the options of `SharedCircuitStore`, and
 *
 * - `namespace`: whose records they are. Breakers that share it share their circuits. Default: `effect-resilience`.
 * - `table`: where they are, with its schema if that is not on the `search_path`. Default: `effect_resilience`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends SharedCircuitStore.Options {
  readonly namespace?: string | undefined
  readonly table?: string | undefined
}

/**
 * How to reach PostgreSQL: `url`, beginning with `postgres://` or `postgresql://`, with user and password, or
 * `pgOptions`, the options of `PgClient` of `@effect/sql-pg`. Of these the defaults are 4 for `maxConnections`, to
 * which the connection that listens is added, and 2 seconds for `connectTimeout`.
 *
 * @category models
 * @since 0.1.0
 */
export type Connection =
  | { readonly url: string; readonly pgOptions?: Omit<PgClient.PgPoolConfig, "url"> | undefined }
  | { readonly pgOptions: PgClient.PgPoolConfig }

/**
 * What the migration makes.
 *
 * - `table`: as in `Options`. Its schema has to exist.
 * - `unlogged`: a table that writes less to the disk, and is emptied by a crash of the server; processes that are up
 *   bring in what they know. Default: false.
 *
 * @category models
 * @since 0.1.0
 */
export interface MigrationOptions {
  readonly table?: string | undefined
  readonly unlogged?: boolean | undefined
}

/**
 * The migration as one statement of SQL, to be run by hand or by a tool. It can be run again, and by many at once.
 *
 * **Example** (As a file for `psql`)
 *
 * ```ts
 * import { PostgresCircuitStore } from "effect-resilience/postgres"
 *
 * const sql = PostgresCircuitStore.migration({ table: "ops.circuits" })
 *
 * sql.includes("create table if not exists \"ops\".\"circuits\"") // => true
 * ```
 *
 * @category migrations
 * @since 0.1.0
 */
export const migration = (options: MigrationOptions = {}): string => {
  checkOptions(options, { table: true, unlogged: true })
  return migrationOf(tableOf(options.table ?? "effect_resilience"), boolean("unlogged", options.unlogged ?? false))
}

/**
 * Runs the migration.
 *
 * @category migrations
 * @since 0.1.0
 */
export const migrate = (options?: MigrationOptions): Effect.Effect<void, SqlError, SqlClient> =>
  Effect.flatMap(SqlClient, (sql) => Effect.asVoid(sql.unsafe(migration(options))))

/**
 * Circuits in PostgreSQL, through `@effect/sql-pg`, which has to be installed beside this library.
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
 * Circuits in PostgreSQL, through a client that the program has already. `PgClient` of `@effect/sql-pg` listens, on a
 * connection besides those of its pool; with another client for PostgreSQL processes look for changes. Operations run
 * outside of the caller's transactions.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSql: {
  (options: Options & { readonly requireConnection: true }): Layer.Layer<CircuitStore, StoreUnavailable, SqlClient>
  (
    options?: Options & { readonly requireConnection?: false | undefined }
  ): Layer.Layer<CircuitStore, never, SqlClient>
  (options: Options): Layer.Layer<CircuitStore, StoreUnavailable, SqlClient>
} = (options: Options = {}) =>
  Layer.effect(CircuitStore, make(SqlClient, options, fields)) as Layer.Layer<CircuitStore, never, SqlClient>

/**
 * Reads the options of a store from settings under a prefix; a setting that is absent keeps its default. One that
 * breaks its rule is a `ConfigError` that names its variable, the rule and the value, but for the URL, which can be a
 * secret.
 *
 * | setting | field |
 * | --- | --- |
 * | `CIRCUIT_POSTGRES_URL` | `url` |
 * | `CIRCUIT_POSTGRES_NAMESPACE`, `CIRCUIT_POSTGRES_TABLE` | `namespace`, `table` |
 * | `CIRCUIT_POSTGRES_OPERATION_TIMEOUT`, `CIRCUIT_POSTGRES_CONNECT_TIMEOUT` | `operationTimeout`, `connectTimeout` |
 * | `CIRCUIT_POSTGRES_MAX_STALENESS`, `CIRCUIT_POSTGRES_FLUSH_INTERVAL` | `maxStaleness`, `flushInterval` |
 * | `CIRCUIT_POSTGRES_LEASE`, `CIRCUIT_POSTGRES_IDLE_TIME_TO_LIVE` | `lease`, `idleTimeToLive` |
 * | `CIRCUIT_POSTGRES_MAX_CIRCUITS`, `CIRCUIT_POSTGRES_REQUIRE_CONNECTION` | `maxCircuits`, `requireConnection` |
 *
 * @category constructors
 * @since 0.1.0
 */
export const config = (prefix = "CIRCUIT_POSTGRES"): Config.Config<{ readonly url: string } & Options> =>
  underPrefix(
    prefix,
    Config.all({
      url: setting(Config.String, "URL"),
      namespace: setting(Config.String, "NAMESPACE"),
      table: setting(Config.String, "TABLE"),
      ...sharedConfig()
    }),
    ({ url, ...options }) => {
      read(options)
      return { url: urlOf(url), ...options }
    }
  )

/**
 * Circuits in the database that the environment names: see `config` for the settings. An invalid one is a
 * `ConfigError`.
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

const fields: Record<keyof Options, true> = { namespace: true, table: true, ...sharedFields }

const connectionFields = { url: true, pgOptions: true, ...fields } as const

const connect = (connection: Connection): Effect.Effect<SqlClient, never, Scope.Scope> =>
  Effect.suspend(() => {
    const { pgOptions } = connection
    const url = "url" in connection
      ? { url: Redacted.make(urlOf(connection.url)) }
      : pgOptions === undefined
      ? invalid("url", undefined, "given, or pgOptions in its place")
      : {}
    const settings = { maxConnections: 4, connectTimeout: "2 seconds", ...pgOptions, ...url } as const
    return Effect.flatMap(sqlPg, ({ PgClient }) =>
      Effect.map(Effect.orDie(Layer.build(PgClient.layer(settings))), Context.get(SqlClient)))
  })

const urlOf = (url: unknown): string =>
  typeof url === "string" && /^postgres(?:ql)?:\/\/./.test(url)
    ? url
    : invalid("url", url === undefined ? url : "of another form", "a URL that begins with postgres:// or postgresql://")

const make = <R>(client: Effect.Effect<SqlClient, never, R>, options: Options, known: Record<keyof Options, true>) =>
  Effect.gen(function*() {
    checkOptions(options, known)
    const { namespace, table, ...settings } = read(options)
    // More often than a process beats, or it would hear nothing of a beat of its own before the next one.
    const pollMillis = Math.min(settings.maxStalenessMillis / 4, settings.leaseMillis / 6)
    const records = yield* postgresRecordStore.make(yield* client, { namespace, table, pollMillis })
    return yield* makeShared(records, settings)
    // PostgreSQL has the time of people, also where a test has its own.
  }).pipe(Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()))

const read = ({ namespace, table, ...options }: Options) => ({
  namespace: namespaceOf(namespace ?? "effect-resilience"),
  table: tableOf(table ?? "effect_resilience"),
  ...sharedSettings(options)
})

const namespaceOf = (namespace: unknown): string =>
  typeof namespace === "string" && /^[!-~]{1,200}$/.test(namespace)
    ? namespace
    : invalid("namespace", namespace, "1 to 200 visible ASCII characters")

const tableOf = (table: unknown): string =>
  typeof table === "string" && /^(?:[a-z_][a-z0-9_]{0,39}\.)?[a-z_][a-z0-9_]{0,39}$/.test(table)
    ? table
    : invalid("table", table, "1 to 40 lower-case letters, digits and underscores, perhaps after a schema and a dot")
