// What a story needs: who is called, in which phases, and what must have happened by its end.
import type { Duration, Effect, Scope } from "effect"
import type { CircuitBreaker } from "effect-resilience"
import type { HttpClient } from "effect/http"
import type { Story } from "./story.ts"
import type { Phase } from "./tally.ts"

export interface Script {
  readonly title: string
  readonly phases: ReadonlyArray<Phase>
  /** The keys of the circuits. */
  readonly keys: ReadonlyArray<string>
  readonly attemptTimeout: Duration.Input
  readonly play: Effect.Effect<void, never, Services | Scope.Scope>
  /** Sentences about what should have happened and did not. */
  readonly missing: Effect.Effect<ReadonlyArray<string>, never, Services>
}

type Services = Story | CircuitBreaker.CircuitBreaker | HttpClient.HttpClient
