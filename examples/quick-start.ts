// A guarded call: five failures in a row open the circuit, and the sixth call is turned away without running.
// Run it: node examples/quick-start.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"

class ModelError extends Data.TaggedError("ModelError")<{ readonly status: number }> {}

// Stands for your call: an effect that talks to a model.
const callModel = (_prompt: string): Effect.Effect<string, ModelError> => Effect.fail(new ModelError({ status: 503 }))

const ask = (prompt: string) =>
  callModel(prompt).pipe(
    CircuitBreaker.execute({ key: "openai/gpt-5/eu" }),
    Effect.catchReason("CircuitBreakerError", "CircuitOpen", (reason) => Effect.succeed(`${reason.key} is resting`)),
    Effect.catchTag("ModelError", (error) => Effect.succeed(`the model answered ${error.status}`))
  )

const Breaker = CircuitBreaker.layer({
  classify: LlmOutcome.classify,
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "60 seconds",
  attemptTimeout: "30 seconds"
}).pipe(Layer.provide(CircuitStore.layerMemory))

export const program = Effect.gen(function*() {
  const answers = yield* Effect.forEach(["1", "2", "3", "4", "5", "6"], ask)
  yield* Console.log(answers.join("\n"))
  return answers
}).pipe(Effect.provide(Breaker))

if (import.meta.main) NodeRuntime.runMain(program)
