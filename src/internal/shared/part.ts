/** A part of the record store that fails by itself: the only one of a database, or a master of a Cluster. */

export class Part {
  /** Whether the circuits of this process decide by themselves, because this part does not answer. */
  degraded: boolean
  /** What to add to a time of this part to get one of this process. */
  shift = 0
  /** The record whose operation failed last: whether the part answers again is tried with it. */
  suspect = ""

  constructor(degraded: boolean) {
    this.degraded = degraded
  }
}
