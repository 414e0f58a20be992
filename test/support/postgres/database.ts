/** A place for the records of one file of tests: a schema of its own, which is dropped when they are done. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { PostgresCircuitStore } from "effect-resilience/postgres"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { afterAll } from "vitest"

export interface Database {
  readonly url: string
  readonly schema: string
  readonly table: string
  /** Runs queries as the owner of the database. */
  readonly query: (text: string) => Effect.Effect<ReadonlyArray<Record<string, unknown>>, SqlError>
}

export const urlOf = (): string => {
  const url = process.env["PG_URL"]
  if (url === undefined) throw new Error("Run this file in the project postgres, whose setup finds a server")
  return url
}

export const database = async (): Promise<Database> => {
  const url = urlOf()
  const schema = `circuits_${crypto.randomUUID().slice(0, 8)}`
  const table = `${schema}.records`
  const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  const query = (text: string) =>
    SqlClient.pipe(
      Effect.flatMap((sql) => sql.unsafe<Record<string, unknown>>(text)),
      Effect.provide(client)
    )
  await Effect.runPromise(query(`create schema ${schema}`))
  await Effect.runPromise(Effect.provide(PostgresCircuitStore.migrate({ table }), client))
  afterAll(() => Effect.runPromise(Effect.ignore(query(`drop schema ${schema} cascade`))))
  return { url, schema, table, query }
}
