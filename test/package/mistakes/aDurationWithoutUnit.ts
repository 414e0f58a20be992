// TS2322: Type '"60"' is not assignable to type
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ openDuration: "60" })
