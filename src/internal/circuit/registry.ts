/** The circuits of this process by key: made at first use, dropped when idle, never more than a number. */
import type { Clock } from "effect"
import { wallMillis } from "../clock/time.ts"
import type { Hub } from "../observers/hub.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { UnguardedCircuit } from "./unguardedCircuit.ts"

// How many circuits are looked at for one to drop when there are too many.
const looks = 64

// How long no call has to run unguarded before one is news again.
const quietMillis = 60_000

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
  /** What a call goes through for whose circuit there is no room. */
  readonly unguarded: (key: string, policy: CompiledPolicy) => UnguardedCircuit
  readonly dropped: (circuit: C) => void
}

export interface Limits {
  readonly idleMillis: number
  readonly maxCircuits: number
}

export class Registry<C extends Kept> {
  private readonly circuits = new Map<string, C>()
  private sweptAt = 0
  private unguardedAt = -Infinity
  private readonly maker: Maker<C>
  private readonly hub: Hub
  private readonly idleMillis: number
  private readonly maxCircuits: number

  constructor(maker: Maker<C>, hub: Hub, limits: Limits) {
    this.maker = maker
    this.hub = hub
    this.idleMillis = limits.idleMillis
    this.maxCircuits = limits.maxCircuits
  }

  /** The circuit of a call. */
  use(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number): C | UnguardedCircuit {
    return this.known(key, policy, clock, now) ??
      (this.hasRoom(now) ? this.make(key, policy, now) : this.unguarded(key, policy, clock, now))
  }

  /** The circuit of an operator's decision, which is made also where there is no room for a call's. */
  keep(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number): C {
    const known = this.known(key, policy, clock, now)
    if (known === undefined) this.hasRoom(now)
    return known ?? this.make(key, policy, now)
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

  private known(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number): C | undefined {
    if (now - this.sweptAt >= this.idleMillis / 2) this.sweep(now)
    const circuit = this.circuits.get(key)
    if (circuit === undefined) return undefined
    if (circuit.isIdle(now, this.idleMillis)) return void this.drop(circuit)
    if (circuit.policy !== policy) circuit.share(policy, clock)
    circuit.seenAt = now
    return circuit
  }

  private make(key: string, policy: CompiledPolicy, now: number): C {
    const circuit = this.maker.make(key, policy)
    circuit.seenAt = now
    this.circuits.set(key, circuit)
    return circuit
  }

  private hasRoom(now: number): boolean {
    return this.circuits.size < this.maxCircuits || this.dropOne(now)
  }

  // Better unguarded than an open circuit dropped.
  private unguarded(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number): UnguardedCircuit {
    const isNews = now - this.unguardedAt >= quietMillis
    this.unguardedAt = now
    if (isNews) this.hub.announce({ event: "store.full", at: wallMillis(clock), max_circuits: this.maxCircuits })
    return this.maker.unguarded(key, policy)
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
