/** What goes on in the background of a store: it listens, feels the pulse, tends its circuits, and finds back. */
import { Effect, Latch, Schedule } from "effect"
import type { Authority } from "./authority.ts"
import { RedisFault, type RedisPort } from "./port.ts"

/** What the heartbeat needs of a circuit. */
export interface Follower {
  /** Whether this process alone took it elsewhere, so that the store has to hear of it. */
  readonly diverged: boolean
  /** Tells the store what this process knows. */
  readonly merge: Effect.Effect<void, RedisFault>
  /** The next view counts, whatever came before. */
  readonly rejoin: () => void
  /** Leases to renew, and views in use that are old. */
  readonly tend: Effect.Effect<void> | undefined
  /** Reports what was held back. */
  readonly flush: Effect.Effect<void>
}

export class Heartbeat {
  private readonly authority: Authority
  private readonly port: RedisPort
  private readonly followers: () => Iterable<Follower>
  private readonly onMessage: (message: string) => void
  private readonly held = new Set<Follower>()
  private readonly holding = Latch.makeUnsafe()
  private readonly silent = Latch.makeUnsafe()
  /** Numbers of the calls of the pulse: the last one tried, carried out, and heard. */
  private beats = 0
  private sent = 0
  private heard = 0
  /** Calls up to this one may have gone out before anybody listened. */
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

  /** Has a circuit report soon what it holds back. */
  flushLater(follower: Follower): void {
    this.held.add(follower)
    this.holding.openUnsafe()
  }

  /** Starts everything, and ends when the store is found sound or patience does. */
  start(patienceMillis: number): Effect.Effect<void> {
    const { authority } = this
    const soon = Effect.andThen(Effect.sleep("20 millis"), this.pulse)
    const first = this.pulse.pipe(
      Effect.andThen(Effect.repeat(soon, { until: () => authority.sound })),
      Effect.timeoutOption(patienceMillis)
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
      onFailure: (fault) => Effect.sync(() => authority.lost("pulse", fault)),
      onSuccess: () => {
        // The call of the last beat is here by now, or lost.
        if (this.heard < this.sent) {
          authority.deaf(silence.code)
          if (this.sent > this.mayMiss) this.silent.openUnsafe()
        }
        this.sent = beat
        return authority.alone ? this.rejoin : Effect.void
      }
    })
  })

  // As long as circuits go their own way meanwhile, there is more to tell.
  private readonly rejoin: Effect.Effect<void> = Effect.suspend(() => {
    const followers = [...this.followers()]
    const diverged = followers.filter((follower) => follower.diverged)
    if (diverged.length > 0) {
      // A record that is of no use keeps nobody from coming back.
      const merged = (follower: Follower) =>
        Effect.catch(follower.merge, (fault) => follower.diverged ? Effect.fail(fault) : Effect.void)
      return Effect.forEach(diverged, merged, { concurrency: 16, discard: true }).pipe(
        Effect.andThen(this.rejoin),
        Effect.ignore
      )
    }
    for (const follower of followers) follower.rejoin()
    this.authority.found()
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
    const hear = (channel: string, message: string) => {
      if (channel === transitions) return this.onMessage(message)
      const beat = Number(message)
      // Of another's making.
      if (!(beat <= this.beats)) return
      this.heard = Math.max(this.heard, beat)
      // A late one says nothing of the present, nor does a subscription that was given up.
      if (this.heard === this.beats && !this.silent.isOpen()) authority.hears()
    }
    // A connection that only seems to be there says nothing, not even that it is gone.
    const untilSilent = Effect.andThen(this.silent.await, Effect.fail(silence))
    const listening = Effect.flatMap(this.port.subscribe(authority.channels, hear), (lost) => {
      this.mayMiss = this.beats
      this.silent.closeUnsafe()
      return Effect.raceFirst(lost, untilSilent)
    })
    return Effect.scoped(listening).pipe(
      Effect.catch(({ code }) => Effect.sync(() => authority.deaf(code))),
      Effect.repeat(Schedule.jittered(Schedule.spaced("250 millis")))
    )
  })

  /** Has every circuit report what it holds back. */
  readonly flushed: Effect.Effect<void> = Effect.suspend(() => {
    this.holding.closeUnsafe()
    const held = [...this.held]
    this.held.clear()
    return Effect.forEach(held, ({ flush }) => flush, { concurrency: 16, discard: true })
  })

  private readonly flush: Effect.Effect<void> = Effect.forever(Effect.suspend(() => {
    const pause = Effect.sleep(this.authority.settings.flushMillis)
    return Effect.andThen(this.holding.await, Effect.andThen(pause, this.flushed))
  }))
}

const silence = new RedisFault({ code: "SILENT" })
