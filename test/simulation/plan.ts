/** What happens to a fleet, as data: a seed makes it, and a run that breaks a promise is shrunk by leaving steps out. */
import { type CircuitPolicy, TripPolicy } from "effect-resilience"
import { Dice } from "../soak/Dice.ts"

export type Says =
  | "success"
  | "overloaded"
  | "server_error"
  | "connection"
  | "ignored"
  | "throttled"
  | "open_now"
  | "poison"

export type Order = "force" | "reset" | "disable" | "enable"

/** What goes wrong between one process, or all of them (-1), and the store. */
export type Fault = "latency" | "losesAnswer" | "losesChange" | "lateChange" | "doublesChange" | "away"

export type Step =
  | { readonly do: "wait"; readonly millis: number }
  | {
    readonly do: "call"
    readonly process: number
    readonly key: number
    readonly says: Says
    readonly millis: number
    readonly streams: boolean
  }
  | { readonly do: "interrupt"; readonly process: number }
  | { readonly do: "outage" | "hum"; readonly process: number; readonly key: number }
  | {
    readonly do: "order"
    readonly process: number
    readonly key: number
    readonly order: Order
    readonly millis: number
  }
  | { readonly do: "fault"; readonly process: number; readonly fault: Fault; readonly value: number }
  | { readonly do: "heal" | "keep" | "rollBack" | "cut" | "calm" }
  | { readonly do: "lose"; readonly key: number }
  | { readonly do: "clock"; readonly millis: number }
  | { readonly do: "die" | "leave" | "come"; readonly process: number }

export interface ProcessPlan {
  readonly trip: number
  readonly probes: number
  readonly successesToClose: number
  readonly ramp: boolean
  readonly openMillis: number
  /** How long its clock that never goes back has run, and what its clock for people is wrong by. */
  readonly ageMillis: number
  readonly wallMillis: number
  /** Instead of all that. */
  readonly policy?: CircuitPolicy.CircuitPolicy
}

export interface Plan {
  readonly seed: number
  readonly keys: number
  readonly processes: ReadonlyArray<ProcessPlan>
  readonly steps: ReadonlyArray<Step>
}

/** The trip policies, and how many failures in a row of one process open a circuit, where that is certain. */
export const trips: ReadonlyArray<{ readonly policy: TripPolicy.TripPolicy; readonly enough: number | undefined }> = [
  { policy: TripPolicy.consecutive(1), enough: 1 },
  { policy: TripPolicy.consecutive(3), enough: 3 },
  { policy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: 8 }), enough: 8 },
  { policy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: "2 seconds" }), enough: undefined },
  { policy: TripPolicy.failureCount({ failures: 3, window: "3 seconds" }), enough: 3 },
  {
    policy: TripPolicy.slowCallRate({ threshold: 0.5, slowerThan: 50, minimumCalls: 3, window: 6 }),
    enough: undefined
  },
  { policy: TripPolicy.adaptive({ failures: 3, minimumSamples: 5 }), enough: 6 },
  {
    policy: TripPolicy.anyOf(
      TripPolicy.consecutive(4),
      TripPolicy.slowCallRate({ threshold: 0.5, slowerThan: 200, minimumCalls: 3, window: "2 seconds" })
    ),
    enough: 4
  }
]

const longestOpenMillis = 3_000

export const policyOf = (plan: ProcessPlan): CircuitPolicy.CircuitPolicy =>
  plan.policy ?? ({
    tripPolicy: trips[plan.trip]!.policy,
    probes: plan.probes,
    successesToClose: plan.successesToClose,
    openDuration: plan.openMillis,
    maxOpenDuration: longestOpenMillis,
    probeLease: "30 seconds",
    gateJitter: 0,
    ...plan.ramp ? { ramp: "1 second" } : undefined
  })

export const planOf = (seed: number): Plan => {
  const dice = new Dice(`simulation ${seed}`)
  const size = dice.pick([2, 2, 2, 3, 3, 4, 5, 8])
  const keys = dice.pick([1, 1, 2])
  const one = (): ProcessPlan => ({
    trip: dice.between(0, trips.length - 1),
    probes: dice.pick([1, 1, 2, 3]),
    successesToClose: dice.pick([1, 1, 2, 3]),
    ramp: dice.chance(0.2),
    openMillis: dice.pick([300, 700, 1500]),
    ageMillis: dice.between(0, 1_000_000),
    wallMillis: dice.between(-3_000, 3_000)
  })
  const first = one()
  const same = dice.chance(0.5)
  const processes = Array.from({ length: size }, () => {
    const own = one()
    return same ? { ...first, ageMillis: own.ageMillis, wallMillis: own.wallMillis } : own
  })
  const hasFaults = dice.chance(0.75)
  const failing = dice.pick([0.15, 0.5, 0.9])
  const process = () => dice.between(0, size - 1)
  const key = () => dice.between(0, keys - 1)
  const call = (): Step => ({
    do: "call",
    process: process(),
    key: key(),
    says: dice.chance(failing)
      ? dice.weighted({ overloaded: 4, server_error: 4, connection: 3, poison: 2, throttled: 1, open_now: 0.5 }) as Says
      : dice.weighted({ success: 9, ignored: 1 }) as Says,
    millis: dice.pick([0, 0, 1, 20, 60, 250, 2_000]),
    streams: dice.chance(0.1)
  })
  const fault = (): Step => {
    switch (
      dice.weighted({
        latency: 3,
        losesAnswer: 3,
        losesChange: 3,
        lateChange: 2,
        doublesChange: 1,
        away: 4,
        lose: 2,
        keep: 2,
        rollBack: 2,
        clock: 1.5,
        cut: 2
      })
    ) {
      case "latency":
        return { do: "fault", process: process(), fault: "latency", value: dice.pick([1, 5, 30, 60]) }
      case "losesAnswer":
        return { do: "fault", process: process(), fault: "losesAnswer", value: dice.pick([1, 2, 5]) }
      case "losesChange":
        return { do: "fault", process: process(), fault: "losesChange", value: dice.pick([1, 2]) }
      case "lateChange":
        return { do: "fault", process: process(), fault: "lateChange", value: dice.pick([20, 500, 1500]) }
      case "doublesChange":
        return { do: "fault", process: process(), fault: "doublesChange", value: 1 }
      case "away":
        return { do: "fault", process: dice.chance(0.4) ? -1 : process(), fault: "away", value: 1 }
      case "lose":
        return { do: "lose", key: key() }
      case "clock":
        return { do: "clock", millis: dice.pick([-60_000, -3_000, -200, 200, 3_000, 60_000]) }
      case "keep":
        return { do: "keep" }
      case "rollBack":
        return { do: "rollBack" }
      default:
        return { do: "cut" }
    }
  }
  const step = (): Step => {
    const kind = dice.weighted({
      call: 50,
      wait: 25,
      outage: 4,
      interrupt: 5,
      hum: 0.4,
      order: 2,
      come: 2,
      die: 1,
      leave: 0.7,
      calm: 0.6,
      fault: hasFaults ? 7 : 0,
      heal: hasFaults ? 3 : 0
    })
    switch (kind) {
      case "wait":
        return { do: "wait", millis: dice.pick([1, 1, 5, 20, 50, 120, 300, 700, 1_600]) }
      case "outage":
        return { do: "outage", process: dice.chance(0.3) ? -1 : process(), key: key() }
      case "hum":
        return { do: "hum", process: process(), key: key() }
      case "interrupt":
        return { do: "interrupt", process: process() }
      case "order":
        return {
          do: "order",
          process: process(),
          key: key(),
          order: dice.pick(["force", "force", "reset", "disable", "enable"]),
          millis: dice.pick([0, 200, 2_000, 4_000])
        }
      case "come":
      case "die":
      case "leave":
        return { do: kind, process: process() }
      case "calm":
      case "heal":
        return { do: kind }
      case "fault":
        return fault()
      default:
        return call()
    }
  }
  return { seed, keys, processes, steps: Array.from({ length: dice.between(20, 70) }, step) }
}
