/** The probe slots of one circuit that this process has claimed in the store. */
import { Clock, Effect, Fiber } from "effect"
import type { Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { StoreFault } from "../../RecordStore.ts"
import type { Authority } from "./authority.ts"

/** Until when a probe may run, and when its lease in the store was renewed last. */
interface Lease {
  readonly until: number
  renewedAt: number
}

/** What claims need of their circuit. */
export interface Claimant {
  readonly degraded: boolean
  readonly probes: number
  readonly leaseMillis: number
  /** Takes a slot in the store. Calls `granted` when it has one. */
  readonly take: (granted: (permit: Permit) => void) => Effect.Effect<void, StoreFault>
  /** Frees a slot in the store. */
  readonly giveBack: (permit: Permit) => void
  /** Decides without the store. */
  readonly decideHere: Effect.Effect<Permit | Rejection>
  /** Decides by what the store has just said. */
  readonly decideNow: () => Permit | Rejection
  /** Whether calls pass, or are turned away, without asking; "claim" if the store has to be asked. */
  readonly peek: () => Permit | Rejection | "claim"
}

export class Claims {
  private readonly authority: Authority
  private readonly claimant: Claimant
  private readonly claims = new Set<Fiber.Fiber<unknown, StoreFault>>()
  private readonly probes = new Map<Permit, Lease>()
  /** Whether the store may hold a slot for no call of this process, because a claim or a verdict has failed. */
  slotLost = false

  constructor(authority: Authority, claimant: Claimant) {
    this.authority = authority
    this.claimant = claimant
  }

  get isIdle(): boolean {
    return this.claims.size === 0 && this.probes.size === 0 && !this.slotLost
  }

  /** The numbers of the probes that run in this process. */
  get running(): ReadonlySet<number> {
    return new Set([...this.probes.keys()].map(({ probe }) => probe))
  }

  /** Takes a probe that ends off the list; false if the store did not grant it. */
  ended(permit: Permit): boolean {
    return this.probes.delete(permit)
  }

  /** Each running probe, with the time until which it may run. */
  forEach(each: (probe: number, until: number) => void): void {
    for (const [{ probe }, { until }] of this.probes) each(probe, until)
  }

  /** The probes whose leases have run for a third, with how much longer each may be held. */
  due(now: number): ReadonlyArray<{ readonly permit: Permit; readonly leaseMillis: number }> {
    const { leaseMillis } = this.authority.settings
    const due = [...this.probes].filter(([, lease]) => now - lease.renewedAt >= leaseMillis / 3 && now < lease.until)
    return due.map(([permit, lease]) => {
      lease.renewedAt = now
      return { permit, leaseMillis: Math.min(leaseMillis, lease.until - now) }
    })
  }

  /** Claims a slot, or waits for a claim that is on its way, because its answer is likely to be the same. */
  claim(free: number): Effect.Effect<Permit | Rejection> {
    return Effect.suspend(() => {
      const { claimant, claims } = this
      const [first] = claims
      if (claimant.degraded || first === undefined || claims.size < free) return this.ask()
      return Effect.flatMap(Effect.interruptible(Fiber.await(first)), () => {
        const decision = claimant.peek()
        if (decision !== "claim") return Effect.succeed(decision)
        return claimant.degraded || claims.size < claimant.probes ? this.ask() : Effect.sync(claimant.decideNow)
      })
    })
  }

  // The slot is given back if the caller was interrupted before the answer came.
  private ask(): Effect.Effect<Permit | Rejection> {
    const { authority, claimant, claims, probes } = this
    const decideHere = Effect.provideService(claimant.decideHere, Clock.Clock, authority.clock)
    if (claimant.degraded) return decideHere
    let hasLeft = false
    let granted: Permit | undefined
    const claim = authority.fork(
      Effect.catch(
        claimant.take((permit) => {
          const now = authority.now()
          granted = permit
          probes.set(permit, { until: now + claimant.leaseMillis, renewedAt: now })
          if (hasLeft) claimant.giveBack(permit)
        }),
        () =>
          Effect.sync(() => {
            this.slotLost = true
          })
      )
    )
    claims.add(claim)
    claim.addObserver(() => claims.delete(claim))
    return Effect.interruptible(Fiber.await(claim)).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          hasLeft = true
          if (granted !== undefined) claimant.giveBack(granted)
        })
      ),
      Effect.flatMap(() => {
        if (granted !== undefined) return Effect.succeed(granted)
        return claimant.degraded ? decideHere : Effect.sync(claimant.decideNow)
      })
    )
  }
}
