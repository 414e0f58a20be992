/** A breaker of each library whose calls all answer. */
import { circuitBreaker, ConsecutiveBreaker, handleAll, type IBreaker } from "cockatiel"
import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import Opossum from "opossum"

const hour = 3_600_000

export const ours = (
  tripPolicy: TripPolicy.TripPolicy = TripPolicy.consecutive(5),
  observers: Layer.Layer<never, never, CircuitBreaker.CircuitBreaker> = Layer.empty
) =>
  Layer.build(
    observers.pipe(
      Layer.provideMerge(CircuitBreaker.layer({ tripPolicy, openDuration: hour })),
      Layer.provide(CircuitStore.layerMemory)
    )
  )

export const persistence = (tripPolicy: EffectBreaker.TripPolicy = EffectBreaker.consecutive(5)) =>
  Layer.build(
    Layer.provide(EffectBreaker.layer({ tripPolicy, openDuration: hour }), EffectBreaker.layerStoreMemory())
  )

export const cockatiel = (breaker: IBreaker = new ConsecutiveBreaker(5)) =>
  circuitBreaker(handleAll, { breaker, halfOpenAfter: hour })

export const opossum = (action: () => Promise<number>) =>
  Effect.acquireRelease(
    Effect.sync(() => new Opossum(action, { timeout: false, resetTimeout: hour })),
    (breaker) => Effect.sync(() => breaker.shutdown())
  )
