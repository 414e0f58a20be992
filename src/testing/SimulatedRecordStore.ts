/**
 * A store of records in memory, for several processes of one test, whose faults the test decides: slow answers, updates
 * whose answer is lost, a store that is away, changes that do not arrive, records that are lost, a clock that steps.
 * It reads the clock of the effects that use it, so that it runs under `TestClock`.
 *
 * **Example** (Two processes, one circuit)
 *
 * ```ts
 * import { Context, Effect, Layer } from "effect"
 * import { CircuitBreaker, LlmOutcome, SharedCircuitStore, TripPolicy } from "effect-resilience"
 * import { SimulatedRecordStore } from "effect-resilience/testing"
 *
 * const program = Effect.gen(function*() {
 *   const server = SimulatedRecordStore.make()
 *   const policy = { classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(1) }
 *   const process = CircuitBreaker.layer(policy).pipe(
 *     Layer.provide(SharedCircuitStore.layer().pipe(Layer.provide(server.layer))),
 *     Layer.build,
 *     Effect.map(Context.get(CircuitBreaker.CircuitBreaker))
 *   )
 *   const [one, other] = [yield* process, yield* process]
 *   yield* Effect.exit(Effect.fail({ status: 503 }).pipe(one.execute({ key: "model" })))
 *   return (yield* other.state("model"))._tag
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "Open"
 * ```
 *
 * @since 0.1.0
 */
import { Clock, Effect, Layer, Queue, Result, Stream } from "effect"
import { absent, type Change, type CircuitRecord, RecordStore, StoreFault, type Update } from "../RecordStore.ts"

/**
 * What goes wrong. Each can be set at any time, and functions are asked at each operation.
 *
 * - `isDown`: nothing is carried out, and nothing answers.
 * - `latencyMillis`: how long a message takes, one way. Default: none.
 * - `losesAnswer`: whether an operation is carried out and its answer lost.
 * - `losesChange`: whether a change does not reach a process; `changeMillis` is how much later than that it does.
 * - `clockMillis`: what is added to the clock of the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  isDown: boolean
  latencyMillis: () => number
  losesAnswer: () => boolean
  losesChange: () => boolean
  changeMillis: () => number
  clockMillis: number
}

/**
 * The store, seen from outside of all processes.
 *
 * - `layer`: the store as one process has it; each build is a connection of its own.
 * - `faults`: what goes wrong for all of them.
 * - `connection`: a layer with faults of its own, for one process.
 * - `records`: what is kept, by id; a test may change it.
 * - `operations`: how many reads, updates and beats were carried out.
 * - `cut`: ends every subscription, as a lost connection does.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulatedRecordStore {
  readonly layer: Layer.Layer<RecordStore>
  readonly faults: Faults
  readonly connection: (faults: Faults) => Layer.Layer<RecordStore>
  readonly records: Map<string, Kept>
  readonly operations: { read: number; update: number; beat: number }
  readonly cut: Effect.Effect<void>
}

/**
 * A record as it is kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kept extends CircuitRecord {
  readonly expiresAtMillis: number
}

/**
 * Faults of a store that is well.
 *
 * @category constructors
 * @since 0.1.0
 */
export const noFaults = (): Faults => ({
  isDown: false,
  latencyMillis: () => 0,
  losesAnswer: () => false,
  losesChange: () => false,
  changeMillis: () => 0,
  clockMillis: 0
})

/**
 * An empty store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): SimulatedRecordStore => {
  const faults = noFaults()
  const records = new Map<string, Kept>()
  const processes = new Map<string, number>()
  const operations = { read: 0, update: 0, beat: 0 }
  const listeners = new Set<{
    readonly faults: Faults
    readonly queue: Queue.Enqueue<Change, StoreFault>
    readonly deliver: (change: Change) => void
  }>()

  const recordAt = (id: string, now: number): CircuitRecord => {
    const kept = records.get(id)
    if (kept === undefined || kept.expiresAtMillis <= now) return absent
    const { counters, generation, revision, state, writer } = kept
    return { counters: new Map(counters), generation, revision, state, writer }
  }

  const carryOut = (id: string, update: Update, now: number) => {
    const before = recordAt(id, now)
    const { guard } = update
    const holds = "revision" in guard ? guard.revision === before.revision : guard.generation === before.generation
    if (!holds) return { applied: false, record: before, nowMillis: now }
    const micros = now * 1000
    const moves = update.newGeneration !== undefined
    const counters = new Map(moves ? [] : before.counters)
    for (const name of update.remove) counters.delete(name)
    for (const [name, n] of update.add) counters.set(name, (counters.get(name) ?? 0) + n)
    const record: CircuitRecord = {
      revision: update.set === undefined ? before.revision : Math.max(before.revision + 1, micros),
      generation: moves ? Math.max(before.generation + 1, update.newGeneration.atLeast, micros) : before.generation,
      state: update.set ?? before.state,
      counters,
      writer: update.set === undefined ? before.writer : update.writer
    }
    records.set(id, { ...record, expiresAtMillis: now + (update.expiresInMillis ?? Number.POSITIVE_INFINITY) })
    if (update.announce) announce({ id, revision: record.revision, writer: update.writer })
    return { applied: true, record: recordAt(id, now), nowMillis: now }
  }

  const announce = (change: Change) => {
    for (const { deliver } of listeners) deliver(change)
  }

  const connection = (own: Faults): Layer.Layer<RecordStore> => {
    const both = [faults, own]
    const latency = Effect.suspend(() => {
      const millis = both.reduce((sum, { latencyMillis }) => sum + latencyMillis(), 0)
      return millis > 0 ? Effect.sleep(millis) : Effect.void
    })
    const operate = <A>(operation: (now: number) => A): Effect.Effect<A, StoreFault> =>
      Effect.gen(function*() {
        yield* latency
        if (both.some(({ isDown }) => isDown)) return yield* Effect.never
        const now = epochMillis + Math.floor(yield* Clock.currentTimeMillis) + faults.clockMillis
        const answer = operation(now)
        if (both.some(({ losesAnswer }) => losesAnswer())) return yield* Effect.never
        yield* latency
        return answer
      })
    return Layer.succeed(RecordStore, {
      read: (ids) =>
        Effect.match(
          operate((now) => {
            operations.read++
            return ids.map((id) => Result.succeed({ record: recordAt(id, now), nowMillis: now }))
          }),
          { onFailure: (fault) => ids.map(() => Result.fail(fault)), onSuccess: (read) => read }
        ),
      update: (id, update) =>
        operate((now) => {
          operations.update++
          return carryOut(id, update, now)
        }),
      beat: (process, beat, leaseMillis) =>
        operate((now) => {
          operations.beat++
          processes.set(process, now + leaseMillis)
          announce({ id: "", revision: beat, writer: process })
          return now
        }),
      changes: (onListening) =>
        Stream.callback<Change, StoreFault>((queue) =>
          Effect.gen(function*() {
            const clock = yield* Clock.Clock
            const run = Effect.runForkWith(yield* Effect.context<never>())
            const deliver = (change: Change) => {
              if (both.some(({ isDown, losesChange }) => isDown || losesChange())) return
              const millis = both.reduce((sum, faults) => sum + faults.latencyMillis() + faults.changeMillis(), 0)
              if (millis === 0) return void Queue.offerUnsafe(queue, change)
              run(Effect.provideService(
                Effect.andThen(Effect.sleep(millis), Effect.sync(() => Queue.offerUnsafe(queue, change))),
                Clock.Clock,
                clock
              ))
            }
            const listener = { faults: own, queue, deliver }
            yield* Effect.acquireRelease(
              Effect.sync(() => listeners.add(listener)),
              () => Effect.sync(() => listeners.delete(listener))
            )
            yield* onListening
            return yield* Effect.never
          })
        ),
      presence: operate((now) => [...processes].filter(([, until]) => until > now).map(([process]) => process)),
      list: Stream.fromIterableEffect(
        operate((now) => [...records].filter(([, { expiresAtMillis }]) => expiresAtMillis > now).map(([id]) => id))
      ),
      partOf: () => ""
    })
  }

  return {
    layer: Layer.suspend(() => connection(noFaults())),
    faults,
    connection,
    records,
    operations,
    cut: Effect.suspend(() =>
      Effect.forEach(
        [...listeners],
        ({ queue }) => Queue.fail(queue, new StoreFault({ code: "CONNECTION" })),
        { discard: true }
      )
    )
  }
}

// Records have the time of people, and tests often begin at 0.
const epochMillis = 1_700_000_000_000
