/** Makes the circuits of a store whose authority is the memory of this process. */
import * as Circuit from "../Circuit.ts"
import type { CompiledPolicy } from "./compiledPolicy.ts"
import type { Hub } from "./hub.ts"
import { LocalCircuit } from "./localCircuit.ts"
import type { Maker } from "./registry.ts"

export class LocalCircuits implements Maker<LocalCircuit> {
  private readonly hub: Hub
  private fresh!: Circuit.Circuit
  private pass!: Circuit.Permit

  constructor(hub: Hub, generation: number) {
    this.hub = hub
    this.startAt(generation)
  }

  make(key: string, policy: CompiledPolicy): LocalCircuit {
    return new LocalCircuit(key, policy, this.hub, this.fresh, this.pass)
  }

  // What comes after a circuit that is forgotten starts beyond it: generations and outage ids never come again.
  dropped(circuit: LocalCircuit): void {
    circuit.forgotten()
    const { generation } = circuit
    if (generation >= this.fresh.generation) this.startAt(generation + 2)
  }

  // Fresh circuits share their state: most keys never see a failure.
  private startAt(generation: number): void {
    this.fresh = Circuit.initial(generation)
    this.pass = { generation, probe: 0 }
  }
}
