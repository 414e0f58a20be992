// TS2322: Type 'number' is not assignable to type 'TripPolicy | undefined'.
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ tripPolicy: 5 })
