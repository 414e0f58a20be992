/** A stored circuit whose probe slots are claimed, kept and given back. */
import { Clock, Effect, Fiber } from "effect"
import type { Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import * as Outcome from "../../Outcome.ts"
import type { RedisFault } from "./port.ts"
import type { Answer } from "./record.ts"
import { StoredCircuit } from "./storedCircuit.ts"

/** Until when a probe may run, and when the store was last told that it still does. */
interface Lease {
  readonly until: number
  renewedAt: number
}

/** Claims on their way, and the probes that the store granted. */
interface Probing {
  readonly claims: Set<Fiber.Fiber<unknown, RedisFault>>
  readonly probes: Map<Permit, Lease>
}

const begin = (): Probing => ({ claims: new Set(), probes: new Map() })

// Shared by all circuits that are not probing, which are most.
const notProbing = begin()

export class ProbingCircuit extends StoredCircuit {
  private probing = notProbing
  /** The store may hold a slot that nobody here knows of: for a claim that was given up, or a probe it was not told of. */
  protected slotLost = false

  get pass(): Permit | undefined {
    return this.fresh ? this.replica.pass : undefined
  }

  admit(): Permit | Rejection | "claim" {
    return this.fresh ? this.replica.admit(this.authority.clock, this.authority.now()) : "claim"
  }

  get claim(): Effect.Effect<Permit | Rejection> {
    return Effect.suspend(() => {
      const free = this.fresh ? this.policy.rules.probes : 1
      const [first] = this.probing.claims
      if (this.alone || first === undefined || this.probing.claims.size < free) return this.ask()
      // Whoever asks, asks for all: most of those who wait are turned away by what it learns.
      return Effect.flatMap(Effect.interruptible(Fiber.await(first)), () => {
        const decision = this.replica.pass ?? this.admit()
        if (decision !== "claim") return Effect.succeed(decision)
        return this.alone || this.probing.claims.size < this.policy.rules.probes
          ? this.ask()
          : Effect.sync(() => this.replica.refuse(this.authority.clock))
      })
    })
  }

  /** Takes a probe that ends off the list; false if the store did not grant it. */
  protected ended(permit: Permit): boolean {
    return this.probing.probes.delete(permit)
  }

  /** Keeps running probes where the store's short leases do not count: they are for processes that died. */
  protected prolong(): void {
    for (const [{ probe }, { until }] of this.probing.probes) this.replica.prolong(probe, until)
  }

  /** Prolongs the leases that have run for a third. */
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

  /** Frees the slots that the store holds for this process and nobody here knows of. */
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

  // The script answers the one who waits, or nobody: a slot for a caller who has left is given back.
  private ask(): Effect.Effect<Permit | Rejection> {
    const { authority, replica } = this
    const alone = Effect.provideService(replica.claim, Clock.Clock, authority.clock)
    if (this.alone) return alone
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
        if (this.alone) return alone
        const decision = replica.pass ?? replica.admit(authority.clock, this.readAt)
        return Effect.succeed(decision === "claim" ? replica.refuse(authority.clock) : decision)
      })
    )
  }

  private giveBack(permit: Permit): void {
    const { authority, replica } = this
    if (!this.ended(permit)) return
    if (this.alone) replica.settle(authority.clock, permit, cancelled, 0, true)
    else authority.fork(Effect.ignore(this.free(permit)))
  }
}

const cancelled = Outcome.ignored("cancelled")
