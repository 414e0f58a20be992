/** Records in PostgreSQL, each a row. A process that lives is a row without an id, of which it is the writer. */
import { Effect, Option, Result, Stream } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { createHash } from "node:crypto"
import { type Reading, type RecordStore, StoreFault } from "../../RecordStore.ts"
import * as changes from "./changes.ts"
import { micros, namesOf } from "./migration.ts"
import { isList, makeRun, malformed } from "./port.ts"

export interface Settings {
  readonly namespace: string
  readonly table: string
  /** The time between two looks for changes, where they cannot be listened to. */
  readonly pollMillis: number
}

export const make = Effect.fnUntraced(function*(sql: SqlClient, { namespace, pollMillis, table: name }: Settings) {
  const { table, update } = namesOf(name)
  const run = yield* makeRun(sql)
  // Ids are longer than what an index takes.
  const keyOf = (id: string) => createHash("sha256").update(`${namespace} ${id}`).digest("hex")
  const channel = `effect_resilience_${keyOf(table).slice(0, 32)}`
  const isThere = `(expires is null or expires > ${micros})`

  const change = (id: string, key: string, fields: Record<string, unknown>) =>
    Effect.retry(
      run(`select ${update}($1::jsonb)::text`, JSON.stringify({ namespace, channel, id, key: keyOf(key), ...fields })),
      // Of these two it is known that nothing was carried out.
      { times: 3, while: ({ code }) => code === "40001" || code === "40P01" }
    )

  let sweptAt = 0
  const sweep = (nowMillis: number) =>
    Effect.suspend(() => {
      if (nowMillis - sweptAt < sweepMillis) return Effect.void
      sweptAt = nowMillis
      // One of all processes takes the turn. The next one goes on where this one was cut off.
      const swept = run(
        `with turn as (
          insert into ${table} (key, namespace, id, expires) values ($1, $2, '', ${micros} + ${sweepMillis} * 1000)
          on conflict (key) do update set expires = excluded.expires where ${table}.expires <= ${micros} returning 1
        ), swept as (
          delete from ${table} where namespace = $2 and expires <= ${micros} and exists (select from turn)
        ) select '[]'`,
        keyOf("{}"),
        namespace
      )
      return Effect.forkDetach(Effect.ignore(swept))
    })

  const service: RecordStore["Service"] = {
    read: (ids) => {
      const keys = ids.map(keyOf)
      const found = run(
        `select json_build_array(${micros}, coalesce(json_agg(json_build_array(
          key, revision, generation, state, counters, writer)), '[]'))::text from ${table}
        where key in (select jsonb_array_elements_text($1::jsonb)) and ${isThere}`,
        JSON.stringify(keys)
      )
      return Effect.match(found, {
        onFailure: (fault) => ids.map(() => Result.fail(fault)),
        onSuccess: ([now, rows]) => {
          const byKey = new Map((isList(rows) ? rows : []).filter(isList).map((row) => [row[0], row]))
          return keys.map((key) => readingOf(now, byKey.get(key) ?? none))
        }
      })
    },
    update: (id, { add, announce, expiresInMillis, guard, newGeneration, remove, set, writer }) => {
      const changed = change(id, id, {
        ...guard,
        ...newGeneration,
        set,
        add: Object.fromEntries(add),
        remove,
        writer,
        millis: expiresInMillis === undefined ? undefined : Math.ceil(expiresInMillis),
        announce: announce || undefined
      })
      return Effect.flatMap(
        Effect.mapError(changed, ofRecord),
        ([now, applied, ...row]) =>
          Effect.map(Effect.fromResult(readingOf(now, row)), (reading) => ({ ...reading, applied: applied === true }))
      )
    },
    beat: (process, beat, leaseMillis) =>
      change("", `{${process}}`, {
        set: "",
        beat,
        add: {},
        remove: [],
        writer: process,
        millis: Math.ceil(leaseMillis),
        announce: true
      }).pipe(
        Effect.map(([now]) => millisOf(now)),
        Effect.filterOrFail(Number.isFinite, () => malformed),
        Effect.tap(sweep)
      ),
    changes: changes.make(sql, run, { channel, namespace, pollMillis, table }),
    presence: Effect.map(
      run(
        `select coalesce(json_agg(writer), '[]')::text from ${table}
        where namespace = $1 and id = '' and writer <> '' and expires > ${micros}`,
        namespace
      ),
      (processes) => processes.map(String)
    ),
    list: Stream.paginate("", (after) =>
      Effect.map(
        run(
          `select coalesce(json_agg(json_build_array(id, key) order by key), '[]')::text from (
            select id, key from ${table}
            where namespace = $1 and id <> '' and ${isThere} and key > $2 order by key limit 1000) as page`,
          namespace,
          after
        ),
        (page) => {
          const rows = page.filter(isList)
          const last = rows.at(-1)
          return [rows.map(([id]) => String(id)), last === undefined ? Option.none() : Option.some(String(last[1]))]
        }
      )),
    partOf: () => ""
  }
  return service
})

const sweepMillis = 60_000

const none: ReadonlyArray<unknown> = ["", 0, 0, "", {}, ""]

const millisOf = (micros: unknown): number => typeof micros === "number" ? Math.floor(micros / 1000) : Number.NaN

// A row that anybody may have written.
const readingOf = (
  now: unknown,
  [, revision, generation, state, counters, writer]: ReadonlyArray<unknown>
): Result.Result<Reading, StoreFault> => {
  const nowMillis = millisOf(now)
  if (!Number.isFinite(nowMillis)) return Result.fail(malformed)
  if (
    !isWhole(revision) || !isWhole(generation) || typeof state !== "string" || typeof writer !== "string" ||
    typeof counters !== "object" || counters === null
  ) {
    return Result.fail(new StoreFault({ code: malformed.code, ofRecord: true }))
  }
  const counted = Object.entries(counters).map(([name, n]) => [name, isWhole(n) ? n : 0] as const)
  return Result.succeed({ record: { revision, generation, state, counters: new Map(counted), writer }, nowMillis })
}

const isWhole = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0

// Values that do not fit are those of the one row, or of its update.
const ofRecord = ({ code }: StoreFault) => new StoreFault({ code, ofRecord: /^2[23]/.test(code) })
