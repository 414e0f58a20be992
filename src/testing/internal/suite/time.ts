/** Checks of a store's clock, of records that expire, and of processes that live. */
import { Effect } from "effect"
import { absent } from "../../../RecordStore.ts"
import { type Check, type Connection, eventually, holds, isRecord, type Subject, uniqueId } from "./harness.ts"

const briefMillis = 300

const expires = (subject: Subject, store: Connection, id: string) =>
  eventually(
    subject,
    Effect.map(store.read(id), ({ record }) => record.revision === 0 && record.counters.size === 0),
    `a record that is kept for ${briefMillis} ms is absent then`,
    () => "it is there"
  )

export const time: ReadonlyArray<Check> = [
  {
    name: "every answer has the time, which does not run back and goes on as time does",
    run: ({ advance, connect }) =>
      Effect.gen(function*() {
        const stores = [yield* connect, yield* connect]
        const id = yield* uniqueId
        let last = 0
        const see = (what: string, nowMillis: number) => {
          const before = last
          last = nowMillis
          return holds(
            nowMillis >= Math.max(before, 946_684_800_000) && nowMillis < 4_102_444_800_000,
            "times are milliseconds since 1970 that do not run back",
            () => `${what} said ${nowMillis} after ${before}`
          )
        }
        const once = (store: Connection) =>
          Effect.gen(function*() {
            yield* see("a read", (yield* store.read(id)).nowMillis)
            yield* see(
              "an update",
              (yield* store.apply(id, { guard: { generation: 0 }, add: new Map([["f", 1]]) })).nowMillis
            )
            yield* see("an update that was refused", (yield* store.update(id, { guard: { generation: 1 } })).nowMillis)
          })
        for (const store of stores) yield* once(store)
        const before = last
        yield* advance(100)
        for (const store of stores) yield* once(store)
        yield* holds(last - before >= 90, "the clock of a store goes on", () => `${last - before} ms after 100 ms`)
      })
  },
  {
    name: "a beat answers with the time too",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const before = (yield* store.read(yield* uniqueId)).nowMillis
        const nowMillis = yield* store.beat(yield* uniqueId, 1, 60_000)
        yield* holds(
          Math.abs(nowMillis - before) < 60_000,
          "a beat answers with the store's time",
          () => `${nowMillis}, where a read said ${before}`
        )
      })
  },
  {
    name: "a revision is no earlier than the store's clock in microseconds",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        const { nowMillis } = yield* store.read(id)
        const { record } = yield* store.apply(id, { guard: { revision: 0 }, set: "one" })
        yield* holds(
          record.revision >= nowMillis * 1000,
          "a revision is no earlier than the store's clock in microseconds",
          () => `${record.revision} at ${nowMillis} ms`
        )
      })
  },
  {
    name: "a record is there until it expires, and absent after that",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const id = yield* uniqueId
        const { nowMillis, record } = yield* store.apply(id, {
          guard: { revision: 0 },
          set: "one",
          newGeneration: { atLeast: 0 },
          add: new Map([["f", 1]]),
          expiresInMillis: briefMillis
        })
        yield* subject.advance(briefMillis / 3)
        const reading = yield* store.read(id)
        if (reading.nowMillis < nowMillis + briefMillis - 1) {
          yield* isRecord(reading.record, record, "a record is there until it expires")
        }
        yield* expires(subject, store, id)
        yield* isRecord((yield* store.read(id)).record, absent, "a record that has expired reads as absent")
        yield* holds(!(yield* store.list).includes(id), "the list has no record that has expired", () => "it has one")
      })
  },
  {
    name: "every update sets when a record expires anew, and undefined means never",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const id = yield* uniqueId
        const guard = { generation: 0 }
        const kept = [id, `${id}/longer`, `${id}/refused`] as const
        for (const one of kept) {
          yield* store.apply(one, { guard, add: new Map([["f", 1]]), expiresInMillis: briefMillis })
        }
        // By one that counts and one that sets, because both are updates.
        yield* store.apply(kept[0], { guard, add: new Map([["f", 1]]), expiresInMillis: undefined })
        yield* store.apply(kept[1], { guard, set: "x", expiresInMillis: 60_000 })
        yield* store.update(kept[2], { guard: { generation: 1 }, expiresInMillis: 60_000 })
        yield* expires(subject, store, kept[2])
        yield* subject.advance(briefMillis)
        const [first, second] = yield* store.readAll(kept)
        yield* isRecord(first!.record, { counters: new Map([["f", 2]]) }, "a record without an end is kept")
        yield* isRecord(second!.record, { state: "x" }, "an update moves the end of a record")
        yield* store.apply(kept[0], { guard, add: new Map([["f", 1]]), expiresInMillis: briefMillis })
        yield* expires(subject, store, kept[0])
      })
  },
  {
    name: "a record that comes again has a later revision and generation than the one that was lost",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const id = yield* uniqueId
        const born = { set: "one", newGeneration: { atLeast: 0 }, add: new Map([["f", 1]]) }
        let { record } = yield* store.apply(id, { guard: { revision: 0 }, ...born, expiresInMillis: briefMillis })
        for (let round = 0; round < 20; round++) {
          const guard = { revision: record.revision }
          ;({ record } = yield* store.apply(id, { guard, ...born, expiresInMillis: briefMillis }))
        }
        yield* expires(subject, store, id)
        const again = (yield* store.apply(id, { guard: { revision: 0 }, ...born })).record
        yield* holds(
          again.revision > record.revision && again.generation > record.generation,
          "revisions and generations rise, also over a record that was lost",
          () => `${again.revision}/${again.generation} after ${record.revision}/${record.generation}`
        )
        yield* isRecord(again, { counters: new Map([["f", 1]]) }, "nothing is left of a record that was lost")
      })
  },
  {
    name: "a process that beats is present until its lease ends",
    run: (subject) =>
      Effect.gen(function*() {
        const [store, other] = [yield* subject.connect, yield* subject.connect]
        const [lives, dies, renews] = [yield* uniqueId, yield* uniqueId, yield* uniqueId]
        yield* store.beat(lives, 1, 60_000)
        yield* store.beat(renews, 1, briefMillis)
        yield* store.beat(renews, 2, 60_000)
        yield* store.beat(dies, 1, briefMillis)
        const present = (process: string) => Effect.map(other.presence, (processes) => processes.includes(process))
        yield* holds(yield* present(lives), "a process that beats is present for others", () => "it is not")
        yield* eventually(
          subject,
          Effect.map(present(dies), (there) => !there),
          "a process whose lease has ended is not present",
          () => "it is"
        )
        for (const process of [lives, renews]) {
          yield* holds(yield* present(process), "a process is present until its lease ends", () => "it is not")
        }
        const times = (yield* other.presence).filter((process) => process === renews).length
        yield* holds(times === 1, "a process is present once, however often it beats", () => `${times} times`)
        yield* holds(!(yield* store.list).includes(lives), "the list has records only", () => "a process is in it")
      })
  }
]
