/** What a call of a key goes through while its store has no room for the circuit: it passes, and leaves no trace. */
import { LocalCircuit } from "./localCircuit.ts"

export class UnguardedCircuit extends LocalCircuit {
  override get listeners(): undefined {
    return undefined
  }

  override settle(): undefined {
    this.hub.callAll((observer) => observer.onUnguarded?.())
  }
}
