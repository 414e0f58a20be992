// Retry goes outside the breaker: every attempt is admitted, judged and counted by itself. The policy waits for hints,
// backs off with jitter, and stops when another attempt is useless, as when its own failure has opened the circuit.
// Run it: node examples/retry.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, LlmRetry, TripPolicy } from "effect-resilience"
import { ScriptedCall } from "effect-resilience/testing"

// Stands for a provider: two 529s, then an answer.
const overloaded = { status: 529, headers: { "retry-after-ms": "20" } }
const model = ScriptedCall.make([
  ...ScriptedCall.times(2, ScriptedCall.fails(overloaded)),
  ScriptedCall.succeeds("hello")
])

const ask = model.call.pipe(
  CircuitBreaker.execute({ key: "anthropic/claude/us" }),
  Effect.retry(LlmRetry.policy({ attempts: 4, base: "10 millis" })),
  // A limit on everything together. It interrupts, which says nothing about the provider.
  Effect.timeout("10 seconds")
)

const Breaker = CircuitBreaker.layer({
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(5),
    TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 20, window: "30 seconds" })
  ),
  classify: LlmOutcome.classify,
  attemptTimeout: "5 seconds"
}).pipe(Layer.provide(CircuitStore.layerMemory))

export const program = Effect.gen(function*() {
  const answer = yield* ask
  yield* Console.log(`${answer}, after ${yield* model.started} calls`)
  return answer
}).pipe(Effect.provide(Breaker))

if (import.meta.main) NodeRuntime.runMain(program)
