/** Checks of records that many change at once, by two connections. */
import { Effect } from "effect"
import type { ConformanceFailure } from "./conformanceFailure.ts"
import { type Check, type Connection, holds, isRecord, type Subject, uniqueId } from "./harness.ts"

const writers = 20
const rounds = 5

const competing = <A>(
  { connect }: Subject,
  work: (store: Connection, writer: number) => Effect.Effect<A, ConformanceFailure>
) =>
  Effect.gen(function*() {
    const stores = [yield* connect, yield* connect] as const
    return yield* Effect.forEach(
      Array.from({ length: writers }, (_, index) => index),
      (writer) => work(stores[writer % 2 === 0 ? 0 : 1], writer),
      { concurrency: "unbounded" }
    )
  })

export const concurrency: ReadonlyArray<Check> = [
  {
    name: "of many updates for one revision exactly one is applied, and all hear of it",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const id = yield* uniqueId
        for (let round = 0; round < rounds; round++) {
          const { revision } = (yield* store.read(id)).record
          const answers = yield* competing(subject, (store, writer) =>
            store.update(id, { guard: { revision }, set: `state ${writer}`, writer: `w:${writer}` }))
          const won = answers.filter(({ applied }) =>
            applied
          )
          yield* holds(won.length === 1, "of many updates for one revision exactly one is applied", () =>
            `${won.length} of ${writers} were`)
          for (const { record } of answers) {
            yield* isRecord(record, won[0]!.record, "an update that lost answers with the record of the one that won")
          }
        }
      })
  },
  {
    name: "of many new generations for one generation exactly one is applied",
    run: (subject) =>
      Effect.gen(function*() {
        const id = yield* uniqueId
        const answers = yield* competing(subject, (store) =>
          store.update(id, { guard: { generation: 0 }, newGeneration: { atLeast: 0 } }))
        const won = answers.filter(({ applied }) =>
          applied
        )
        yield* holds(won.length === 1, "of many new generations for one exactly one is applied", () =>
          `${won.length} of ${writers} were`)
      })
  },
  {
    name: "nothing is lost of what many count at once, while others set",
    run: (subject) =>
      Effect.gen(function*() {
        const id = yield* uniqueId
        const store = yield* subject.connect
        yield* competing(subject, (store, writer) =>
          Effect.gen(function*() {
            for (let round = 0; round < rounds; round++) {
              yield* store.apply(id, { guard: { generation: 0 }, add: new Map([["f", 1], [`w${writer}`, 1]]) })
              const { record } = yield* store.read(id)
              yield* store.update(id, { guard: { revision: record.revision }, set: `${writer}:${round}` })
            }
          }))
        const { record } = yield* store.read(id)
        const expected = new Map([
          ["f", writers * rounds],
          ...Array.from({ length: writers }, (_, index) => [`w${index}`, rounds] as const)
        ])
        yield* isRecord(record, { counters: expected }, "nothing is lost of what many count at once")
      })
  },
  {
    name: "who computes again after each lost update loses nothing",
    run: (subject) =>
      Effect.gen(function*() {
        const id = yield* uniqueId
        const store = yield* subject.connect
        yield* competing(subject, (store) =>
          Effect.gen(function*() {
            let { record } = yield* store.read(id)
            for (let done = false; !done;) {
              const answer = yield* store.update(id, {
                guard: { revision: record.revision },
                set: String(Number(record.state) + 1)
              })
              ;({ applied: done, record } = answer)
            }
          }))
        const { record } = yield* store.read(id)
        yield* isRecord(record, { state: String(writers) }, "an update is atomic")
      })
  },
  {
    name: "a count for a generation that has ended is not applied",
    run: (subject) =>
      Effect.gen(function*() {
        const id = yield* uniqueId
        const store = yield* subject.connect
        const answers = yield* competing(subject, (store, writer) =>
          store.update(
            id,
            writer === writers / 2
              ? { guard: { generation: 0 }, newGeneration: { atLeast: 0 }, set: "next" }
              : { guard: { generation: 0 }, add: new Map([["f", 1]]) }
          ))
        const { record } = yield* store.read(id)
        yield* isRecord(
          record,
          { state: "next", counters: new Map() },
          "a count for a generation that has ended is not applied"
        )
        const late = answers.filter(({ applied, record: { generation } }) =>
          applied && generation === record.generation
        )
        yield* holds(
          late.length === 1,
          "a count for a generation that has ended is not applied",
          () => `${late.length - 1} were`
        )
      })
  }
]
