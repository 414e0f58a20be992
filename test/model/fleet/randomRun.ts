/** Long random runs of a fleet: everything may be late, by any time, and any policy may hold. */
import { Arbitrary, Schema } from "effect"
import { Outcome, TripPolicy } from "effect-resilience"
import { compiled } from "../../redis/twin/machine.ts"
import { invariants, neverStuck } from "../invariants.ts"
import { Broken, Violation } from "../walk.ts"
import { Fleet, type Setting, type Step } from "./Fleet.ts"
import { stuck } from "./recovers.ts"
import { settingOf, smallest } from "./setting.ts"
import { show, stepsOf } from "./steps.ts"

/** Much longer than anything is under way: whatever is forgotten has ended. */
const idleMillis = 1000

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

export const Policy = Schema.Struct({
  processes: int(2, 3),
  probes: int(1, 3),
  successesToClose: Schema.Literals([1, 1, 2]),
  failures: int(1, 4),
  probeLease: int(1, 12),
  ramp: Schema.Union([Schema.Undefined, int(1, 8)]),
  openDuration: int(1, 8),
  maxOpenDuration: int(1, 8),
  lease: int(1, 6)
})
export type Policy = typeof Policy.Type

// What goes on all the time, more often than what happens now and then.
const often = [
  ...["Call", "Call", "End", "End", "Interrupt", "Hear", "Hear", "Hear", "Wait", "Wait", "Beat"] as const,
  ...["Serve", "Serve", "Serve", "Serve", "Receive", "Receive", "Receive", "Receive"] as const
]
const Command = Schema.Struct({
  _tag: Schema.Literals([
    ...Array.from({ length: 12 }, () => often).flat(),
    ...[
      "Lose",
      "HearTwice",
      "Idle",
      "Idle",
      "Reset",
      "Force",
      "Enable",
      "Enable",
      "Disable",
      "Die",
      "LoseRecord"
    ] as const
  ]),
  process: int(0, 2),
  /** Which of those that are possible. */
  which: int(0, 99),
  millis: Schema.Union([int(1, 2), int(1, 12)])
})
export type Command = typeof Command.Type

export const commands = Arbitrary.array(Arbitrary.schema(Command), { maxLength: 3000 })

const outcomes = [
  Outcome.success,
  Outcome.success,
  Outcome.failure("timeout"),
  Outcome.failure("timeout"),
  Outcome.failure("overloaded", 6),
  Outcome.ignored("invalid_request"),
  Outcome.throttled(3),
  Outcome.openNow("quota_exhausted", 6)
]

const limits = {
  calls: 4,
  outcomes,
  holds: [2, 9, undefined],
  orders: 1,
  deaths: 1,
  lostRecords: 1,
  lostMessages: 1,
  repeatedMessages: 1,
  waits: 1
}

const settingFor = ({ failures, lease, processes, ...policy }: Policy): Setting => {
  const { settings, ...setting } = settingOf(smallest, ["A", "B", "C"].slice(0, processes))
  return {
    ...setting,
    policy: compiled({ ...policy, tripPolicy: TripPolicy.consecutive(failures), gateJitter: 0 }),
    settings: { ...settings, leaseMillis: lease, idleMillis },
    invariants,
    atOnce: false
  }
}

/**
 * Runs a fleet, and looks at the steps that it takes: a command for which nothing is possible is none. Throws a
 * `Violation` with all of them where a promise is not kept.
 */
export const run = (
  policy: Policy,
  commands: ReadonlyArray<Command>,
  broken: Partial<Setting> = {},
  onStep: (fleet: Fleet, step: Step) => void = () => {}
): void => {
  const setting = { ...settingFor(policy), ...broken }
  const fleet = new Fleet(setting)
  try {
    for (const { _tag, millis, process, which } of commands) {
      const possible = _tag === "Wait" ?
        [{ _tag, millis }] :
        _tag === "Idle" ?
        idle(fleet) :
        stepsOf(fleet, [], limits).filter((step) =>
          step._tag === _tag && (!("process" in step) || step.process === process % fleet.processes.length)
        )
      const step = possible[which % possible.length]
      if (step === undefined) continue
      fleet.take(step)
      onStep(fleet, step)
    }
    const problem = stuck(fleet)
    if (problem !== undefined) throw new Broken(`${neverStuck.title}: ${problem}`)
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    throw new Violation(error.message, fleet.taken.map((step) => show(setting, step)))
  }
}

const idle = ({ processes }: Fleet): ReadonlyArray<Step> =>
  processes.every(({ answers, calls, requests }) => calls.length + requests.length + answers.length === 0)
    ? [{ _tag: "Wait", millis: 2 * idleMillis }]
    : []
