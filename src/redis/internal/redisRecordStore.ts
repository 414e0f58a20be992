/** Records in Redis. */
import { Effect, Queue, Result, Stream } from "effect"
import { type Change, type CircuitRecord, type Reading, type RecordStore, StoreFault } from "../../RecordStore.ts"
import type { RedisPort } from "./port.ts"
import { recordScript } from "./recordScript.ts"

export const make = (port: RedisPort, prefix: string): RecordStore["Service"] => {
  const channel = `${port.keyPrefix}${prefix}:changes`
  const processes = `${prefix}:processes`
  const keyOf = (id: string) => id === "" ? processes : `${prefix}:records:{${id}}`
  const run = (operation: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
    port.run(recordScript, keys, [operation, channel, ...args])

  const readTogether = (ids: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Result.Result<Reading, StoreFault>>> =>
    Effect.match(run("read", ids.map(keyOf)), {
      onFailure: (fault) => ids.map(() => Result.fail(fault)),
      onSuccess: (reply) => {
        const [now, records] = isList(reply) ? reply : []
        const nowMillis = Number(now)
        return ids.map((_, index) => readingOf(nowMillis, isList(records) ? records[index] : undefined))
      }
    })

  return {
    read: (ids) =>
      port.isSpread
        ? Effect.map(
          Effect.forEach(ids, (id) => readTogether([id]), { concurrency: "unbounded" }),
          (results) => results.flat()
        )
        : readTogether(ids),
    update: (id, { add, announce, expiresInMillis, guard, newGeneration, remove, set, writer }) => {
      const change = JSON.stringify({
        id,
        ..."revision" in guard
          ? { guard: "revision", expected: guard.revision }
          : { guard: "generation", expected: guard.generation },
        set,
        atLeast: newGeneration?.atLeast,
        add: Object.fromEntries([...add].map(([name, n]) => [name, String(n)])),
        remove,
        writer,
        expires: expiresInMillis === undefined ? undefined : String(Math.ceil(expiresInMillis)),
        announce
      })
      return Effect.flatMap(run("update", [keyOf(id)], change), (reply) => {
        const [now, record, applied] = isList(reply) ? reply : []
        return Effect.map(
          Effect.fromResult(readingOf(Number(now), record)),
          (reading) => ({ ...reading, applied: applied === "1" })
        )
      })
    },
    beat: (process, beat, leaseMillis) =>
      Effect.flatMap(run("beat", [processes], process, String(beat), String(leaseMillis)), (reply) => {
        const now = isList(reply) ? Number(reply[0]) : Number.NaN
        return Number.isFinite(now) ? Effect.succeed(now) : Effect.fail(malformed)
      }),
    changes: (onListening) =>
      Stream.callback<Change, StoreFault>((queue) =>
        Effect.gen(function*() {
          const lost = yield* port.subscribe(channel, (message) => {
            const change = changeOf(message)
            if (change !== undefined) Queue.offerUnsafe(queue, change)
          })
          yield* onListening
          return yield* lost
        }).pipe(Effect.catch((fault) => Queue.fail(queue, fault)))
      ),
    presence: Effect.map(run("presence", [processes]), (reply) => isList(reply) ? reply.map(String) : []),
    list: Stream.map(port.scan(`${escaped(prefix)}:records:{*}`), (key) => key.slice(key.indexOf(":{") + 2, -1)),
    partOf: (id) => port.partOf(keyOf(id))
  }
}

const malformed = new StoreFault({ code: "REPLY" })

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

// A record whose fields anybody may have written.
const readingOf = (nowMillis: number, fields: unknown): Result.Result<Reading, StoreFault> => {
  if (typeof fields === "string") return Result.fail(ofRecord(fields))
  if (!Number.isFinite(nowMillis) || !isList(fields)) return Result.fail(malformed)
  const text = new Map<string, string>()
  const counters = new Map<string, number>()
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [name, value] = [String(fields[at]), String(fields[at + 1])]
    if (name.startsWith("c")) counters.set(name.slice(1), whole(value))
    else text.set(name, value)
  }
  const record: CircuitRecord = {
    revision: whole(text.get("r")),
    generation: whole(text.get("g")),
    state: text.get("s") ?? "",
    counters,
    writer: text.get("w") ?? ""
  }
  return Result.succeed({ record, nowMillis })
}

const ofRecord = (error: string) =>
  new StoreFault({ code: /^[A-Z]+/.exec(error)?.[0] ?? "REPLY", ofRecord: error.startsWith("WRONGTYPE") })

// As the script reads them.
const whole = (text: string | undefined): number => {
  const n = Number(text)
  return Number.isSafeInteger(n) && n >= 0 && n < Number.MAX_SAFE_INTEGER ? n : 0
}

const changeOf = (message: string): Change | undefined => {
  try {
    const parsed: unknown = JSON.parse(message)
    const [id, revision, writer] = isList(parsed) ? parsed : []
    return typeof id === "string" && typeof writer === "string"
      ? { id, revision: whole(String(revision)), writer }
      : undefined
  } catch {
    return undefined
  }
}

const escaped = (text: string) => text.replace(/[\\*?[\]]/g, "\\$&")
