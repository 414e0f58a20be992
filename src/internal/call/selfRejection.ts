/** Recognises a probe that failed because a call of its own circuit, made across a promise, was turned away by it. */
import { Cause } from "effect"
import * as CircuitError from "../../CircuitError.ts"
import type { CircuitHandle } from "../../CircuitStore.ts"
import { wallMillis } from "../clock/time.ts"
import type { Call } from "./call.ts"
import { rejectedItself } from "./probing.ts"

// By error, because that is what comes back across a promise.
const rejectedBy = new WeakMap<CircuitError.CircuitBreakerError, CircuitHandle>()

/** Notes whose slots were taken. */
export const noteRejection = (error: CircuitError.CircuitBreakerError, { circuit }: Call): void => {
  if (error.reason._tag === "CircuitHalfOpen") rejectedBy.set(error, circuit)
}

/** Whether a call failed only because it is a probe: it is reported, and its error says so from now on. */
export const isSelfRejection = ({ circuit, clock, hub, probing }: Call, cause: Cause.Cause<unknown>): boolean => {
  if (probing === undefined) return false
  const error = CircuitError.find(Cause.squash(cause))
  if (error === undefined || rejectedBy.get(error) !== circuit) return false
  Object.assign(error.reason, { selfRejection: true })
  const rejections = rejectedItself(probing)
  const state = circuit.view(clock)
  if (hub.listening && state._tag === "HalfOpen") {
    hub.announce({
      event: "circuit.self_rejection",
      key: circuit.key,
      at: wallMillis(clock),
      generation: state.generation,
      outage_id: state.outageId,
      rejections
    })
  }
  return true
}
