/** The probe slots of one circuit that this process has claimed in the store. */
import { Effect, Fiber } from "effect"
import * as Circuit from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { StoreFault } from "../../RecordStore.ts"
import type { Host } from "./host.ts"
import { advanced, countedBy } from "./settlement.ts"

/** Until when a probe may run, and when its lease in the store was renewed last. */
interface Lease {
  readonly until: number
  renewedAt: number
}

// Shared by all circuits that have never had a probe, which are most.
const noClaims = new Set<Fiber.Fiber<unknown, StoreFault>>()
const noProbes = new Map<Circuit.Permit, Lease>()

export class Claims {
  private readonly circuit: Host
  private claims = noClaims
  private probes = noProbes
  /** Whether the store may hold a slot for no call of this process, because a claim or a verdict has failed. */
  slotLost = false

  constructor(circuit: Host) {
    this.circuit = circuit
  }

  private get running(): ReadonlySet<number> {
    return new Set([...this.probes.keys()].map(({ probe }) => probe))
  }

  /** Takes a probe that ends off the list; false if the store did not grant it. */
  ended(permit: Circuit.Permit): boolean {
    return this.probes.delete(permit)
  }

  /** Gives running probes the policy's lease: that of the store is short only to notice processes that died. */
  prolong(): void {
    if (this.probes.size === 0) return
    const until = new Map([...this.probes].map(([{ probe }, { until }]) => [probe, until]))
    const probes = this.circuit.current.probes.map((one) => ({
      ...one,
      leaseUntil: until.get(one.id) ?? one.leaseUntil
    }))
    this.circuit.change({ probes })
  }

  /** Claims a slot, or waits for a claim that is on its way, because its answer is likely to be the same. */
  claim(free: number): Effect.Effect<Circuit.Permit | Rejection> {
    return Effect.suspend(() => {
      const { circuit, claims } = this
      const [first] = claims
      if (circuit.degraded || first === undefined || claims.size < free) return this.ask()
      return Effect.flatMap(Effect.interruptible(Fiber.await(first)), () => {
        const decision = circuit.pass ?? circuit.admit()
        if (decision !== "claim") return Effect.succeed(decision)
        const isFree = circuit.degraded || claims.size < circuit.policy.rules.probes
        return isFree ? this.ask() : Effect.sync(() => circuit.decideNow())
      })
    })
  }

  // The slot is given back if the caller was interrupted before the answer came.
  private ask(): Effect.Effect<Circuit.Permit | Rejection> {
    const { circuit } = this
    const { authority, policy } = circuit
    if (circuit.degraded) return circuit.claimHere
    if (this.claims === noClaims) {
      this.claims = new Set()
      this.probes = new Map()
    }
    const { claims, probes } = this
    let hasLeft = false
    let granted: Circuit.Permit | undefined
    const take = this.take((permit) => {
      const now = authority.now()
      granted = permit
      probes.set(permit, { until: now + policy.rules.probeLeaseMillis, renewedAt: now })
      if (hasLeft) this.giveBack(permit)
    })
    const failed = () =>
      Effect.sync(() => {
        this.slotLost = true
      })
    const claim = authority.fork(Effect.catch(take, failed))
    claims.add(claim)
    claim.addObserver(() => claims.delete(claim))
    return Effect.interruptible(Fiber.await(claim)).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          hasLeft = true
          if (granted !== undefined) this.giveBack(granted)
        })
      ),
      Effect.flatMap(() => {
        if (granted !== undefined) return Effect.succeed(granted)
        return circuit.degraded ? circuit.claimHere : Effect.sync(() => circuit.decideNow())
      })
    )
  }

  private take(granted: (permit: Circuit.Permit) => void): Effect.Effect<void, StoreFault> {
    const { circuit } = this
    const { authority: { process, settings }, policy, queue } = circuit
    const probeLeaseMillis = Math.min(policy.rules.probeLeaseMillis, settings.leaseMillis)
    let probe = 0
    const claim = queue.change((basis) => {
      const { entry, now } = basis
      const admission = Circuit.admit(entry.circuit, { ...policy.rules, probeLeaseMillis }, now)
      probe = admission._tag === "Admitted" ? admission.permit.probe : 0
      if (probe === 0) return { entry }
      const next = advanced(policy, entry, admission.circuit, countedBy(basis))
      return { entry: { ...next, owners: new Map([...next.owners, [probe, process]]) } }
    }, ({ record }) => {
      if (probe > 0) granted({ generation: record.generation, probe })
    })
    // Most first uses find a closed circuit, which has nothing to claim.
    const claimed = Effect.suspend(() => circuit.current.state === "closed" ? Effect.void : claim)
    return circuit.asked("claim", queue.isUpToDate ? claimed : Effect.andThen(queue.read, claimed))
  }

  private giveBack(permit: Circuit.Permit): void {
    const { circuit } = this
    if (!this.ended(permit)) return
    circuit.free(permit.probe)
    if (circuit.degraded) this.slotLost = true
    else circuit.authority.fork(Effect.ignore(this.free([permit.probe])))
  }

  /** Frees the slots that the store holds for this process and no call of it. */
  get freeLost(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { circuit, running } = this
      if (!this.slotLost || circuit.degraded || this.claims.size > 0) return Effect.void
      this.slotLost = false
      const lost = [...circuit.queue.known.entry.owners]
        .filter(([id, owner]) => owner === circuit.authority.process && !running.has(id))
        .map(([id]) => id)
      return lost.length === 0 ? Effect.void : Effect.ignore(this.free(lost))
    })
  }

  private free(ids: ReadonlyArray<number>): Effect.Effect<void, StoreFault> {
    const { process } = this.circuit.authority
    return this.circuit.send("report", ({ entry }) => {
      const { circuit, owners } = entry
      const isLost = (id: number) => ids.includes(id) && owners.get(id) === process
      const probes = circuit.probes.filter(({ id }) => !isLost(id))
      if (probes.length === circuit.probes.length) return { entry }
      const left = new Map([...owners].filter(([id]) => !isLost(id)))
      return { entry: { ...entry, circuit: { ...circuit, probes }, owners: left }, announces: true }
    })
  }

  /** Renews the leases that have run for a third; undefined if there are none. */
  renewals(now: number): Effect.Effect<void> | undefined {
    const { leaseMillis } = this.circuit.authority.settings
    const due = [...this.probes].filter(([, lease]) => now - lease.renewedAt >= leaseMillis / 3 && now < lease.until)
    if (due.length === 0) return undefined
    return Effect.forEach(due, ([permit, lease]) => {
      lease.renewedAt = now
      return Effect.ignore(this.renew(permit, Math.min(leaseMillis, lease.until - now)))
    }, { concurrency: "unbounded", discard: true })
  }

  private renew({ generation, probe }: Circuit.Permit, leaseMillis: number): Effect.Effect<void, StoreFault> {
    const { process } = this.circuit.authority
    return this.circuit.send("renew", ({ entry, now }) => {
      const { circuit, owners } = entry
      if (circuit.generation !== generation || owners.get(probe) !== process) return { entry }
      const probes = circuit.probes.map((one) =>
        one.id === probe ? { ...one, leaseUntil: Math.max(one.leaseUntil, now + leaseMillis) } : one
      )
      return { entry: { ...entry, circuit: { ...circuit, probes } } }
    })
  }
}
