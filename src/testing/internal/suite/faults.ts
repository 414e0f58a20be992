/** Checks of a store whose answers are lost, or that does not answer. */
import { Effect, Exit, Result, type Scope, Stream } from "effect"
import { StoreFault } from "../../../RecordStore.ts"
import {
  answeringAgain,
  type Check,
  ending,
  fails,
  holds,
  isRecord,
  type Subject,
  uniqueId,
  updateOf
} from "./harness.ts"

/** Until the scope ends. */
type Fault = Effect.Effect<void, never, Scope.Scope>

const tries = 5

const isFault = (exit: Exit.Exit<unknown, unknown> | undefined): boolean =>
  exit === undefined ||
  (Exit.isFailure(exit) &&
    exit.cause.reasons.every((reason) => reason._tag === "Fail" && reason.error instanceof StoreFault))

export const lostAnswers: ReadonlyArray<Check<Subject & { readonly loseAnswers: Fault }>> = [
  {
    name: "an update whose answer was lost is a fault; it was carried out once at most, and its writer says so",
    run: (subject) =>
      Effect.gen(function*() {
        const [store, other] = [yield* subject.connect, yield* subject.connect]
        const ids = [yield* uniqueId, yield* uniqueId, yield* uniqueId]
        for (const [index, id] of ids.entries()) {
          const lost = Effect.andThen(
            subject.loseAnswers,
            ending(
              subject,
              store.store.update(
                id,
                updateOf({ guard: { generation: 0 }, set: "x", add: new Map([["f", 1]]), writer: `lost:${index}` })
              )
            )
          )
          const exit = yield* Effect.scoped(lost)
          yield* holds(isFault(exit), "an update whose answer was lost fails with a StoreFault", () => `${exit}`)
          yield* subject.advance(100)
          const { record } = yield* answeringAgain(subject, other.read(id))
          const count = record.counters.get("f") ?? 0
          const promise = "an update whose answer was lost was carried out once at most"
          yield* holds(count <= 1, promise, () => `it was counted ${count} times`)
          if (count === 1) {
            yield* isRecord(
              record,
              { state: "x", writer: `lost:${index}` },
              "an update whose answer was lost is recognised by its writer"
            )
          }
        }
      })
  }
]

export const outages: ReadonlyArray<Check<Subject & { readonly unreachable: Fault }>> = [
  {
    name: "a store that cannot be reached answers with faults, or is given up, and repeats nothing when it is back",
    run: (subject) =>
      Effect.gen(function*() {
        const store = yield* subject.connect
        const id = yield* uniqueId
        const guard = { generation: 0 }
        yield* store.apply(id, { guard, add: new Map([["f", 1]]) })
        yield* Effect.scoped(Effect.gen(function*() {
          yield* subject.unreachable
          const read = Effect.flatMap(store.store.read([id]), ([result]) =>
            Effect.fromResult(result ?? Result.succeed(undefined)))
          const update = store.store.update(id, updateOf({ guard, add: new Map([["f", 1]]) }))
          const operations = {
            read,
            ...Object.fromEntries(Array.from({ length: tries }, (_, index) => [`update ${index + 1}`, update])),
            beat: store.store.beat("suite", 1, 60_000),
            presence: store.store.presence,
            list: Stream.runCollect(store.store.list)
          }
          const endings = yield* Effect.forEach(
            Object.entries(operations),
            ([name, operation]) =>
              Effect.map(ending(subject, operation as Effect.Effect<unknown, StoreFault>), (exit) =>
                [name, exit] as const),
            { concurrency: "unbounded" }
          )
          for (const [name, exit] of endings) {
            if (!isFault(exit)) {
              return yield* fails(
                "a store that cannot be reached fails with a StoreFault",
                `${name} ended with ${exit}`
              )
            }
          }
        }))
        const { record } = yield* answeringAgain(subject, store.read(id))
        yield* subject.advance(200)
        const count = (yield* store.read(id)).record.counters.get("f") ?? 0
        // A store that forgets while it is away has lost the first one.
        yield* holds(
          count <= 1 + tries && count === (record.counters.get("f") ?? 0),
          "no update is repeated",
          () =>
            `1 and ${tries} that failed came to ${count}, and to ${record.counters.get("f")} before`
        )
        const [before, { applied }] = [
          count,
          yield* store.update(id, { guard: { generation: 0 }, add: new Map([["f", 1]]) })
        ]
        yield* isRecord(
          (yield* store.read(id)).record,
          { counters: new Map([["f", before + (applied ? 1 : 0)]]) },
          "a store goes on when it is back"
        )
      })
  }
]
