// Two regions, one route: while us is down eu answers, and when us is back the route goes home.
// Run it: node examples/failover.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Layer, Ref } from "effect"
import { CircuitBreaker, CircuitStore, FailoverRouter, LlmOutcome, LlmRetry, TripPolicy } from "effect-resilience"

class ModelError extends Data.TaggedError("ModelError")<{ readonly status: number }> {}

const Regions = FailoverRouter.layer({
  routes: {
    chat: {
      targets: [{ name: "us", region: "us" }, { name: "eu", region: "eu" }],
      minFailoverDuration: "300 millis", // default: 30 seconds
      attemptTimeout: "5 seconds", // without it, a target that hangs takes all of the deadline
      deadline: "20 seconds"
    }
  },
  // One quick retry at the same target, and a throttle of up to 5 seconds is waited for.
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
  const isUsDown = yield* Ref.make(true)
  // Stands for your call: the same request, at the target that the router chose.
  const callModel = Effect.fn(function*(region: string) {
    if (region === "us" && (yield* Ref.get(isUsDown))) return yield* new ModelError({ status: 503 })
    return region
  })
  const ask = FailoverRouter.execute("chat", (target) => callModel(target.name))

  const answers = [yield* ask, yield* ask]
  yield* Ref.set(isUsDown, false)
  yield* Effect.sleep("400 millis")
  // The first call tries us, whose circuit is due for a probe, and closes it.
  answers.push(yield* ask, yield* ask)
  // Data that must not leave the EU never does.
  const european = { allow: { regions: ["eu"] } }
  answers.push(yield* FailoverRouter.execute("chat", (target) => callModel(target.name), european))
  yield* Console.log(answers.join(", "))
  return answers
}).pipe(Effect.provide(Regions))

if (import.meta.main) NodeRuntime.runMain(program)
