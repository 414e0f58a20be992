// TS2322: Type '(error: { readonly status: number; }) => Outcome.Outcome' is not assignable to type '(exit: Exit<
import { Effect } from "effect"
import { CircuitBreaker, Outcome } from "effect-resilience"

export const call = Effect.fail({ status: 503 }).pipe(
  CircuitBreaker.execute({
    key: "model",
    classify: (error: { readonly status: number }) =>
      error.status === 503 ? Outcome.failure("overloaded") : Outcome.success
  })
)
