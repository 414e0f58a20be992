/** Long random runs of both sides, under policies that learn and remember. */
import { Arbitrary, Effect, Schedule, Schema } from "effect"
import { Circuit, type CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import type { CompiledPolicy } from "../../../src/internal/options/compiledPolicy.ts"
import { compiled, firstGeneration, Machine, start, type Step } from "./machine.ts"
import type { Script } from "./script.ts"
import { compare, Difference, recordOf, sent, type Taken } from "./twin.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const percent = int(1, 100)
const window = { threshold: percent, minimumCalls: int(1, 64), size: Schema.Union([int(1, 8), int(1, 64)]) }
const inTime = Schema.Boolean

const Trip = Schema.Union([
  Schema.Struct({ _tag: Schema.tag("Consecutive"), failures: int(1, 4) }),
  Schema.Struct({ _tag: Schema.tag("FailureRate"), ...window, inTime }),
  Schema.Struct({ _tag: Schema.tag("SlowCallRate"), ...window, inTime, slowerThan: int(1, 3) }),
  Schema.Struct({
    _tag: Schema.tag("Adaptive"),
    failures: int(1, 5),
    minimumFailures: int(1, 3),
    furtherFailures: int(0, 6),
    minimumSamples: int(1, 6),
    alpha: percent,
    low: int(0, 40),
    above: int(1, 60),
    hysteresis: int(0, 30),
    halfLife: int(1, 60),
    recoveryWeight: percent,
    minimumOpen: Schema.Union([Schema.Undefined, int(1, 20)]),
    furtherOpen: Schema.Union([Schema.Undefined, int(0, 40)])
  })
])

const Policy = Schema.Struct({
  trips: Schema.NonEmptyArray(Trip).check(Schema.isMaxLength(3)),
  probes: int(1, 3),
  successesToClose: int(1, 3),
  probeLease: int(1, 20),
  ramp: Schema.Union([Schema.Undefined, int(1, 20)]),
  maxOpenDuration: int(1, 30),
  openDuration: int(1, 20),
  exponential: Schema.Boolean
})

const often = ["Success", "Failure"] as const
const call = {
  outcome: Schema.Literals([...often, ...often, ...often, ...often, "Ignored", "Throttled", "OpenNow"]),
  kind: Schema.Literals(["timeout", "server_error"]),
  hintMillis: Schema.Union([Schema.Undefined, int(0, 40)]),
  halfMillis: int(0, 8),
  batched: Schema.Boolean
}
const Wait = Schema.Struct({
  _tag: Schema.tag("Wait"),
  millis: Schema.Union([int(0, 3), int(0, 30), int(0, 1_000_000_000)])
})
// Until the circuit may let somebody through.
const Cooldown = Schema.Struct({ _tag: Schema.tag("Cooldown") })
const Claim = Schema.Struct({ _tag: Schema.tag("Claim") })
// Claims and ends at once.
const Call = Schema.Struct({ _tag: Schema.tag("Call"), ...call })
// Ends a call of some time ago, counted back from the last one admitted.
const End = Schema.Struct({ _tag: Schema.tag("End"), ...call, permit: int(0, 5) })
const Operator = Schema.Union([
  Schema.Struct({ _tag: Schema.tag("Force"), millis: Schema.Union([int(0, 30), int(0, 30), Schema.Undefined]) }),
  Schema.Struct({ _tag: Schema.Literals(["Reset", "Disable", "Enable"]) })
])
const Calls = Schema.Union([Call, Call, Call, Call, End])
const Command = Schema.Union([Wait, Cooldown, Claim, Calls, Calls, Calls, Schema.Union([Operator, Wait, Cooldown])])
type Command = typeof Command.Type

const runs = Arbitrary.all({
  policy: Arbitrary.schema(Policy),
  commands: Arbitrary.array(Arbitrary.schema(Command), { maxLength: 100 })
})
type Run = typeof runs extends Arbitrary.Arbitrary<infer A> ? A : never

const policyOf = ({ exponential, trips, ...policy }: typeof Policy.Type): CircuitPolicy.CircuitPolicy => ({
  ...policy,
  tripPolicy: TripPolicy.anyOf(...trips.map(tripOf)),
  openDuration: exponential ? Schedule.exponential(policy.openDuration) : policy.openDuration
})

const tripOf = (trip: typeof Trip.Type): TripPolicy.TripPolicy => {
  switch (trip._tag) {
    case "Consecutive":
      return TripPolicy.consecutive(trip.failures)
    case "FailureRate":
      return TripPolicy.failureRate(windowOf(trip))
    case "SlowCallRate":
      return TripPolicy.slowCallRate({ ...windowOf(trip), slowerThan: trip.slowerThan })
    case "Adaptive": {
      const { _tag, above, furtherFailures, furtherOpen, low, ...options } = trip
      return TripPolicy.adaptive({
        ...options,
        maximumFailures: trip.minimumFailures + furtherFailures,
        alpha: trip.alpha / 100,
        lowErrorRate: low / 100,
        highErrorRate: Math.min(100, low + above) / 100,
        hysteresis: trip.hysteresis / 100,
        recoveryWeight: trip.recoveryWeight / 100,
        maximumOpen: furtherOpen === undefined ? undefined : (trip.minimumOpen ?? 1) + furtherOpen
      })
    }
  }
}

const windowOf = (trip: Extract<typeof Trip.Type, { readonly size: number }>) => ({
  threshold: trip.threshold / 100,
  minimumCalls: Math.min(trip.minimumCalls, trip.size),
  // A duration is in milliseconds, and a plain number would be a number of calls.
  window: trip.inTime ? `${trip.size} millis` as const : trip.size
})

/**
 * Lets the machine run, and the script after it, so many times. Fails with the shortest run found on which they differ:
 * its policy and commands, and what each of the two made of the last step. Gives the steps to whoever counts them.
 */
export const compareRuns = (
  script: Script,
  options: Arbitrary.CheckOptions,
  onStep: (taken: Taken) => void = () => {}
): Effect.Effect<void, Difference> =>
  Effect.flatMap(
    Arbitrary.checkEffect(runs, (run) => Effect.as(compareRun(script, run, onStep), true), options),
    (result) => {
      const failure = Arbitrary.formatCheckFailure(result)
      return failure === undefined ? Effect.void : Effect.fail(new Difference({ message: failure }))
    }
  )

const compareRun = (script: Script, { commands, policy }: Run, onStep: (taken: Taken) => void) =>
  Effect.tryPromise({
    try: async () => {
      const taken = machineRun(compiled(policyOf(policy)), commands)
      const key = script.key()
      const pipeline = script.redis.pipeline()
      pipeline.hset(key, recordOf({ circuit: Circuit.initial(firstGeneration), held: false }))
      for (const one of taken) {
        script.queue(pipeline, key, sent(one))
        pipeline.hgetall(key)
      }
      const [, ...replies] = (await pipeline.del(key).exec())!
      for (const [index, one] of taken.entries()) {
        const [error, reply] = replies[2 * index]!
        compare(one, error, reply, replies[2 * index + 1]![1] as Record<string, string>)
        onStep(one)
      }
    },
    catch: (error) => error instanceof Difference ? error : new Difference({ message: String(error) })
  })

const machineRun = (policy: CompiledPolicy, commands: ReadonlyArray<Command>): ReadonlyArray<Taken> => {
  const { slowerThanMillis } = policy.makeHealth()
  const machine = new Machine(policy, Circuit.initial(firstGeneration), false)
  const taken: Array<Taken> = []
  const permits: Array<Circuit.Permit> = []
  let now = start
  const take = (step: Step) => {
    const before = machine.current
    const said = machine.take(step, now)
    taken.push({ policy, before, step, now, said })
    return said
  }
  const claim = () => {
    const { circuit: { generation, state }, given: [probe = 0] } = take({ _tag: "Claim" })
    if (probe === 0 && state !== "closed" && state !== "disabled") return undefined
    permits.unshift({ generation, probe })
    return permits[0]
  }
  const end = (permit: Circuit.Permit | undefined, call: Call) => {
    if (permit === undefined) return
    const durationMillis = call.halfMillis / 2
    const clean = call.outcome === "Success" && permit.probe === 0 && durationMillis <= slowerThanMillis
    take({ _tag: "Settle", permit, outcome: outcomeOf(call), durationMillis, batched: clean && call.batched })
  }
  for (const command of commands) {
    switch (command._tag) {
      case "Wait":
        now += command.millis
        break
      case "Cooldown": {
        const millis = Circuit.rejectsFor(machine.current, now)
        if (millis < Circuit.never) now += millis
        break
      }
      case "Claim":
        claim()
        break
      case "Call":
        end(claim(), command)
        break
      case "End":
        end(permits[command.permit], command)
        break
      default:
        take(command)
    }
  }
  return taken
}

type Call = Extract<Command, { readonly outcome: string }>

const outcomeOf = ({ hintMillis, kind, outcome }: Call): Outcome.Outcome => {
  switch (outcome) {
    case "Success":
      return Outcome.success
    case "Failure":
      return Outcome.failure(kind, hintMillis)
    case "Ignored":
      return Outcome.ignored(kind)
    case "Throttled":
      return Outcome.throttled(hintMillis ?? 0, kind)
    case "OpenNow":
      return Outcome.openNow(kind, hintMillis)
  }
}
