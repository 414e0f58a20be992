/** The circuits of this process by key: made at first use, dropped when idle, never more than a number. */
import type { Clock } from "effect"
import * as Circuit from "../Circuit.ts"
import type { CompiledPolicy } from "./compiledPolicy.ts"
import type { Hub } from "./hub.ts"
import { LocalCircuit } from "./localCircuit.ts"

// How many circuits are looked at for one to drop when there are too many.
const looks = 64

export class Registry {
  private readonly circuits = new Map<string, LocalCircuit>()
  private readonly fresh: Circuit.Circuit
  private readonly pass: Circuit.Permit
  private sweptAt = 0
  private readonly hub: Hub
  private readonly idleMillis: number
  private readonly maxCircuits: number

  constructor(hub: Hub, generation: number, options: { readonly idleMillis: number; readonly maxCircuits: number }) {
    this.hub = hub
    this.idleMillis = options.idleMillis
    this.maxCircuits = options.maxCircuits
    // Fresh circuits share their state: most keys never see a failure.
    this.fresh = Circuit.initial(generation)
    this.pass = { generation, probe: 0 }
  }

  use(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number): LocalCircuit {
    let circuit = this.circuits.get(key)
    if (circuit === undefined || this.isIdle(circuit, now)) circuit = this.make(key, policy, now)
    else if (circuit.policy !== policy) circuit.share(policy, clock)
    circuit.seenAt = now
    return circuit
  }

  get(key: string, now: number): LocalCircuit | undefined {
    const circuit = this.circuits.get(key)
    return circuit === undefined || this.isIdle(circuit, now) ? undefined : circuit
  }

  all(now: number): ReadonlyArray<LocalCircuit> {
    this.sweep(now)
    return [...this.circuits.values()]
  }

  private make(key: string, policy: CompiledPolicy, now: number): LocalCircuit {
    const circuit = new LocalCircuit(key, policy, this.hub, this.fresh, this.pass)
    this.circuits.delete(key)
    if (now - this.sweptAt >= this.idleMillis / 2) this.sweep(now)
    // With no room left the newcomer is used once and forgotten: better unguarded than an open circuit dropped.
    if (this.circuits.size < this.maxCircuits || this.dropOne(now)) this.circuits.set(key, circuit)
    return circuit
  }

  private isIdle(circuit: LocalCircuit, now: number): boolean {
    return now - circuit.seenAt >= this.idleMillis && circuit.expendable(now, this.idleMillis)
  }

  private sweep(now: number): void {
    this.sweptAt = now
    for (const [key, circuit] of this.circuits) {
      if (this.isIdle(circuit, now)) this.circuits.delete(key)
    }
  }

  // Drops the longest unused of the first few that are closed; the others go to the back of the queue.
  private dropOne(now: number): boolean {
    let oldest: LocalCircuit | undefined
    let looked = 0
    for (const [key, circuit] of this.circuits) {
      if (looked++ === looks) break
      if (!circuit.expendable(now, this.idleMillis)) {
        this.circuits.delete(key)
        this.circuits.set(key, circuit)
      } else if (oldest === undefined || circuit.seenAt < oldest.seenAt) oldest = circuit
    }
    return oldest !== undefined && this.circuits.delete(oldest.key)
  }
}
