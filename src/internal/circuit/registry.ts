/** The circuits of this process by key: made at first use, dropped when idle, never more than a number. */
import type { Clock } from "effect"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"

// How many circuits are looked at for one to drop when there are too many.
const looks = 64

/** What a registry needs to know of a circuit. */
export interface Kept {
  readonly key: string
  readonly policy: CompiledPolicy
  seenAt: number
  /** Notes that another breaker uses this circuit. */
  readonly share: (policy: CompiledPolicy, clock: Clock.Clock) => void
  /** Whether nothing would be lost with this circuit but a streak. */
  readonly isSpare: (now: number) => boolean
  /** Whether the circuit has been idle for so long that it may be forgotten. */
  readonly isIdle: (now: number, idleMillis: number) => boolean
}

/** How circuits come and go. */
export interface Maker<C extends Kept> {
  readonly make: (key: string, policy: CompiledPolicy) => C
  readonly dropped: (circuit: C) => void
}

export interface Limits {
  readonly idleMillis: number
  readonly maxCircuits: number
}

export class Registry<C extends Kept> {
  private readonly circuits = new Map<string, C>()
  private sweptAt = 0
  private readonly maker: Maker<C>
  private readonly idleMillis: number
  private readonly maxCircuits: number

  constructor(maker: Maker<C>, limits: Limits) {
    this.maker = maker
    this.idleMillis = limits.idleMillis
    this.maxCircuits = limits.maxCircuits
  }

  use(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number, keep = false): C {
    if (now - this.sweptAt >= this.idleMillis / 2) this.sweep(now)
    let circuit = this.circuits.get(key)
    if (circuit === undefined || circuit.isIdle(now, this.idleMillis)) circuit = this.make(key, policy, now, keep)
    else if (circuit.policy !== policy) circuit.share(policy, clock)
    circuit.seenAt = now
    return circuit
  }

  get(key: string, now: number): C | undefined {
    const circuit = this.circuits.get(key)
    return circuit?.isIdle(now, this.idleMillis) ? undefined : circuit
  }

  /** The circuit of a key, whether idle or not. */
  peek(key: string): C | undefined {
    return this.circuits.get(key)
  }

  values(): Iterable<C> {
    return this.circuits.values()
  }

  all(now: number): ReadonlyArray<C> {
    this.sweep(now)
    return [...this.circuits.values()]
  }

  private make(key: string, policy: CompiledPolicy, now: number, keep: boolean): C {
    const former = this.circuits.get(key)
    if (former !== undefined) this.drop(former)
    const circuit = this.maker.make(key, policy)
    // With no room left the newcomer is used once and forgotten: better unguarded than an open circuit dropped.
    if (this.circuits.size < this.maxCircuits || this.dropOne(now) || keep) this.circuits.set(key, circuit)
    return circuit
  }

  private drop(circuit: C): void {
    this.circuits.delete(circuit.key)
    this.maker.dropped(circuit)
  }

  private sweep(now: number): void {
    this.sweptAt = now
    for (const circuit of this.circuits.values()) {
      if (circuit.isIdle(now, this.idleMillis)) this.drop(circuit)
    }
  }

  // Drops the longest unused of the first few that can be spared; the others go to the back of the queue.
  private dropOne(now: number): boolean {
    let oldest: C | undefined
    let looked = 0
    for (const [key, circuit] of this.circuits) {
      if (looked++ === looks) break
      if (!circuit.isSpare(now)) {
        this.circuits.delete(key)
        this.circuits.set(key, circuit)
      } else if (oldest === undefined || circuit.seenAt < oldest.seenAt) oldest = circuit
    }
    if (oldest !== undefined) this.drop(oldest)
    return oldest !== undefined
  }
}
