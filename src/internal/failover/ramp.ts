/** Brings calls back to a target by and by after its gate has opened, because all at once would shut it again. */

/** How long it takes: as long as the gate was shut, within these bounds. */
const minMillis = 1_000
const maxMillis = 30_000

export class Ramp {
  private shutAt: number | undefined
  private openAt = 0
  private earnedMillis = 0

  get isOver(): boolean {
    return this.shutAt === undefined
  }

  /** Notes for how long from now the gate is shut. */
  note(now: number, shutMillis: number): void {
    this.shutAt ??= now
    this.openAt = now + shutMillis
    // The first call goes through.
    this.earnedMillis = this.millis
  }

  /** Whether a call goes to the target. Each one after the gate earns the share of the ramp that has passed. */
  takes(now: number): boolean {
    const elapsed = now - this.openAt
    if (this.shutAt === undefined || elapsed < 0) return true
    if (elapsed >= this.millis) {
      this.shutAt = undefined
      return true
    }
    this.earnedMillis += elapsed
    if (this.earnedMillis < this.millis) return false
    this.earnedMillis -= this.millis
    return true
  }

  private get millis(): number {
    return Math.min(maxMillis, Math.max(minMillis, this.openAt - this.shutAt!))
  }
}
