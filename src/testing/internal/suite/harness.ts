/** What the checks of a record store are written with. */
import { Cause, Clock, Effect, type Exit, Fiber, Result, type Scope, Stream } from "effect"
import type { Change, CircuitRecord, Reading, RecordStore, StoreFault, Update, Updated } from "../../../RecordStore.ts"
import { ConformanceFailure } from "./conformanceFailure.ts"

/** The store as the checks reach it. */
export interface Subject {
  readonly connect: Effect.Effect<Connection, ConformanceFailure, Scope.Scope>
  readonly advance: (millis: number) => Effect.Effect<void>
  readonly patienceMillis: number
}

/** A check before it has its store. */
export interface Check<S = Subject> {
  readonly name: string
  readonly run: (subject: S) => Effect.Effect<void, ConformanceFailure, Scope.Scope>
}

/** An update but for what a check does not care about. */
export type Changed = Pick<Update, "guard"> & Partial<Update>

/** The store by one connection: what is not answered, and answered by a fault, is a failure of the check. */
export interface Connection {
  readonly store: RecordStore["Service"]
  readonly read: (id: string) => Effect.Effect<Reading, ConformanceFailure>
  readonly readAll: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Reading>, ConformanceFailure>
  readonly update: (id: string, change: Changed) => Effect.Effect<Updated, ConformanceFailure>
  /** Updates, and fails if that was not applied. */
  readonly apply: (id: string, change: Changed) => Effect.Effect<Updated, ConformanceFailure>
  readonly beat: (process: string, beat: number, leaseMillis: number) => Effect.Effect<number, ConformanceFailure>
  readonly presence: Effect.Effect<ReadonlyArray<string>, ConformanceFailure>
  readonly list: Effect.Effect<ReadonlyArray<string>, ConformanceFailure>
}

export const fails = (promise: string, seen: string): Effect.Effect<never, ConformanceFailure> =>
  Effect.fail(new ConformanceFailure({ promise, seen: seen.length > 400 ? `${seen.slice(0, 400)}…` : seen }))

export const holds = (
  condition: boolean,
  promise: string,
  seen: () => string
): Effect.Effect<void, ConformanceFailure> => Effect.suspend(() => condition ? Effect.void : fails(promise, seen()))

export const show = (value: unknown): string =>
  JSON.stringify(value, (_, value: unknown) => value instanceof Map ? Object.fromEntries(value) : value)

export const counters = (...entries: ReadonlyArray<readonly [string, number]>): ReadonlyMap<string, number> =>
  new Map(entries)

/** Compares the fields of a record that are given. */
export const isRecord = (
  record: CircuitRecord,
  expected: Partial<CircuitRecord>,
  promise: string
): Effect.Effect<void, ConformanceFailure> => {
  const { counters, ...fields } = expected
  const same = Object.entries(fields).every(([name, value]) => record[name as keyof CircuitRecord] === value) &&
    (counters === undefined || sameCounters(record.counters, counters))
  return holds(same, promise, () => `${show(record)} in place of ${show(expected)}`)
}

const sameCounters = (one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean =>
  one.size === other.size && [...other].every(([name, n]) => one.get(name) === n)

/** In the time of people, also where a test has its own: a store that hangs has to end the check. */
const sleep = (millis: number): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(millis), Clock.Clock, Clock.Clock.defaultValue())

const answered = <A>(what: string, patienceMillis: number, operation: Effect.Effect<A, StoreFault>) =>
  Effect.raceFirst(
    Effect.catchCause(operation, (cause) => fails(`${what} of a store that is well is answered`, Cause.pretty(cause))),
    Effect.andThen(
      sleep(patienceMillis),
      fails(`${what} of a store that is well is answered`, `no answer in ${patienceMillis} ms`)
    )
  )

export const connection = (store: RecordStore["Service"], patienceMillis: number): Connection => {
  const readAll = (ids: ReadonlyArray<string>) =>
    Effect.flatMap(answered("a read", patienceMillis, store.read(ids)), (results) =>
      Effect.andThen(
        holds(results.length === ids.length, "a read has a result for each id", () =>
          `${results.length} of ${ids.length}`),
        Effect.forEach(results, (result) =>
          Result.isSuccess(result)
            ? Effect.succeed(result.success)
            : fails("a read of a store that is well is answered", result.failure.message))
      ))
  const update = (id: string, change: Changed) =>
    answered("an update", patienceMillis, store.update(id, updateOf(change)))
  return {
    store,
    readAll,
    read: (id) => Effect.map(readAll([id]), ([reading]) => reading!),
    update,
    apply: (id, change) =>
      Effect.tap(update(id, change), ({ applied, record }) =>
        holds(
          applied,
          "an update is applied if its guard holds",
          () => `a guard ${show(change.guard)} was refused on ${show(record)}`
        )),
    beat: (process, beat, lease) => answered("a beat", patienceMillis, store.beat(process, beat, lease)),
    presence: answered("a question for the presence", patienceMillis, store.presence),
    list: answered("a list", patienceMillis, Stream.runCollect(store.list))
  }
}

/** Records of checks go by themselves, in a store that outlives them. */
const keptMillis = 600_000

export const updateOf = (change: Changed): Update => ({
  add: new Map(),
  remove: [],
  writer: "suite:1",
  expiresInMillis: keptMillis,
  announce: false,
  ...change
})

/** An id that no other check has, because a store outlives a check. */
export const uniqueId: Effect.Effect<string> = Effect.sync(() =>
  `suite/${Array.from({ length: 3 }, () => Math.random().toString(36).slice(2, 8)).join("")}`
)

const stepMillis = 20

/** Lets time pass until something is so, or until patience has an end. */
export const eventually = <R>(
  { advance, patienceMillis }: Subject,
  condition: Effect.Effect<boolean, ConformanceFailure, R>,
  promise: string,
  seen: () => string
): Effect.Effect<void, ConformanceFailure, R> =>
  Effect.gen(function*() {
    for (let waited = 0; waited <= patienceMillis; waited += stepMillis) {
      if (yield* condition) return
      yield* advance(stepMillis)
    }
    return yield* fails(promise, `${seen()} after ${patienceMillis} ms`)
  })

/** Tries an operation until the store is back. */
export const answeringAgain = <A, E, R>(
  subject: Subject,
  operation: Effect.Effect<A, E, R>
): Effect.Effect<A, ConformanceFailure, R> =>
  Effect.gen(function*() {
    let answer: A | undefined
    yield* eventually(
      subject,
      Effect.match(operation, {
        onFailure: () => false,
        onSuccess: (one) => {
          answer = one
          return true
        }
      }),
      "a store that is back answers",
      () => "a fault"
    )
    return answer!
  })

/** How an operation ends; `undefined` if it does not, and was given up. */
export const ending = <A, E>(
  { advance, patienceMillis }: Subject,
  operation: Effect.Effect<A, E>
): Effect.Effect<Exit.Exit<A, E> | undefined, ConformanceFailure> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(operation)
    for (let waited = 0; waited <= patienceMillis; waited += stepMillis) {
      yield* advance(stepMillis)
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
    }
    yield* Effect.raceFirst(
      Fiber.interrupt(fiber),
      Effect.andThen(
        sleep(patienceMillis),
        fails("an operation that its caller gives up ends", `it went on for ${patienceMillis} ms`)
      )
    )
    return undefined
  })

/** What one listener hears. */
export interface Listener {
  readonly heard: Array<Change>
  /** How its stream ended. */
  readonly exit: () => Exit.Exit<void, StoreFault> | undefined
}

/** Listens from when this effect has ended. */
export const listen = (
  subject: Subject,
  { store }: Connection
): Effect.Effect<Listener, ConformanceFailure, Scope.Scope> =>
  Effect.gen(function*() {
    const heard: Array<Change> = []
    let listening = false
    const onListening = Effect.sync(() => {
      listening = true
    })
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(store.changes(onListening), (change) => Effect.sync(() => void heard.push(change)))
    )
    yield* eventually(
      subject,
      Effect.sync(() => listening || fiber.pollUnsafe() !== undefined),
      "who asks for changes is listening at last",
      () => "it is not"
    )
    if (!listening) return yield* fails("who asks for changes is listening at last", String(fiber.pollUnsafe()))
    return { heard, exit: () => fiber.pollUnsafe() }
  })
