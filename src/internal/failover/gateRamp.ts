/** The return of calls to a target after its gate has opened: by and by, because all at once would shut it again. */
import { earn } from "../machine/ramp.ts"

/** How long it takes: as long as the gate was shut, within these bounds. */
const minMillis = 1_000
const maxMillis = 30_000

export class GateRamp {
  private shutAt: number | undefined
  private openAt = 0
  private credit = 0

  get isOver(): boolean {
    return this.shutAt === undefined
  }

  /** Notes for how long from now the gate is shut. */
  note(now: number, shutMillis: number): void {
    this.shutAt ??= now
    this.openAt = now + shutMillis
    // The first call goes through.
    this.credit = this.millis
  }

  /** Whether a call goes to the target. */
  takes(now: number): boolean {
    const elapsed = now - this.openAt
    if (this.shutAt === undefined || elapsed < 0) return true
    if (elapsed >= this.millis) {
      this.shutAt = undefined
      return true
    }
    const { credit, passes } = earn(this.credit, elapsed, this.millis)
    this.credit = credit
    return passes
  }

  private get millis(): number {
    return Math.min(maxMillis, Math.max(minMillis, this.openAt - this.shutAt!))
  }
}
