/** How a circuit of this process follows its record, and what it brings in after it had to decide by itself. */
import { Effect } from "effect"
import type * as Circuit from "../../Circuit.ts"
import type { Initial } from "../circuit/initial.ts"
import { learnt } from "../machine/keyed.ts"
import type { Basis, Next } from "./change.ts"
import type { Host } from "./host.ts"
import { type Known, unknown } from "./recordQueue.ts"
import { taught } from "./teaching.ts"

export class Following {
  private readonly circuit: Host
  private readonly initial: Initial
  private readonly kept: boolean
  /** The circuit of this process as long as there is no record, whose generation is 0 there and unique here. */
  private readonly unknown: Circuit.Circuit
  /** The record that was taken over last, and what the circuit was then. */
  private followed = unknown
  private confirmed: Circuit.Circuit
  private hasFollowed = false
  /** Whether this process has decided by itself, and has not yet brought that into the record. */
  diverged = false
  /** What it has brought in, as long as it is not done with that. */
  private taught: Circuit.Circuit | undefined

  constructor(circuit: Host, initial: Initial, kept: boolean) {
    this.circuit = circuit
    this.initial = initial
    this.kept = kept
    this.confirmed = this.unknown = initial.circuit
  }

  /** A generation as the store knows it: 0 while there is no record. */
  inStore(generation: number): number {
    return generation === this.unknown.generation ? 0 : generation
  }

  /** A circuit of the store as this process numbers it. */
  here(circuit: Circuit.Circuit): Circuit.Circuit {
    return circuit.generation === 0 ? { ...circuit, generation: this.unknown.generation } : circuit
  }

  /** Takes over a record, unless this process decides by itself. */
  adopt(known: Known): void {
    const { circuit } = this
    if (circuit.degraded) return
    const { entry, record } = known
    // A transition is announced if it happened while this process watched: not what the first read finds.
    const announces = this.hasFollowed || this.inStore(circuit.generation) > 0
    this.hasFollowed = true
    this.followed = known
    // Keeps the state that all circuits without a record share, because most keys never see a failure.
    if (record.revision > 0 || circuit.current !== this.unknown) {
      circuit.adopt(entry, this.here(entry.circuit).generation, announces)
      this.confirmed = circuit.current
    }
    circuit.evidence = learnt(circuit.evidence, entry.failed)
    circuit.refresh()
    // The next circuit of this key must not count from a generation that this one has shown.
    if (!this.kept) this.initial.outlive(this.confirmed)
  }

  /** The record can be used again. */
  returns(known: Known): void {
    const merge = this.rejoin()
    if (merge === undefined) this.adopt(known)
    else this.circuit.authority.fork(merge)
  }

  /** Brings what this process knows into a record that the store has lost or set back. */
  teach(basis: Basis): Next {
    const { current, hold } = this.circuit
    return taught(this.circuit.policy, basis, {
      mine: current,
      confirmed: this.inStore(this.confirmed.generation),
      hold,
      isReset: this.taught !== undefined && current.reason === "reset" && this.taught.generation !== current.generation,
      followed: this.followed,
      process: this.circuit.authority.process
    })
  }

  /** Another process has announced that the record has this revision. */
  changed(revision: number): void {
    const { authority, degraded, queue: { known } } = this.circuit
    if (revision > known.record.revision && !degraded) authority.fork(this.reread)
  }

  get reread(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.ignore(this.circuit.asked("read", this.circuit.queue.read)))
  }

  /** Follows the store again; an effect if this process has decided by itself meanwhile. */
  rejoin(): Effect.Effect<void> | undefined {
    const { circuit: { current }, confirmed } = this
    this.diverged ||= current.generation !== confirmed.generation || current.gateUntil > confirmed.gateUntil ||
      current.openUntil > confirmed.openUntil
    return this.diverged ? this.merge() : undefined
  }

  // Until nothing has moved here meanwhile.
  private merge(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { circuit } = this
      const { current, queue } = circuit
      return Effect.matchEffect(
        circuit.asked("merge", Effect.andThen(queue.read, queue.change((basis) => this.teach(basis)))),
        {
          onFailure: () =>
            Effect.sync(() => {
              this.taught = undefined
            }),
          onSuccess: () => {
            if (circuit.current !== current) {
              this.taught = current
              return this.merge()
            }
            this.taught = undefined
            this.diverged = false
            this.adopt(queue.known)
            return Effect.void
          }
        }
      )
    })
  }
}
