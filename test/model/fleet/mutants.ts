/** Fleets that are broken on purpose, on the server's side or on that of the processes. */
import type { Read } from "../../../src/redis/internal/record.ts"
import { RedisCircuit } from "../../../src/redis/internal/redisCircuit.ts"
import type { Invariant } from "../history.ts"
import * as invariants from "../invariants.ts"
import { sound, type Transitions } from "../Transitions.ts"
import type { MakeCircuit } from "./Process.ts"
import { calm } from "./setting.ts"
import type { Limits } from "./steps.ts"
import type { ways } from "./ways.ts"

export interface Mutant {
  readonly name: string
  readonly breaks: Invariant
  readonly transitions?: Partial<Transitions>
  readonly makeCircuit?: MakeCircuit
  /** Where the walk begins, and what may happen. */
  readonly way: keyof typeof ways
  readonly limits: Limits
  /** Whether long random runs come upon it soon. */
  readonly chance?: true
}

const { admit, hears, settle } = sound

/** Whatever a message says is taken over, and told. */
class Credulous extends RedisCircuit {
  override learn(read: Read): void {
    this.replica.adopt(this.authority.clock, read, true)
  }
}

/** Hears of nothing that others do. */
class Deaf extends RedisCircuit {
  override learn(): void {}
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "grants one probe more than there may be",
    breaks: invariants.atMostOneLiveProbeSet,
    transitions: { admit: (circuit, rules, now) => admit(circuit, { ...rules, probes: rules.probes + 1 }, now) },
    way: "open",
    limits: calm
  },
  {
    name: "counts generations from the beginning after a record was lost",
    breaks: invariants.generationsIncrease,
    transitions: { nextGeneration: (last) => last + 1 },
    way: "closed",
    limits: { ...calm, lostRecords: 1 }
  },
  {
    name: "counts generations from the beginning after a record has expired",
    breaks: invariants.generationsIncrease,
    transitions: { nextGeneration: (last) => last + 1 },
    way: "reset",
    limits: { ...calm, waits: 4 }
  },
  {
    name: "enters half-open in the generation of the opening",
    breaks: invariants.onlyLegalEdges,
    transitions: {
      admit: (circuit, rules, now) => {
        const admission = admit(circuit, rules, now)
        if (circuit.state !== "open" || admission._tag === "Rejected") return admission
        const { generation } = circuit
        const permit = { ...admission.permit, generation }
        return { ...admission, permit, circuit: { ...admission.circuit, generation } }
      }
    },
    chance: true,
    way: "open",
    limits: calm
  },
  {
    name: "hears a late outcome as if it were of this generation",
    breaks: invariants.oldGenerationsChangeNothing,
    transitions: {
      hears: () => true,
      settle: (circuit, rules, now, permit, verdict) => {
        const { generation } = circuit
        return settle(circuit, rules, now, { ...permit, generation }, verdict)
      }
    },
    chance: true,
    way: "closed",
    limits: { ...calm, orders: 1 }
  },
  {
    name: "keeps the slot of an interrupted probe",
    breaks: invariants.everyProbeEndsOnce,
    transitions: {
      settle: (circuit, rules, now, permit, verdict) =>
        verdict.outcome === "Ignored" && hears(circuit, permit)
          ? circuit
          : settle(circuit, rules, now, permit, verdict)
    },
    chance: true,
    way: "halfOpen",
    limits: calm
  },
  {
    name: "lets a late failure shorten an opening",
    breaks: invariants.openTimeIsNeverShortened,
    transitions: {
      hears: () => true,
      settle: (circuit, rules, now, permit, verdict) =>
        circuit.state === "forced_open" && !hears(circuit, permit)
          ? { ...circuit, openUntil: now + verdict.openMillis }
          : settle(circuit, rules, now, permit, verdict)
    },
    way: "held",
    limits: calm
  },
  {
    name: "takes every message for news",
    breaks: invariants.eachTransitionIsToldOnce,
    makeCircuit: (...args) => new Credulous(...args),
    chance: true,
    way: "reset",
    limits: calm
  },
  {
    name: "waits for ever for a process that died with a probe",
    breaks: invariants.neverStuck,
    transitions: {
      admit: (circuit, rules, now) => {
        const isTaken = circuit.state === "half_open" && circuit.probes.length >= rules.probes
        return isTaken
          ? { _tag: "Rejected", by: "half_open", retryAfterMillis: undefined, circuit }
          : admit(circuit, rules, now)
      }
    },
    way: "halfOpen",
    limits: { ...calm, deaths: 1 }
  },
  {
    name: "does not give back a slot whose caller has left before it was granted",
    breaks: invariants.neverStuck,
    makeCircuit: (...args) => Object.defineProperty(new RedisCircuit(...args), "giveBack", { value: () => {} }),
    way: "open",
    limits: calm
  },
  {
    name: "holds a process for good that never hears of a reset",
    breaks: invariants.neverStuck,
    makeCircuit: (...args) => Object.defineProperty(new Deaf(...args), "tend", { value: undefined }),
    way: "closed",
    limits: { ...calm, orders: 1, holds: [undefined] }
  }
]
