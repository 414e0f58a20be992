// TS2339: Property 'openings' does not exist on type 'CircuitEvent'.
import { Effect, Stream } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const openings = Effect.map(
  CircuitBreaker.CircuitBreaker,
  ({ events }) => Stream.map(events, (event) => event.openings)
)
