// What is counted and told of one circuit and of those who call through it.

export interface Phase {
  readonly name: string
  readonly about: string
  /** How long it is meant to take. */
  readonly seconds: number
}

/** Something worth telling, `seconds` after the start. */
export interface Line {
  readonly seconds: number
  readonly key: string | undefined
  readonly text: string
}

export interface Tally {
  readonly key: string
  /** How the calls of users ended; the failed ones by kind. */
  answered: number
  skipped: number
  readonly failed: Map<string, number>
  /** Attempts that reached for the provider, and attempts that the circuit turned away. */
  made: number
  saved: number
  openings: number
  /** Not closed since the last opening. */
  down: boolean
  throttles: number
  throttledUntil: number
  probesSucceeded: number
  probesFailed: number
  probesUndecided: number
  readonly probedAt: Array<number>
  /** In seconds, from first opening to close. */
  readonly outages: Array<number>
  savedBeforeOutage: number
}

export const make = (key: string): Tally => ({
  key,
  answered: 0,
  skipped: 0,
  failed: new Map(),
  made: 0,
  saved: 0,
  openings: 0,
  down: false,
  throttles: 0,
  throttledUntil: 0,
  probesSucceeded: 0,
  probesFailed: 0,
  probesUndecided: 0,
  probedAt: [],
  outages: [],
  savedBeforeOutage: 0
})

export const failures = (tally: Tally) => [...tally.failed.values()].reduce((sum, n) => sum + n, 0)

export const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
