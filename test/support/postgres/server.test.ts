import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { start } from "./server.ts"

describe("a server of the tests' own", () => {
  it.live("answers until it is stopped", () =>
    Effect.gen(function*() {
      const server = yield* Effect.promise(start)
      const ask = SqlClient.pipe(
        Effect.flatMap((sql) => sql`select 1 as one`),
        Effect.provide(PgClient.layer({ url: Redacted.make(server.url) }))
      )
      assert.deepStrictEqual(yield* ask, [{ one: 1 }])
      yield* Effect.promise(server.stop)
      yield* Effect.flip(ask)
    }), 60_000)
})
