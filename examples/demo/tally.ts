// What is counted: of the callers, of each region and its circuit, and of the route.

export interface Phase {
  readonly name: string
  readonly about: string
  /** How long it is meant to take. */
  readonly seconds: number
}

/** Something worth telling, `seconds` after the start. */
export interface Line {
  readonly seconds: number
  /** Who served the route from then on. */
  readonly active: string
  /** The region or the route it is about. */
  readonly about: string | undefined
  readonly text: string
}

/** How the calls of users ended, and how long each took. */
export interface Calls {
  readonly answeredMillis: Array<number>
  readonly failedMillis: Array<number>
  attempts: number
}

/** A time in which another region than the primary served the route, in seconds since the start. */
export interface Absence {
  readonly cause: string
  readonly beganAt: number
  endedAt: number | undefined
  /** By whom served. */
  answered: number
}

/** Attempts at one region. */
export interface Tally {
  readonly region: string
  answered: number
  /** By kind. */
  readonly failed: Map<string, number>
  /** Attempts that the region asked to wait, and attempts that its circuit turned away. */
  throttled: number
  skipped: number
  openings: number
  throttles: number
  throttledUntil: number
  probesFailed: number
  readonly probedAt: Array<number>
  /** In seconds, from first opening to close. */
  readonly outages: Array<number>
}

export const makeCalls = (): Calls => ({ answeredMillis: [], failedMillis: [], attempts: 0 })

export const make = (region: string): Tally => ({
  region,
  answered: 0,
  failed: new Map(),
  throttled: 0,
  skipped: 0,
  openings: 0,
  throttles: 0,
  throttledUntil: 0,
  probesFailed: 0,
  probedAt: [],
  outages: []
})

export const failures = (tally: Tally) => [...tally.failed.values()].reduce((sum, n) => sum + n, 0)

export const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
