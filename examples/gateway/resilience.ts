// What the gateway does about providers that fail: all of it is the library's, and these are the numbers.
import { Layer, Schedule } from "effect"
import {
  CircuitBreaker,
  CircuitLogger,
  CircuitMetrics,
  type CircuitPolicy,
  CircuitStore,
  type FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  Outcome,
  TripPolicy
} from "effect-resilience"
import type { Configuration } from "./configuration.ts"

const policy: CircuitPolicy.CircuitPolicy = {
  // One failure may be bad luck, and the retry is the second opinion. While there is another target it is cheap to go.
  tripPolicy: TripPolicy.consecutive(2),
  // Asks early, for most outages are short, and then less often: a target that is dead for a minute sees four calls,
  // and one that is back has its calls again half a minute later.
  openDuration: Schedule.min([Schedule.exponential("10 seconds", 2), Schedule.spaced("30 seconds")])
}

const limits = {
  // The whole of an answer in one piece. An answer that takes longer is one to stream.
  attemptTimeout: "30 seconds",
  // Who has not begun by then is in trouble, and until then another target can begin instead.
  firstContentTimeout: "10 seconds",
  // An answer that falls silent for so long in its middle hardly ever goes on.
  idleTimeout: "10 seconds",
  // Short, for nothing is risked: the circuit of the primary closes only after a call that went well.
  minFailoverDuration: "10 seconds"
} satisfies Partial<FailoverRoute.RouteOptions>

/** Whether to ask the same target again: only what is likely to be over in a moment. */
const passing = (error: unknown): Outcome.Outcome => {
  const outcome = LlmOutcome.fromError(error)
  if (outcome._tag !== "Failure") return outcome
  return again.has(outcome.kind) ? outcome : Outcome.ignored(outcome.kind)
}

// Not among them: whoever was too slow has used up the time that another target needs, and whoever limits rates without
// a word on how long to wait is not helped by another call.
const again = new Set<Outcome.Kind>(["server_error", "overloaded", "connection"])

const retry = () =>
  LlmRetry.policy({
    // One more. The next target is the better answer to whatever lasts longer.
    attempts: 2,
    // Of which a random part is waited, so that callers who failed together do not come back together.
    base: "250 millis",
    // Somebody who is told to wait that long can as well wait here; for longer, another target is quicker.
    maxWait: "5 seconds",
    judge: passing
  })

const routes = ({ models, rescueParts }: Configuration): FailoverRouter.Options["routes"] =>
  Object.fromEntries(
    Object.entries(models).map(([model, { targets }]) => [model, {
      ...limits,
      rescue: rescueParts,
      targets: targets.map(({ contextTokens, name, region }) => ({ name, region, contextTokens }))
    }])
  )

// An answer that is a page of HTML, or an error with a status of 200, is a failure too. So is what is the caller's mistake
// elsewhere: here the key and the name of the model are not the caller's, and a target that knows neither serves nobody.
const classify = LlmOutcome.make({
  body: true,
  rows: [
    { id: "gateway/unknown-model", match: { status: [404] }, kind: "unknown", outcome: "Failure" },
    { id: "code/auth", outcome: "Failure" },
    { id: "status/auth", outcome: "Failure" }
  ]
})

/** The router, and the circuits of its targets: one for each, by the name `<model>/<target>`. */
export const layer = (
  configuration: Configuration
): Layer.Layer<FailoverRouter.FailoverRouter | CircuitBreaker.CircuitBreaker> =>
  Layer.mergeAll(
    FailoverRouter.layer({ routes: routes(configuration), classify, retry }),
    CircuitMetrics.layer,
    CircuitLogger.layer
  ).pipe(
    Layer.provideMerge(CircuitBreaker.layer(policy)),
    Layer.provide(CircuitStore.layerMemory)
  )
