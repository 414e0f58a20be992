/** How the real circuit of the memory store takes one step, at a time that the walk sets. */
import { Clock, Effect } from "effect"
import { Circuit, type CircuitEvent, type Outcome } from "effect-resilience"
import { Initial } from "../../src/internal/circuit/initial.ts"
import { LocalCircuit } from "../../src/internal/circuit/localCircuit.ts"
import { Hub } from "../../src/internal/observers/hub.ts"
import type { CompiledPolicy } from "../../src/internal/options/compiledPolicy.ts"
import { handClock } from "../support/handClock.ts"
import type { History } from "./history.ts"

export interface Place {
  readonly circuit: Circuit.Circuit
  readonly held: boolean
  readonly now: number
  readonly seenAt: number
  readonly history: History
}

export type Step =
  | { readonly _tag: "Admit" | "Reset" | "Disable" | "Enable" | "Wait" }
  | {
    readonly _tag: "End"
    readonly permit: Circuit.Permit
    readonly outcome: Outcome.Outcome
    readonly interrupted: boolean
  }
  | { readonly _tag: "Force"; readonly millis: number | undefined }

/** What a circuit made of a step. */
export interface Taken {
  readonly circuit: Circuit.Circuit
  readonly held: boolean
  readonly seenAt: number
  readonly admitted: Circuit.Permit | undefined
  readonly events: ReadonlyArray<CircuitEvent.CircuitEvent>
}

/** How a circuit takes a step, and comes anew: the library's own, or broken on purpose. */
export interface Taker {
  readonly take: (policy: CompiledPolicy, place: Place, step: Step) => Taken
  /** The generation of the circuit that comes after a forgotten one. */
  readonly initial: (forgotten: number) => number
}

export class Local extends LocalCircuit {
  constructor(policy: CompiledPolicy, hub: Hub, { circuit, held, seenAt }: Place) {
    const pass = { generation: circuit.generation, probe: 0 }
    super("key", policy, hub, circuit, pass)
    if (!Circuit.admitsAll(circuit)) this.pass = undefined
    if (held) this.hold = {}
    this.seenAt = seenAt
  }

  get current(): Circuit.Circuit {
    return this.circuit
  }
}

const time = { now: 0 }
const clock = handClock(() => time.now)
const events: Array<CircuitEvent.CircuitEvent> = []
export const hub = new Hub(clock)
hub.add({ name: "walk", onEvent: (event) => events.push(event) })

const run = <A>(effect: Effect.Effect<A>): A => Effect.runSync(Effect.provideService(effect, Clock.Clock, clock))

export const real: Taker = {
  take: (policy, place, step) => {
    events.length = 0
    time.now = place.now
    const local = new Local(policy, hub, place)
    const admitted = answer(local, place.now, step)
    return {
      circuit: local.current,
      held: local.hold !== undefined,
      seenAt: local.seenAt,
      admitted,
      events: [...events]
    }
  },
  initial: (generation) => {
    const initial = new Initial(1)
    initial.outlive({ generation })
    return initial.circuit.generation
  }
}

const answer = (local: Local, now: number, step: Step): Circuit.Permit | undefined => {
  switch (step._tag) {
    case "Admit": {
      // As `guard.ts` asks.
      local.seenAt = now
      const decision = local.pass ?? local.admit(clock, now)
      const permit = decision === "claim" ? run(local.claim) : decision
      return "_tag" in permit ? undefined : permit
    }
    case "End":
      return void local.settle(clock, step.permit, step.outcome, 1, step.interrupted)
    case "Force":
      local.seenAt = now
      return void run(local.forceOpen(step.millis, {}))
    case "Reset":
      return void run(local.reset({}))
    case "Disable":
      local.seenAt = now
      return void run(local.disable({}))
    case "Enable":
      return void run(local.enable({}))
    case "Wait":
      return undefined
  }
}
