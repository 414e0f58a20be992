/** What a walk has seen of a circuit: everything that the invariants look at, and no machine remembers. */
import type { Circuit } from "effect-resilience"
import { Broken } from "./walk.ts"

/** A probe that was admitted and has not ended. The process that had it may be dead. */
export interface Running {
  readonly permit: Circuit.Permit
  readonly leaseUntil: number
}

/** A transition that a process announced to its observers. */
export interface Told {
  readonly process: string
  readonly generation: number
  readonly from: Circuit.State
  readonly to: Circuit.State
}

/** What a process was last seen in by its observers. */
export interface View {
  readonly generation: number
  readonly state: Circuit.State
}

export interface History {
  /** The latest generation there was. */
  readonly latest: number
  /** The latest deadline that was given since calls last passed. */
  readonly heldUntil: number
  /** The last probe admitted. */
  readonly last: Circuit.Permit
  readonly running: ReadonlyArray<Running>
  readonly views: Readonly<Record<string, View>>
}

/** One step: what it did to the circuit where that is decided, and what was announced of it. */
export interface Moment {
  /**
   * What moved the circuit: the machine; its being forgotten and made anew; or a process that brought in what the
   * store had lost.
   */
  readonly by: "machine" | "forgetting" | "merging"
  readonly rules: Circuit.Rules
  readonly now: number
  readonly before: Circuit.Circuit
  readonly after: Circuit.Circuit
  readonly admitted?: Circuit.Permit | undefined
  /** The call that spoke, whether or not it was listened to. */
  readonly ended?: Circuit.Permit | undefined
  readonly told: ReadonlyArray<Told>
  /** A transition whose maker knows of it from this step on, if nothing later overtook it. */
  readonly made?: { readonly process: string; readonly generation: number } | undefined
  /** A process that begins to follow the circuit as it finds it, and tells nobody of that. */
  readonly found?: { readonly process: string; readonly view: View } | undefined
  /** Whether a call is admitted in the end, if every call under way is interrupted and time goes by. */
  readonly recovers: () => boolean
}

/** A promise. `problem` says how a step breaks it, undefined if it does not. */
export interface Invariant {
  readonly title: string
  readonly problem: (moment: Moment, history: History, next: History) => string | undefined
}

export const begin = (circuit: Circuit.Circuit, processes: ReadonlyArray<string>): History => ({
  latest: circuit.generation,
  heldUntil: 0,
  last: { generation: 0, probe: 0 },
  running: [],
  views: Object.fromEntries(processes.map((name) => [name, viewOf(circuit)]))
})

export const viewOf = ({ generation, state }: Circuit.Circuit): View => ({ generation, state })

/** Writes a step down, and checks that it keeps every promise. */
export const record = (history: History, moment: Moment, invariants: ReadonlyArray<Invariant>): History => {
  const next = remember(history, moment)
  for (const { problem, title } of invariants) {
    const broken = problem(moment, history, next)
    if (broken !== undefined) throw new Broken(`${title}: ${broken}`)
  }
  return next
}

const remember = (history: History, { admitted, after, ended, found, now, told }: Moment): History => {
  const isProbe = admitted !== undefined && admitted.probe > 0
  const lease = (permit: Circuit.Permit) =>
    permit.generation === after.generation ? after.probes.find(({ id }) => id === permit.probe) : undefined
  const started = isProbe ? [{ permit: admitted, leaseUntil: lease(admitted)?.leaseUntil ?? now + 1 }] : []
  const running = [...history.running, ...started]
    .filter(({ permit }) => ended === undefined || !isSame(permit, ended))
    .map(({ leaseUntil, permit }) => ({ permit, leaseUntil: lease(permit)?.leaseUntil ?? leaseUntil }))
  const views = { ...history.views }
  if (found !== undefined) views[found.process] = found.view
  for (const { generation, process, to } of told) views[process] = { generation, state: to }
  return {
    latest: Math.max(history.latest, after.generation),
    heldUntil: isHeld(after) ? Math.max(history.heldUntil, after.openUntil) : 0,
    last: isProbe ? admitted : history.last,
    running,
    views
  }
}

export const isHeld = ({ state }: Circuit.Circuit): boolean => state === "open" || state === "forced_open"

export const isSame = (one: Circuit.Permit, other: Circuit.Permit): boolean =>
  one.generation === other.generation && one.probe === other.probe
