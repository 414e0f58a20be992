/** A policy, checked and turned into the numbers that a call needs. */
import { Cause, type Context, type Duration, Exit, Option, Schedule } from "effect"
import type { Rules } from "../../Circuit.ts"
import { find } from "../../CircuitError.ts"
import type { CircuitPolicy, Classify } from "../../CircuitPolicy.ts"
import * as Outcome from "../../Outcome.ts"
import * as TripPolicy from "../../TripPolicy.ts"
import { type Criterion, type Health, make as makeHealth } from "../machine/health.ts"
import { checkOptions } from "./known.ts"
import { openSchedule } from "./openSchedule.ts"
import { tripCriteria } from "./tripCriteria.ts"
import { fraction, millis, optionalDuration, optionalFunction, positiveInt } from "./validation.ts"

export interface CompiledPolicy {
  readonly rules: Rules
  readonly criteria: ReadonlyArray<Criterion>
  readonly makeHealth: () => Health
  readonly openMillis: (opening: number) => number
  /** The lowest failure rate that opens the circuit; undefined if no criterion has a rate. */
  readonly failureRateThresholdPpm: number | undefined
  /** Whether the trip policy needs the durations of calls. */
  readonly timed: boolean
  /** In millionths of the wait. */
  readonly gateJitterPpm: number
  /** How many failures one source may count while another is active: never as many as open the circuit. */
  readonly failuresOfOneSource: number
  readonly attemptTimeout: Duration.Duration | undefined
  readonly classify: Classify
  /** Equal for policies with equal data. Classifiers and schedules are functions, and not compared. */
  readonly fingerprint: string
}

const fields: Record<keyof CircuitPolicy, true> = {
  tripPolicy: true,
  openDuration: true,
  maxOpenDuration: true,
  gateJitter: true,
  probes: true,
  successesToClose: true,
  probeLease: true,
  ramp: true,
  attemptTimeout: true,
  classify: true
}

export const compilePolicy = (policy: CircuitPolicy, context: Context.Context<never>): CompiledPolicy => {
  checkOptions(policy, fields, undefined, "policy")
  const criteria = tripCriteria(policy.tripPolicy ?? TripPolicy.consecutive(3), "tripPolicy")
  const rules: Rules = {
    probes: positiveInt("probes", policy.probes ?? 1),
    successesToClose: positiveInt("successesToClose", policy.successesToClose ?? 1),
    probeLeaseMillis: millis("probeLease", policy.probeLease ?? "10 minutes"),
    rampMillis: policy.ramp === undefined ? 0 : millis("ramp", policy.ramp),
    maxHintMillis: millis("maxOpenDuration", policy.maxOpenDuration ?? "1 hour")
  }
  const openDuration = policy.openDuration ?? "60 seconds"
  const openMillis = openSchedule(openDuration, context)
  const health = makeHealth(criteria)
  const thresholds = criteria.flatMap((one) => one._tag === "FailureRate" ? [one.thresholdPpm] : [])
  return {
    rules,
    criteria,
    // All circuits share a health that remembers nothing, so that they stay small.
    makeHealth: health.remembers ? () => makeHealth(criteria) : () => health,
    openMillis,
    failureRateThresholdPpm: thresholds.length === 0 ? undefined : Math.min(...thresholds),
    timed: health.slowerThanMillis !== Number.POSITIVE_INFINITY,
    gateJitterPpm: fraction("gateJitter", policy.gateJitter ?? 0.1),
    failuresOfOneSource: Math.min(...criteria.map(belowOpening)),
    attemptTimeout: optionalDuration("attemptTimeout", policy.attemptTimeout),
    classify: optionalFunction("classify", policy.classify) ?? classifyExit,
    fingerprint: JSON.stringify([rules, criteria, Schedule.isSchedule(openDuration) ? "schedule" : openMillis(1)])
  }
}

const belowOpening = (criterion: Criterion): number => {
  switch (criterion._tag) {
    case "Consecutive":
    case "FailureCount":
      return criterion.failures - 1
    case "Adaptive":
      return criterion.minimumFailures - 1
    case "FailureRate":
    case "SlowCallRate":
      return Math.ceil(criterion.minimumCalls * criterion.thresholdPpm / 1_000_000) - 1
  }
}

const classifyExit: Classify = (exit) => {
  if (Exit.isSuccess(exit)) return Outcome.success
  const error = find(Option.getOrUndefined(Cause.findErrorOption(exit.cause)))
  return error?.isRejection ? Outcome.ignored("caller_error") : unknownFailure
}

const unknownFailure = Outcome.failure("unknown")
