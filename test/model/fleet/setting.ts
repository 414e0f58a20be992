/** Small policies and short times for a fleet. */
import { Outcome, TripPolicy } from "effect-resilience"
import { compiled } from "../../redis/twin/machine.ts"
import { invariants } from "../invariants.ts"
import type { Setting } from "./Fleet.ts"
import type { Limits } from "./steps.ts"

export interface Rules {
  readonly probes: number
  readonly successesToClose: number
  readonly failures: number
  readonly ramp: number | undefined
}

export const smallest: Rules = { probes: 1, successesToClose: 1, failures: 1, ramp: undefined }

/** A store's lease is shorter than that of the policy, so that probes which go on are renewed. */
export const settingOf = ({ failures, ...rules }: Rules, names: ReadonlyArray<string> = ["A", "B"]): Setting => ({
  policy: compiled({
    ...rules,
    tripPolicy: TripPolicy.consecutive(failures),
    openDuration: 1,
    probeLease: 4,
    maxOpenDuration: 2,
    gateJitter: 0
  }),
  settings: {
    prefix: "model",
    operationMillis: 1,
    maxStalenessMillis: 6,
    flushMillis: 1,
    leaseMillis: 2,
    idleMillis: 3
  },
  names,
  invariants,
  atOnce: true,
  authorities: new Map()
})

/** Nothing but calls, answers and messages, each of which may be late. */
export const calm: Limits = {
  calls: 1,
  outcomes: [Outcome.success, Outcome.failure("timeout")],
  holds: [],
  orders: 0,
  deaths: 0,
  lostRecords: 0,
  lostMessages: 0,
  repeatedMessages: 0,
  waits: 3
}
