// A program whose observers would hear nothing does not compile. Effect's diagnostics say so too, and are off here,
// because they cannot be expected line by line.
// @effect-diagnostics missingEffectContext:off
// @effect-diagnostics missingLayerContext:off
// @effect-diagnostics layerMergeAllWithDependencies:off
import { Effect, Layer, ManagedRuntime } from "effect"
import { CircuitBreaker, CircuitLogger, CircuitMetrics, CircuitObserver, CircuitStore } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { expectTypeOf } from "expect-type"
import { Asker } from "./calls.types.ts"

type Breaker = CircuitBreaker.CircuitBreaker

// Observers need the breaker that they listen to, and give nothing that a program could ask for.
expectTypeOf(CircuitMetrics.layer).toEqualTypeOf<Layer.Layer<never, never, Breaker>>()
expectTypeOf(CircuitMetrics.layerWith({})).toEqualTypeOf<Layer.Layer<never, never, Breaker>>()
expectTypeOf(CircuitLogger.layer).toEqualTypeOf<Layer.Layer<never, never, Breaker>>()
expectTypeOf(RecordedEvents.layer).toEqualTypeOf<Layer.Layer<RecordedEvents.RecordedEvents, never, Breaker>>()
expectTypeOf(CircuitObserver.layer({ name: "mine" })).toEqualTypeOf<Layer.Layer<never, never, Breaker>>()
expectTypeOf(CircuitObserver.layer(Effect.as(Asker, { name: "mine" }))).toEqualTypeOf<
  Layer.Layer<never, never, Asker | Breaker>
>()

const Breaker = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))

// In whichever order layers are put together: while an observer is beside its breaker, or before it, one is left over.
const wrong = {
  beside: Layer.mergeAll(Breaker, CircuitLogger.layer),
  first: Layer.mergeAll(CircuitMetrics.layer, Breaker),
  mine: Layer.merge(Breaker, CircuitObserver.layer({ name: "mine" })),
  recorded: Layer.merge(Breaker, RecordedEvents.layer),
  before: Breaker.pipe(Layer.provideMerge(CircuitMetrics.layer)),
  provided: Breaker.pipe(Layer.provide(CircuitMetrics.layerWith({})))
}
type Needs = { readonly [Order in keyof typeof wrong]: Layer.Services<typeof wrong[Order]> }
expectTypeOf<Needs>().toEqualTypeOf<{ readonly [Order in keyof typeof wrong]: Breaker }>()

const Observers = Layer.mergeAll(CircuitMetrics.layer, CircuitLogger.layer, CircuitObserver.layer({ name: "mine" }))

/** Programs that are checked and never run. */
export const programs = (call: Effect.Effect<string, never, Breaker>) => {
  const attached = Observers.pipe(Layer.provideMerge(Breaker))
  void Effect.runPromise(Effect.provide(call, attached))
  void ManagedRuntime.make(attached).runPromise(call)

  const beside = Layer.mergeAll(Breaker, CircuitMetrics.layer)
  // @ts-expect-error the requirement that is left is the breaker
  void Effect.runPromise(Effect.provide(call, beside))
  // @ts-expect-error the same at another edge
  ManagedRuntime.make(beside)

  const before = Breaker.pipe(Layer.provideMerge(CircuitLogger.layer))
  // @ts-expect-error an observer cannot be there before its breaker
  void Effect.runPromise(Effect.provide(call, before))

  // @ts-expect-error what is recorded is of no breaker
  void Effect.runPromise(Effect.provide(RecordedEvents.RecordedEvents, RecordedEvents.layer))
}
