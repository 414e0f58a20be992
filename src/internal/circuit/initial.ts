/** The state in which circuits begin. All unused circuits share it, because most keys never see a failure. */
import * as Circuit from "../../Circuit.ts"

export class Initial {
  circuit!: Circuit.Circuit
  pass!: Circuit.Permit

  constructor(generation: number) {
    this.startAt(generation)
  }

  /** Lets circuits begin after one that is forgotten, because generations are never issued twice. */
  outlive({ generation }: { readonly generation: number }): void {
    if (generation >= this.circuit.generation) this.startAt(generation + 2)
  }

  private startAt(generation: number): void {
    this.circuit = Circuit.initial(generation)
    this.pass = { generation, probe: 0 }
  }
}
