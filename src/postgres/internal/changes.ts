/**
 * The changes that processes announce. They are listened to where that works, and looked up again and again where it
 * does not: with a client that cannot listen, and behind a pooler that lends a connection for a transaction only, where
 * `LISTEN` succeeds and nothing ever comes. So a process first sends itself a message.
 */
import type { PgConnection } from "@effect/sql-pg"
import { Deferred, Effect, Queue, Stream } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Change, RecordStore, StoreFault } from "../../RecordStore.ts"
import { micros } from "./migration.ts"
import { fault, isList, parsed, type Run } from "./port.ts"
import { sqlPg } from "./sqlPg.ts"

export const make = (
  sql: SqlClient,
  run: Run,
  { channel, namespace, pollMillis, table }: {
    readonly channel: string
    readonly namespace: string
    readonly pollMillis: number
    readonly table: string
  }
): RecordStore["Service"]["changes"] =>
(onListening) =>
  Stream.callback<Change, StoreFault>((queue) =>
    Effect.gen(function*() {
      const offer = (change: Change | undefined) => change === undefined || Queue.offerUnsafe(queue, change)
      const [start] = yield* run(`select json_build_array(${micros})::text`)
      const poll = poller(run, table, namespace, Number(start), offer)
      const listens = Deferred.makeUnsafe<void>()
      const lost = Deferred.makeUnsafe<never, StoreFault>()
      if (isPgClient(sql)) {
        const listening = listen(sql.config, channel, crypto.randomUUID(), run, listens, (message) => {
          const [, , , key] = message
          return key === undefined
            ? Effect.sync(() => offer(changeOf(message)))
            : Effect.map(
              run(
                `select json_build_array(id, revision, announced_by)::text from ${table} where key = $1`,
                String(key)
              ),
              (row) => offer(changeOf(row))
            )
        })
        const attempts = Effect.matchEffect(listening, {
          onFailure: (fault) =>
            Deferred.isDoneUnsafe(listens) ? Deferred.fail(lost, fault) : Effect.sleep("10 seconds"),
          onSuccess: () => Effect.void
        })
        // In a fiber of its own: a client waits for the server to end a subscription, and the scope has to close.
        const fiber = yield* Effect.forkDetach(
          Effect.repeat(attempts, { until: () => Deferred.isDoneUnsafe(listens) })
        )
        yield* Effect.addFinalizer(() => Effect.sync(() => fiber.interruptUnsafe()))
      }
      yield* onListening
      yield* Effect.raceFirst(Effect.forever(Effect.delay(poll, pollMillis)), Deferred.await(listens))
      // Finds what was announced before it listened.
      yield* poll
      return yield* Deferred.await(lost)
    }).pipe(Effect.catch((fault) => Queue.fail(queue, fault)))
  )

/**
 * Looks for what was announced since the last look. Updates of about the same time may be seen in any order: it looks
 * back for a second more than that, and leaves out what it has seen.
 */
const poller = (
  run: Run,
  table: string,
  namespace: string,
  start: number,
  offer: (change: Change | undefined) => void
): Effect.Effect<void, StoreFault> => {
  let since = start
  let seen = new Map<string, number>()
  return Effect.suspend(() =>
    Effect.map(
      run(
        `select coalesce(json_agg(json_build_array(id, revision, announced_by, announced)), '[]')::text
        from ${table} where namespace = $1 and announced > $2::bigint`,
        namespace,
        since - 1_000_000
      ),
      (rows) => {
        const latest = new Map<string, number>()
        for (const row of rows) {
          const change = changeOf(row)
          if (!isList(row) || change === undefined) continue
          const [name, announced] = [`${change.id} ${change.writer}`, Number(row[3])]
          if (seen.get(name) !== announced) offer(change)
          latest.set(name, announced)
          since = Math.max(since, announced)
        }
        seen = latest
      }
    )
  )
}

const changeOf = (row: unknown): Change | undefined => {
  const [id, revision, writer] = isList(row) ? row : []
  return typeof id === "string" && typeof revision === "number" && typeof writer === "string"
    ? { id, revision, writer }
    : undefined
}

const isPgClient = (sql: SqlClient): sql is SqlClient & { readonly config: PgConnection.Config } =>
  "~@effect/sql-pg/PgClient" in sql

/** On a connection of its own, because the pool may have but one. */
const listen = (
  config: PgConnection.Config,
  channel: string,
  token: string,
  run: Run,
  listens: Deferred.Deferred<void>,
  receive: (message: ReadonlyArray<unknown>) => Effect.Effect<unknown, StoreFault>
): Effect.Effect<never, StoreFault> =>
  Effect.gen(function*() {
    const { PgConnection } = yield* sqlPg
    const connection = yield* Effect.mapError(PgConnection.make(config), fault)
    const messages = yield* Effect.mapError(connection.listen(channel), fault)
    const next = Effect.flatMap(Effect.mapError(Queue.take(messages), fault), ({ payload }) => {
      if (payload === token) return Effect.succeed(true)
      const message = parsed(payload)
      return Effect.as(isList(message) ? receive(message) : Effect.void, false)
    })
    yield* run("select '[]' from pg_notify($1, $2)", channel, token)
    yield* Effect.repeat(next, { until: (isToken) => isToken })
    yield* Deferred.succeed(listens, undefined)
    return yield* Effect.forever(next)
  }).pipe(Effect.scoped)
