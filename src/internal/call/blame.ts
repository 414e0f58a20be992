/** Decides which failures count against the dependency, and which calls may probe it. */
import type { Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import * as Outcome from "../../Outcome.ts"
import { circuitMillis, wallMillis } from "../clock/time.ts"
import * as evidence from "../machine/evidence.ts"
import type { Call } from "./call.ts"
import { type CallEvidence, noteAttempt, ownEvidence } from "./callEvidence.ts"
import { contained } from "./containment.ts"

/** The kinds of failure that a request can cause by itself. All others come from the dependency, whatever was asked. */
const requestKinds = new Set<Outcome.Kind | undefined>([
  "server_error",
  "unknown",
  "malformed_response",
  "timeout",
  "slow_first_content",
  "stream_cut",
  "stream_stalled",
  // As a failure, of a route whose own account was refused: one caller's request may be what is not allowed.
  "auth"
])

export const isRequestKind = (kind: Outcome.Kind | undefined): boolean => requestKinds.has(kind)

/** How often a circuit without failures asks a costly description which request was served. */
const betweenServedMillis = 1_000

/** Records that the dependency served a call. */
export const served = (call: Call, atMillis: number): void => {
  const { circuit } = call
  if (call.evidence === undefined || call.evidence.isUndescribed) {
    circuit.servedAt = atMillis
    return
  }
  const { failed, served } = circuit.evidence
  const isRecent = atMillis - (served[0]?.at ?? -Infinity) < betweenServedMillis
  if (failed.length > 0 || !isRecent || !call.evidence.isLazy) {
    circuit.evidence = evidence.served(circuit.evidence, identityOf(call), atMillis)
  }
}

/** The outcome that the circuit records for a call without success: ignored if the failure does not count. */
export const blamed = (call: Call, permit: Permit, outcome: Outcome.Outcome): Outcome.Outcome => {
  const { circuit, clock, hub, policy } = call
  if (outcome._tag !== "Failure" || !isRequestKind(outcome.kind) || permit.generation !== circuit.generation) {
    return outcome
  }
  const own = known(call)
  const isProbe = permit.probe > 0
  let notCounted: "same_walk" | evidence.NotCounted | undefined = "same_walk"
  if (isProbe || !hasFailedElsewhere(call, own)) {
    own.failedAt ??= circuit.key
    const before = circuit.servedAt === -Infinity
      ? circuit.evidence
      : evidence.served(circuit.evidence, evidence.undescribed, circuit.servedAt)
    const after = evidence.failed(before, identityOf(call), circuitMillis(clock), isProbe, policy.failuresOfOneSource)
    circuit.evidence = after.evidence
    notCounted = after.notCounted
  }
  if (notCounted === undefined) return outcome
  if (hub.listening) {
    const state = circuit.view(clock)
    hub.announce({
      event: "circuit.failure",
      key: circuit.key,
      at: wallMillis(clock),
      generation: state.generation,
      kind: outcome.kind,
      consecutive_failures: state._tag === "Closed" ? state.consecutiveFailures : 0,
      not_counted: notCounted
    })
  }
  return Outcome.ignored(outcome.kind)
}

const hasFailedElsewhere = ({ circuit }: Call, { failedAt }: CallEvidence): boolean =>
  failedAt !== undefined && failedAt !== circuit.key

/** Takes in that a call came to a circuit that may turn it away. */
export const came = (call: Call): void => {
  const { circuit } = call
  const at = Math.floor(call.startedAt)
  // What another call has said of this millisecond says it all.
  if (circuit.evidence.failed.length > 0 && circuit.evidence.otherCameAt !== at) {
    circuit.evidence = evidence.came(circuit.evidence, identityOf(call), at)
  }
}

/** Whether the call has a part in the failures here or has failed elsewhere, so that its request may be their cause. */
export const mayBeCause = (call: Call): boolean => {
  const { circuit } = call
  if (circuit.evidence.failed.length === 0) return false
  const own = known(call)
  return hasFailedElsewhere(call, own) || evidence.hasPart(circuit.evidence, identityOf(call))
}

/**
 * The rejection of a call that would be the probe but has a part in the failures, because its request may be their
 * cause. Undefined if the call may probe.
 */
export const keptFromProbing = (call: Call): Rejection | undefined => {
  const { circuit, clock, policy } = call
  if (circuit.stateName !== "open" && circuit.stateName !== "half_open") return undefined
  came(call)
  if (circuit.evidence.failed.length === 0) return undefined
  const own = known(call)
  const now = circuitMillis(clock)
  const millis = evidence.keptFromProbing(
    circuit.evidence,
    identityOf(call),
    hasFailedElsewhere(call, own),
    now,
    policy.openMillis(1)
  )
  return millis === 0 ? undefined : circuit.turnAway(clock, now, millis)
}

/** Lets a retry with this error be recognised as the same request. */
export const noteFailed = ({ known, token }: Call, error: unknown): void => {
  if (known !== undefined) noteAttempt(error, known, token)
}

/** The identity of a call as its circuit remembers it. */
const identityOf = (call: Call): evidence.Identity => {
  const { identity } = known(call)
  return call.circuit.keyed?.(identity) ?? identity
}

/** The evidence of a call. If the caller's function for it throws, the call is a request of its own. */
const known = (call: Call): CallEvidence => call.known ??= described(call) ?? ownEvidence(call.token, call.fiber)

const described = (call: Call): CallEvidence | undefined => {
  const given = call.evidence
  return given && contained(call, () => given.identity && given, undefined)
}
