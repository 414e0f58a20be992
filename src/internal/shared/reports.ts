/** What a circuit of this process tells its record of the calls that end here. */
import { Effect, Fiber } from "effect"
import * as Circuit from "../../Circuit.ts"
import * as Outcome from "../../Outcome.ts"
import type { StoreFault } from "../../RecordStore.ts"
import { type Failed, isVouchedFor, rememberMillis } from "../machine/evidence.ts"
import { judge } from "../machine/judge.ts"
import { shared } from "../machine/keyed.ts"
import { count, expired, finestMillis, measuresOf } from "../machine/slots.ts"
import * as streak from "../machine/streak.ts"
import type { Basis } from "./change.ts"
import type { Host } from "./host.ts"
import { countedBy, type Ended, settle, type Settled, slotsOf } from "./settlement.ts"

export class Reports {
  private readonly circuit: Host
  private readonly flushLater: () => void
  /** Successes that no other process knows of, by slot, and the generation to which they belong. */
  private unsent: Map<string, number> | undefined
  private unsentOf = 0
  /** How many of them ended in the slot of the finest step that began last, which most successes only count up. */
  private recent = 0
  private recentSlot = 0
  /** When a call was served here since the last failure here. */
  private servedAt: number | undefined
  private failures = 0
  /** The request that failed here last, and when the fleet heard of one for which no other state changed. */
  private noted: Failed | undefined
  private sharedAt = -Infinity

  constructor(circuit: Host, flushLater: () => void) {
    this.circuit = circuit
    this.flushLater = flushLater
  }

  /** Takes in that a call was served. */
  served(): void {
    this.servedAt = this.circuit.authority.now()
    this.failures = 0
  }

  /**
   * A success that ends a streak is reported at once, but its call does not wait. Those that a rate counts are sent
   * together, and only while the fleet has counted a failure.
   */
  success(outcome: Outcome.Outcome, durationMillis: number): undefined {
    const { circuit } = this
    const { authority, queue } = circuit
    const servedAt = this.servedAt ?? authority.now()
    circuit.observe(outcome, durationMillis, servedAt)
    if (circuit.remembers) {
      const slot = Math.floor((servedAt - queue.part.shift) / finestMillis)
      if (slot !== this.recentSlot || circuit.generation !== this.unsentOf) this.countRecent(slot)
      this.recent++
      if (queue.known.record.counters.size > 0) this.flushLater()
    }
    if (circuit.current.failures === 0) return
    circuit.change({ failures: 0, lastFailureKind: "", hintUntil: 0 })
    const { process } = authority
    authority.fork(Effect.ignore(circuit.send("report", ({ entry }) => {
      const left = streak.served(entry.streak, process, servedAt)
      if (left === entry.streak) return { entry }
      const failures = streak.length(left)
      const ended = failures === 0 ? { lastFailureKind: "", hintUntil: 0 } : undefined
      return { entry: { ...entry, streak: left, circuit: { ...entry.circuit, failures, ...ended } } }
    })))
  }

  /** Sends the successes that wait, if a window of the fleet has a failure beside which they count. */
  get flush(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { circuit } = this
      if (circuit.degraded || !judge(circuit.policy.criteria, countedBy(circuit.queue.basis)).hasMarked) {
        return Effect.void
      }
      const add = this.takeUnsent()
      if (add.size === 0) return Effect.void
      const sent = circuit.send("report", ({ entry }) => ({ entry, add }))
      return Effect.ignore(Effect.andThen(sent, this.tripIfUnhealthy("")))
    })
  }

  /** Reports a call that says more than that all is well. */
  report(call: Ended): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { circuit } = this
      const { authority, queue } = circuit
      const { durationMillis, outcome, permit } = call
      const failed = outcome._tag === "Failure"
      if (failed) this.failures++
      const end = {
        permit: { ...permit, generation: circuit.inStore(permit.generation) },
        outcome,
        durationMillis,
        process: authority.process,
        servedAt: this.servedAt,
        failuresHere: this.failures
      }
      if (failed) this.servedAt = undefined
      const isCounted = permit.probe === 0 && circuit.remembers && (failed || outcome._tag === "Success")
      const add = isCounted ? this.takeUnsent() : new Map<string, number>()
      const startedAt = authority.now()
      if (isCounted) slotsOf(circuit.policy, startedAt - queue.part.shift, failed, durationMillis, add)
      let settled: Settled | undefined
      const request = failed ? this.lastFailed() : undefined
      const sent = circuit.send("report", (basis) => {
        const next = settle(circuit.policy, basis, end, add, circuit.slowerThanMillis)
        return settled = request === undefined ? next : this.withRequest(basis, next, request)
      }, () => circuit.announceCall(call, settled!))
      return Effect.matchEffect(sent, {
        // A call that could not be reported counts here.
        onFailure: () => Effect.sync(() => circuit.settleHere(call)),
        onSuccess: () => {
          if (permit.probe === 0) circuit.observe(outcome, durationMillis, startedAt)
          if (!isCounted) return Effect.void
          const trip = authority.fork(
            Effect.ignore(this.tripIfUnhealthy(outcome._tag === "Failure" ? outcome.kind : ""))
          )
          // The call waits for both operations no longer than for one.
          const left = authority.settings.operationMillis - (authority.now() - startedAt)
          return Effect.asVoid(Effect.timeoutOption(Fiber.await(trip), left))
        }
      })
    })
  }

  // The request whose failure the circuit has noted just now, if it was of a kind that a request can cause.
  private lastFailed(): Failed | undefined {
    const last = this.circuit.evidence.failed.at(-1)
    if (last === this.noted) return undefined
    return this.noted = last
  }

  // Brings a request that failed into the record, and does not count it if another process has counted it.
  private withRequest({ entry, now }: Basis, settled: Settled, request: Failed): Settled {
    const { authority, evidence } = this.circuit
    const known = entry.failed.find((one) => one.request === request.request)
    const failed = shared(entry.failed, request)
    const isRepeat = known?.counted === true && request.counted && request.firstAt === request.lastAt &&
      now - known.lastAt <= rememberMillis && isVouchedFor(evidence, { ...request, firstAt: known.firstAt }, now)
    if (isRepeat) return { ...settled, isRepeat, entry: { ...entry, failed }, add: undefined, clears: false }
    if (failed === entry.failed) return settled
    // Where only counters change, so that counting seldom competes.
    const isOnly = settled.entry === entry
    if (isOnly && (known !== undefined || now - this.sharedAt < authority.settings.flushMillis)) return settled
    if (isOnly) this.sharedAt = now
    return {
      ...settled,
      entry: { ...settled.entry, failed },
      announces: settled.announces === true || known === undefined
    }
  }

  /** A call that was served while the circuit was open is its probe. */
  get probedEarly(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { circuit } = this
      const { process } = circuit.authority
      return Effect.ignore(circuit.send("report", (basis) => {
        const { entry, now } = basis
        if (entry.circuit.state !== "open") return { entry }
        const admission = Circuit.admitEarly(entry.circuit, circuit.policy.rules, now)
        if (admission._tag === "Rejected") return { entry }
        const { permit } = admission
        const probing = { ...entry, circuit: admission.circuit, owners: new Map([[permit.probe, process]]) }
        const end = { permit, outcome: Outcome.success, durationMillis: 0, process, ...nothing }
        const { announces, entry: after } = settle(
          circuit.policy,
          { ...basis, entry: probing },
          end,
          new Map(),
          Infinity
        )
        return { entry: after, announces }
      }))
    })
  }

  // What was counted may be too much together with what other processes have counted meanwhile. `kind` is that of the
  // failure with which it is.
  private tripIfUnhealthy(kind: Outcome.Kind | ""): Effect.Effect<void, StoreFault> {
    return Effect.suspend(() => {
      const { circuit: { authority: { process }, policy, queue, slowerThanMillis } } = this
      const { generation } = queue.known.record
      if (queue.known.entry.circuit.state !== "closed") return Effect.void
      if (!judge(policy.criteria, countedBy(queue.basis)).unhealthy) return Effect.void
      const permit = { generation, probe: 0 }
      const end = { permit, outcome: Outcome.success, durationMillis: 0, process, ...nothing }
      return this.circuit.send("report", (basis) => {
        const { circuit } = basis.entry
        const failing = { ...basis.entry, circuit: { ...circuit, lastFailureKind: kind || circuit.lastFailureKind } }
        const next = settle(policy, { ...basis, entry: failing }, end, new Map(), slowerThanMillis)
        // No call has ended here: what opens no circuit changes nothing.
        return next.entry.circuit.generation === circuit.generation ? { entry: basis.entry } : next
      })
    })
  }

  private takeUnsent(): Map<string, number> {
    this.countRecent(0)
    const unsent = this.unsent ?? new Map<string, number>()
    this.unsent = undefined
    return unsent
  }

  // Of a former generation nothing counts, nor does what no window can reach any more.
  private countRecent(slot: number): void {
    const { circuit: { generation, policy }, recent, recentSlot } = this
    if (this.unsentOf !== generation) this.unsent = undefined
    else if (recent > 0) {
      this.unsent ??= new Map()
      const at = recentSlot * finestMillis
      for (const measure of measuresOf(policy.criteria)) {
        count(this.unsent, measure, at, { calls: recent, marked: 0 })
      }
      if (Math.floor(slot / betweenTrims) !== Math.floor(recentSlot / betweenTrims)) {
        for (const name of expired(this.unsent, at)) this.unsent.delete(name)
      }
    }
    this.unsentOf = generation
    this.recent = 0
    this.recentSlot = slot
  }
}

// In slots of the finest step: looking through all of them costs more than a success may.
const betweenTrims = 100

// Of a call that is none of this process's failures.
const nothing = { servedAt: undefined, failuresHere: 0 }
