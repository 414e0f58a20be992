/** What an idle circuit of other libraries costs, or a breaker where there is one for each key. */
import { circuitBreaker, ConsecutiveBreaker, handleAll } from "cockatiel"
import { Effect, Layer } from "effect"
import { CircuitBreaker } from "effect/persistence"
import Opossum from "opossum"
import { bytesEach, keysOf, type Memory } from "./bytes.ts"

const hour = 3_600_000

const persistence = (keys: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { execute, state } = yield* CircuitBreaker.make({
      tripPolicy: CircuitBreaker.consecutive(5),
      openDuration: hour
    })
    yield* Effect.forEach(keys, (key) => execute(Effect.void, { key }), { discard: true })
    const count = Effect.map(Effect.forEach(keys, state), (states) => states.filter(isClosed).length)
    return { count }
  }).pipe(Effect.provide(Layer.fresh(CircuitBreaker.layerStoreMemory())))

const isClosed = ({ _tag }: CircuitBreaker.State) => _tag === "Closed"

const cockatiel = (keys: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const breakers = keys.map(() =>
      circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(5), halfOpenAfter: hour })
    )
    for (const breaker of breakers) await breaker.execute(() => {})
    return { count: Effect.sync(() => breakers.length) }
  })

const opossum = (keys: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const breakers = yield* Effect.acquireRelease(
      Effect.sync(() => keys.map(() => new Opossum(async () => 0, { timeout: false, resetTimeout: hour }))),
      (breakers) => Effect.sync(() => breakers.forEach((breaker) => breaker.shutdown()))
    )
    yield* Effect.promise(async () => {
      for (const breaker of breakers) await breaker.fire()
    })
    return { count: Effect.sync(() => breakers.length) }
  })

// Each of opossum's has timers of its own.
const libraries = [
  { name: "effect/persistence", circuits: 100_000, make: persistence },
  { name: "cockatiel", circuits: 100_000, make: cockatiel },
  { name: "opossum", circuits: 2000, make: opossum }
] as const

export const idleCircuits = Effect.forEach(libraries, ({ circuits, make, name }) =>
  Effect.gen(function*() {
    const keys = keysOf(circuits)
    yield* bytesEach(1000, Effect.orDie(make(keys.slice(0, 1000))))
    const bytes = yield* bytesEach(circuits, Effect.orDie(make(keys)))
    const memory: Memory = { name: `${name} idle circuit`, comparedWith: "idle circuit", circuits, bytes }
    return memory
  }))
