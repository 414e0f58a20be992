/** One call through one circuit: admit, run, judge, settle. */
import { Cause, Duration, Effect, type Exit, Fiber, identity, Option, Random } from "effect"
import type { Permit } from "../../Circuit.ts"
import * as CircuitError from "../../CircuitError.ts"
import * as Outcome from "../../Outcome.ts"
import { circuitMillis, elapsedMillis } from "../clock/time.ts"
import { resultOf } from "../observers/callResults.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import { blamed, came, keptFromProbing, noteFailed, served } from "./blame.ts"
import { note } from "./blocked.ts"
import type { Call } from "./call.ts"
import { callerError, checked, classifierFailed } from "./containment.ts"
import { beginLastResort, endLastResort } from "./lastResort.ts"
import { beginProbe, CurrentProbe, endProbe, probeOf } from "./probing.ts"
import { isSelfRejection, noteRejection } from "./selfRejection.ts"
import * as trace from "./trace.ts"
import { within } from "./within.ts"

export const guard = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  call: Call
): Effect.Effect<A, E | CircuitError.CircuitBreakerError, R> => {
  const { circuit } = call
  const probing = circuit.pass === undefined ? probeOf(circuit) : undefined
  if (probing !== undefined) {
    if (probing.heard === undefined) return self
    call.partOf = probing
    return run(self, call, { generation: probing.generation, probe: 0 })
  }
  if (call.lastResort && circuit.pass === undefined) return lastResort(self, call)
  return admit(self, call)
}

const admit = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  call: Call
): Effect.Effect<A, E | CircuitError.CircuitBreakerError, R> => {
  const decision = decide(call)
  if (decision === "claim") return probe(self, call)
  return "_tag" in decision ? reject(call, decision) : run(self, call, decision)
}

const decide = (call: Call): Permit | CircuitError.Rejection | "claim" => {
  const { circuit } = call
  const decision = circuit.pass ?? circuit.admit(call.clock, Math.floor(call.startedAt))
  return decision === "claim" ? keptFromProbing(call) ?? decision : decision
}

/** The permit of a call that is no effect. Not to be interrupted, because the slot of a probe would be lost. */
export const take = (call: Call): Effect.Effect<Permit, CircuitError.CircuitBreakerError> => {
  const decision = decide(call)
  return Effect.flatMap(decision === "claim" ? call.circuit.claim : Effect.succeed(decision), (taken) => {
    if ("_tag" in taken) return reject(call, taken)
    if (call.span !== undefined) trace.admitted(call, taken)
    return Effect.succeed(taken)
  })
}

// Uninterruptible until the call has started, because its end is what lets the next one through.
const lastResort = <A, E, R>(self: Effect.Effect<A, E, R>, call: Call) =>
  Effect.uninterruptibleMask((restore) =>
    beginLastResort(call)
      ? run(self, call, { generation: call.circuit.generation, probe: 0 }, restore)
      : restore(admit(self, call))
  )

// Uninterruptible from the claim to the start of the call, because an interruption in between would lose the slot.
const probe = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  call: Call
): Effect.Effect<A, E | CircuitError.CircuitBreakerError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      call.circuit.claim,
      (decision) =>
        "_tag" in decision ? reject(call, decision) : run(inProbe(self, call, decision), call, decision, restore)
    )
  )

// A shared store may have to be asked for a call that is no probe, too.
const inProbe = <A, E, R>(self: Effect.Effect<A, E, R>, call: Call, permit: Permit) => {
  if (permit.probe === 0) return self
  call.probing = beginProbe(call.circuit, permit)
  return Effect.provideService(self, CurrentProbe, call.probing)
}

const run = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  call: Call,
  permit: Permit,
  restore: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = identity
): Effect.Effect<A, E | CircuitError.CircuitBreakerError, R> => {
  if (call.span !== undefined) trace.admitted(call, permit)
  const limit = call.policy.attemptTimeout
  if (limit === undefined) return Effect.onExitPrimitive(restore(self), (exit) => settle(call, permit, exit, false))
  let timedOut = false
  const limited = within(self, {
    duration: limit,
    orElse: () => {
      timedOut = true
      return Effect.fail(
        CircuitError.make({ _tag: "AttemptTimedOut", key: call.circuit.key, phase: "attempt", limit })
      )
    }
  })
  return Effect.onExitPrimitive(restore(limited), (exit) => settle(call, permit, exit, timedOut))
}

const settle = (
  call: Call,
  permit: Permit,
  exit: Exit.Exit<unknown, unknown>,
  timedOut: boolean
): Effect.Effect<void> | undefined => {
  const interrupted = exit._tag === "Failure" && !timedOut && Cause.hasInterruptsOnly(exit.cause)
  const waiting = finish(call, permit, interrupted ? cancelled : verdict(call, exit, timedOut), interrupted)
  if (exit._tag === "Success" || interrupted) return waiting
  // After the store has answered, because only then it is known whether the failure opened the circuit.
  if (waiting !== undefined) return Effect.andThen(waiting, Effect.sync(() => noteBlocked(call, exit.cause)))
  return noteBlocked(call, exit.cause)
}

/** Judges an exit that is not an interruption. */
export const verdict = (call: Call, exit: Exit.Exit<unknown, unknown>, timedOut: boolean): Outcome.Outcome => {
  if (timedOut) return timeout
  if (exit._tag === "Failure" && isSelfRejection(call, exit.cause)) return callerError
  try {
    return checked(call.classify(exit))
  } catch (error) {
    return classifierFailed(call, error, callerError)
  }
}

/** Notes by the error that its circuit turns calls away, for the retry that gets the error. */
export const noteBlocked = (call: Call, cause: Cause.Cause<unknown>): undefined => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  noteFailed(call, error)
  note(error, call.circuit, circuitMillis(call.clock), call.noted)
}

/**
 * Settles the permit of a call, if it still has one, and calls its listeners and its span. `measuredMillis` is the time
 * that the trip policy compares with its limit for slow calls, if it is not the duration of the call.
 */
export const finish = (
  call: Call,
  permit: Permit | undefined,
  outcome: Outcome.Outcome,
  interrupted: boolean,
  measuredMillis?: number | undefined
): Effect.Effect<void> | undefined => {
  const { circuit, clock, partOf, policy, probing, startedAt } = call
  if (partOf !== undefined) return void (interrupted || partOf.heard?.(outcome))
  if (probing !== undefined) endProbe(probing)
  const { listeners } = circuit
  const durationMillis = circuit.timed || listeners !== undefined ? elapsedMillis(clock) - startedAt : 0
  const said = outcome._tag === "Throttled" ? lengthened(outcome, policy) : outcome
  if (said._tag === "Success") served(call, startedAt + durationMillis)
  const counted = permit === undefined || interrupted ? said : blamed(call, permit, said)
  const waiting = permit && circuit.settle(clock, permit, counted, measuredMillis ?? durationMillis, interrupted)
  if (call.asLastResort) endLastResort(call, said)
  if (listeners !== undefined) {
    listeners.onCall(interrupted ? "interrupted" : resultOf[outcome._tag], durationMillis, Outcome.kindOf(outcome))
  }
  if (call.span !== undefined) trace.ended(call, permit, said, interrupted)
  return waiting
}

const lengthened = (outcome: Outcome.Throttled, { gateJitterPpm }: CompiledPolicy): Outcome.Outcome => {
  const random = (Fiber.getCurrent()?.getRef(Random.Random) ?? Random.Random.defaultValue()).nextDoubleUnsafe()
  // A classifier that is not typed may leave out the wait.
  return {
    ...outcome,
    retryAfter: Duration.times(outcome.retryAfter ?? Duration.zero, 1 + random * gateJitterPpm / 1_000_000)
  }
}

/** Fails with a rejection, after listeners and the span have it. */
const reject = (
  call: Call,
  reason: CircuitError.Rejection
): Effect.Effect<never, CircuitError.CircuitBreakerError> => {
  if (call.span !== undefined) trace.rejected(call, reason)
  came(call)
  call.circuit.listeners?.onCall(`rejected_${CircuitError.rejectedBy(reason)}`, 0, undefined)
  const error = CircuitError.make(reason)
  noteRejection(error, call)
  return Effect.fail(error)
}

const cancelled = Outcome.ignored("cancelled")
const timeout = Outcome.failure("timeout")
