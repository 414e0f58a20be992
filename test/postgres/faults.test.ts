import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { PostgresCircuitStore } from "effect-resilience/postgres"
import {
  assertNoOutage,
  down,
  type Member,
  member,
  repeated,
  settings,
  stateOf,
  tells,
  trip,
  up
} from "../redis/outages/faults.ts"
import { eventually } from "../support/eventually.ts"
import { database } from "../support/postgres/database.ts"
import * as pooler from "../support/postgres/pooler.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"

const { atPort, port, query, role, schema, table, url } = await database()
const tableOf = (name: string) => `${schema}.${name}`

let namespaces = 0
const memberAt = (at: string, options: PostgresCircuitStore.Options & { readonly requireConnection?: false } = {}) =>
  member(PostgresCircuitStore.layer({ url: at, table, namespace: `faults-${++namespaces}`, ...settings, ...options }))

/** A member whose role may do what the statements grant. */
const memberAs = (statements: ReadonlyArray<string>, options: PostgresCircuitStore.Options = {}) =>
  Effect.gen(function*() {
    const { name, url } = yield* role
    for (const statement of statements) yield* query(statement.replaceAll("ROLE", name))
    return yield* memberAt(url, { ...options, requireConnection: false })
  })
const mayRead = [`grant usage on schema ${schema} to ROLE`, `grant select on all tables in schema ${schema} to ROLE`]
const mayWrite = [...mayRead, `grant insert, update, delete on all tables in schema ${schema} to ROLE`]

describe("a database that cannot be used: calls go on, the circuits decide by themselves, and it is said once", () => {
  const cases: ReadonlyArray<
    readonly [what: string, make: Effect.Effect<Member, unknown, Scope.Scope>, codes: ReadonlyArray<string>]
  > = [
    ["without the migration", memberAt(url, { table: tableOf("none") }), ["42883"]],
    [
      "a table that is another one",
      query(PostgresCircuitStore.migration({ table: tableOf("another") })).pipe(
        Effect.andThen(query(`alter table ${tableOf("another")} drop column counters`)),
        Effect.andThen(memberAt(url, { table: tableOf("another") }))
      ),
      ["42703"]
    ],
    ["without any rights", memberAs([]), ["42501"]],
    ["with the right to read only", memberAs(mayRead), ["42501"]],
    ["without the right to sweep", memberAs([...mayWrite, `revoke delete on ${table} from ROLE`]), ["42501"]],
    ["read-only", memberAs([...mayWrite, "alter role ROLE set default_transaction_read_only = on"]), ["25006"]],
    ["too many connections", memberAs([...mayWrite, "alter role ROLE connection limit 0"]), ["53300"]],
    [
      "a statement timeout of its own",
      query(PostgresCircuitStore.migration({ table: tableOf("slow") })).pipe(
        Effect.andThen(query(
          `create function ${schema}.slow() returns trigger language plpgsql as
          $$ begin perform pg_sleep(1); return new; end $$`
        )),
        Effect.andThen(query(
          `create trigger slow before insert on ${tableOf("slow")} for each row execute function ${schema}.slow()`
        )),
        Effect.andThen(
          memberAs([...mayWrite, "alter role ROLE set statement_timeout = 50"], { table: tableOf("slow") })
        )
      ),
      ["57014"]
    ],
    ["another user", memberAt(atPort(port, "nobody-there")), ["28000", "28P01"]],
    ["nobody there", memberAt(atPort(1)), ["CONNECTION"]]
  ]

  // One after the other, because rights on one table cannot be granted at once.
  it.live.each(cases)("%s", ([, make, codes]) =>
    Effect.gen(function*() {
      const one = yield* make
      assert.strictEqual(yield* up(one, "long key"), "hello")
      yield* tells(one, "store.degraded")
      assert.deepStrictEqual(yield* repeated(3, down(one, "long key")), ["503", "503", "CircuitOpen"])
      yield* Effect.sleep(3 * settings.maxStaleness)
      const [degraded] = yield* one.recorded.of("store.degraded")
      assert.include(codes, degraded?.error)
      assert.deepStrictEqual(
        (yield* one.recorded.names).filter((name) => name.startsWith("store.")),
        ["store.degraded"]
      )
    }))

  it.live("the layer fails if it has to have it", () =>
    Effect.gen(function*() {
      const store = PostgresCircuitStore.layer({ url, table: tableOf("none"), requireConnection: true })
      assert.strictEqual((yield* Effect.flip(Layer.build(store))).error, "42883")
    }))
})

describe("a database that does not answer", () => {
  it.live.each(["silence", "refuse", "cut"] as const)(
    "%s: calls go on, and the circuits follow it again",
    (fault) =>
      Effect.gen(function*() {
        const proxy = yield* TcpProxy.make(port)
        const one = yield* memberAt(atPort(proxy.port), { namespace: fault })
        const other = yield* memberAt(url, { namespace: fault })
        yield* up(one, "long key")
        yield* proxy[fault]
        const startedAt = Date.now()
        assert.strictEqual(yield* down(one, "key"), "503")
        assert.isBelow(Date.now() - startedAt, 3 * settings.operationTimeout)
        yield* tells(one, "store.degraded")
        yield* proxy.restore
        yield* tells(one, "store.recovered")
        yield* trip(other, "long key")
        yield* eventually(Effect.map(up(one, "long key"), (result) => result === "CircuitOpen"))
        assert.strictEqual((yield* one.recorded.of("store.degraded")).length, 1)
        yield* assertNoOutage(other)
      })
  )

  it.live("a row that another transaction keeps locked holds up no call", () =>
    Effect.gen(function*() {
      const one = yield* memberAt(url, { namespace: "locked" })
      yield* down(one, "key")
      const locked = query(`do $$ begin
        perform * from ${table} where namespace = 'locked' for update; perform pg_sleep(2); end $$`)
      yield* Effect.forkChild(locked)
      yield* Effect.sleep("100 millis")
      const startedAt = Date.now()
      assert.strictEqual(yield* down(one, "key"), "503")
      assert.isBelow(Date.now() - startedAt, 3 * settings.operationTimeout)
      assert.strictEqual(yield* stateOf(one, "key"), "Open")
    }))
})

describe("a pooler that loses notifications", () => {
  it.live("is no outage: a process looks for changes", () =>
    Effect.gen(function*() {
      const at = atPort(yield* pooler.make(port))
      const one = yield* memberAt(at, { namespace: "pooled" })
      const other = yield* memberAt(at, { namespace: "pooled" })
      yield* up(one, "long key")
      yield* up(other, "long key")
      yield* Effect.sleep(3 * settings.maxStaleness)
      yield* trip(one, "long key")
      yield* Effect.sleep(settings.maxStaleness)
      assert.strictEqual(yield* stateOf(other, "long key"), "Open")
      yield* assertNoOutage(one)
      yield* assertNoOutage(other)
    }))
})
