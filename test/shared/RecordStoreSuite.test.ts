/** The suite for stores of records, over the simulated one, and over stores that are broken. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Result, Stream } from "effect"
import { RecordStore } from "effect-resilience"
import { RecordStoreSuite, SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

type Store = RecordStore.RecordStore["Service"]
type Server = SimulatedRecordStore.SimulatedRecordStore

const suite = (server: Server, change: (store: Store) => Store = (store) => store, patienceMillis = 1_000) => {
  const during = (set: (on: boolean) => void) =>
    Effect.acquireRelease(Effect.sync(() => set(true)), () => Effect.sync(() => set(false)))
  return RecordStoreSuite.checks({
    connect: Effect.map(
      Layer.build(Layer.fresh(server.layer)),
      (context) => change(Context.get(context, RecordStore.RecordStore))
    ),
    advance: (millis) => TestClock.adjust(millis),
    cut: server.cut,
    loseAnswers: during((on) => {
      server.faults.losesAnswer = () => on
    }),
    unreachable: during((on) => {
      server.faults.isDown = on
    }),
    patienceMillis
  })
}

describe("a simulated store", () => {
  for (const { check, name } of suite(SimulatedRecordStore.make())) it.effect(name, () => check)

  it.effect("is asked for nothing that needs what the suite was not given", () =>
    Effect.gen(function*() {
      const server = SimulatedRecordStore.make()
      const some = RecordStoreSuite.checks({
        connect: Effect.map(Layer.build(server.layer), Context.get(RecordStore.RecordStore)),
        advance: (millis) => TestClock.adjust(millis)
      })
      assert.strictEqual(some.length, suite(server).length - 3)
      yield* Effect.forEach(some, ({ check }) => check)
    }))

  it("has names that say which check it is", () => {
    const names = suite(SimulatedRecordStore.make()).map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
  })
})

/** A store that does what it shall but for some of its operations. */
const but =
  (broken: (store: Store, server: Server) => Partial<Store>) => (server: Server) => (store: Store): Store => ({
    ...store,
    ...broken(store, server)
  })
const updating = (change: (update: RecordStore.Update) => RecordStore.Update) =>
  but(({ update }) => ({ update: (id, one) => update(id, change(one)) }))
/** Answers as the record is at another time, or of another kind. */
const answering = (
  change: (updated: RecordStore.Updated, id: string, update: RecordStore.Update) => RecordStore.Updated
) => but(({ update }) => ({ update: (id, one) => Effect.map(update(id, one), (answer) => change(answer, id, one)) }))
/** Reads and answers with another record. */
const keeping = (change: (record: RecordStore.CircuitRecord) => RecordStore.CircuitRecord) =>
  but(({ read, update }) => ({
    read: (ids) =>
      Effect.map(
        read(ids),
        (results) => results.map(Result.map((reading) => ({ ...reading, record: change(reading.record) })))
      ),
    update: (id, one) => Effect.map(update(id, one), (answer) => ({ ...answer, record: change(answer.record) }))
  }))
const ids = (change: (id: string) => string) =>
  but(({ read, update }) => ({
    read: (ids) => read(ids.map(change)),
    update: (id, one) => update(change(id), one)
  }))
const hearing = (change: (changes: Stream.Stream<RecordStore.Change, RecordStore.StoreFault>) => typeof changes) =>
  but(({ changes }) => ({ changes: (onListening) => change(changes(onListening)) }))

const set = "set moves the revision and notes the writer, and leaves counters and generation"
const add = "add counts from 0, and moves no revision, state or writer"
const heard = "all who listen hear what is announced, with its id, revision and writer"
const beats = "all who listen hear a beat, with an empty id, its number and its process"
const generation =
  "a new generation is later than the last one, at least what is asked for, and begins without counters"
const clock = "every answer has the time, which does not run back and goes on as time does"
const presence = "a process that beats is present until its lease ends"
const expiry = "a record is there until it expires, and absent after that"
const renewed = "every update sets when a record expires anew, and undefined means never"
const again = "a record that comes again has a later revision and generation than the one that was lost"
const texts = "a state and a writer come back as they were written"
const counted = "counters are exact when they are large, many, and oddly named"
const names = "ids are any visible ASCII without braces, of up to 60,000 characters"

/** The guard is compared before, and the update made after. */
const torn = but(({ read, update }) => ({
  update: (id, one) =>
    Effect.gen(function*() {
      const [found] = yield* read([id])
      const { record } = yield* Effect.fromResult(found!)
      const { guard } = one
      const isSame = "revision" in guard
        ? record.revision === guard.revision
        : record.generation === guard.generation
      yield* Effect.yieldNow
      if (!isSame) return yield* update(id, { ...one, guard })
      const [now] = yield* read([id])
      return yield* update(id, { ...one, guard: { revision: (yield* Effect.fromResult(now!)).record.revision } })
    })
}))

/** Revisions are counted from 1 in each record. */
const numbered = (server: Server) => {
  const births = new Map<string, number>()
  return but(({ read, update }) => {
    const of = (id: string, record: RecordStore.CircuitRecord) => {
      if (record.revision === 0) births.delete(id)
      else if (!births.has(id)) births.set(id, record.revision - 1)
      return { ...record, revision: record.revision - (births.get(id) ?? 0) }
    }
    return {
      read: (ids) =>
        Effect.map(
          read(ids),
          (results) =>
            results.map((result, index) =>
              Result.map(result, (reading) => ({ ...reading, record: of(ids[index]!, reading.record) }))
            )
        ),
      update: (id, one) => {
        const { guard } = one
        const mine = "revision" in guard && guard.revision > 0
          ? { revision: guard.revision + (births.get(id) ?? 0) }
          : guard
        return Effect.map(
          update(id, { ...one, guard: mine }),
          (answer) => ({ ...answer, record: of(id, answer.record) })
        )
      }
    }
  })(server)
}

/** What is broken, how, and the check that has to find it. */
const mutants: ReadonlyArray<
  readonly [what: string, check: string, mutant: (server: Server) => (store: Store) => Store]
> = [
  ["reads, and then writes", "of many updates for one revision exactly one is applied, and all hear of it", torn],
  ["reads, and then writes a generation", "of many new generations for one generation exactly one is applied", torn],
  ["reads, and then writes what was computed", "who computes again after each lost update loses nothing", torn],
  ["reads, and then counts", "a count for a generation that has ended is not applied", torn],
  [
    "loses counts of others",
    "nothing is lost of what many count at once, while others set",
    but(({ read, update }) => ({
      update: (id, one) =>
        Effect.gen(function*() {
          const [found] = yield* read([id])
          const { record } = yield* Effect.fromResult(found!)
          yield* Effect.yieldNow
          const [now] = yield* read([id])
          const { record: { counters } } = yield* Effect.fromResult(now!)
          const lost = [...one.add].map(([name, n]) =>
            [name, n + (record.counters.get(name) ?? 0) - (counters.get(name) ?? 0)] as const
          )
          return yield* update(id, { ...one, add: new Map(lost) })
        })
    }))
  ],
  [
    "ignores the guard",
    "an update whose guard is the revision is applied if the record has it",
    but(({ read, update }) => ({
      update: (id, one) =>
        Effect.gen(function*() {
          const [found] = yield* read([id])
          const { record: { revision } } = yield* Effect.fromResult(found!)
          return yield* update(id, { ...one, guard: { revision } })
        })
    }))
  ],
  [
    "takes every guard for a revision",
    "an update whose guard is the generation is applied if the record has it",
    updating((one) => "revision" in one.guard ? one : { ...one, guard: { revision: one.guard.generation } })
  ],
  [
    "answers a refused update with an absent record",
    "an update whose guard is the revision is applied if the record has it",
    answering((answer) => answer.applied ? answer : { ...answer, record: RecordStore.absent })
  ],
  [
    "says that a refused update was applied",
    "a guard that does not hold makes no record",
    answering((answer) => ({ ...answer, applied: true }))
  ],
  [
    "answers with the record as it was before",
    "an update whose guard is the revision is applied if the record has it",
    but(({ read, update }) => ({
      update: (id, one) =>
        Effect.gen(function*() {
          const [found] = yield* read([id])
          return { ...yield* update(id, one), record: (yield* Effect.fromResult(found!)).record }
        })
    }))
  ],
  ["moves no revision", set, keeping((record) => ({ ...record, revision: record.revision === 0 ? 0 : 17e14 }))],
  ["moves the revision with every count", add, updating((one) => ({ ...one, set: one.set ?? "" }))],
  ["notes no writer", set, keeping((record) => ({ ...record, writer: "" }))],
  [
    "keeps counters in a new generation",
    generation,
    but(({ read, update }) => ({
      update: (id, one) =>
        Effect.gen(function*() {
          if (one.newGeneration === undefined) return yield* update(id, one)
          const [found] = yield* read([id])
          const { counters } = (yield* Effect.fromResult(found!)).record
          return yield* update(id, { ...one, add: new Map([...counters, ...one.add]) })
        })
    }))
  ],
  [
    "adds before it drops",
    generation,
    updating((one) => one.newGeneration === undefined ? one : { ...one, add: new Map() })
  ],
  [
    "takes no heed of atLeast",
    generation,
    updating((one) => one.newGeneration === undefined ? one : { ...one, newGeneration: { atLeast: 0 } })
  ],
  [
    "removes nothing",
    "remove drops the counters that it names, before it adds",
    updating((one) => ({ ...one, remove: [] }))
  ],
  [
    "removes after it added",
    "remove drops the counters that it names, before it adds",
    updating((one) => ({ ...one, add: new Map([...one.add].filter(([name]) => !one.remove.includes(name))) }))
  ],
  ["numbers revisions from 1", again, numbered],
  ["numbers revisions without a clock", "a revision is no earlier than the store's clock in microseconds", numbered],
  [
    "repeats an update that is not answered",
    "an update whose answer was lost is a fault; it was carried out once at most, and its writer says so",
    but(({ update }) => ({
      update: (id, one) => update(id, one).pipe(Effect.timeout(100), Effect.retry({ times: 2 }), Effect.orDie)
    }))
  ],
  [
    "carries out later what could not be sent",
    "a store that cannot be reached answers with faults, or is given up, and repeats nothing when it is back",
    (server) => {
      const waiting: Array<() => Effect.Effect<unknown, RecordStore.StoreFault>> = []
      return but(({ read, update }) => ({
        read: (ids) =>
          Effect.suspend(() => {
            if (server.faults.isDown) return read(ids)
            return Effect.andThen(
              Effect.forEach(waiting.splice(0), (one) => Effect.ignore(Effect.andThen(one(), one()))),
              read(ids)
            )
          }),
        update: (id, one) =>
          Effect.suspend(() => {
            if (server.faults.isDown) waiting.push(() => update(id, one))
            return update(id, one)
          })
      }))(server)
    }
  ],
  [
    "dies when it is away",
    "a store that cannot be reached answers with faults, or is given up, and repeats nothing when it is back",
    but(({ presence }, { faults }) => ({
      presence: Effect.suspend(() => faults.isDown ? Effect.die(new Error("ECONNREFUSED")) : presence)
    }))
  ],
  [
    "says that nobody is there when it is away",
    "a store that cannot be reached answers with faults, or is given up, and repeats nothing when it is back",
    but(({ presence }, { faults }) => ({
      presence: Effect.suspend(() => faults.isDown ? Effect.succeed([]) : presence)
    }))
  ],
  [
    "announces everything",
    "nobody hears what is not announced, or not applied",
    updating((one) => ({ ...one, announce: true }))
  ],
  ["announces nothing", heard, updating((one) => ({ ...one, announce: false }))],
  ["leaves out the writer of a change", heard, hearing(Stream.map((change) => ({ ...change, writer: "" })))],
  ["leaves out the revision of a change", heard, hearing(Stream.map((change) => ({ ...change, revision: 0 })))],
  ["drops beats", beats, hearing(Stream.filter(({ id }) => id !== ""))],
  [
    "listens only after it said so",
    heard,
    but(({ changes }) => ({
      changes: (onListening) => Stream.unwrap(Effect.as(onListening, Stream.drop(changes(Effect.void), 1)))
    }))
  ],
  ["reads from a replica that lags", "a change is of its record once it is heard: who reads then sees it", (server) => {
    const old = new Map<string, RecordStore.CircuitRecord>()
    return but(({ read, update }) => ({
      read: (ids) =>
        Effect.map(
          read(ids),
          (results) =>
            results.map((result, index) =>
              Result.map(result, (reading) => ({ ...reading, record: old.get(ids[index]!) ?? reading.record }))
            )
        ),
      update: (id, one) =>
        Effect.suspend(() => {
          old.set(id, server.records.get(id) ?? RecordStore.absent)
          return update(id, one)
        })
    }))(server)
  }],
  [
    "has one listener at a time",
    "who begins to listen hears what follows, and the streams of others go on",
    but(({ changes }, { cut }) => ({ changes: (onListening) => Stream.unwrap(Effect.as(cut, changes(onListening))) }))
  ],
  [
    "goes on in silence when it is cut",
    "changes fail when some may have been missed, and can be listened to again",
    hearing(Stream.catch(() => Stream.never))
  ],
  [
    "ends when it is cut",
    "changes fail when some may have been missed, and can be listened to again",
    hearing(Stream.catch(() => Stream.empty))
  ],
  ["keeps every record for ever", expiry, updating((one) => ({ ...one, expiresInMillis: undefined }))],
  [
    "drops records too early",
    expiry,
    updating((one) => ({ ...one, expiresInMillis: (one.expiresInMillis ?? 6e5) / 10 }))
  ],
  ["keeps no record for ever", renewed, updating((one) => ({ ...one, expiresInMillis: one.expiresInMillis ?? 300 }))],
  ["tells seconds", clock, answering((answer) => ({ ...answer, nowMillis: Math.floor(answer.nowMillis / 1000) }))],
  ["has a clock that stopped", clock, (server) => {
    let first: number | undefined
    return but(({ read, update }) => ({
      read: (ids) =>
        Effect.map(
          read(ids),
          (results) => results.map(Result.map(({ nowMillis, record }) => ({ record, nowMillis: first ??= nowMillis })))
        ),
      update: (id, one) =>
        Effect.map(update(id, one), (answer) => ({ ...answer, nowMillis: first ??= answer.nowMillis }))
    }))(server)
  }],
  [
    "tells the time of a beat in seconds",
    "a beat answers with the time too",
    but(({ beat }) => ({ beat: (...all) => Effect.map(beat(...all), (now) => Math.floor(now / 1000)) }))
  ],
  ["takes no heed of leases", presence, but(({ beat }) => ({ beat: (process, n) => beat(process, n, 1e9) }))],
  ["says that nobody is present", presence, but(() => ({ presence: Effect.succeed([]) }))],
  ["trims texts", texts, keeping((record) => ({ ...record, state: record.state.trim() }))],
  ["cuts long texts", texts, keeping((record) => ({ ...record, state: record.state.slice(0, 65_535) }))],
  ["keeps ASCII only", texts, keeping((record) => ({ ...record, state: record.state.replaceAll(/[^\0-\x7f]/g, "?") }))],
  [
    "counts in 32 bits",
    counted,
    keeping((record) => ({ ...record, counters: new Map([...record.counters].map(([name, n]) => [name, n | 0])) }))
  ],
  [
    "knows names of one case",
    counted,
    updating((one) => ({ ...one, add: new Map([...one.add].map(([name, n]) => [name.toLowerCase(), n])) }))
  ],
  ["takes small letters for large ones in ids", names, ids((id) => id.toLowerCase())],
  ["cuts long ids", names, ids((id) => id.slice(0, 255))],
  [
    "lists nothing",
    "the list has every record, also one of counters only, and nothing else of the store",
    but(() => ({ list: Stream.empty }))
  ],
  [
    "lists its own keys",
    "the list has every record, also one of counters only, and nothing else of the store",
    but(({ list }) => ({ list: Stream.concat(list, Stream.make("")) }))
  ],
  [
    "answers in another order",
    "a read answers in the order of its ids, also for the same id twice and for none",
    but(({ read }) => ({ read: (ids) => read([...ids].sort()) }))
  ],
  [
    "reads an id once",
    "a read answers in the order of its ids, also for the same id twice and for none",
    but(({ read }) => ({ read: (ids) => read([...new Set(ids)]) }))
  ],
  ["has a part for every question", "an id is always of the same part", (server) => {
    let parts = 0
    return but(() => ({ partOf: () => String(parts++) }))(server)
  }],
  ["does not answer", "a record without a past is absent", but(() => ({ read: () => Effect.never }))],
  ["dies", "a record without a past is absent", but(() => ({ read: () => Effect.die(new Error("not yet")) }))]
]

describe("the suite finds a store that", () => {
  for (const [what, name, mutant] of mutants) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const server = SimulatedRecordStore.make()
        const { check } = suite(server, mutant(server), 500).find((one) => one.name === name)!
        const failure = yield* Effect.flip(check)
        assert.instanceOf(failure, RecordStoreSuite.ConformanceFailure)
        assert.match(failure.message, /^A store promises that .+\. Seen: .+\.$/su)
      }))
  }

  it("is broken in each way that a check is for", () => {
    const found = new Set(mutants.map(([, name]) => name))
    const idle = suite(SimulatedRecordStore.make()).map(({ name }) => name).filter((name) => !found.has(name))
    assert.deepStrictEqual(idle, [])
  })
})
