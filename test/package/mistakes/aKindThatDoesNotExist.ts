// TS2345: Argument of type '"overload"' is not assignable to parameter of type
import { Outcome } from "effect-resilience"

export const outcome = Outcome.failure("overload")
