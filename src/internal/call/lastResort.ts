/** Calls whose caller has no other target: an open circuit that requests can have opened lets one at a time through. */
import type { CircuitHandle } from "../../CircuitStore.ts"
import type { Outcome } from "../../Outcome.ts"
import { circuitMillis } from "../clock/time.ts"
import { vouchMillis } from "../machine/evidence.ts"
import { isAccountKind } from "../options/accountKinds.ts"
import { isRequestKind, mayBeCause } from "./blame.ts"
import type { Call } from "./call.ts"

interface Asking {
  readonly outageId: string
  isAsking: boolean
  failures: number
  notBefore: number
}

const known = new WeakMap<CircuitHandle, Asking>()

/**
 * The pause after the first failure. It doubles with each further one, because a provider that is dead is not to be
 * called more. A provider that has served no call for `vouchMillis` is asked once in an outage.
 */
const firstPauseMillis = 1_000

/** Whether the call passes the open circuit. If so, the guard has to call `endLastResort` once, when the call ends. */
export const beginLastResort = (call: Call): boolean => {
  const { circuit, clock } = call
  if (!call.lastResort || circuit.stateName !== "open") return false
  const state = circuit.view(clock)
  if (state._tag !== "Open" || state.reason === "open_now") return false
  const { lastFailureKind, outageId } = state
  if (!isRequestKind(lastFailureKind) || isAccountKind(lastFailureKind)) return false
  const before = known.get(circuit)
  const asking = before?.outageId === outageId
    ? before
    : { outageId, isAsking: false, failures: 0, notBefore: -Infinity }
  if (asking.isAsking || circuitMillis(clock) < asking.notBefore || mayBeCause(call)) return false
  known.set(circuit, asking)
  asking.isAsking = true
  call.asLastResort = true
  return true
}

/** Takes in how such a call ended. One that was served is the circuit's probe. */
export const endLastResort = ({ circuit, clock }: Call, outcome: Outcome): void => {
  const asking = known.get(circuit)!
  asking.isAsking = false
  if (outcome._tag === "Success") circuit.probedEarly?.(clock)
  else if (outcome._tag !== "Ignored") {
    const now = circuitMillis(clock)
    const isVouchedFor = now - Math.max(circuit.servedAt, circuit.evidence.served[0]?.at ?? -Infinity) <= vouchMillis
    asking.notBefore = isVouchedFor ? now + firstPauseMillis * 2 ** asking.failures++ : Infinity
  }
}
