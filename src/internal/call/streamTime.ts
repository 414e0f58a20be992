/** The time that a stream's provider takes. It counts only while the consumer waits for parts. */
import { type Clock, Duration } from "effect"
import { elapsedMillis } from "../clock/time.ts"

// How long the consumer may work on one part. A longer pause does not count as the provider's time.
const workMillis = 10

export class StreamTime {
  /** The time from pulls to their parts, until the first content. */
  firstContentMillis = 0
  /** The time from pulls to their parts, since the last progress. */
  idleMillis = 0
  // Counts as the provider's time too, because a provider that sends faster than the consumer reads does not wait.
  private consumerMillis = 0
  private contentSeen = false
  private parts = 0
  private movedAt = 0
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** The consumer begins to wait for parts. */
  asked(counts: boolean): void {
    const millis = this.move()
    if (counts && millis <= this.parts * workMillis) this.consumerMillis += millis
  }

  /** The provider has sent this many parts, or ended. */
  answered(counts: boolean, parts: number): void {
    const millis = this.move()
    this.parts = parts
    if (!counts) return
    this.idleMillis += millis
    if (!this.contentSeen) this.firstContentMillis += millis
  }

  progressed(): void {
    this.idleMillis = 0
    this.consumerMillis = 0
  }

  content(): void {
    this.contentSeen = true
  }

  /** The milliseconds that are left of a limit that counts from the last progress. */
  leftMillis(limit: Duration.Duration): number {
    return Duration.toMillis(limit) - this.idleMillis - this.consumerMillis
  }

  private move(): number {
    const before = this.movedAt
    this.movedAt = elapsedMillis(this.clock)
    return this.movedAt - before
  }
}
