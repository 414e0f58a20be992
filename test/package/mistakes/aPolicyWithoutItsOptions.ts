// TS2345: Argument of type 'number' is not assignable to parameter of type '{ readonly threshold: number;
import { CircuitBreaker, TripPolicy } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.failureRate(0.5) })
