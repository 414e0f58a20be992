// What a story needs: who can be called, in which phases, and what must have happened by its end.
import type { Duration, Effect, Scope } from "effect"
import type { FailoverRoute, FailoverRouter } from "effect-resilience"
import type { HttpClient } from "effect/http"
import type { Endpoint } from "./calls.ts"
import type { Story } from "./story.ts"
import type { Phase } from "./tally.ts"

export interface Script {
  readonly title: string
  readonly phases: ReadonlyArray<Phase>
  /** Who can serve the calls, the preferred one first. */
  readonly regions: readonly [primary: string, standby: string]
  /** The route over them. */
  readonly chat: FailoverRoute.FailoverRoute<Endpoint>
  /** How long a throttle of a region may last to be waited for; the other one is asked if it is longer. */
  readonly maxWait: Duration.Input
  readonly play: Effect.Effect<void, never, Services | HttpClient.HttpClient | Scope.Scope>
  /** Sentences about what should have happened and did not. */
  readonly missing: Effect.Effect<ReadonlyArray<string>, never, Services>
}

type Services = Story | FailoverRouter.FailoverRouter
