/**
 * Where circuits live. A store adds atomicity and a clock to the machine of `Circuit.ts`. The layer of the store
 * decides whether circuits belong to one process or to the fleet; nothing else in a program changes.
 *
 * @since 0.1.0
 */
import { Clock, Context, type Duration, Effect, Layer } from "effect"
import type { Permit, State } from "./Circuit.ts"
import type { Rejection } from "./CircuitError.ts"

import type { CircuitState } from "./CircuitState.ts"
import { Initial } from "./internal/circuit/initial.ts"
import { LocalCircuit } from "./internal/circuit/localCircuit.ts"
import { Registry } from "./internal/circuit/registry.ts"
import { UnguardedCircuit } from "./internal/circuit/unguardedCircuit.ts"
import { wallMillis } from "./internal/clock/time.ts"
import type { Evidence, Identity } from "./internal/machine/evidence.ts"
import { Hub } from "./internal/observers/hub.ts"
import type { Listeners } from "./internal/observers/listeners.ts"
import type { CompiledPolicy } from "./internal/options/compiledPolicy.ts"
import { checkOptions } from "./internal/options/known.ts"
import { millis, positiveInt } from "./internal/options/validation.ts"
import type { Outcome } from "./Outcome.ts"

/**
 * The name and the reason of an operator who steers a circuit. Both are in the event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operator {
  readonly reason?: string | undefined
  readonly actor?: string | undefined
}

/**
 * One circuit of a store: what this process knows, at once, and effects for what the store has to be asked.
 *
 * - `pass`: the permit that all calls share while the circuit is closed; undefined if `admit` has to decide.
 * - `generation`, `stateName`: as far as this process knows.
 * - `admit`: decides without I/O. `"claim"` means that the call needs a probe slot: run `claim` where it cannot be
 *   interrupted, and settle the permit that it gives.
 * - `evidence`: which requests have failed and were served here. `servedAt`: when a call was served last, of those that
 *   say nothing of their request; a plain field, because every call of a closed circuit sets it.
 * - `keyed`: the identity of a call as this circuit remembers it, if that differs.
 * - `turnAway`: rejects a call that may not be the probe.
 * - `settle`: ends an admitted call, once. Returns an effect if the call has to wait for the store.
 * - `probedEarly`: takes a call that was served while the circuit was open for its probe. A store whose circuits cannot
 *   leave it out.
 * - `rejectsFor`: for how many milliseconds from now every call is rejected, 0 if the next one may pass.
 * - `listeners`: the observers of how calls end, if there are any.
 * - `state`: asks the store. `view`: what this process read last.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitHandle {
  readonly key: string
  readonly pass: Permit | undefined
  readonly generation: number
  readonly stateName: State
  readonly timed: boolean
  evidence: Evidence
  servedAt: number
  readonly keyed?: (identity: Identity) => Identity
  readonly admit: (clock: Clock.Clock, now: number) => Permit | Rejection | "claim"
  readonly turnAway: (clock: Clock.Clock, now: number, retryAfterMillis: number) => Rejection
  readonly claim: Effect.Effect<Permit | Rejection>
  readonly settle: (
    clock: Clock.Clock,
    permit: Permit,
    outcome: Outcome,
    durationMillis: number,
    interrupted: boolean
  ) => Effect.Effect<void> | undefined
  readonly probedEarly?: (clock: Clock.Clock) => void
  readonly rejectsFor: (now: number) => number
  readonly listeners: Listeners | undefined
  readonly state: Effect.Effect<CircuitState>
  readonly view: (clock: Clock.Clock) => CircuitState
  readonly forceOpen: (millis: number | undefined, operator: Operator) => Effect.Effect<void>
  readonly reset: (operator: Operator) => Effect.Effect<void>
  readonly disable: (operator: Operator) => Effect.Effect<void>
  readonly enable: (operator: Operator) => Effect.Effect<void>
}

/**
 * The circuits of a store by key.
 *
 * - `circuit`: the circuit of a key, made if it is not there. Two breakers that share a store and a key share the
 *   circuit; it follows the policy of the first, and says so with a `store.policy_mismatch` event.
 * - `keep`: the same for an operator's order, which gets a circuit also if the store has no room for one of a call.
 * - `find`: the circuit of a key if there is one, in this process or in a shared store.
 * - `circuits`: all that this process uses, in no particular order.
 * - `hub`: publishes everything that happens to them to observers.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitStore extends Context.Service<CircuitStore, {
  readonly circuit: (key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number) => CircuitHandle
  readonly keep: (key: string, policy: CompiledPolicy, clock: Clock.Clock, now: number) => CircuitHandle
  readonly find: (key: string, policy: CompiledPolicy, now: number) => CircuitHandle | undefined
  readonly circuits: (now: number) => ReadonlyArray<CircuitHandle>
  readonly hub: Hub
}>()("effect-resilience/CircuitStore") {}

/**
 * When a memory store forgets circuits.
 *
 * - `idleTimeToLive`: a circuit that no call has used for this long is dropped and starts again, closed, at its next
 *   use. An open one is kept for this long after its deadline; one that an operator has disabled or holds open without
 *   an end is always kept. Default: 1 hour.
 * - `maxCircuits`: beyond this number, a new key takes the place of a closed circuit that was not used for long.
 *   While there is none to drop, calls to new keys run unguarded. Default: 100,000.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryOptions {
  readonly idleTimeToLive?: Duration.Input | undefined
  readonly maxCircuits?: number | undefined
}

/**
 * Circuits in the memory of this process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemoryWith = (options: MemoryOptions): Layer.Layer<CircuitStore> =>
  Layer.effect(
    CircuitStore,
    Effect.gen(function*() {
      checkOptions(options, { idleTimeToLive: true, maxCircuits: true })
      const limits = {
        idleMillis: millis("idleTimeToLive", options.idleTimeToLive ?? "1 hour"),
        maxCircuits: positiveInt("maxCircuits", options.maxCircuits ?? 100_000)
      }
      const clock = yield* Clock.Clock
      const hub = new Hub(clock)
      // From the wall clock, because generations of one key rise also over a restart.
      const initial = new Initial(wallMillis(clock) * 1000 + 1)
      const registry = new Registry<LocalCircuit>(
        {
          make: (key, policy) => new LocalCircuit(key, policy, hub, initial.circuit, initial.pass),
          unguarded: (key, policy) => new UnguardedCircuit(key, policy, hub, initial.circuit, initial.pass),
          dropped: (circuit) => {
            circuit.forgotten()
            initial.outlive(circuit)
          }
        },
        hub,
        limits
      )
      return {
        circuit: (key, policy, clock, now) => registry.use(key, policy, clock, now),
        keep: (key, policy, clock, now) => registry.keep(key, policy, clock, now),
        find: (key, _policy, now) => registry.get(key, now),
        circuits: (now) => registry.all(now),
        hub
      }
    })
  )

/**
 * Circuits in the memory of this process, with the default limits.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<CircuitStore> = /* @__PURE__ */ layerMemoryWith({})
