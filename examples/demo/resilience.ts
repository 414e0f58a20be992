// What keeps an incident from the callers: a route over regions, with a circuit for each, and a quick retry.
import { Layer } from "effect"
import { CircuitBreaker, CircuitStore, FailoverRouter, LlmOutcome, LlmRetry, TripPolicy } from "effect-resilience"
import { complete, type Endpoint } from "./calls.ts"
import type { Script } from "./script.ts"
import { Story } from "./story.ts"

export const resilience = ({ attemptTimeout, maxWait, regions }: Script) =>
  FailoverRouter.layer({
    routes: {
      chat: {
        targets: regions, // the preferred one first
        attemptTimeout,
        minFailoverDuration: "2 seconds" // default: 30 seconds
      }
    },
    // Once more where it failed, and only then at the other region.
    retry: () => LlmRetry.policy({ attempts: 2, base: "50 millis", maxWait })
  }).pipe(
    Layer.merge(Story.observer),
    Layer.provide(
      CircuitBreaker.layer({
        classify: LlmOutcome.classify,
        tripPolicy: TripPolicy.consecutive(5),
        openDuration: "2 seconds"
      })
    ),
    Layer.provide(CircuitStore.layerMemory)
  )

/** One call of a user: the same request, at whichever region serves. */
export const ask = (regions: Readonly<Record<string, Endpoint>>, prompt: string) =>
  Story.use(({ callers, count }) =>
    FailoverRouter.execute("chat", (target) => complete(regions[target.name]!, prompt)).pipe(count(callers))
  )
