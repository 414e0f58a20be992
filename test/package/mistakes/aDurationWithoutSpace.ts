// TS2322: Type '"60s"' is not assignable to type
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ openDuration: "60s" })
