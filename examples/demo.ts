// An incident, over real HTTP: a provider is overloaded, throttles, dies and comes back, while its callers go through
// a circuit breaker. The circuit opens, calls are skipped in microseconds, one probe goes out, the circuit closes.
// Run it: npm run demo
// With OPENAI_BASE_URL and OPENAI_API_KEY set (OPENAI_MODEL if you like) it calls that provider instead.
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Data, Effect, Layer, Runtime } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
import * as Incident from "./demo/incident.ts"
import { liveView } from "./demo/liveView.ts"
import { isTerminal } from "./demo/paint.ts"
import { plainView } from "./demo/plainView.ts"
import { Story } from "./demo/story.ts"
import { missing, printSummary } from "./demo/summary.ts"

/** The story ended otherwise. Said already, so not reported again. */
class OtherEnding extends Data.TaggedError("OtherEnding") {
  override readonly [Runtime.errorReported] = false
}

const Breaker = CircuitBreaker.layer({
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "2 seconds",
  attemptTimeout: "1 second",
  classify: LlmOutcome.classify
}).pipe(Layer.provide(CircuitStore.layerMemory), Layer.provide(Story.observer))

const incident = Effect.gen(function*() {
  yield* Effect.scoped(Effect.andThen(isTerminal ? liveView : plainView, Incident.incident))
  yield* printSummary
  const lacking = yield* missing
  if (lacking.length > 0) {
    console.log(`\nThis did not happen: ${lacking.join("; ")}.`)
    return yield* new OtherEnding()
  }
}).pipe(
  Effect.provide(
    Layer.provideMerge(Layer.mergeAll(Breaker, NodeHttpClient.layerUndici), Story.layer(Incident.phases, Incident.keys))
  )
)

NodeRuntime.runMain(incident)
