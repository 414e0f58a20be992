/** Checks of what a record, its id and a list may be made of. */
import { Effect } from "effect"
import { type Check, counters, fails, holds, isRecord, show, uniqueId } from "./harness.ts"

// A state that a store has no reason to alter, and some do.
const texts = [
  "",
  "0",
  "null",
  " a\tb\r\nc ",
  "\"'`\\%s;--${}",
  "\u0001\u007f\u00a0\u2028\ufeff",
  "Zürich, 東京, 🚦",
  "x".repeat(100_000)
] as const

const visible = Array.from({ length: 0x7e - 0x20 }, (_, index) => String.fromCharCode(0x21 + index))
  .filter((character) => character !== "{" && character !== "}")
  .join("")

export const values: ReadonlyArray<Check> = [
  {
    name: "a state and a writer come back as they were written",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        let revision = 0
        for (const state of texts) {
          const writer = `${state.slice(0, 20)}:1`
          const { record } = yield* store.apply(id, { guard: { revision }, set: state, writer })
          yield* isRecord(record, { state, writer }, "a text comes back as it was written")
          yield* isRecord((yield* store.read(id)).record, { state, writer }, "a text is read as it was written")
          revision = record.revision
        }
      })
  },
  {
    name: "counters are exact when they are large, many, and oddly named",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const id = yield* uniqueId
        const guard = { generation: 0 }
        const large = 2 ** 51
        const add = counters(
          ["constructor", 1],
          ["toString", 2],
          ["1", 3],
          ["a", large],
          ["A", 5],
          ["..::..", 6],
          ["9".repeat(40), 7],
          ...Array.from({ length: 500 }, (_, index) => [`s20000.${index % 4}:${17e8 + index}`, index + 1] as const)
        )
        yield* store.apply(id, { guard, add })
        const { record } = yield* store.apply(id, { guard, add: counters(["a", large - 1], ["constructor", 2 ** 26]) })
        const expected = new Map([...add, ["a", 2 * large - 1], ["constructor", 2 ** 26 + 1]] as const)
        yield* isRecord(record, { counters: expected }, "counters are whole numbers up to 2 ** 53 by name")
        const left = yield* store.apply(id, { guard, remove: [...expected.keys()].filter((name) => name !== "A") })
        yield* isRecord(left.record, { counters: counters(["A", 5]) }, "as many counters can be removed as there are")
      })
  },
  {
    name: "ids are any visible ASCII without braces, of up to 60,000 characters",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const store = yield* connect
        const unique = yield* uniqueId
        const ids = [
          `${unique}${visible}`,
          `${unique}/a`,
          `${unique}/A`,
          `${unique}/*`,
          `${unique}/%`,
          `${unique}/_`,
          `*${unique}`,
          `${unique}${"x".repeat(60_000 - unique.length)}`,
          `${unique}${"x".repeat(59_999 - unique.length)}`
        ]
        for (const [index, id] of ids.entries()) yield* store.apply(id, { guard: { revision: 0 }, set: String(index) })
        const states = (yield* store.readAll(ids)).map(({ record }) => record.state)
        yield* holds(show(states) === show([...ids.keys()].map(String)), "every id has a record of its own", () =>
          show(states))
        const listed = new Set(yield* store.list)
        const missing = ids.filter((id) =>
          !listed.has(id)
        )
        yield* holds(missing.length === 0, "the list has the ids as they are", () => `without ${show(missing)}`)
      })
  },
  {
    name: "the list has every record, also one of counters only, and nothing else of the store",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const [store, other] = [yield* connect, yield* connect]
        const unique = yield* uniqueId
        const ids = Array.from({ length: 50 }, (_, index) => `${unique}/${index}`)
        yield* Effect.forEach(ids, (id, index) =>
          store.apply(id, {
            guard: { generation: 0 },
            ...index % 2 === 0 ? { set: "x" } : { add: counters(["f", 1]) }
          }))
        const listed = yield* other.list
        const [mine, foreign] = [listed.filter((id) => id.startsWith(unique)), listed.filter((id) => id === "")]
        yield* holds(new Set(mine).size === ids.length, "the list has every record", () =>
          `${new Set(mine).size} of ${ids.length}`)
        return yield* holds(foreign.length === 0, "the list has ids of records only", () =>
          "an empty id")
      })
  },
  {
    name: "an id is always of the same part",
    run: ({ connect }) =>
      Effect.gen(function*() {
        const [store, other] = [yield* connect, yield* connect]
        const ids = [yield* uniqueId, yield* uniqueId]
        for (const id of ids) {
          const parts = [store, other, store].map(({ store }) => store.partOf(id))
          if (new Set(parts).size > 1) return yield* fails("every connection says the same part of an id", show(parts))
        }
      })
  }
]
