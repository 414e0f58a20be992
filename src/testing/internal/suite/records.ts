/** Checks of records that one writer changes. */
import { Effect } from "effect"
import { absent } from "../../../RecordStore.ts"
import { type Check, counters, holds, isRecord, show, uniqueId } from "./harness.ts"

export const records: ReadonlyArray<Check> = [
  {
    name: "a record without a past is absent",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const { record } = yield* store.read(yield* uniqueId)
        yield* isRecord(record, absent, "a record without a past reads as absent")
      })
  },
  {
    name: "a read answers in the order of its ids, also for the same id twice and for none",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const [one, other, none] = [yield* uniqueId, yield* uniqueId, yield* uniqueId]
        yield* store.apply(one, { guard: { revision: 0 }, set: "one" })
        yield* store.apply(other, { guard: { revision: 0 }, set: "other" })
        const readings = yield* store.readAll([other, none, one, other])
        const states = readings.map(({ record }) => record.state)
        yield* holds(show(states) === show(["other", "", "one", "other"]), "results are in the order of the ids", () =>
          show(states))
        yield* store.readAll([])
      })
  },
  {
    name: "an update whose guard is the revision is applied if the record has it",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        const first = yield* store.apply(id, { guard: { revision: 0 }, set: "one" })
        const second = yield* store.apply(id, { guard: { revision: first.record.revision }, set: "two" })
        const promise = "an update whose guard does not hold changes nothing, and answers with the record as it is"
        for (const revision of [0, first.record.revision, second.record.revision + 1]) {
          const refused = yield* store.update(id, {
            guard: { revision },
            set: "three",
            add: counters(["f", 1]),
            writer: "other:1"
          })
          yield* holds(!refused.applied, promise, () =>
            `an update for revision ${revision} was applied on ${second.record.revision}`)
          yield* isRecord(refused.record, second.record, promise)
        }
        yield* isRecord((yield* store.read(id)).record, second.record, promise)
        yield* isRecord(second.record, { state: "two" }, "an update answers with the record as it is afterwards")
      })
  },
  {
    name: "an update whose guard is the generation is applied if the record has it",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        yield* store.apply(id, { guard: { revision: 0 }, set: "none" })
        const first = yield* store.apply(id, { guard: { generation: 0 }, newGeneration: { atLeast: 0 }, set: "one" })
        const { generation } = first.record
        const counted = yield* store.apply(id, { guard: { generation }, add: counters(["f", 1]) })
        const promise = "an update whose guard does not hold changes nothing, and answers with the record as it is"
        for (const other of [0, generation - 1, generation + 1]) {
          const refused = yield* store.update(id, { guard: { generation: other }, add: counters(["f", 1]), set: "x" })
          yield* holds(
            !refused.applied,
            promise,
            () => `an update for generation ${other} was applied on ${generation}`
          )
          yield* isRecord(refused.record, counted.record, promise)
        }
        const set = yield* store.apply(id, { guard: { generation }, set: "two" })
        yield* isRecord(set.record, { state: "two", generation }, "a guard may be the generation for every change")
        yield* isRecord((yield* store.read(id)).record, set.record, "a read sees what was updated")
      })
  },
  {
    name: "a guard that does not hold makes no record",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        const promise = "an update whose guard does not hold changes nothing"
        for (const guard of [{ revision: 1 }, { generation: 1 }]) {
          const { applied, record } = yield* store.update(id, { guard, set: "x", add: counters(["f", 1]) })
          yield* holds(!applied, promise, () => `the guard ${show(guard)} held for an absent record`)
          yield* isRecord(record, absent, promise)
        }
        yield* holds(!(yield* store.list).includes(id), promise, () => "the record is in the list")
      })
  },
  {
    name: "set moves the revision and notes the writer, and leaves counters and generation",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        let { record } = yield* store.apply(id, { guard: { generation: 0 }, add: counters(["f", 2]) })
        for (const [round, state] of ["one", "two", "two", ""].entries()) {
          const before = record
          record =
            (yield* store.apply(id, { guard: { revision: before.revision }, set: state, writer: `p:${round}` })).record
          yield* holds(
            record.revision > before.revision,
            "every set moves the revision, also to the same state",
            () => `${before.revision}, and then ${record.revision}`
          )
          yield* isRecord(
            record,
            { state, writer: `p:${round}`, generation: 0, counters: counters(["f", 2]) },
            "a set changes the state and the writer only"
          )
        }
      })
  },
  {
    name: "add counts from 0, and moves no revision, state or writer",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        const first = yield* store.apply(id, { guard: { generation: 0 }, add: counters(["f.0:1", 1], ["f.1:2", 5]) })
        yield* isRecord(
          first.record,
          { ...absent, counters: counters(["f.0:1", 1], ["f.1:2", 5]) },
          "counters are counted without a set"
        )
        const { record } = yield* store.apply(id, { guard: { revision: 0 }, set: "one", writer: "setter:1" })
        const added = yield* store.apply(id, {
          guard: { generation: 0 },
          add: counters(["f.0:1", 2], ["s20:1", 3]),
          writer: "counter:1"
        })
        yield* isRecord(
          added.record,
          { ...record, counters: counters(["f.0:1", 3], ["f.1:2", 5], ["s20:1", 3]) },
          "add moves no revision, and changes nothing but counters"
        )
      })
  },
  {
    name: "remove drops the counters that it names, before it adds",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        yield* store.apply(id, { guard: { generation: 0 }, add: counters(["a", 1], ["b", 2], ["c", 3]) })
        const { record } = yield* store.apply(id, {
          guard: { generation: 0 },
          remove: ["a", "b", "none"],
          add: counters(["b", 10])
        })
        yield* isRecord(
          record,
          { counters: counters(["b", 10], ["c", 3]) },
          "remove drops the counters that it names, before add"
        )
      })
  },
  {
    name: "a new generation is later than the last one, at least what is asked for, and begins without counters",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        const { nowMillis } = yield* store.read(id)
        const first = yield* store.apply(id, { guard: { generation: 0 }, add: counters(["a", 1]) })
        const second = yield* store.apply(id, {
          guard: { generation: first.record.generation },
          newGeneration: { atLeast: 5 },
          add: counters(["b", 2])
        })
        yield* holds(
          second.record.generation >= nowMillis * 1000,
          "a new generation is no earlier than the store's clock in microseconds",
          () => `${second.record.generation} at ${nowMillis} ms`
        )
        yield* isRecord(
          second.record,
          { revision: 0, state: "", writer: "", counters: counters(["b", 2]) },
          "a new generation drops every counter before add, and moves no revision"
        )
        const atLeast = second.record.generation + 3_600_000_000
        const third = yield* store.apply(id, { guard: { revision: 0 }, newGeneration: { atLeast } })
        yield* isRecord(
          third.record,
          { generation: atLeast, counters: counters() },
          "a new generation is at least what is asked for"
        )
        const fourth = yield* store.apply(id, {
          guard: { generation: atLeast },
          newGeneration: { atLeast: 0 },
          set: "four"
        })
        yield* isRecord(
          fourth.record,
          { generation: atLeast + 1, state: "four" },
          "a new generation is later than the last one, also if the clock is behind"
        )
      })
  }
]
