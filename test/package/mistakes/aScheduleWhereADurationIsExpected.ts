// TS2322: Type 'Schedule<Duration, unknown, never, never>' is not assignable to type 'Input | undefined'.
import { Schedule } from "effect"
import { CircuitBreaker } from "effect-resilience"

export const Breaker = CircuitBreaker.layer({ maxOpenDuration: Schedule.exponential("1 second") })
