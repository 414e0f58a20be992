/** Faults planted into the engine, or into its store. Each names the promises by which a simulation finds it. */
import { Effect } from "effect"
import { type RecordStore } from "effect-resilience"
import { LocalCircuit } from "../../src/internal/circuit/localCircuit.ts"
import type * as admitModule from "../../src/internal/machine/admit.ts"
import type * as slotsModule from "../../src/internal/machine/slots.ts"
import type * as steerModule from "../../src/internal/machine/steer.ts"
import { Authority } from "../../src/internal/shared/authority.ts"
import { Following } from "../../src/internal/shared/following.ts"
import { Part } from "../../src/internal/shared/part.ts"
import type * as settleModule from "../../src/internal/shared/settlement.ts"
import { SharedCircuit } from "../../src/internal/shared/sharedCircuit.ts"
import type * as teachingModule from "../../src/internal/shared/teaching.ts"

type Store = RecordStore.RecordStore["Service"]

/** Functions of the engine that a mutant replaces, given the real ones. */
export interface Broken {
  readonly advanced?: (real: typeof settleModule.advanced) => typeof settleModule.advanced
  readonly expired?: (real: typeof slotsModule.expired) => typeof slotsModule.expired
  readonly taught?: (real: typeof teachingModule.taught) => typeof teachingModule.taught
  readonly admit?: (real: typeof admitModule.admit) => typeof admitModule.admit
  readonly force?: (real: typeof steerModule.force) => typeof steerModule.force
}

export interface Mutant {
  readonly name: string
  readonly breaks: ReadonlyArray<string>
  readonly functions?: Broken
  /** Breaks classes, and answers how to mend them. */
  readonly classes?: () => () => void
  readonly store?: (store: Store) => Store
}

const replaceMember = (of: object, name: string, descriptor: PropertyDescriptor): () => void => {
  const real = Object.getOwnPropertyDescriptor(of, name)!
  Object.defineProperty(of, name, { configurable: true, ...descriptor })
  return () => Object.defineProperty(of, name, real)
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "whose store ignores the guards of updates",
    breaks: ["no more probes than the policy says", "only legal edges", "a generation names one state"],
    store: (store) => ({
      ...store,
      // What was computed from an older record is written over a newer one.
      update: (id, update) =>
        Effect.flatMap(store.read([id]), ([read]) =>
          read?._tag === "Success"
            ? store.update(id, { ...update, guard: { revision: read.success.record.revision } })
            : store.update(id, update))
    })
  },
  {
    name: "that forgets what it decided while the store was away",
    breaks: ["generations never go back in a process", "no process stays degraded"],
    functions: { taught: () => (_, { entry }) => ({ entry }) }
  },
  {
    name: "that lets an operator shorten an opening",
    breaks: ["an open circuit rejects until its deadline"],
    functions: {
      force: (real) => (circuit, now, until) => ({ ...real(circuit, now, until), openUntil: until })
    }
  },
  {
    name: "that admits one probe more than the policy says",
    breaks: ["no more probes than the policy says"],
    functions: {
      admit: (real) => (circuit, rules, now) => real(circuit, { ...rules, probes: rules.probes + 1 }, now)
    }
  },
  {
    name: "that lets probes begin before the deadline",
    breaks: ["an open circuit rejects until its deadline"],
    functions: { admit: (real) => (circuit, rules, now) => real(circuit, rules, now + 100) }
  },
  {
    name: "that opens every outage under one number",
    breaks: ["an outage that has ended does not come back"],
    functions: {
      advanced: (real) => (policy, entry, next, counted, slow) => {
        const made = real(policy, entry, next, counted, slow)
        return made.circuit.outage === 0 ? made : { ...made, circuit: { ...made.circuit, outage: 7 } }
      }
    }
  },
  {
    name: "that never drops a slot of its windows",
    breaks: ["memory is bounded"],
    functions: { expired: () => () => [] }
  },
  {
    name: "that waits for the store as long as it takes",
    breaks: [
      "no call waits longer than operationTimeout",
      "every call ends",
      "a process starts",
      "no process stays degraded"
    ],
    classes: () => replaceMember(Authority.prototype, "bounded", { value: <A>(self: A) => self })
  },
  {
    name: "that does not merge when the store is back",
    breaks: [
      "an open circuit rejects until its deadline",
      "generations never go back in a process",
      "the fleet agrees when faults end",
      "transitions follow each other"
    ],
    classes: () => replaceMember(Following.prototype, "rejoin", { value: () => undefined })
  },
  {
    name: "that takes the time of the store for its own",
    breaks: [
      "an open circuit rejects until its deadline",
      "the fleet agrees when faults end",
      "a closed circuit lets calls pass"
    ],
    classes: () =>
      replaceMember(Part.prototype, "answered", {
        value(this: Part) {
          this.shift = -1_700_000_000_000
        }
      })
  },
  {
    name: "that does not count calls while the store is away",
    breaks: ["an outage opens the circuit, also without a store"],
    classes: () => {
      const real = LocalCircuit.prototype.settle
      return replaceMember(LocalCircuit.prototype, "settle", {
        value(this: LocalCircuit, ...[clock, permit, outcome, millis, interrupted]: Parameters<typeof real>) {
          if (outcome._tag === "Failure" && permit.probe === 0) return undefined
          return real.call(this, clock, permit, outcome, millis, interrupted)
        }
      })
    }
  },
  {
    name: "that misses changes and does not read again",
    breaks: [
      "the fleet agrees when faults end",
      "a circuit closes when its dependency is well",
      "a reset works at once"
    ],
    classes: () => replaceMember(Following.prototype, "changed", { value: () => {} })
  },
  {
    name: "that answers a call with the end of the report",
    breaks: ["a call keeps its own result"],
    classes: () => {
      const real = SharedCircuit.prototype.settle
      return replaceMember(SharedCircuit.prototype, "settle", {
        value(this: SharedCircuit, ...call: Parameters<typeof real>) {
          const report = real.apply(this, call)
          return report === undefined ? undefined : Effect.andThen(report, Effect.die("the report"))
        }
      })
    }
  }
]
