import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Layer, Redacted } from "effect"
import type { CircuitStore } from "effect-resilience"
import { InvalidOptions } from "effect-resilience/CircuitPolicy"
import { PostgresCircuitStore } from "effect-resilience/postgres"
import { assertNoOutage, down, member, settings, stateOf, trip } from "../redis/outages/faults.ts"
import { eventually } from "../support/eventually.ts"
import { database } from "../support/postgres/database.ts"

const { query, table, url } = await database()

const problemOf = (store: Layer.Layer<CircuitStore.CircuitStore, unknown>) =>
  Effect.map(
    Effect.exit(Effect.scoped(Layer.build(store))),
    (exit) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  )

describe("an option that is no use", () => {
  const invalid: Readonly<Record<string, ReadonlyArray<unknown>>> = {
    operationTimeout: [0, "soon"],
    namespace: ["", "a b", "\u00e9", "a".repeat(201), 7],
    table: ["", "A", "a.b.c", "a-b", "a\"b", "1a", "a".repeat(41), 7],
    url: ["", "localhost:5432", "http://localhost", 7, null, undefined],
    prefix: ["redis"]
  }

  it.live.each(Object.entries(invalid))(
    "%s ends the build with a sentence that names it",
    ([field, values]) =>
      Effect.gen(function*() {
        for (const value of values) {
          const options = { url, [field]: value } as { readonly url: string }
          const problem = yield* problemOf(PostgresCircuitStore.layer(options))
          assert.instanceOf(problem, InvalidOptions, `${field}: ${String(value)}`)
          assert.include(problem.message, field)
        }
      })
  )

  it("is one of the migration, too", () => {
    assert.throws(() => PostgresCircuitStore.migration({ table: "a; drop" }), "table")
    assert.throws(() => PostgresCircuitStore.migration({ unlogged: 1 as never }), "unlogged")
    assert.throws(() => PostgresCircuitStore.migration({ tables: "a" } as never), "tables")
  })
})

describe("options from the environment", () => {
  const from = (env: Record<string, string>) =>
    Layer.provide(PostgresCircuitStore.layerConfig(), ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

  it.live("are read", () =>
    Effect.gen(function*() {
      const one = yield* member(from({
        CIRCUIT_POSTGRES_URL: url,
        CIRCUIT_POSTGRES_NAMESPACE: "from-env",
        CIRCUIT_POSTGRES_TABLE: table,
        CIRCUIT_POSTGRES_OPERATION_TIMEOUT: "2 seconds",
        CIRCUIT_POSTGRES_IDLE_TIME_TO_LIVE: "2 minutes",
        CIRCUIT_POSTGRES_REQUIRE_CONNECTION: "true"
      }))
      yield* down(one, "key")
      const [row] = yield* query(
        `select (expires / 1000000 - extract(epoch from now()))::int as left from ${table}
        where namespace = 'from-env' and id = 'key'`
      )
      assert.closeTo(Number(row?.["left"]), 120, 10)
    }))

  it.live("that are invalid name their variable, and never the URL", () =>
    Effect.gen(function*() {
      const secret = "http://user:secret@db"
      const messages = [
        String(yield* problemOf(from({ CIRCUIT_POSTGRES_URL: secret }))),
        String(yield* problemOf(from({ CIRCUIT_POSTGRES_URL: url, CIRCUIT_POSTGRES_TABLE: "a b" })))
      ]
      assert.include(messages[0], "CIRCUIT_POSTGRES_URL")
      assert.notInclude(messages[0], "secret")
      assert.include(messages[1], "CIRCUIT_POSTGRES_TABLE")
    }))
})

describe("a client that the program has", () => {
  it.live("is used as it is, and outlives the store", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
      const store = Layer.provide(
        PostgresCircuitStore.layerSql({ ...settings, table, namespace: "client" }),
        Layer.succeedContext(client)
      )
      const one = yield* member(store)
      yield* Effect.scoped(Effect.flatMap(member(store), (other) => trip(other, "long key")))
      yield* eventually(Effect.map(stateOf(one, "long key"), (state) => state === "Open"))
      yield* assertNoOutage(one)
    }))
})
