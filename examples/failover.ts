// Two regions, one route: while us is down eu answers, and when us is back the route goes home.
// Run it: node examples/failover.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Layer } from "effect"
import {
  CircuitBreaker,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  TripPolicy
} from "effect-resilience"

class ModelError extends Data.TaggedError("ModelError")<{ readonly status: number }> {}

// Stands for the client of a provider.
const makeClient = (region: string) => ({
  isDown: false,
  complete(): Effect.Effect<string, ModelError> {
    return Effect.suspend(() => this.isDown ? new ModelError({ status: 503 }) : Effect.succeed(region))
  }
})

const us = makeClient("us")
const eu = makeClient("eu")

const chat = FailoverRoute.make("chat", {
  // A target carries what calls need there.
  targets: [{ name: "us", region: "us", payload: us }, { name: "eu", region: "eu", payload: eu }],
  minFailoverDuration: "300 millis", // default: 30 seconds
  attemptTimeout: "5 seconds", // default: 10 minutes, and a target that hangs takes all of the deadline
  deadline: "20 seconds"
})

const Regions = FailoverRouter.layer({
  routes: [chat],
  // One quick retry, where no other target takes calls.
  retry: () => LlmRetry.policy({ attempts: 2, base: "10 millis", maxWait: "5 seconds" })
}).pipe(
  Layer.provide(
    CircuitBreaker.layer({
      classify: LlmOutcome.classify,
      tripPolicy: TripPolicy.consecutive(2),
      openDuration: "200 millis"
    })
  ),
  Layer.provide(CircuitStore.layerMemory)
)

export const program = Effect.gen(function*() {
  const ask = FailoverRouter.execute(chat, (target) => target.payload.complete())

  us.isDown = true
  const answers = [yield* ask, yield* ask]
  us.isDown = false
  yield* Effect.sleep("400 millis")
  // The first call tries us, whose circuit is due for a probe, and closes it.
  answers.push(yield* ask, yield* ask)
  // Data that must not leave the EU never does.
  const european = { allow: { regions: ["eu"] } }
  answers.push(yield* FailoverRouter.execute(chat, (target) => target.payload.complete(), european))
  yield* Console.log(answers.join(", "))
  return answers
}).pipe(Effect.provide(Regions))

if (import.meta.main) NodeRuntime.runMain(program)
