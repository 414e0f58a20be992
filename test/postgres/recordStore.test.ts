/** The suite for stores of records, over real PostgreSQL: by a client that listens, and by one that cannot. */
import { PgClient } from "@effect/sql-pg"
import { describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { RecordStoreSuite } from "effect-resilience/testing"
import { SqlClient } from "effect/sql/SqlClient"
import { afterAll } from "vitest"
import * as postgresRecordStore from "../../src/postgres/internal/postgresRecordStore.ts"
import { database } from "../support/postgres/database.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"

const { atPort, port, table } = await database()

const plain = (sql: SqlClient): SqlClient =>
  new Proxy(sql, { has: (target, key) => key !== PgClient.TypeId && key in target })

const scope = Scope.makeUnsafe()
const proxy = await Effect.runPromise(Scope.provide(TcpProxy.make(port), scope))
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const checksOf = (proxy: TcpProxy.TcpProxy, namespace: string, seen: (sql: SqlClient) => SqlClient) =>
  RecordStoreSuite.checks({
    connect: Effect.flatMap(
      Layer.build(PgClient.layer({ url: Redacted.make(atPort(proxy.port)), maxConnections: 4 })),
      (context) => postgresRecordStore.make(seen(Context.get(context, SqlClient)), { namespace, table, pollMillis: 50 })
    ),
    // Once it listens. Until then, and with a client that cannot, it looks for changes, and misses none.
    cut: seen === plain ? undefined : Effect.andThen(Effect.sleep("500 millis"), proxy.cut),
    // On every connection, because one of them listens.
    loseAnswers: Effect.acquireRelease(proxy.delay(60_000), () => Effect.andThen(proxy.restore, proxy.cut)),
    patienceMillis: 2_000,
    unreachable: Effect.acquireRelease(proxy.refuse, () => proxy.restore)
  })

describe.each([["listens", (sql: SqlClient) => sql], ["looks", plain]] as const)("a store that %s", (name, seen) => {
  for (const { check, name: sentence } of checksOf(proxy, `suite-${name}`, seen)) it.live(sentence, () => check)
})
