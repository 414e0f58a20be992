/** The circuit of a key that nobody has used yet: all such keys share one, since most never see a failure. */
import * as Circuit from "../../Circuit.ts"

export class Fresh {
  circuit!: Circuit.Circuit
  pass!: Circuit.Permit

  constructor(generation: number) {
    this.startAt(generation)
  }

  /** What comes after a circuit that is forgotten starts beyond it: generations and outage ids never come again. */
  outlive({ generation }: { readonly generation: number }): void {
    if (generation >= this.circuit.generation) this.startAt(generation + 2)
  }

  private startAt(generation: number): void {
    this.circuit = Circuit.initial(generation)
    this.pass = { generation, probe: 0 }
  }
}
