// TS2353: Object literal may only specify known properties, and 'resetTimeout' does not exist in type 'CircuitPolicy
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ resetTimeout: "1 minute" })
