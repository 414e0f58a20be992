/** A part of the record store that fails by itself: the only one of a database, or a master of a Cluster. */

export class Part {
  /** Whether the circuits of this process decide by themselves, because this part does not answer. */
  degraded: boolean
  /**
   * What to add to a time of this part to get one of this process. Of the answer that was the quickest, because one
   * that was slow makes the clock of the part look slow. That of another part, as long as this one has not answered.
   */
  shift: number
  /** How much later the last answers came, in the time of this process, than they were given in that of the part. */
  private readonly shifts: Array<number> = []
  /** The record whose operation failed last: whether the part answers again is tried with it. */
  suspect = ""

  constructor(degraded: boolean, assumedShift: number) {
    this.degraded = degraded
    this.shift = assumedShift
  }

  /** Takes in the time of an answer. A clock that was set back is believed after two of them. */
  answered(now: number, nowMillis: number): void {
    this.shifts.push(now - nowMillis)
    if (Math.min(...this.shifts.slice(-2)) - this.shift > setBackMillis) this.shifts.splice(0, this.shifts.length - 2)
    if (this.shifts.length > remembered) this.shifts.shift()
    this.shift = Math.min(...this.shifts)
  }
}

const remembered = 8
// Two answers in a row are not that slow.
const setBackMillis = 1_000
