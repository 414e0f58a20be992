/** The observer that hears everything of one process: what it tells, and how its calls end. */
import { Effect, Exit } from "effect"
import { type Circuit, CircuitEvent, type CircuitObserver } from "effect-resilience"
import type { Agreement } from "./Agreement.ts"
import type { Findings } from "./Findings.ts"
import { transitionOf } from "./Transition.ts"
import { type Finding, Witness } from "./Witness.ts"

/** Calls of one key: those that ran as their callers know it, and those that ended as observers heard. */
interface Calls {
  ran: number
  ended: number
  /** Those that ran inside of another call of their key: in a probe they are a part of it, and do not end by themselves. */
  parts: number
  /** Those that ended by an interruption, which may come between the admission and the first step of a call. */
  interrupted: number
}

/** How many events are kept for the case of a finding. */
const kept = 5000
const shown = 12

/** Of events that are no transitions one is decoded in a while; all of them would be most of the load. */
const decodedShare = 50

export class Recorder implements CircuitObserver.CircuitObserver {
  readonly name = "recorder"
  readonly events = new Map<string, number>()
  readonly results = new Map<string, number>()
  readonly calls = new Map<string, Calls>()
  /** Whether the store is away, as the process tells it. */
  degraded = false
  recoveredAt = -Infinity
  private readonly witness: Witness
  private readonly last: Array<CircuitEvent.CircuitEvent> = []
  private heard = 0
  private readonly member: string
  private readonly shared: boolean
  private readonly findings: Findings
  private readonly agreement: Agreement | undefined

  constructor(member: string, findings: Findings, agreement: Agreement | undefined) {
    this.member = member
    this.shared = agreement !== undefined
    this.witness = new Witness(this.shared)
    this.findings = findings
    this.agreement = agreement
  }

  readonly onEvent = (event: CircuitEvent.CircuitEvent): void => {
    this.last[this.heard++ % kept] = event
    increase(this.events, event.event)
    if (event.event === "store.degraded") this.degraded = true
    if (event.event === "store.recovered") {
      this.degraded = false
      this.recoveredAt = performance.now()
    }
    const transition = transitionOf(event)
    if (transition !== undefined || this.heard % decodedShare === 0) this.decode(event)
    if (transition === undefined) return
    for (const finding of this.witness.hear(transition)) this.find(finding)
    // What a degraded process does is its own.
    if (this.degraded) return
    for (const finding of this.agreement?.hear(transition) ?? []) this.find(finding)
  }

  readonly onCircuit = (key: string, _state: Circuit.State): CircuitObserver.CircuitListener => ({
    onCall: (result) => {
      increase(this.results, result)
      if (result.startsWith("rejected")) return
      // A call that nobody else would take has a circuit of its own, and its target none the less.
      const calls = this.callsOf(key)
      calls.ended++
      if (result === "interrupted") calls.interrupted++
    },
    onForgotten: () => {
      increase(this.events, "forgotten")
      this.witness.forgotten(key)
    }
  })

  callsOf(key: string): Calls {
    const known = this.calls.get(key)
    if (known !== undefined) return known
    const calls = { ran: 0, ended: 0, parts: 0, interrupted: 0 }
    this.calls.set(key, calls)
    return calls
  }

  /** Whether every call that was admitted has ended, once. To be asked while none is on its way. */
  checkCalls(): void {
    for (const [key, { ended, interrupted, parts, ran }] of this.calls) {
      if (ran <= ended && ended - ran <= interrupted + parts) continue
      this.found(
        "every admitted call ends once",
        key,
        `${ran} ran and ${ended} ended, ${interrupted} of them interrupted`
      )
    }
  }

  /** A finding of a witness who watches this process from elsewhere. */
  found(rule: string, key: string, what: string): void {
    this.findings.add(this.member, { rule, key, what, excusable: false }, this.past)
  }

  private find(finding: Finding): void {
    if (finding.excusable) this.findings.suspect(this.member, finding, this.past)
    else this.findings.add(this.member, finding, this.past)
  }

  private decode(event: CircuitEvent.CircuitEvent): void {
    const exit = Effect.runSyncExit(CircuitEvent.decode(event))
    if (Exit.isSuccess(exit)) return
    this.found("events have their form", "key" in event ? event.key : "", JSON.stringify(event))
  }

  private readonly past = (key: string): ReadonlyArray<string> => {
    const from = this.heard % kept
    const inOrder = [...this.last.slice(from), ...this.last.slice(0, from)]
    return inOrder.filter((event) => "key" in event ? event.key === key : event.event.startsWith("store.")).slice(
      -shown
    ).map((event) => JSON.stringify(event))
  }
}

const increase = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)
