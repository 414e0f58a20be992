// TS2353: Object literal may only specify known properties, and 'openDurations' does not exist in type 'CircuitPolicy
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ openDurations: "1 minute" })
