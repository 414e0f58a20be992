/**
 * The record of one circuit, and the changes of it that this process has to make. One update is on its way at a time,
 * with all changes that came up meanwhile, so that a process never competes with itself.
 */
import { Deferred, Effect } from "effect"
import { never } from "../../Circuit.ts"
import { absent, type CircuitRecord, type Reading, StoreFault } from "../../RecordStore.ts"
import { expired } from "../machine/slots.ts"
import type { Authority } from "./authority.ts"
import { type Basis, type Change, combine } from "./change.ts"
import { empty, type Entry, type Longest, type Read, read, write } from "./entry.ts"
import type { Part } from "./part.ts"

/** A record that was read, and what it says. */
export interface Known {
  readonly record: CircuitRecord
  readonly entry: Entry
}

/** Why a record cannot be used as it is. */
export type Problem = "unreadable_fields" | "wrong_type" | "newer_version"

/** What the circuit makes of its record. */
export interface Follower {
  readonly adopt: (known: Known) => void
  /** The record can be used again: what this process has decided meanwhile is brought in. */
  readonly returns: (known: Known) => void
  /** Brings what this process knows into a record that the store has lost or set back. */
  readonly teach: Change
}

export interface Options extends Longest {
  readonly announceProblem: (problem: Problem) => void
}

interface Pending {
  readonly change: Change
  /** Called when the store has carried the change out, before the record is taken over. */
  readonly carriedOut: (known: Known) => void
  readonly done: Deferred.Deferred<void, StoreFault>
}

/** What is known of a circuit without a record. All of them share it, because most keys never see a failure. */
export const unknown: Known = { record: absent, entry: empty(0) }

// Shared in the same way.
const none: Array<Pending> = []

export class RecordQueue {
  /** The part of the store that keeps the record: another one when a Cluster has moved it. */
  part: Part
  private readonly id: string
  private readonly authority: Authority
  private readonly follower: Follower
  private readonly options: Options
  known: Known
  /** When the record was read last, and whether it was read at all. */
  readAt = -Infinity
  /** Why this process decides by itself, if the record cannot be used. */
  unusable: Problem | undefined
  private epoch = -1
  /** Numbers of questions: the latest one, and the one that was the latest when the known record came in. */
  private asked = 0
  private knownSince = 0
  private pending = none
  private isBusy = false
  /** The newest record that the circuit has taken over, and whether the store has lost it. */
  private followed: CircuitRecord = absent
  private isLost = false
  private announced: Problem | undefined

  constructor(id: string, authority: Authority, follower: Follower, options: Options) {
    this.id = id
    this.authority = authority
    this.follower = follower
    this.options = options
    this.part = authority.partOf(id)
    this.known = unknown
  }

  /** Whether no change was missed since the record was read. */
  get isUpToDate(): boolean {
    return this.epoch === this.authority.epoch
  }

  get hasRead(): boolean {
    return this.readAt !== -Infinity
  }

  /** What a change would be computed from now. */
  get basis(): Basis {
    const { authority, known: { entry, record: { counters } }, part: { shift } } = this
    return { entry, counters, now: authority.now(), shift }
  }

  /** Reads the record, and takes it over. */
  get read(): Effect.Effect<void, StoreFault> {
    return Effect.suspend(() => {
      this.part = this.authority.partOf(this.id)
      const asked = ++this.asked
      // Taken before the question: what was announced until then is in the answer, what follows may not be.
      const { epoch } = this.authority
      return Effect.matchEffect(this.authority.read(this.id), {
        onFailure: (fault) => this.failed(fault),
        onSuccess: (reading) => {
          this.take(reading, asked, epoch)
          return this.isLost ? this.change((basis) => this.follower.teach(basis)) : Effect.void
        }
      })
    })
  }

  /** Makes a change, with others that wait. `carriedOut` may run before the caller goes on. */
  change(change: Change, carriedOut: (known: Known) => void = () => {}): Effect.Effect<void, StoreFault> {
    return Effect.suspend(() => {
      const done = Deferred.makeUnsafe<void, StoreFault>()
      if (this.pending === none) this.pending = []
      this.pending.push({ change, carriedOut, done })
      const begins = !this.isBusy
      this.isBusy = true
      if (begins) this.authority.fork(this.work())
      return Deferred.await(done)
    })
  }

  private work(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const batch = this.pending
      if (batch.length === 0) {
        this.isBusy = false
        return Effect.void
      }
      this.pending = []
      const fails = (fault: StoreFault) => {
        const noticed = Effect.ignore(this.failed(fault))
        for (const { done } of batch) Deferred.doneUnsafe(done, Effect.fail(fault))
        return noticed
      }
      const updated = Effect.catch(this.authority.bounded(this.update(batch)), fails)
      return Effect.andThen(updated, Effect.suspend(() => this.work()))
    })
  }

  private update(waiting: ReadonlyArray<Pending>): Effect.Effect<void, StoreFault> {
    return Effect.suspend(() => {
      if (this.unusable !== undefined) return Effect.fail(new StoreFault({ code: this.unusable, ofRecord: true }))
      const { authority, known: { record } } = this
      const { shift } = this.part = authority.partOf(this.id)
      const basis = { now: authority.now(), shift }
      // Read and written with one shift, so that times which do not change stay as they are.
      const { entry } = this.readings(record, shift, basis.now)!
      // What the store has lost comes before what is computed from it.
      const teaches = this.isLost
      const teaching = {
        change: (basis: Basis) => this.follower.teach(basis),
        carriedOut: () => {},
        done: Deferred.makeUnsafe<void, StoreFault>()
      }
      const batch = teaches ? [teaching, ...waiting] : waiting
      const { add, announces, clears, made, next } = combine(batch, { ...basis, entry, counters: record.counters })
      this.pending.unshift(...batch.slice(made))
      const carriedOut = batch.slice(0, made)
      const moves = next.circuit.generation !== entry.circuit.generation
      const report = () => {
        for (const one of carriedOut) one.carriedOut(this.known)
      }
      if (next === entry && add.size === 0) {
        return Effect.sync(() => {
          if (teaches) this.accept(this.known)
          report()
          finish(carriedOut)
        })
      }
      const asked = ++this.asked
      const { epoch } = authority
      const updated = authority.update(this.id, {
        guard: next === entry ? { generation: record.generation } : { revision: record.revision },
        set: next === entry ? undefined : write(next, basis.shift),
        newGeneration: moves ? { atLeast: next.circuit.generation } : undefined,
        add,
        remove: clears ? [...record.counters.keys()] : expired(record.counters, basis.now - basis.shift),
        writer: authority.nextWriter(),
        expiresInMillis: this.keptFor(next, basis.now),
        announce: announces || moves
      })
      return Effect.flatMap(updated, (updated) => {
        if (updated.applied) {
          this.take(updated, asked, epoch, report, teaches)
          return Effect.sync(() => finish(carriedOut))
        }
        this.take(updated, asked, epoch)
        return this.update(carriedOut.filter((one) => one !== teaching))
      })
    })
  }

  // A record outlives its deadlines by the idle time, and an operator's decision without an end for good.
  private keptFor(
    { circuit: { gateUntil, openUntil, probes, rampUntil, state } }: Entry,
    now: number
  ): number | undefined {
    if (state === "disabled" || openUntil === never) return undefined
    const latest = Math.max(now, openUntil, gateUntil, rampUntil, ...probes.map(({ leaseUntil }) => leaseUntil))
    return latest - now + Math.max(this.authority.settings.idleMillis, leastKeptMillis)
  }

  // Takes over what was read, unless a later question was answered before.
  private take(
    { record }: Reading,
    asked: number,
    epoch: number,
    before: () => void = () => {},
    isTaught = false
  ): void {
    const { authority, follower, known } = this
    if (isOlder(record, known.record) && asked <= this.knownSince) return before()
    const found = this.readings(record, this.part.shift, authority.now())
    const returns = this.unusable !== undefined
    this.readAt = authority.now()
    this.epoch = Math.max(this.epoch, epoch)
    this.unusable = found === undefined ? "newer_version" : undefined
    this.notice(found === undefined ? "newer_version" : found.corrupt ? "unreadable_fields" : undefined)
    if (found === undefined) return before()
    this.knownSince = this.asked
    // Until this process has brought in what it knows: a second answer does not make the loss good.
    this.isLost = !isTaught && isOlder(record, this.followed)
    this.known = { record, entry: found.entry }
    before()
    if (returns) follower.returns(this.known)
    else if (!this.isLost) this.accept(this.known)
  }

  private accept(known: Known): void {
    this.isLost = false
    this.followed = known.record
    this.follower.adopt(known)
  }

  // Of several readings of one revision the earliest deadlines are the truest, also after a clock was set back.
  private readings(record: CircuitRecord, shift: number, now: number): Read | undefined {
    const found = read(record.state, record.generation, shift, now, this.options)
    const { entry: { circuit }, record: { generation, revision } } = this.known
    if (found === undefined || revision === 0 || record.revision !== revision || record.generation !== generation) {
      return found
    }
    const openUntil = Math.min(found.entry.circuit.openUntil, circuit.openUntil)
    const gateUntil = Math.min(found.entry.circuit.gateUntil, circuit.gateUntil)
    return { ...found, entry: { ...found.entry, circuit: { ...found.entry.circuit, openUntil, gateUntil } } }
  }

  // A fault of only this record leaves the store as it is.
  private failed(fault: StoreFault): Effect.Effect<void, StoreFault> {
    if (fault.ofRecord !== true) return Effect.fail(fault)
    if (fault.code !== this.unusable) this.notice(this.unusable = "wrong_type")
    return Effect.void
  }

  private notice(problem: Problem | undefined): void {
    if (problem !== undefined && problem !== this.announced) this.options.announceProblem(problem)
    this.announced = problem
  }
}

const isOlder = (one: CircuitRecord, other: CircuitRecord): boolean =>
  one.generation < other.generation || one.revision < other.revision

const finish = (carriedOut: ReadonlyArray<Pending>): void => {
  for (const { done } of carriedOut) Deferred.doneUnsafe(done, Effect.void)
}

// Longer than any window looks back but for the longest, so that a short idle time does not lose what was counted.
const leastKeptMillis = 60_000
