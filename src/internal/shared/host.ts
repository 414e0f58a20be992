/** What the collaborators of a shared circuit need of it. */
import type { Effect } from "effect"
import type { Circuit, Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { Operator } from "../../CircuitStore.ts"
import type { Outcome } from "../../Outcome.ts"
import type { StoreFault } from "../../RecordStore.ts"
import type { Evidence } from "../machine/evidence.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { Authority } from "./authority.ts"
import type { Change } from "./change.ts"
import type { Entry } from "./entry.ts"
import type { Known, RecordQueue } from "./recordQueue.ts"
import type { Ended, Settled } from "./settlement.ts"

export interface Host {
  readonly policy: CompiledPolicy
  readonly authority: Authority
  readonly queue: RecordQueue
  /** Whether this process decides by itself. */
  readonly degraded: boolean
  readonly current: Circuit
  readonly generation: number
  readonly hold: Operator | undefined
  readonly pass: Permit | undefined
  readonly admit: () => Permit | Rejection | "claim"
  /** Takes the permit of all calls back if the store has to be asked first, or gives it again. */
  readonly refresh: () => void
  /** A generation as the store knows it: 0 while there is no record. */
  readonly inStore: (generation: number) => number
  /** Takes over what a record says, and announces the transition if it is one that this process should announce. */
  readonly adopt: (entry: Entry, generation: number, announces: boolean) => void
  /** Which requests have failed and were served, here and in other processes. */
  evidence: Evidence
  /** Changes what this process knows before the store does: what no call should wait for. */
  readonly change: (change: Partial<Circuit>) => void
  /** Frees the slot of a probe that has ended. */
  readonly free: (probe: number) => void
  /** Takes a slot without asking the store. */
  readonly claimHere: Effect.Effect<Permit | Rejection>
  /** Decides on a call by what the store has just said: it has no slot for it. */
  readonly decideNow: () => Permit | Rejection
  /** Records a call in the windows of this process, because they decide while the store cannot. */
  readonly observe: (outcome: Outcome, durationMillis: number, now: number) => void
  readonly remembers: boolean
  readonly slowerThanMillis: number
  /** Ends a call without telling the store. */
  readonly settleHere: (call: Ended) => void
  /** Announces how a call ended. `adopt` announces the transition that follows. */
  readonly announceCall: (call: Ended, settled: Settled) => void
  /** Runs what asks the store, within the time that a call may wait; a fault makes the part degraded. */
  readonly asked: (operation: string, self: Effect.Effect<void, StoreFault>) => Effect.Effect<void, StoreFault>
  /** Makes a change of the record, in the same way. */
  readonly send: (
    operation: string,
    change: Change,
    carriedOut?: (known: Known) => void
  ) => Effect.Effect<void, StoreFault>
}
