import { Effect, type Exit, Stream } from "effect"
import { CircuitBreaker, type CircuitError, LlmOutcome, LlmStream, Outcome } from "effect-resilience"
import { expectTypeOf } from "expect-type"

declare const isDown: boolean
const either = isDown ? Effect.fail({ status: 503 }) : Effect.succeed("hello")
type Either = Effect.Effect<
  string,
  { status: number } | CircuitError.CircuitBreakerError,
  CircuitBreaker.CircuitBreaker
>
// A call that is one of several effects keeps the types of all.
expectTypeOf(either.pipe(CircuitBreaker.execute({ key: "model" }))).toEqualTypeOf<Either>()
expectTypeOf(either.pipe(CircuitBreaker.execute({ key: "model", classify: LlmOutcome.classify }))).toEqualTypeOf<
  Either
>()
declare const breaker: CircuitBreaker.CircuitBreaker["Service"]
expectTypeOf(either.pipe(breaker.execute({ key: "model" }))).toEqualTypeOf<
  Effect.Effect<string, { status: number } | CircuitError.CircuitBreakerError>
>()

const parts = isDown ? Stream.fail({ status: 503 }) : Stream.make("hello" as string)
type Parts = Stream.Stream<
  string,
  { status: number } | CircuitError.CircuitBreakerError,
  CircuitBreaker.CircuitBreaker
>
expectTypeOf(parts.pipe(CircuitBreaker.stream({ key: "model", classifyPart: LlmStream.openAi }))).toEqualTypeOf<Parts>()
expectTypeOf(parts.pipe(CircuitBreaker.stream({ key: "model", classifyPart: LlmStream.openAi }))).toEqualTypeOf<Parts>()

// Also with a classifier that is written in the pipe, and not with one of other calls.
expectTypeOf(either.pipe(CircuitBreaker.execute({ key: "model", classify: () => Outcome.success }))).toEqualTypeOf<
  Either
>()
expectTypeOf(
  parts.pipe(CircuitBreaker.stream({ key: "model", classifyPart: LlmStream.openAi, classify: () => Outcome.success }))
).toEqualTypeOf<
  Parts
>()
declare const ofNumbers: (exit: Exit.Exit<number, unknown>) => Outcome.Outcome
// @ts-expect-error for calls that give numbers
void either.pipe(CircuitBreaker.execute({ key: "model", classify: ofNumbers }))
