/** Hears the transitions of one process, and finds those that cannot be. */
import type { Circuit } from "effect-resilience"
import { illegal, type Transition } from "./Transition.ts"

export interface Finding {
  readonly rule: string
  readonly key: string
  readonly what: string
  /** Whether it is none while the store is broken: then a process may miss what others do, and the store forget it. */
  readonly excusable: boolean
  /** The generations beside a step that cannot be, unless there was another step between. */
  readonly gap?: readonly [lower: number, upper: number] | undefined
}

interface View {
  readonly generation: number
  /** Undefined where the process may look afresh, and need not tell what it finds. */
  state: Circuit.State | undefined
  readonly openUntil: number
}

/** What the times of two events may be off: on a busy machine, and where a store and its latency come in. */
const noiseMillis = { alone: 30, shared: 150 }

export class Witness {
  private readonly views = new Map<string, View>()
  private readonly shared: boolean

  /** In a shared store a process may be late: it sees where a circuit is, not every step on the way. */
  constructor(shared: boolean) {
    this.shared = shared
  }

  /** The process has dropped the circuit: its next one starts closed, or as the store has it. */
  forgotten(key: string): void {
    const view = this.views.get(key)
    if (view !== undefined) view.state = this.shared ? undefined : "closed"
  }

  hear(transition: Transition): ReadonlyArray<Finding> {
    const { at, from, generation, key, reason, to } = transition
    const before = this.views.get(key)
    const findings: Array<Finding> = []
    const find = (rule: string, what: string, excusable = this.shared, gap?: Finding["gap"]) =>
      findings.push({ rule, key, what, excusable, gap })

    const edge = illegal(transition)
    if (edge !== undefined) find("only legal edges", edge, this.shared, [before?.generation ?? 0, generation])
    if (before !== undefined) {
      if (generation === before.generation) find("each transition once", `generation ${generation} again`, false)
      if (generation < before.generation) {
        // A probe that runs keeps its generation when a process comes back from its own way.
        const kept = this.shared && to === "half_open"
        find("generations increase", `${generation} after ${before.generation}`, kept)
      }
      if (before.state !== undefined && before.state !== from) {
        find("one history", `from ${from}, but it was ${before.state}`, false)
      }
      const early = before.openUntil - at
      if (to === "half_open" && early > noiseMillis[this.shared ? "shared" : "alone"]) {
        find("openings are not shortened", `half-open ${early} ms before the deadline`)
      }
    }

    // A process that does not use a circuit steers it all the same, and then looks away.
    const looksAway = this.shared && (reason === "reset" || reason === "enabled")
    const held = to === "open" || to === "forced_open"
    // A process that missed the end of an opening does not know its deadline either.
    const known = edge === undefined && from === "open" ? before?.openUntil ?? 0 : 0
    this.views.set(key, {
      generation,
      state: looksAway ? undefined : to,
      openUntil: held ? Math.max(known, transition.openUntil) : 0
    })
    return findings
  }
}
