import { Effect, Layer } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const program = Effect.gen(function*() {
  yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" })))
  yield* CircuitTest.adjustToProbe("model")
  yield* Effect.succeed("hi").pipe(CircuitBreaker.execute({ key: "model" }))
  const recorded = yield* RecordedEvents.RecordedEvents
  return (yield* recorded.names).join(", ")
}).pipe(
  Effect.provide(Layer.merge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }), TestClock.layer()))
)

console.log(await Effect.runPromise(program))
