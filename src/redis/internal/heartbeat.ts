/** The background work of a store: messages, the pulse, leases and old views, and the way back after an outage. */
import { Effect, Latch, Schedule } from "effect"
import type { Authority } from "./authority.ts"
import { RedisFault, type RedisPort } from "./port.ts"

/** What the heartbeat needs of a circuit. */
export interface Follower {
  /** Whether this process moved the circuit while Redis was away, so that it has to be merged. */
  readonly diverged: boolean
  /** Writes to Redis what this process knows of the circuit. */
  readonly merge: Effect.Effect<void, RedisFault>
  /** Takes over the next record, however old it is. */
  readonly rejoin: () => void
  /** Renews leases, and reads the record again if the view is old and in use; undefined if neither is due. */
  readonly tend: Effect.Effect<void> | undefined
  /** Reports the successes that wait to be sent together. */
  readonly flush: Effect.Effect<void>
}

export class Heartbeat {
  private readonly authority: Authority
  private readonly port: RedisPort
  private readonly followers: () => Iterable<Follower>
  private readonly onMessage: (message: string) => void
  /** The circuits that wait to report, and a latch that is open while there are any. */
  private readonly unflushed = new Set<Follower>()
  private readonly anyUnflushed = Latch.makeUnsafe()
  private readonly silent = Latch.makeUnsafe()
  /** Numbers of pulses: the last one tried, the last one carried out, and the last one that arrived as a message. */
  private beats = 0
  private sent = 0
  private arrived = 0
  /** Pulses up to this one may have been published before the subscription was there. */
  private mayMiss = 0

  constructor(
    authority: Authority,
    port: RedisPort,
    followers: () => Iterable<Follower>,
    onMessage: (message: string) => void
  ) {
    this.authority = authority
    this.port = port
    this.followers = followers
    this.onMessage = onMessage
  }

  /** Has a circuit report after the flush interval, together with others. */
  flushLater(follower: Follower): void {
    this.unflushed.add(follower)
    this.anyUnflushed.openUnsafe()
  }

  /** Starts everything, and ends when Redis is reliable, or after this time at the latest. */
  start(connectMillis: number): Effect.Effect<void> {
    const { authority } = this
    const soon = Effect.andThen(Effect.sleep("20 millis"), this.pulse)
    const first = this.pulse.pipe(
      Effect.andThen(Effect.repeat(soon, { until: () => authority.reliable })),
      Effect.timeoutOption(connectMillis)
    )
    const beat = Effect.andThen(Effect.sleep(authority.beatMillis), Effect.andThen(this.pulse, this.tend))
    return Effect.suspend(() => {
      const ready = Latch.makeUnsafe()
      authority.fork(this.listen)
      authority.fork(this.flush)
      authority.fork(Effect.andThen(Effect.andThen(first, ready.open), Effect.forever(beat)))
      return ready.await
    })
  }

  private readonly pulse: Effect.Effect<void> = Effect.suspend(() => {
    const { authority } = this
    const beat = ++this.beats
    return Effect.matchEffect(authority.pulse(beat), {
      onFailure: (fault) => Effect.sync(() => authority.degrade("pulse", fault)),
      onSuccess: () => {
        // The last pulse has arrived by now, or the subscription does not work.
        if (this.arrived < this.sent) {
          authority.subscriptionLost(silence.code)
          if (this.sent > this.mayMiss) this.silent.openUnsafe()
        }
        this.sent = beat
        return authority.degraded ? this.rejoin : Effect.void
      }
    })
  })

  // Again and again, because calls move circuits while others are merged.
  private readonly rejoin: Effect.Effect<void> = Effect.suspend(() => {
    const followers = [...this.followers()]
    const diverged = followers.filter((follower) => follower.diverged)
    if (diverged.length > 0) {
      // A circuit whose record is unusable has no longer diverged, and does not keep the process degraded.
      const merged = (follower: Follower) =>
        Effect.catch(follower.merge, (fault) => follower.diverged ? Effect.fail(fault) : Effect.void)
      return Effect.forEach(diverged, merged, { concurrency: 16, discard: true }).pipe(
        Effect.andThen(this.rejoin),
        Effect.ignore
      )
    }
    for (const follower of followers) follower.rejoin()
    this.authority.recover()
    return Effect.void
  })

  private readonly tend: Effect.Effect<void> = Effect.suspend(() => {
    const due: Array<Effect.Effect<void>> = []
    for (const { tend } of this.followers()) {
      if (tend !== undefined) due.push(tend)
    }
    return Effect.forEach(due, (tend) => tend, { concurrency: 16, discard: true })
  })

  private readonly listen: Effect.Effect<void> = Effect.suspend(() => {
    const { authority } = this
    const [transitions] = authority.channels
    const receive = (channel: string, message: string) => {
      if (channel === transitions) return this.onMessage(message)
      const beat = Number(message)
      // No pulse of this process: any client can publish to its channel.
      if (!(beat <= this.beats)) return
      this.arrived = Math.max(this.arrived, beat)
      // Only the newest pulse, on a subscription that was not given up, shows that messages arrive now.
      if (this.arrived === this.beats && !this.silent.isOpen()) authority.subscriptionWorks()
    }
    // Gives up a subscription that stays silent, because a dead connection may not report that it is closed.
    const untilSilent = Effect.andThen(this.silent.await, Effect.fail(silence))
    const listening = Effect.flatMap(this.port.subscribe(authority.channels, receive), (lost) => {
      this.mayMiss = this.beats
      this.silent.closeUnsafe()
      return Effect.raceFirst(lost, untilSilent)
    })
    return Effect.scoped(listening).pipe(
      Effect.catch(({ code }) => Effect.sync(() => authority.subscriptionLost(code))),
      Effect.repeat(Schedule.jittered(Schedule.spaced("250 millis")))
    )
  })

  /** Has every circuit report the successes that wait. */
  readonly flushed: Effect.Effect<void> = Effect.suspend(() => {
    this.anyUnflushed.closeUnsafe()
    const followers = [...this.unflushed]
    this.unflushed.clear()
    return Effect.forEach(followers, ({ flush }) => flush, { concurrency: 16, discard: true })
  })

  private readonly flush: Effect.Effect<void> = Effect.forever(Effect.suspend(() => {
    const pause = Effect.sleep(this.authority.settings.flushMillis)
    return Effect.andThen(this.anyUnflushed.await, Effect.andThen(pause, this.flushed))
  }))
}

const silence = new RedisFault({ code: "SILENT" })
