/**
 * What a database has to do so that processes share their circuits: keep records, and nothing else.
 *
 * A store knows no rule of circuits. It reads records, and it applies updates whose guard holds, each at once or not at
 * all. Every rule is the library's: it takes the record, computes the next one, and updates; if another process wrote
 * in between, it computes again on what that process wrote. `SharedCircuitStore` makes a `CircuitStore` of it.
 *
 * What a store promises, and what `RecordStoreSuite` of `effect-resilience/testing` tries:
 *
 * - An update is atomic, also among processes, and answers with the record as it is afterwards.
 * - A record without a past reads as `absent`. One that has expired is absent.
 * - Revisions and generations rise, also over a record that was lost: they come from the store's clock.
 * - Nothing is repeated: an update whose answer was lost is a fault, because it may have been carried out.
 * - A fault ends in a bounded time, or the library gives the operation up.
 *
 * @since 0.1.0
 */
import { Context, Data, type Effect, type Result, type Stream } from "effect"

/**
 * One circuit as the store keeps it.
 *
 * - `revision`: rises with every `set`. 0 for a record that does not exist.
 * - `generation`: the number that the store issued last for `newGeneration`; 0 if it never did.
 * - `state`: text that only the library reads. Empty if it was never set.
 * - `counters`: whole numbers by name. A name has at most 40 letters, digits, dots and colons.
 * - `writer`: who set the state last.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitRecord {
  readonly revision: number
  readonly generation: number
  readonly state: string
  readonly counters: ReadonlyMap<string, number>
  readonly writer: string
}

/**
 * A record, and the time at which the part of the store that keeps it read it, in milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading {
  readonly record: CircuitRecord
  readonly nowMillis: number
}

/**
 * What an update came to: the record as it is now, whether or not the guard held.
 *
 * @category models
 * @since 0.1.0
 */
export interface Updated extends Reading {
  readonly applied: boolean
}

/**
 * A change of one record, if its guard holds: the record has this revision, or this generation.
 *
 * - `set`: the new state. Moves the revision to `max(revision + 1, the store's clock in microseconds)`, and notes the
 *   writer.
 * - `newGeneration`: moves the generation to `max(generation + 1, atLeast, the store's clock in microseconds)`, and
 *   drops every counter before `add`.
 * - `add`: what is added to counters; one that does not exist counts from 0. Moves no revision.
 * - `remove`: counters to drop, before `add`.
 * - `writer`: the process and the number of its update, so that an update whose answer was lost is recognised.
 * - `expiresInMillis`: for how long the record is kept from now on, if nothing updates it; undefined if for ever.
 * - `announce`: whether other processes hear of it by `changes`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Update {
  readonly guard: { readonly revision: number } | { readonly generation: number }
  readonly set?: string | undefined
  readonly newGeneration?: { readonly atLeast: number } | undefined
  readonly add: ReadonlyMap<string, number>
  readonly remove: ReadonlyArray<string>
  readonly writer: string
  readonly expiresInMillis: number | undefined
  readonly announce: boolean
}

/**
 * A record that was updated, as a hint: who uses it reads it. A beat of a process has an empty `id`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly id: string
  readonly revision: number
  readonly writer: string
}

/**
 * Why the store did not answer.
 *
 * - `code`: a short word in capitals, which events and metrics carry, such as `TIMEOUT` or `CONNECTION`.
 * - `ofRecord`: whether only this record cannot be used, and the store is well.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreFault extends Data.TaggedError("StoreFault")<{
  readonly code: string
  readonly ofRecord?: boolean | undefined
}> {
  override get message(): string {
    return `The store did not carry out the operation (${this.code})`
  }
}

/**
 * The store did not answer while the layer was built, and `requireConnection` is set. `error` is a code as in the
 * `store.degraded` event.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreUnavailable extends Data.TaggedError("StoreUnavailable")<{ readonly error: string }> {
  override get message(): string {
    return `The store of circuits did not answer in time (${this.error}). ` +
      "Check the connection, or leave out requireConnection to start without it."
  }
}

/**
 * A database of records. What it promises is at the top of this module.
 *
 * - `read`: results in the order of the ids, so that a part of the store that does not answer fails its own ids only.
 * - `update`: as above.
 * - `changes`: the announced updates and beats of all processes, from the moment at which it runs `onListening`. It
 *   fails when some may have been missed; the library then reads anew and listens again.
 * - `beat`: this process lives, for `leaseMillis` more; sends a change with an empty id, the revision `beat` and
 *   the process for its writer. Fails if the store cannot be written to.
 * - `presence`: the processes that live.
 * - `list`: the ids of records that exist, in no particular order; an id that comes or goes meanwhile may be missing.
 * - `partOf`: the part of the store that keeps a record. Parts fail apart from each other.
 *
 * An id is a text of at most 60,000 visible ASCII characters without braces.
 *
 * @category services
 * @since 0.1.0
 */
export class RecordStore extends Context.Service<RecordStore, {
  readonly read: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Result.Result<Reading, StoreFault>>>
  readonly update: (id: string, update: Update) => Effect.Effect<Updated, StoreFault>
  readonly changes: (onListening: Effect.Effect<void>) => Stream.Stream<Change, StoreFault>
  readonly beat: (process: string, beat: number, leaseMillis: number) => Effect.Effect<number, StoreFault>
  readonly presence: Effect.Effect<ReadonlyArray<string>, StoreFault>
  readonly list: Stream.Stream<string, StoreFault>
  readonly partOf: (id: string) => string
}>()("effect-resilience/RecordStore") {}

/**
 * The record of an id that has none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const absent: CircuitRecord = { revision: 0, generation: 0, state: "", counters: new Map(), writer: "" }
