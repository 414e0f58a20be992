/** Checks of what processes hear of each other. */
import { Effect, Exit } from "effect"
import type { Change } from "../../../RecordStore.ts"
import {
  answeringAgain,
  type Check,
  eventually,
  holds,
  listen,
  type Listener,
  show,
  type Subject,
  uniqueId
} from "./harness.ts"

const hears = (subject: Subject, { heard }: Listener, change: Change, promise: string) =>
  eventually(
    subject,
    Effect.sync(() => heard.some((other) => show(sorted(other)) === show(sorted(change)))),
    promise,
    () => `heard ${show(heard.slice(-5))}, and not ${show(change)}`
  )

const sorted = ({ id, revision, writer }: Change) => [id, revision, writer]

export const changes: ReadonlyArray<Check> = [
  {
    name: "all who listen hear what is announced, with its id, revision and writer",
    run: (subject) =>
      Effect.gen(function*() {
        const [one, other] = [yield* subject.connect, yield* subject.connect]
        const listeners = [yield* listen(subject, one), yield* listen(subject, other)]
        const promise = "all who listen hear what is announced"
        const id = yield* uniqueId
        const set = yield* one.apply(id, { guard: { revision: 0 }, set: "x", writer: "p:1", announce: true })
        for (const listener of listeners) {
          yield* hears(subject, listener, { id, revision: set.record.revision, writer: "p:1" }, promise)
        }
        yield* other.apply(id, { guard: { generation: 0 }, add: new Map([["f", 1]]), writer: "p:2", announce: true })
        for (const listener of listeners) {
          yield* hears(subject, listener, { id, revision: set.record.revision, writer: "p:2" }, promise)
        }
        const odd = `${id}"\\*[]|%\t`.replace("\t", "~")
        const many = Array.from({ length: 50 }, (_, index) => `${odd}/${index}`)
        const applied = yield* Effect.forEach(many, (id) =>
          one.apply(id, { guard: { revision: 0 }, set: "x", announce: true }), { concurrency: "unbounded" })
        for (const [index, id] of many.entries()) {
          for (const listener of listeners) {
            yield* hears(
              subject,
              listener,
              { id, revision: applied[index]!.record.revision, writer: "suite:1" },
              promise
            )
          }
        }
      })
  },
  {
    name: "nobody hears what is not announced, or not applied",
    run: (subject) =>
      Effect.gen(function*() {
        const [one, other] = [yield* subject.connect, yield* subject.connect]
        const listener = yield* listen(subject, other)
        const [silent, last] = [yield* uniqueId, yield* uniqueId]
        yield* one.apply(silent, { guard: { revision: 0 }, set: "x" })
        yield* one.apply(silent, { guard: { generation: 0 }, add: new Map([["f", 1]]) })
        yield* one.update(silent, { guard: { revision: 0 }, set: "y", announce: true })
        const { record } = yield* one.apply(last, { guard: { revision: 0 }, set: "x", announce: true })
        yield* hears(
          subject,
          listener,
          { id: last, revision: record.revision, writer: "suite:1" },
          "all who listen hear what is announced"
        )
        const heard = listener.heard.filter(({ id }) => id === silent)
        yield* holds(heard.length === 0, "nobody hears what is not announced, or not applied", () => show(heard))
      })
  },
  {
    name: "a change is of its record once it is heard: who reads then sees it",
    run: (subject) =>
      Effect.gen(function*() {
        const [one, other] = [yield* subject.connect, yield* subject.connect]
        const listener = yield* listen(subject, other)
        const id = yield* uniqueId
        yield* Effect.forkScoped(one.apply(id, { guard: { revision: 0 }, set: "x", announce: true }))
        const promise = "who reads a record after its change was heard sees the change"
        yield* eventually(
          subject,
          Effect.sync(() => listener.heard.some((change) => change.id === id)),
          promise,
          () => "no change"
        )
        const { record } = yield* other.read(id)
        yield* holds(record.state === "x", promise, () => show(record))
      })
  },
  {
    name: "all who listen hear a beat, with an empty id, its number and its process",
    run: (subject) =>
      Effect.gen(function*() {
        const [one, other] = [yield* subject.connect, yield* subject.connect]
        const listeners = [yield* listen(subject, one), yield* listen(subject, other)]
        const process = yield* uniqueId
        for (const beat of [1, 2, 2_000_000]) {
          yield* one.beat(process, beat, 60_000)
          for (const listener of listeners) {
            yield* hears(subject, listener, { id: "", revision: beat, writer: process }, "all who listen hear a beat")
          }
        }
      })
  },
  {
    name: "who begins to listen hears what follows, and the streams of others go on",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const first = yield* listen(subject, store)
        yield* Effect.scoped(listen(subject, yield* subject.connect))
        const second = yield* listen(subject, store)
        const process = yield* uniqueId
        yield* store.beat(process, 1, 60_000)
        for (const listener of [first, second]) {
          yield* hears(subject, listener, { id: "", revision: 1, writer: process }, "all who listen hear a beat")
          yield* holds(listener.exit() === undefined, "changes do not end while none is missed", () => "they ended")
        }
      })
  }
]

/** With what cuts the connections by which changes come. */
export const cuts: ReadonlyArray<Check<Subject & { readonly cut: Effect.Effect<void> }>> = [
  {
    name: "changes fail when some may have been missed, and can be listened to again",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const listener = yield* listen(subject, store)
        yield* subject.cut
        yield* eventually(
          subject,
          Effect.sync(() => listener.exit() !== undefined),
          "changes fail when some may have been missed",
          () => "they went on after the connection was cut"
        )
        const exit = listener.exit()!
        yield* holds(
          Exit.isFailure(exit) && exit.cause.reasons.every(({ _tag }) => _tag === "Fail"),
          "changes fail with a StoreFault when some may have been missed",
          () => String(exit)
        )
        const process = yield* uniqueId
        // The first ones may find the connection that is not there yet.
        const again = yield* answeringAgain(subject, listen(subject, store))
        yield* answeringAgain(subject, store.beat(process, 1, 60_000))
        yield* hears(subject, again, { id: "", revision: 1, writer: process }, "who listens again hears what follows")
      })
  }
]
