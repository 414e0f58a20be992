/** Whom a failure is charged to: which failures count against the dependency, and which calls may probe it. */
import type { Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import * as Outcome from "../../Outcome.ts"
import { circuitMillis, wallMillis } from "../clock/time.ts"
import type { NotCounted } from "../machine/evidence.ts"
import type { Call } from "./call.ts"
import { type CallEvidence, evidenceOf, noteAttempt } from "./callEvidence.ts"
import { contained } from "./containment.ts"

/** What a request can cause by itself. The other kinds say something of the dependency, whatever was asked. */
const requestKinds = new Set<Outcome.Kind>([
  "server_error",
  "unknown",
  "malformed_response",
  "timeout",
  "slow_first_content",
  "stream_cut",
  "stream_stalled"
])

const canBeOfRequest = (outcome: Outcome.Outcome): outcome is Outcome.Failure =>
  outcome._tag === "Failure" && requestKinds.has(outcome.kind)

/** Takes in that the dependency served a call. */
export const served = (call: Call, atMillis: number): void => {
  const { evidence: log } = call.circuit
  if (call.evidence === undefined) log.servedAt = atMillis
  else if (log.isRemembering || isAtHand(call)) {
    const { request, source } = known(call).identity
    log.served(request, source, Math.floor(atMillis))
  }
}

/** What the circuit is to take in of an end that is no success: a failure that does not count says nothing of it. */
export const blamed = (call: Call, permit: Permit, outcome: Outcome.Outcome): Outcome.Outcome => {
  const { circuit, clock, policy } = call
  if (!canBeOfRequest(outcome) || permit.generation !== circuit.generation) return outcome
  const evidence = known(call)
  const isProbe = permit.probe > 0
  const isElsewhere = evidence.failedAt !== undefined && evidence.failedAt !== circuit.key
  evidence.failedAt ??= circuit.key
  const notCounted = isElsewhere && !isProbe
    ? "same_walk"
    : circuit.evidence.failed(evidence.identity, circuitMillis(clock), isProbe, policy.failuresOfOneSource)
  if (notCounted === undefined) return outcome
  tell(call, outcome.kind, notCounted)
  return Outcome.ignored(outcome.kind)
}

const tell = ({ circuit, clock, hub }: Call, kind: Outcome.Kind, notCounted: NotCounted | "same_walk"): void => {
  if (!hub.listening) return
  const state = circuit.view(clock)
  hub.announce({
    event: "circuit.failure",
    key: circuit.key,
    at: wallMillis(clock),
    generation: state.generation,
    kind,
    consecutive_failures: state._tag === "Closed" ? state.consecutiveFailures : 0,
    not_counted: notCounted
  })
}

/**
 * The rejection of a call that would be the probe, but has itself a part in the failures: its request would speak for
 * the dependency once more. Undefined if the call may probe.
 */
export const keptFromProbing = (call: Call): Rejection | undefined => {
  const { circuit, clock, policy } = call
  if (!circuit.evidence.isRemembering && call.evidence === undefined) return undefined
  if (circuit.stateName !== "open" && circuit.stateName !== "half_open") return undefined
  const evidence = known(call)
  const now = circuitMillis(clock)
  const isElsewhere = evidence.failedAt !== undefined && evidence.failedAt !== circuit.key
  circuit.evidence.came(evidence.identity, now)
  const millis = circuit.evidence.keptFromProbing(evidence.identity, isElsewhere, now, policy.openMillis(1))
  return millis === 0 ? undefined : circuit.turnAway(clock, now, millis)
}

/** Takes in that a call was turned away. */
export const turnedAway = (call: Call): void => {
  const { circuit, clock } = call
  if (circuit.evidence.isRemembering) circuit.evidence.came(known(call).identity, circuitMillis(clock))
}

/** Lets a retry with this error be recognised as another attempt of the call. */
export const noteFailed = (call: Call, error: unknown): void => {
  if (call.known !== undefined) noteAttempt(error, call.known, call.token)
}

const isAtHand = (call: Call): boolean => call.known?.isAtHand ?? typeof call.evidence !== "function"

/** The evidence of a call. What the caller says of it may throw: then the call is a request of its own. */
const known = (call: Call): CallEvidence => {
  if (call.known !== undefined) return call.known
  const undescribed = () => evidenceOf(undefined, call.token, call.fiber)
  call.known = contained<CallEvidence | undefined>(call, () => {
    const evidence = evidenceOf(call.evidence, call.token, call.fiber)
    return evidence.identity && evidence
  }, undefined) ?? undescribed()
  return call.known
}
