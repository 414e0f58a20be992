/** A place for the records of one file of tests: a schema of its own, which is dropped when they are done. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { PostgresCircuitStore } from "effect-resilience/postgres"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { afterAll } from "vitest"

/**
 * - `atPort`: the URL of the database at another port, and perhaps for another user.
 * - `role`: a new role that may do nothing but log in.
 */
export interface Database {
  readonly url: string
  readonly port: number
  readonly atPort: (port: number, user?: string) => string
  readonly schema: string
  readonly table: string
  /** Runs queries as the owner of the database. */
  readonly query: (text: string) => Effect.Effect<ReadonlyArray<Record<string, unknown>>, SqlError>
  readonly role: Effect.Effect<{ readonly name: string; readonly url: string }, SqlError>
}

export const database = async (): Promise<Database> => {
  // The setup of the project has found it.
  const url = process.env["PG_URL"]!
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
  const roles: Array<string> = []
  afterAll(async () => {
    await Effect.runPromise(query(`drop schema ${schema} cascade`))
    for (const name of roles) await Effect.runPromise(query(`drop owned by ${name}`))
    for (const name of roles) await Effect.runPromise(query(`drop role ${name}`))
  })
  const address = new URL(url)
  const atPort = (port: number, user = address.username) => {
    const at = new URL(url)
    at.port = `${port}`
    at.username = user
    return at.href
  }
  const port = Number(address.port || 5432)
  const role = Effect.suspend(() => {
    const name = `${schema}_${roles.length + 1}`
    roles.push(name)
    return Effect.as(query(`create role ${name} login password 'secret'`), {
      name,
      url: atPort(port, name).replace(`${name}@`, `${name}:secret@`)
    })
  })
  return { url, port, atPort, schema, table, query, role }
}
