/** What a circuit of this library costs that nobody uses, on any store. */
import { Effect, Layer } from "effect"
import { CircuitBreaker, type CircuitPolicy, CircuitStore, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"
import { bytesEach, keysOf, type Memory } from "./bytes.ts"

/** Keys not counted. A kind of circuit finds nothing of the others in its store. */
export const idleCircuits = (
  circuits: number,
  prefix = "",
  storeOf: (kind: string) => Layer.Layer<CircuitStore.CircuitStore> = () => CircuitStore.layerMemory
) =>
  Effect.forEach(kinds, ({ call, name, policy }) =>
    Effect.gen(function*() {
      const breaker = Layer.provide(CircuitBreaker.layer(policy), storeOf(name))
      const keys = keysOf(circuits)
      yield* bytesEach(1000, used(breaker, keys.slice(0, 1000), call))
      const bytes = yield* bytesEach(circuits, used(breaker, keys, call))
      const memory: Memory = { name: prefix + name, circuits, bytes }
      return memory
    }))

interface Kind {
  readonly name: string
  readonly policy: CircuitPolicy.CircuitPolicy
  readonly call: Effect.Effect<void, string>
}

const hundredCalls = { tripPolicy: TripPolicy.failureRate({ threshold: 0.5, window: 100 }) }

const kinds: ReadonlyArray<Kind> = [
  { name: "idle circuit", policy: {}, call: Effect.void },
  { name: "idle circuit that saw a failure", policy: {}, call: Effect.fail("down") },
  { name: "idle circuit, window of 100", policy: hundredCalls, call: Effect.void }
]

const used = (
  breaker: Layer.Layer<CircuitBreaker.CircuitBreaker>,
  keys: ReadonlyArray<string>,
  call: Effect.Effect<void, string>
) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(breaker)
    const guarded = (key: string) => Effect.ignore(CircuitBreaker.execute(call, { key }))
    // Side by side, for stores whose first call has to wait.
    yield* Effect.provideContext(Effect.forEach(keys, guarded, { concurrency: 64, discard: true }), context)
    return { count: Effect.provideContext(Effect.map(CircuitBreaker.states, ({ length }) => length), context) }
  })

/** How many of so many circuits are left when nobody has used them for two hours. */
export const leftAfterTheirTime = (circuits: number) =>
  Effect.gen(function*() {
    const { count } = yield* used(breakerInMemory, keysOf(circuits), Effect.void)
    yield* TestClock.adjust("2 hours")
    return yield* count
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))

const breakerInMemory = Layer.provide(CircuitBreaker.layer(), CircuitStore.layerMemory)
