// TS2741 or TS2345: Property 'classifyPart' is missing in type '{ key: string; }' but required in type 'StreamOptions
import { Stream } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const parts = Stream.make("Hel", "lo").pipe(CircuitBreaker.stream({ key: "model" }))
