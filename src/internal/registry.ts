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
  private fresh!: Circuit.Circuit
  private pass!: Circuit.Permit
  private sweptAt = 0
  private readonly hub: Hub
  private readonly idleMillis: number
  private readonly maxCircuits: number

  constructor(hub: Hub, generation: number, options: { readonly idleMillis: number; readonly maxCircuits: number }) {
    this.hub = hub
    this.idleMillis = options.idleMillis
    this.maxCircuits = options.maxCircuits
    this.startAt(generation)
  }

  use(key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number, keep = false): LocalCircuit {
    let circuit = this.circuits.get(key)
    if (circuit === undefined || circuit.isIdle(now, this.idleMillis)) circuit = this.make(key, policy, now, keep)
    else if (circuit.policy !== policy) circuit.share(policy, clock)
    circuit.seenAt = now
    return circuit
  }

  get(key: string, now: number): LocalCircuit | undefined {
    const circuit = this.circuits.get(key)
    return circuit?.isIdle(now, this.idleMillis) ? undefined : circuit
  }

  all(now: number): ReadonlyArray<LocalCircuit> {
    this.sweep(now)
    return [...this.circuits.values()]
  }

  private make(key: string, policy: CompiledPolicy, now: number, keep: boolean): LocalCircuit {
    const former = this.circuits.get(key)
    if (former !== undefined) this.drop(former)
    if (now - this.sweptAt >= this.idleMillis / 2) this.sweep(now)
    const circuit = new LocalCircuit(key, policy, this.hub, this.fresh, this.pass)
    // With no room left the newcomer is used once and forgotten: better unguarded than an open circuit dropped.
    if (this.circuits.size < this.maxCircuits || this.dropOne(now) || keep) this.circuits.set(key, circuit)
    return circuit
  }

  // Fresh circuits share their state: most keys never see a failure.
  private startAt(generation: number): void {
    this.fresh = Circuit.initial(generation)
    this.pass = { generation, probe: 0 }
  }

  // What comes after a circuit that is forgotten starts beyond it: generations and outage ids never come again.
  private drop(circuit: LocalCircuit): void {
    this.circuits.delete(circuit.key)
    if (circuit.generation >= this.fresh.generation) this.startAt(circuit.generation + 2)
  }

  private sweep(now: number): void {
    this.sweptAt = now
    for (const circuit of this.circuits.values()) {
      if (circuit.isIdle(now, this.idleMillis)) this.drop(circuit)
    }
  }

  // Drops the longest unused of the first few that can be spared; the others go to the back of the queue.
  private dropOne(now: number): boolean {
    let oldest: LocalCircuit | undefined
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
