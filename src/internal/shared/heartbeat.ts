/** The background work of a store: changes, the beat, leases and old views, and the way back after an outage. */
import { Effect, Latch, Schedule, Stream } from "effect"
import { type Change, StoreFault } from "../../RecordStore.ts"
import { type Authority, codeOf } from "./authority.ts"
import type { Part } from "./part.ts"

/** What the heartbeat needs of a circuit. */
export interface Tended {
  /** Renews leases, and reads the record again if the view is old and in use; undefined if neither is due. */
  readonly tend: Effect.Effect<void> | undefined
  /** Sends the successes that wait to be sent together. */
  readonly flush: Effect.Effect<void>
  readonly part: Part
  readonly following: { readonly rejoin: () => Effect.Effect<void> | undefined }
}

export class Heartbeat {
  private readonly authority: Authority
  private readonly circuits: () => Iterable<Tended>
  private readonly onChange: (change: Change) => void
  /** The circuits that wait to send successes, and a latch that is open while there are any. */
  private readonly unflushed = new Set<Tended>()
  private readonly anyUnflushed = Latch.makeUnsafe()
  private readonly silent = Latch.makeUnsafe()
  private readonly listening = Latch.makeUnsafe()
  /** Numbers of beats: the last one tried, the last one carried out, and the last one that arrived as a change. */
  private beats = 0
  private sent = 0
  private arrived = 0
  /** Beats up to this one may have been sent before the process listened. */
  private mayMiss = Number.POSITIVE_INFINITY

  constructor(authority: Authority, circuits: () => Iterable<Tended>, onChange: (change: Change) => void) {
    this.authority = authority
    this.circuits = circuits
    this.onChange = onChange
  }

  /** Has a circuit send its successes after the flush interval, together with others. */
  flushLater(circuit: Tended): void {
    this.unflushed.add(circuit)
    this.anyUnflushed.openUnsafe()
  }

  /**
   * Starts everything, and ends when the store answers, or after this time at the latest. A program that requires the
   * store waits for its changes, too.
   */
  start(connectMillis: number, requiresChanges: boolean): Effect.Effect<void> {
    const { authority } = this
    const isReady = () => requiresChanges ? authority.hearsChanges : authority.isStarted
    const soon = Effect.andThen(Effect.sleep("20 millis"), this.beat)
    const first = this.beat.pipe(
      Effect.andThen(Effect.suspend(() => isReady() ? Effect.void : Effect.repeat(soon, { until: isReady }))),
      // For a moment more, because what is read before the process listens has to be read again.
      Effect.andThen(Effect.timeoutOption(this.listening.await, authority.settings.operationMillis)),
      Effect.timeoutOption(connectMillis)
    )
    const beat = Effect.andThen(Effect.sleep(authority.beatMillis), Effect.andThen(this.beat, this.tend))
    return Effect.suspend(() => {
      const ready = Latch.makeUnsafe()
      authority.fork(this.listen)
      authority.fork(this.flush)
      authority.fork(Effect.andThen(Effect.andThen(first, ready.open), Effect.forever(beat)))
      return ready.await
    })
  }

  private readonly beat: Effect.Effect<void> = Effect.suspend(() => {
    const { authority } = this
    const part = authority.partOf("")
    const beat = ++this.beats
    return Effect.matchEffect(authority.beat(part, beat), {
      onFailure: (fault) => Effect.sync(() => authority.degrade(part, "pulse", fault)),
      onSuccess: () => {
        authority.starts()
        // The last beat has arrived by now, or the subscription does not work.
        if (this.arrived < this.sent && this.sent > this.mayMiss) {
          authority.subscriptionLost(silence.code)
          this.silent.openUnsafe()
        }
        this.sent = beat
        return Effect.forEach(authority.degradedParts, (one) => this.attempt(one), { concurrency: 16, discard: true })
      }
    })
  })

  // With the record whose operation failed last, because a server may refuse some records and not others.
  private attempt(part: Part): Effect.Effect<void> {
    if (part.suspect === "") return this.rejoin(part)
    return Effect.matchEffect(this.authority.touch(part), {
      onFailure: (fault) => Effect.sync(() => this.authority.degrade(part, "pulse", fault)),
      onSuccess: () => this.rejoin(part)
    })
  }

  // Each circuit follows the store as soon as what this process has decided by itself is in its record.
  private rejoin(part: Part): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority } = this
      const merges: Array<Effect.Effect<void>> = []
      for (const circuit of this.circuits()) {
        const merge = circuit.part === part ? circuit.following.rejoin() : undefined
        if (merge !== undefined) merges.push(merge)
      }
      authority.recover(part)
      authority.rejoining++
      authority.fork(Effect.ensuring(
        Effect.forEach(merges, (merge) => merge, { concurrency: 16, discard: true }),
        Effect.sync(() => {
          authority.rejoining--
          authority.restored()
        })
      ))
      return Effect.void
    })
  }

  private readonly tend: Effect.Effect<void> = Effect.suspend(() => {
    const due: Array<Effect.Effect<void>> = []
    for (const { tend } of this.circuits()) {
      if (tend !== undefined) due.push(tend)
    }
    // All at once, because what they read is read together.
    return Effect.forEach(due, (tend) => tend, { concurrency: "unbounded", discard: true })
  })

  private readonly listen: Effect.Effect<void> = Effect.suspend(() => {
    const { authority } = this
    const receive = (change: Change) => {
      if (change.id !== "") return this.onChange(change)
      // No beat of this process: any client of the store can send what looks like one.
      if (!authority.isOwn(change.writer) || !(change.revision <= this.beats)) return
      this.arrived = Math.max(this.arrived, change.revision)
      // Only the newest beat, on a subscription that was not given up, shows that changes arrive now.
      if (this.arrived === this.beats && !this.silent.isOpen()) authority.subscriptionWorks()
    }
    const onListening = Effect.suspend(() => {
      this.mayMiss = this.beats
      authority.missedChanges()
      return this.listening.open
    })
    const listening = Effect.andThen(
      this.silent.close,
      Stream.runForEach(authority.store.changes(onListening), (change) => Effect.sync(() => receive(change)))
    )
    // Gives up a subscription that stays silent, because a dead connection may not report that it is closed.
    const untilSilent = Effect.andThen(this.silent.await, Effect.fail(silence))
    return Effect.raceFirst(Effect.andThen(listening, Effect.fail(ended)), untilSilent).pipe(
      Effect.catchCause((cause) =>
        Effect.sync(() => {
          this.mayMiss = Number.POSITIVE_INFINITY
          authority.subscriptionLost(codeOf(cause))
        })
      ),
      Effect.repeat(Schedule.jittered(Schedule.spaced("250 millis")))
    )
  })

  /** Has every circuit send the successes that wait. */
  readonly flushed: Effect.Effect<void> = Effect.suspend(() => {
    this.anyUnflushed.closeUnsafe()
    const circuits = [...this.unflushed]
    this.unflushed.clear()
    return Effect.forEach(circuits, ({ flush }) => flush, { concurrency: 16, discard: true })
  })

  private readonly flush: Effect.Effect<void> = Effect.forever(Effect.suspend(() => {
    const pause = Effect.sleep(this.authority.settings.flushMillis)
    return Effect.andThen(this.anyUnflushed.await, Effect.andThen(pause, this.flushed))
  }))
}

const silence = new StoreFault({ code: "SILENT" })
const ended = new StoreFault({ code: "ENDED" })
