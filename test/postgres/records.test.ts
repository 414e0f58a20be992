import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer, Redacted, Result, Stream } from "effect"
import { PostgresCircuitStore } from "effect-resilience/postgres"
import { SqlClient } from "effect/sql/SqlClient"
import * as postgresRecordStore from "../../src/postgres/internal/postgresRecordStore.ts"
import type { Change, RecordStore, Update } from "../../src/RecordStore.ts"
import { eventually } from "../support/eventually.ts"
import { database } from "../support/postgres/database.ts"

const { query, role, schema, table, url } = await database()

const client = (options: PgClient.PgPoolConfig = {}) =>
  Effect.map(Layer.build(PgClient.layer({ url: Redacted.make(url), ...options })), Context.get(SqlClient))

/** Seen as a client that cannot listen. */
const plain = (sql: SqlClient): SqlClient =>
  new Proxy(sql, { has: (target, key) => key !== PgClient.TypeId && key in target })

let stores = 0
const storeOn = (sql: SqlClient, settings: Partial<postgresRecordStore.Settings> = {}) =>
  postgresRecordStore.make(sql, { namespace: `store-${++stores}`, table, pollMillis: 50, ...settings })
const store = Effect.flatMap(client(), (sql) => storeOn(sql))

const nothing: Update = {
  guard: { generation: 0 },
  add: new Map(),
  remove: [],
  writer: "one.1",
  expiresInMillis: 60_000,
  announce: false
}
const one = new Map([["n", 1]])

const read = (records: RecordStore["Service"], id: string) =>
  Effect.flatMap(records.read([id]), ([result]) => Effect.map(Effect.fromResult(result!), ({ record }) => record))

const follow = Effect.fnUntraced(function*(records: RecordStore["Service"]) {
  const heard: Array<Change> = []
  const listening = yield* Latch.make()
  const changes = Stream.runForEach(records.changes(listening.open), (change) => Effect.sync(() => heard.push(change)))
  const fiber = yield* Effect.forkScoped(changes)
  yield* Effect.raceFirst(listening.await, Fiber.join(fiber))
  return heard
})

describe("a record", () => {
  it.live("is updated if its guard holds", () =>
    Effect.gen(function*() {
      const records = yield* store
      const state = "a text {\"'\\ \u00e9 \ud83d\ude00"
      const first = yield* records.update("a", { ...nothing, set: state, newGeneration: { atLeast: 5 }, add: one })
      assert.isTrue(first.applied)
      const { generation, revision } = first.record
      assert.isAbove(revision, first.nowMillis * 1000 - 1)
      assert.deepStrictEqual(first.record, { revision, generation, state, counters: one, writer: "one.1" })
      assert.deepStrictEqual(yield* read(records, "a"), first.record)

      const late = yield* records.update("a", { ...nothing, set: "late" })
      assert.deepStrictEqual([late.applied, late.record], [false, first.record])
      const counted = yield* records.update("a", { ...nothing, guard: { generation }, add: one, writer: "two.1" })
      assert.deepStrictEqual(counted.record, { ...first.record, counters: new Map([["n", 2]]) })
      const set = yield* records.update("a", {
        ...nothing,
        guard: { revision },
        set: "",
        remove: ["n"],
        writer: "two.2"
      })
      assert.isAbove(set.record.revision, revision)
      assert.deepStrictEqual([set.record.counters.size, set.record.writer], [0, "two.2"])
      const newGeneration = { atLeast: 9e15 }
      const next = yield* records.update("a", { ...nothing, guard: { generation }, newGeneration, add: one })
      assert.deepStrictEqual([next.record.generation, next.record.counters], [9e15, one])
    }))

  it.live("is one namespace's, and may have any id", () =>
    Effect.gen(function*() {
      const [records, others] = [yield* store, yield* store]
      const ids = ["a", "A", "%_'\\", "!".repeat(60_000), ...Array.from({ length: 1100 }, (_, n) => `n${n}`)]
      yield* Effect.forEach(ids, (id) => records.update(id, { ...nothing, set: id }), { concurrency: 8 })
      const results = yield* records.read(ids)
      assert.deepStrictEqual(results.map((result) => Result.getOrThrow(result).record.state), ids)
      assert.deepStrictEqual(new Set(yield* Stream.runCollect(records.list)), new Set(ids))
      assert.deepStrictEqual(yield* Stream.runCollect(others.list), [])
      assert.strictEqual((yield* read(others, "a")).revision, 0)
    }))

  it.live("that has expired is absent, and is swept", () =>
    Effect.gen(function*() {
      const records = yield* store
      const old = yield* records.update("a", { ...nothing, set: "old", add: one, expiresInMillis: 1 })
      yield* records.update("kept", { ...nothing, set: "kept", expiresInMillis: undefined })
      yield* eventually(Effect.map(read(records, "a"), ({ revision }) => revision === 0))
      const next = yield* records.update("a", { ...nothing, set: "new", expiresInMillis: 1 })
      assert.deepStrictEqual([next.record.generation, next.record.counters.size], [0, 0])
      assert.isAbove(next.record.revision, old.record.revision)
      const rows = query(`select id from ${table} where namespace = 'store-${stores}' and id <> ''`)
      yield* Effect.sleep("5 millis")
      assert.strictEqual((yield* rows).length, 2)
      yield* records.beat("p", 1, 1000)
      yield* eventually(Effect.map(rows, (rows) => rows.length === 1))
      assert.deepStrictEqual(yield* Stream.runCollect(records.list), ["kept"])
    }))

  it.live("gets every update of many at once, also where transactions are serializable", () =>
    Effect.gen(function*() {
      const { name, url } = yield* role
      yield* query(`grant usage on schema ${schema} to ${name}`)
      yield* query(`grant select, insert, update, delete on ${table} to ${name}`)
      for (const isolation of ["read committed", "serializable"]) {
        yield* query(`alter role ${name} set default_transaction_isolation = '${isolation}'`)
        const namespace = `many-${isolation.length}`
        const two = [
          yield* storeOn(yield* client({ url: Redacted.make(url) }), { namespace }),
          yield* storeOn(yield* client({ url: Redacted.make(url) }), { namespace })
        ]
        const add = Effect.retry(two[0]!.update("a", { ...nothing, add: one }), { times: 50 })
        yield* Effect.all(Array.from({ length: 30 }, () => add), { concurrency: isolation === "serializable" ? 2 : 8 })
        assert.deepStrictEqual((yield* read(two[1]!, "a")).counters, new Map([["n", 30]]))
        const sets = two.map((records) => records.update("b", { ...nothing, guard: { revision: 0 }, set: "mine" }))
        const applied = yield* Effect.all(sets, { concurrency: 2 })
        assert.deepStrictEqual(applied.map(({ applied }) => applied).sort(), [false, true])
      }
    }))
})

describe("junk in a row", () => {
  it.live("is a fault of this record only, and is left untouched", () =>
    Effect.gen(function*() {
      const other = `${schema}.junk`
      yield* query(PostgresCircuitStore.migration({ table: other }))
      yield* query(`alter table ${other} drop constraint junk_revision_check, drop constraint junk_generation_check,
        drop constraint junk_counters_check, alter state drop not null`)
      const records = yield* storeOn(yield* client(), { table: other })
      yield* records.update("well", { ...nothing, set: "well" })
      for (const junk of ["revision = -1", "generation = 9007199254740993", "state = null", "counters = '7'"]) {
        yield* records.update("a", { ...nothing, set: "ours" })
        yield* query(`update ${other} set ${junk} where id = 'a'`)
        const [a, well] = yield* records.read(["a", "well"])
        assert.deepInclude(Result.getOrThrow(Result.flip(a!)), { code: "REPLY", ofRecord: true })
        assert.strictEqual(Result.getOrThrow(well!).record.state, "well")
        const { ofRecord } = yield* Effect.flip(records.update("a", { ...nothing, add: one }))
        assert.isTrue(ofRecord, junk)
        yield* query(`delete from ${other} where id = 'a'`)
      }
    }))

  it.live("is nothing in a counter, and the next update counts from there", () =>
    Effect.gen(function*() {
      const records = yield* store
      yield* records.update("a", { ...nothing, set: "ours" })
      for (
        const junk of [
          "\"x\"",
          "-1",
          "1.5",
          "1e300",
          "null",
          "{}",
          "[]",
          "true",
          "99999999999999999999",
          "1".repeat(17)
        ]
      ) {
        yield* query(`update ${table} set counters = '{"n": ${junk}}' where namespace = 'store-${stores}' and id = 'a'`)
        assert.deepStrictEqual((yield* read(records, "a")).counters, new Map([["n", 0]]), junk)
        const { record } = yield* records.update("a", { ...nothing, add: one })
        assert.deepStrictEqual(record.counters, one, junk)
      }
    }))
})

describe("changes", () => {
  it.live.each([["listens", (sql: SqlClient) => sql], ["looks", plain]] as const)(
    "a process %s for them",
    ([, seen]) =>
      Effect.gen(function*() {
        const records = yield* storeOn(seen(yield* client()))
        const heard = yield* follow(records)
        const hears = (id: string) => eventually(Effect.sync(() => heard.some((change) => change.id === id)))
        const long = "x".repeat(60_000)
        yield* records.update("quiet", { ...nothing, set: "quiet" })
        const { record } = yield* records.update("a", { ...nothing, set: "a", announce: true })
        yield* hears("a")
        yield* records.update(long, { ...nothing, set: "long", announce: true })
        yield* hears(long)
        // Counts move no revision, and are announced by the process that counts.
        yield* records.update("a", { ...nothing, add: one, announce: true, writer: "two.1" })
        yield* records.beat("process", 7, 1000)
        yield* hears("")
        // A process that begins to listen may hear what it has seen before.
        const once = [...new Set(heard.map((change) => JSON.stringify(change)))].map((text) =>
          JSON.parse(text) as Change
        )
        assert.deepStrictEqual(once.filter(({ id }) => id !== long), [
          { id: "a", revision: record.revision, writer: "one.1" },
          { id: "a", revision: record.revision, writer: "two.1" },
          { id: "", revision: 7, writer: "process" }
        ])
        assert.deepStrictEqual(yield* records.presence, ["process"])
      })
  )

  it.live("are listened to beside a pool of one connection", () =>
    Effect.gen(function*() {
      const records = yield* storeOn(yield* client({ maxConnections: 1 }), { pollMillis: 1e9 })
      const heard = yield* follow(records)
      // Before it listens, as a rule: it looks once when it does.
      yield* records.update("a", { ...nothing, announce: true })
      yield* eventually(Effect.sync(() => heard.length > 0))
      yield* records.update("b", { ...nothing, announce: true })
      yield* eventually(Effect.sync(() => heard.some(({ id }) => id === "b")))
    }))
})

describe("a caller's transaction on the same client", () => {
  it.live("has no part in what the store does", () =>
    Effect.gen(function*() {
      const sql = yield* client()
      const records = yield* storeOn(sql)
      yield* Effect.exit(sql.withTransaction(
        Effect.andThen(records.update("a", { ...nothing, set: "kept" }), Effect.fail("rolled back"))
      ))
      assert.strictEqual((yield* read(records, "a")).state, "kept")
    }))
})

describe("the migration", () => {
  it.live("can be run again and by many at once, and keeps what is there", () =>
    Effect.gen(function*() {
      const other = `${schema}.fresh`
      const migrate = Effect.provideService(PostgresCircuitStore.migrate({ table: other }), SqlClient, yield* client())
      yield* Effect.all(Array.from({ length: 5 }, () => migrate), { concurrency: "unbounded" })
      const records = yield* storeOn(yield* client(), { table: other })
      yield* records.update("a", { ...nothing, set: "kept" })
      yield* migrate
      assert.strictEqual((yield* read(records, "a")).state, "kept")
    }))

  it.live("makes an unlogged table if that is chosen", () =>
    Effect.gen(function*() {
      yield* query(PostgresCircuitStore.migration({ table: `${schema}.quick`, unlogged: true }))
      const persistence = (name: string) =>
        Effect.map(query(`select relpersistence as p from pg_class where oid = '${name}'::regclass`), ([row]) =>
          row?.["p"])
      assert.deepStrictEqual([yield* persistence(`${schema}.quick`), yield* persistence(table)], ["u", "p"])
    }))
})
