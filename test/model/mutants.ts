/** Circuits of one process that are broken on purpose, each so that one promise is not kept. */
import { Circuit } from "effect-resilience"
import type { Invariant } from "./history.ts"
import * as invariants from "./invariants.ts"
import { type Place, real, type Step, type Taken, type Taker } from "./taker.ts"

export interface Mutant {
  readonly name: string
  readonly breaks: Invariant
  readonly taker: Taker
}

/** Changes what the real circuit makes of a step. */
const after = (change: (taken: Taken, place: Place, step: Step) => Partial<Taken>): Taker => ({
  ...real,
  take: (policy, place, step) => {
    const taken = real.take(policy, place, step)
    return { ...taken, ...change(taken, place, step) }
  }
})

const isLate = ({ circuit }: Place, step: Step) => step._tag === "End" && !Circuit.isCurrent(circuit, step.permit)

/** Keeps the slot of a probe that says nothing, until some time. */
const keepingSlots = (until: (leaseUntil: number) => number): Taker =>
  after(({ circuit }, place, step) => {
    if (step._tag !== "End" || step.outcome._tag !== "Ignored" || isLate(place, step)) return {}
    const probes = place.circuit.probes.map((probe) =>
      probe.id === step.permit.probe ? { ...probe, leaseUntil: until(probe.leaseUntil) } : probe
    )
    return { circuit: { ...circuit, probes } }
  })

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "lets one probe more through than it may",
    breaks: invariants.atMostOneLiveProbeSet,
    taker: {
      ...real,
      take: (policy, place, step) => {
        const { rules } = policy
        return real.take({ ...policy, rules: { ...rules, probes: rules.probes + 1 } }, place, step)
      }
    }
  },
  {
    name: "begins again with the first generation after expiry",
    breaks: invariants.generationsIncrease,
    taker: { ...real, initial: () => 1 }
  },
  {
    name: "goes on with the generation that has expired",
    breaks: invariants.generationsIncrease,
    taker: { ...real, initial: (forgotten) => forgotten }
  },
  {
    name: "enters half-open in the generation of the opening",
    breaks: invariants.onlyLegalEdges,
    taker: after(({ admitted, circuit }, place) => {
      if (admitted === undefined || place.circuit.state !== "open") return {}
      const { generation } = place.circuit
      return { circuit: { ...circuit, generation }, admitted: { ...admitted, generation } }
    })
  },
  {
    name: "is closed by a success while it is open",
    breaks: invariants.onlyLegalEdges,
    taker: after((_, { circuit: { generation, state } }, step) =>
      state === "open" && step._tag === "End" && step.outcome._tag === "Success"
        ? { circuit: { ...Circuit.initial(generation + 1), reason: "probe_succeeded" } }
        : {}
    )
  },
  {
    name: "does not look at the generation of an outcome",
    breaks: invariants.oldGenerationsChangeNothing,
    taker: {
      ...real,
      take: (policy, place, step) => {
        if (step._tag !== "End") return real.take(policy, place, step)
        const { generation, probes } = place.circuit
        return real.take(policy, place, { ...step, permit: { generation, probe: probes[0]?.id ?? 0 } })
      }
    }
  },
  {
    name: "does not free the slot of a probe that says nothing",
    breaks: invariants.everyProbeEndsOnce,
    taker: keepingSlots((leaseUntil) => leaseUntil)
  },
  {
    name: "gives every probe of a window the same number",
    breaks: invariants.everyProbeEndsOnce,
    taker: after(({ circuit }) => ({ circuit: { ...circuit, issued: 0 } }))
  },
  {
    name: "opens for less when a late failure asks for it",
    breaks: invariants.openTimeIsNeverShortened,
    taker: after(({ circuit }, place, step) =>
      isLate(place, step) && circuit.state === "open" ? { circuit: { ...circuit, openUntil: place.now + 1 } } : {}
    )
  },
  {
    name: "takes the shorter of two holds",
    breaks: invariants.openTimeIsNeverShortened,
    taker: after(({ circuit }, place, step) =>
      step._tag === "Force" && step.millis !== undefined
        ? { circuit: { ...circuit, openUntil: place.now + step.millis } }
        : {}
    )
  },
  {
    name: "tells everything twice",
    breaks: invariants.eachTransitionIsToldOnce,
    taker: after(({ events }) => ({ events: [...events, ...events] }))
  },
  {
    name: "does not tell that it closes",
    breaks: invariants.eachTransitionIsToldOnce,
    taker: after(({ events }) => ({ events: events.filter(({ event }) => event !== "circuit.closed") }))
  },
  {
    name: "never gives back the slot of an interrupted probe",
    breaks: invariants.neverStuck,
    taker: keepingSlots(() => Circuit.never)
  }
]
