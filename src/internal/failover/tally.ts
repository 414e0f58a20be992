/** Announces the first of a kind at once, and then how many more there were, because an outage moves every call. */

const intervalMillis = 60_000

interface Announced {
  at: number
  more: number
  readonly announce: (calls: number) => void
}

export class Tally {
  private readonly announced = new Map<string, Announced>()

  /** Counts one. Whether it is the first that has to wait for its announcement. */
  count(kind: string, now: number, announce: (calls: number) => void): boolean {
    const last = this.announced.get(kind)
    if (last !== undefined && now - last.at < intervalMillis) return ++last.more === 1
    this.announced.set(kind, { at: now, more: 0, announce })
    announce(1 + (last?.more ?? 0))
    return false
  }

  /** Announces what has waited for the whole interval. */
  flush(now: number): void {
    for (const last of this.announced.values()) {
      if (last.more === 0 || now - last.at < intervalMillis) continue
      const calls = last.more
      last.more = 0
      last.at = now
      last.announce(calls)
    }
  }

  /** How long until something is to be announced; infinite if nothing waits. */
  untilDue(now: number): number {
    const waits = Array.from(
      this.announced.values(),
      ({ at, more }) => more === 0 ? Infinity : at + intervalMillis - now
    )
    return Math.max(0, Math.min(Infinity, ...waits))
  }
}
