// TS2322: Type '{ _tag: "Consecutive"; failures: number; }' is not assignable to type 'TripPolicy | undefined'.
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ tripPolicy: { _tag: "Consecutive", failures: 5 } })
