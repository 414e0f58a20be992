/** Changes of a record, as functions of what it says. */
import type { Entry } from "./entry.ts"

/** What a change is computed from. */
export interface Basis {
  readonly entry: Entry
  readonly counters: ReadonlyMap<string, number>
  /** The time of this process, and what to add to a time of the store to get one of it. */
  readonly now: number
  readonly shift: number
}

/** What a change comes to. */
export interface Next {
  /** The same entry, if only counters change. */
  readonly entry: Entry
  readonly add?: ReadonlyMap<string, number> | undefined
  /** Whether all counters are dropped, as they are with a new generation. */
  readonly clears?: boolean | undefined
  /** Whether other processes should read the record soon, as they do with a new generation. */
  readonly announces?: boolean | undefined
}

/** Computes what is next. It runs again if another process has written in between. */
export type Change = (basis: Basis) => Next

interface Combined {
  readonly next: Entry
  readonly add: ReadonlyMap<string, number>
  readonly clears: boolean
  readonly announces: boolean
  /** How many of the changes it has: what waits is not for a generation that begins with one of them. */
  readonly made: number
}

/** Makes one change of several, each computed from what the one before it comes to. */
export const combine = (changes: ReadonlyArray<{ readonly change: Change }>, basis: Basis): Combined => {
  const { generation } = basis.entry.circuit
  const counters = new Map(basis.counters)
  const add = new Map<string, number>()
  let next = basis.entry
  let clears = false
  let announces = false
  let made = 0
  while (made < changes.length && next.circuit.generation === generation) {
    const change = changes[made++]!.change({ ...basis, entry: next, counters })
    next = change.entry
    announces ||= change.announces === true
    for (const [name, n] of change.add ?? []) {
      add.set(name, (add.get(name) ?? 0) + n)
      counters.set(name, (counters.get(name) ?? 0) + n)
    }
    if (change.clears === true) {
      clears = true
      add.clear()
      counters.clear()
    }
  }
  return { next, add, clears, announces, made }
}
