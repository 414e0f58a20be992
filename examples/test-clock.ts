// The same breaker under virtual time: it opens on the fifth failure and admits a probe after exactly 60 seconds.
// Run it: node examples/test-clock.ts (in a test, `it.effect` brings the clock)
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
import { ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const Breaker = CircuitBreaker.layer({
  classify: LlmOutcome.classify,
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "60 seconds"
}).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

export const scenario = Effect.gen(function*() {
  const model = ScriptedCall.make([...ScriptedCall.times(5, ScriptedCall.fails("503")), ScriptedCall.succeeds("hello")])
  const ask = model.call.pipe(CircuitBreaker.execute({ key: "model" }))

  yield* Effect.flip(ask).pipe(Effect.repeat({ times: 4 }))
  yield* TestClock.adjust("59999 millis")
  const left = yield* ask.pipe(
    Effect.catchReason(
      "CircuitBreakerError",
      "CircuitOpen",
      (reason) => Effect.succeed(Duration.format(reason.retryAfter))
    )
  )
  yield* TestClock.adjust("1 millis")
  const answer = yield* ask

  yield* Console.log(`rejected with ${left} left, then answered: ${answer}`)
  return { left, answer }
}).pipe(Effect.provide(Breaker))

export const program = scenario.pipe(Effect.provide(TestClock.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
