/** A stored circuit that claims probe slots, renews their leases and gives back what was lost. */
import { Clock, Effect, Fiber } from "effect"
import type { Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import * as Outcome from "../../Outcome.ts"
import type { RedisFault } from "./port.ts"
import type { Answer } from "./record.ts"
import { StoredCircuit } from "./storedCircuit.ts"

/** Until when a probe may run, and when its lease in Redis was renewed last. */
interface Lease {
  readonly until: number
  renewedAt: number
}

/** The claims that are on their way to Redis, and the probes that it granted. */
interface Probing {
  readonly claims: Set<Fiber.Fiber<unknown, RedisFault>>
  readonly probes: Map<Permit, Lease>
}

const begin = (): Probing => ({ claims: new Set(), probes: new Map() })

// Shared by all circuits that are not probing, which are most.
const notProbing = begin()

export class ProbingCircuit extends StoredCircuit {
  private probing = notProbing
  /** Whether Redis may hold a slot for no call of this process, because a claim or the report of a probe failed. */
  protected slotLost = false

  get pass(): Permit | undefined {
    return this.upToDate ? this.replica.pass : undefined
  }

  admit(): Permit | Rejection | "claim" {
    return this.upToDate ? this.replica.admit(this.authority.clock, this.authority.now()) : "claim"
  }

  get claim(): Effect.Effect<Permit | Rejection> {
    return Effect.suspend(() => {
      const free = this.upToDate ? this.policy.rules.probes : 1
      const [first] = this.probing.claims
      if (this.degraded || first === undefined || this.probing.claims.size < free) return this.ask()
      // Other callers wait for the first claim, because its answer is likely to turn them away too.
      return Effect.flatMap(Effect.interruptible(Fiber.await(first)), () => {
        const decision = this.replica.pass ?? this.admit()
        if (decision !== "claim") return Effect.succeed(decision)
        return this.degraded || this.probing.claims.size < this.policy.rules.probes
          ? this.ask()
          : Effect.sync(() => this.replica.refuse(this.authority.clock))
      })
    })
  }

  /** Takes a probe that ends off the list; false if Redis did not grant it. */
  protected ended(permit: Permit): boolean {
    return this.probing.probes.delete(permit)
  }

  /** Gives running probes the policy's lease: that of Redis is short only to notice processes that died. */
  protected prolong(): void {
    for (const [{ probe }, { until }] of this.probing.probes) this.replica.prolong(probe, until)
  }

  /** Renews in Redis the leases that have run for a third. */
  protected renewals(now: number): ReadonlyArray<Effect.Effect<unknown, RedisFault>> {
    const { leaseMillis } = this.authority.settings
    return [...this.probing.probes]
      .filter(([, lease]) => now - lease.renewedAt >= leaseMillis / 3 && now < lease.until)
      .map(([permit, lease]) => this.renew(permit, lease))
  }

  private renew({ generation, probe }: Permit, lease: Lease): Effect.Effect<unknown, RedisFault> {
    const { leaseMillis } = this.authority.settings
    lease.renewedAt = this.authority.now()
    return this.send("renew", generation, probe, Math.min(leaseMillis, lease.until - lease.renewedAt))
  }

  /** Frees the slots that Redis holds for this process and no call of it. */
  protected giveBackLost({ circuit: { generation, probes }, owners }: Answer): Effect.Effect<void, RedisFault> {
    if (!this.slotLost || this.probing.claims.size > 0) return Effect.void
    this.slotLost = false
    const running = new Set([...this.probing.probes.keys()].map(({ probe }) => probe))
    const lost = probes.filter(({ id }, index) => owners[index] === this.authority.owner && !running.has(id))
    return Effect.forEach(lost, ({ id }) => this.free({ generation, probe: id }), { discard: true })
  }

  private free({ generation, probe }: Permit): Effect.Effect<unknown, RedisFault> {
    return this.send("report", generation, 0, 0, probe, "Ignored", "cancelled", 0, 0, 1, 1)
  }

  // Claims a slot. It is given back if the caller was interrupted before the answer came.
  private ask(): Effect.Effect<Permit | Rejection> {
    const { authority, replica } = this
    const decideHere = Effect.provideService(replica.claim, Clock.Clock, authority.clock)
    if (this.degraded) return decideHere
    let left = false
    let granted: Permit | undefined
    const lease = this.policy.rules.probeLeaseMillis
    if (this.probing === notProbing) this.probing = begin()
    const { claims, probes } = this.probing
    const claim = authority.fork(Effect.match(this.send("claim", Math.min(lease, authority.settings.leaseMillis)), {
      onFailure: () => {
        this.slotLost = true
      },
      onSuccess: ({ circuit, given: [id = 0] }) => {
        if (id === 0) return
        granted = { generation: circuit.generation, probe: id }
        probes.set(granted, { until: this.readAt + lease, renewedAt: this.readAt })
        if (left) this.giveBack(granted)
      }
    }))
    claims.add(claim)
    claim.addObserver(() => {
      claims.delete(claim)
      if (claims.size === 0 && probes.size === 0) this.probing = notProbing
    })
    return Effect.interruptible(Fiber.await(claim)).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          left = true
          if (granted !== undefined) this.giveBack(granted)
        })
      ),
      Effect.flatMap(() => {
        if (granted !== undefined) return Effect.succeed(granted)
        if (this.degraded) return decideHere
        const decision = replica.pass ?? replica.admit(authority.clock, this.readAt)
        return Effect.succeed(decision === "claim" ? replica.refuse(authority.clock) : decision)
      })
    )
  }

  private giveBack(permit: Permit): void {
    const { authority, replica } = this
    if (!this.ended(permit)) return
    if (this.degraded) replica.settle(authority.clock, permit, cancelled, 0, true)
    else authority.fork(Effect.ignore(this.free(permit)))
  }
}

const cancelled = Outcome.ignored("cancelled")
