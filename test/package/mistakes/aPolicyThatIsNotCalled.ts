// TS2322: Type '(failures: number) => TripPolicy' is not assignable to type 'TripPolicy | undefined'.
import { CircuitBreaker, TripPolicy } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive })
