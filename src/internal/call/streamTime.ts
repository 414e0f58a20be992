/** The time that a stream's provider was given. Nobody is slow while nobody asks. */
import { type Clock, Duration } from "effect"
import { elapsedMillis } from "../clock/time.ts"

// Of the consumer's work on one part. Longer is a pause, which is the consumer's own.
const workMillis = 10

export class StreamTime {
  /** From pulls to their parts, until the first content. */
  firstContentMillis = 0
  /** From pulls to their parts, since the last progress. */
  idleMillis = 0
  // Counts for the provider too, because one that sends faster than the consumer takes parts does not wait for it.
  private consumerMillis = 0
  private contentSeen = false
  private parts = 0
  private movedAt = 0
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** The provider is asked for parts. */
  asked(counts: boolean): void {
    const millis = this.move()
    if (counts && millis <= this.parts * workMillis) this.consumerMillis += millis
  }

  /** The provider has sent so many parts, or ended. */
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

  /** What is left of a limit that counts from the last progress. */
  leftMillis(limit: Duration.Duration): number {
    return Duration.toMillis(limit) - this.idleMillis - this.consumerMillis
  }

  private move(): number {
    const before = this.movedAt
    this.movedAt = elapsedMillis(this.clock)
    return this.movedAt - before
  }
}
