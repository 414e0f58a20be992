// What the gateway does about providers that fail: the library does it, and these are its settings.
import { Layer, Schedule, Struct } from "effect"
import {
  CircuitBreaker,
  CircuitLogger,
  CircuitMetrics,
  type CircuitPolicy,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  Outcome,
  TripPolicy
} from "effect-resilience"
import type { Configuration } from "./configuration.ts"
import * as Target from "./target.ts"

const policy: CircuitPolicy.CircuitPolicy = {
  // At the second failure, because one may be bad luck and is retried, and another target is at hand.
  tripPolicy: TripPolicy.consecutive(2),
  // Probes early, because most outages are short, and then less often: a target that is down for a minute gets four
  // calls, and one that is back has its calls again half a minute later.
  openDuration: Schedule.min([Schedule.exponential("10 seconds", 2), Schedule.spaced("30 seconds")])
}

// Short, because nothing is risked: the circuit of the primary closes only after a call that succeeded.
const minFailoverDuration = "10 seconds"

/** Judges whether the same target is asked again: only after failures that are likely to be over in a moment. */
const passing = (error: unknown): Outcome.Outcome => {
  const outcome = LlmOutcome.fromError(error)
  if (outcome._tag !== "Failure") return outcome
  return again.has(outcome.kind) ? outcome : Outcome.ignored(outcome.kind)
}

// Without timeouts, because a slow target has used up the time that another one needs, and without rate limits that
// have no hint, because another call makes them worse.
const again = new Set<Outcome.Kind>(["server_error", "overloaded", "connection"])

const retry = () =>
  LlmRetry.policy({
    // One retry where no other target takes calls.
    attempts: 2,
    // Waits a random part of this, so that callers that failed together do not come back together.
    base: "250 millis",
    // Waits for hints of up to this long.
    maxWait: "5 seconds",
    judge: passing
  })

/** The route of each model, whose targets carry their clients. */
export type Models = ReadonlyMap<string, FailoverRoute.FailoverRoute<Target.Client>>

export const models = ({ models, rescueParts, ...configuration }: Configuration): Models =>
  new Map(
    Object.entries(models).map(([model, { targets }]) => [
      model,
      FailoverRoute.make(model, {
        ...Struct.pick(configuration, ["attemptTimeout", "firstContentTimeout", "idleTimeout"]),
        minFailoverDuration,
        rescue: rescueParts,
        targets: targets.map((target) => ({
          ...Struct.pick(target, ["name", "region", "contextTokens"]),
          payload: Target.make(target)
        }))
      })
    ])
  )

// A page of HTML, and an error with a status of 200, are failures too. So are an unknown key, an account without access
// and an unknown model, which are mistakes of callers elsewhere: here the configuration has them, and a target that
// knows none of them can serve no call.
const classify = LlmOutcome.make({
  body: true,
  rows: [
    { id: "request/unknown-model", kind: "unknown", outcome: "Failure" },
    { id: "status/404", kind: "unknown", outcome: "Failure" },
    { id: "code/auth", outcome: "Failure" },
    { id: "number/auth", outcome: "Failure" },
    { id: "message/auth", outcome: "Failure" },
    { id: "status/auth", outcome: "Failure" }
  ]
})

/** The router, and the circuits of its targets: one for each, by the name `<model>/<target>`. */
export const layer = (
  models: Models
): Layer.Layer<FailoverRouter.FailoverRouter | CircuitBreaker.CircuitBreaker> =>
  Layer.mergeAll(
    FailoverRouter.layer({ routes: [...models.values()], classify, retry }),
    CircuitMetrics.layer,
    CircuitLogger.layer
  ).pipe(
    Layer.provideMerge(CircuitBreaker.layer(policy)),
    Layer.provide(CircuitStore.layerMemory)
  )
