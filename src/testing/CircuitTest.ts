/**
 * A breaker for tests: in memory, recorded, driven by `TestClock`.
 *
 * @since 0.1.0
 */
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as CircuitBreaker from "../CircuitBreaker.ts"
import type { CircuitPolicy } from "../CircuitPolicy.ts"
import * as CircuitStore from "../CircuitStore.ts"
import * as RecordedEvents from "./RecordedEvents.ts"

/**
 * A breaker with its own memory store, and a record of its events. Waits are exact: `gateJitter` is 0 unless the policy
 * says otherwise.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { TestClock } from "effect/testing"
 * import { CircuitBreaker, TripPolicy } from "effect-resilience"
 * import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
 *
 * const Test = CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }).pipe(
 *   Layer.provideMerge(TestClock.layer())
 * )
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" })))
 *   yield* CircuitTest.adjustToProbe("model")
 *   yield* Effect.succeed("hi").pipe(CircuitBreaker.execute({ key: "model" }))
 *   const recorded = yield* RecordedEvents.RecordedEvents
 *   return yield* recorded.names
 * }).pipe(Effect.provide(Test))
 *
 * await Effect.runPromise(program) // => ["circuit.opened", "circuit.half_open", "circuit.probe", "circuit.closed"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  policy?: CircuitPolicy | ((key: string) => CircuitPolicy)
): Layer.Layer<CircuitBreaker.CircuitBreaker | RecordedEvents.RecordedEvents> =>
  RecordedEvents.layer.pipe(
    Layer.provideMerge(
      CircuitBreaker.layer(typeof policy === "function" ? (key) => exact(policy(key)) : exact(policy))
    ),
    Layer.provide(CircuitStore.layerMemory)
  )

// One policy for each that was given, as a function of the key is asked at every call.
const exactPolicies = new WeakMap<CircuitPolicy, CircuitPolicy>()

const exact = (policy: CircuitPolicy = {}): CircuitPolicy => {
  const known = exactPolicies.get(policy) ?? { gateJitter: 0, ...policy }
  exactPolicies.set(policy, known)
  return known
}

/**
 * Moves `TestClock` to the first moment at which an open circuit admits a probe, and returns by how much it moved.
 * Does not move it for a circuit that is not open, or that an operator forced open without an end.
 *
 * @category clock
 * @since 0.1.0
 */
export const adjustToProbe = (
  key: string
): Effect.Effect<Duration.Duration, never, CircuitBreaker.CircuitBreaker> =>
  Effect.gen(function*() {
    const state = yield* CircuitBreaker.state(key)
    const wait = "retryAfter" in state && state.retryAfter !== undefined ? state.retryAfter : Duration.zero
    yield* TestClock.adjust(wait)
    return wait
  })
