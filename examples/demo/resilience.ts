// What keeps an incident from the callers: a route over regions, with a circuit for each, and a quick retry.
import { type Duration, Layer } from "effect"
import {
  CircuitBreaker,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  TripPolicy
} from "effect-resilience"
import { complete, type Endpoint } from "./calls.ts"
import type { Script } from "./script.ts"
import { Story } from "./story.ts"

/** A route over regions, the preferred one first. */
export const over = (regions: Readonly<Record<string, Endpoint>>, attemptTimeout: Duration.Input) =>
  FailoverRoute.make("chat", {
    targets: Object.entries(regions).map(([name, endpoint]) => ({ name, payload: endpoint })),
    attemptTimeout,
    minFailoverDuration: "2 seconds" // default: 30 seconds
  })

export const resilience = ({ chat, maxWait }: Script) =>
  FailoverRouter.layer({
    routes: [chat],
    // Once more, where the other region takes no calls.
    retry: () => LlmRetry.policy({ attempts: 2, base: "50 millis", maxWait })
  }).pipe(
    Layer.merge(Story.observer),
    Layer.provide(
      CircuitBreaker.layer({
        classify: LlmOutcome.classify,
        tripPolicy: TripPolicy.consecutive(3),
        openDuration: "2 seconds"
      })
    ),
    Layer.provide(CircuitStore.layerMemory)
  )

/** One call of a user: the same request, at whichever region serves. */
export const ask = (prompt: string) =>
  Story.use(({ callers, count, script: { chat } }) =>
    FailoverRouter.execute(chat, (target) => complete(target.payload, prompt)).pipe(count(callers))
  )
