/**
 * Keeps what the observers of a breaker hear, for tests to look at.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer } from "effect"
import type { CircuitBreaker } from "../CircuitBreaker.ts"
import type { CircuitEvent } from "../CircuitEvent.ts"
import * as CircuitObserver from "../CircuitObserver.ts"
import type { Kind } from "../Outcome.ts"

/**
 * One call as its observers saw it end.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordedCall {
  readonly key: string
  readonly result: CircuitObserver.CallResult
  readonly durationMillis: number
  readonly kind: Kind | undefined
}

/**
 * - `all`: every event so far, in order; `names` has only their names.
 * - `of`: those of one name, with its fields.
 * - `calls`: how every call ended, in order.
 * - `clear`: forgets.
 *
 * @category services
 * @since 0.1.0
 */
export class RecordedEvents extends Context.Service<RecordedEvents, {
  readonly all: Effect.Effect<ReadonlyArray<CircuitEvent>>
  readonly names: Effect.Effect<ReadonlyArray<CircuitEvent["event"]>>
  readonly of: <Name extends CircuitEvent["event"]>(
    name: Name
  ) => Effect.Effect<ReadonlyArray<Extract<CircuitEvent, { readonly event: Name }>>>
  readonly calls: Effect.Effect<ReadonlyArray<RecordedCall>>
  readonly clear: Effect.Effect<void>
}>()("effect-resilience/testing/RecordedEvents") {}

class Recorder extends Context.Service<Recorder, CircuitObserver.CircuitObserver>()(
  "effect-resilience/testing/RecordedEvents/Recorder"
) {}

const recorder = Layer.effectContext(
  Effect.sync(() => {
    let events: ReadonlyArray<CircuitEvent> = []
    let calls: ReadonlyArray<RecordedCall> = []
    const observer: CircuitObserver.CircuitObserver = {
      name: "recorder",
      onEvent: (event) => {
        events = [...events, event]
      },
      onCircuit: (key) => ({
        onCall: (result, durationMillis, kind) => {
          calls = [...calls, { key, result, durationMillis, kind }]
        }
      })
    }
    const recorded = RecordedEvents.of({
      all: Effect.sync(() => events),
      names: Effect.sync(() => events.map(({ event }) => event)),
      of: <Name extends CircuitEvent["event"]>(name: Name) =>
        Effect.sync(() =>
          events.filter((event): event is Extract<CircuitEvent, { readonly event: Name }> => event.event === name)
        ),
      calls: Effect.sync(() => calls),
      clear: Effect.sync(() => {
        events = []
        calls = []
      })
    })
    return Context.make(RecordedEvents, recorded).pipe(Context.add(Recorder, observer))
  })
)

/**
 * Records what the breaker does: `RecordedEvents.layer.pipe(Layer.provideMerge(Breaker))`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<RecordedEvents, never, CircuitBreaker> = CircuitObserver.layer(Recorder).pipe(
  Layer.provideMerge(recorder)
)
