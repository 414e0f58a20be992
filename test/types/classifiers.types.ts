// A call keeps its value, error and needs with every classifier of the library, through every door.
// @effect-diagnostics missingEffectError:off what the compiler refuses, Effect's diagnostics refuse a second time
import { Effect, type Exit, flow, pipe, type Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitError,
  type CircuitPolicy,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  LlmStream,
  type Outcome,
  StreamSignal
} from "effect-resilience"
import { GuardedEmbeddingModel, GuardedLanguageModel } from "effect-resilience/ai"
import { EffectCircuitBreaker, GuardedHttpClient } from "effect-resilience/http"
import { HttpClient, type HttpClientError } from "effect/http"
import type { CircuitBreaker as EffectBreaker } from "effect/persistence"
import { expectTypeOf } from "expect-type"
import type { Answer, Ask, Asker, ProviderFailed, Tell } from "./calls.types.ts"

type BreakerError = CircuitError.CircuitBreakerError
type Guarded = Effect.Effect<Answer, ProviderFailed | BreakerError, Asker | CircuitBreaker.CircuitBreaker>
type GuardedHere = Effect.Effect<Answer, ProviderFailed | BreakerError, Asker>
type GuardedStream = Stream.Stream<Answer, ProviderFailed | BreakerError, Asker | CircuitBreaker.CircuitBreaker>
type GuardedStreamHere = Stream.Stream<Answer, ProviderFailed | BreakerError, Asker>

declare const ask: Ask
declare const tell: Tell
declare const breaker: CircuitBreaker.CircuitBreaker["Service"]
const key = "model"

const execute = CircuitBreaker.execute
const { classify, classifyBody } = LlmOutcome
const mine = LlmOutcome.make({ retryAfterThreshold: "30 seconds" })

expectTypeOf(ask.pipe(execute({ key, classify }))).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(execute({ key, classify: classifyBody }))).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(execute({ key, classify: mine }))).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(execute({ key, classify: undefined }))).toEqualTypeOf<Guarded>()
expectTypeOf(pipe(ask, execute({ key, classify }))).toEqualTypeOf<Guarded>()
expectTypeOf(flow((): Ask => ask, execute({ key, classify }))).toEqualTypeOf<() => Guarded>()
expectTypeOf(execute(ask, { key, classify })).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(breaker.execute({ key, classify }))).toEqualTypeOf<GuardedHere>()
expectTypeOf(breaker.execute(ask, { key, classify })).toEqualTypeOf<GuardedHere>()

// A guard that is made once guards calls of every kind.
const guard = execute({ key, classify })
expectTypeOf(ask.pipe(guard)).toEqualTypeOf<Guarded>()
expectTypeOf(guard(ask)).toEqualTypeOf<Guarded>()
expectTypeOf(guard(Effect.void)).toEqualTypeOf<Effect.Effect<void, BreakerError, CircuitBreaker.CircuitBreaker>>()
expectTypeOf(guard(Effect.fail("down"))).toEqualTypeOf<
  Effect.Effect<never, string | BreakerError, CircuitBreaker.CircuitBreaker>
>()

// So does one in a function of the user's.
export const guardAll = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | BreakerError, R | CircuitBreaker.CircuitBreaker> => self.pipe(execute({ key, classify }))
export const guardBy = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  classify: (exit: Exit.Exit<A, E>) => Outcome.Outcome
): Effect.Effect<A, E | BreakerError, R | CircuitBreaker.CircuitBreaker> => self.pipe(execute({ key, classify }))
declare const options: CircuitBreaker.ExecuteOptions
expectTypeOf(ask.pipe(execute(options))).toEqualTypeOf<Guarded>()

// So do calls that are one of several kinds, functions made by Effect.fn, options that are spread, and what follows.
declare const either: Effect.Effect<1, "a"> | Effect.Effect<2, "b">
expectTypeOf(either.pipe(execute({ key, classify }))).toEqualTypeOf<
  Effect.Effect<1 | 2, "a" | "b" | BreakerError, CircuitBreaker.CircuitBreaker>
>()
const named = Effect.fn("ask")((prompt: string) => Effect.tap(ask, Effect.log(prompt)), execute({ key, classify }))
expectTypeOf(named("hello")).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(execute({ ...options, lastResort: true }))).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(execute({ key, classify }), Effect.retry(LlmRetry.policy()))).toEqualTypeOf<Guarded>()
expectTypeOf(
  ask.pipe(execute({ key, classify }), Effect.catchTag("CircuitBreakerError", () => Effect.succeed("none" as const)))
).toEqualTypeOf<Effect.Effect<Answer | "none", ProviderFailed, Asker | CircuitBreaker.CircuitBreaker>>()
// @ts-expect-error a stream is no effect
void tell.pipe(execute({ key, classify }))
// @ts-expect-error an effect is no stream
void ask.pipe(CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque }))

// A classifier that is written where it is used sees the exit of the call, also in a pipe.
expectTypeOf(
  ask.pipe(execute({
    key,
    classify: (exit) => {
      expectTypeOf(exit).toEqualTypeOf<Exit.Exit<Answer, ProviderFailed>>()
      return classify(exit)
    }
  }))
).toEqualTypeOf<Guarded>()
expectTypeOf(
  ask.pipe(breaker.execute({
    key,
    classify: (exit) => {
      expectTypeOf(exit).toEqualTypeOf<Exit.Exit<Answer, ProviderFailed>>()
      return classify(exit)
    }
  }))
).toEqualTypeOf<GuardedHere>()

// One that takes more than the call gives fits; one that takes less, or something else, does not.
declare const ofText: (exit: Exit.Exit<{ readonly text: string }, unknown>) => Outcome.Outcome
declare const ofNumbers: (exit: Exit.Exit<number, ProviderFailed>) => Outcome.Outcome
declare const ofTimeouts: (exit: Exit.Exit<unknown, "timeout">) => Outcome.Outcome
expectTypeOf(ask.pipe(execute({ key, classify: ofText }))).toEqualTypeOf<Guarded>()
expectTypeOf(execute(ask, { key, classify: ofText })).toEqualTypeOf<Guarded>()
// @ts-expect-error for calls that give numbers
void ask.pipe(execute({ key, classify: ofNumbers }))
// @ts-expect-error for calls that fail otherwise
void ask.pipe(execute({ key, classify: ofTimeouts }))
// @ts-expect-error for calls that give numbers
void execute(ask, { key, classify: ofNumbers })
// @ts-expect-error for calls that give numbers
void ask.pipe(breaker.execute({ key, classify: ofNumbers }))
// @ts-expect-error for calls that fail otherwise
void breaker.execute(ask, { key, classify: ofTimeouts })

// Streams keep theirs, with a classifier of failures, a reader of parts, and both.
const stream = CircuitBreaker.stream
expectTypeOf(tell.pipe(stream({ key, classify, classifyPart: StreamSignal.opaque }))).toEqualTypeOf<GuardedStream>()
expectTypeOf(tell.pipe(stream({ key, classify: mine, classifyPart: LlmStream.openAi }))).toEqualTypeOf<GuardedStream>()
expectTypeOf(tell.pipe(stream({ key, classify, classifyPart: LlmStream.anthropic }))).toEqualTypeOf<GuardedStream>()
expectTypeOf(tell.pipe(stream({ key, classifyPart: LlmStream.effectAi }))).toEqualTypeOf<GuardedStream>()
expectTypeOf(pipe(tell, stream({ key, classify, idleTimeout: "1 second", classifyPart: StreamSignal.opaque })))
  .toEqualTypeOf<GuardedStream>()
expectTypeOf(stream(tell, { key, classify, classifyPart: LlmStream.openAi })).toEqualTypeOf<GuardedStream>()
expectTypeOf(breaker.stream(tell, { key, classify, classifyPart: LlmStream.openAi }))
  .toEqualTypeOf<GuardedStreamHere>()
expectTypeOf(
  tell.pipe(stream({
    key,
    classify: (exit) => {
      expectTypeOf(exit).toEqualTypeOf<Exit.Exit<never, ProviderFailed>>()
      return classify(exit)
    },
    classifyPart: (part) => {
      expectTypeOf(part).toEqualTypeOf<Answer>()
      return StreamSignal.content
    }
  }))
).toEqualTypeOf<GuardedStream>()
declare const partOfNumbers: StreamSignal.ClassifyPart<number>
// @ts-expect-error for streams of numbers
void tell.pipe(stream({ key, classifyPart: partOfNumbers }))
// @ts-expect-error for streams of numbers
void stream(tell, { key, classifyPart: partOfNumbers })
// @ts-expect-error for streams that fail otherwise
void tell.pipe(stream({ key, classify: ofTimeouts }))
// @ts-expect-error for streams of numbers
void breaker.stream(tell, { key, classifyPart: partOfNumbers })

// A permit is settled with what a classifier says.
declare const exit: Exit.Exit<Answer, ProviderFailed>
void Effect.flatMap(CircuitBreaker.acquire(key), (permit) => permit.settle(classify(exit)))
void Effect.flatMap(breaker.acquire(key), (permit) => permit.settle(mine(exit)))

// Effect's own breaker and clients keep theirs too.
declare const theirs: EffectBreaker.CircuitBreaker
declare const client: HttpClient.HttpClient
type Theirs = Effect.Effect<Answer, ProviderFailed | EffectBreaker.CircuitBreakerError, Asker>
expectTypeOf(ask.pipe(theirs.execute({ key, classify: EffectCircuitBreaker.classify }))).toEqualTypeOf<Theirs>()
expectTypeOf(theirs.execute(ask, { key, classify: EffectCircuitBreaker.classifyWith(mine) })).toEqualTypeOf<Theirs>()
type TheirClient = HttpClient.HttpClient.With<HttpClientError.HttpClientError | EffectBreaker.CircuitBreakerError>
expectTypeOf(client.pipe(HttpClient.withCircuitBreaker({ breaker: theirs, classify: EffectCircuitBreaker.classify })))
  .toEqualTypeOf<TheirClient>()
expectTypeOf(
  HttpClient.withCircuitBreaker(client, { breaker: theirs, classify: EffectCircuitBreaker.classifyWith(classifyBody) })
).toEqualTypeOf<TheirClient>()
type GuardedClient = HttpClient.HttpClient.With<
  HttpClientError.HttpClientError | BreakerError,
  CircuitBreaker.CircuitBreaker
>
const judged = { classify, classifyBody, events: LlmStream.openAi } satisfies GuardedHttpClient.Options
expectTypeOf(client.pipe(GuardedHttpClient.withCircuitBreaker(judged))).toEqualTypeOf<GuardedClient>()
expectTypeOf(GuardedHttpClient.withCircuitBreaker(client, judged)).toEqualTypeOf<GuardedClient>()
void GuardedHttpClient.withCircuitBreaker(client, {
  classify: (exit) => {
    expectTypeOf(exit).toEqualTypeOf<Exit.Exit<GuardedHttpClient.GuardedResponse, unknown>>()
    return classify(exit)
  }
})
// @ts-expect-error for calls that give numbers
void GuardedHttpClient.withCircuitBreaker(client, { classify: ofNumbers })

// A function that judges calls of every kind takes no classifier of one kind.
FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us"] })], classify })
FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us"] })], classify: mine })
// @ts-expect-error for calls that give numbers
FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us"] })], classify: ofNumbers })
GuardedLanguageModel.layer({ key, classify: mine })
// @ts-expect-error for calls that fail otherwise
GuardedLanguageModel.layer({ key, classify: ofTimeouts })
GuardedEmbeddingModel.layer({ key, classify })
// @ts-expect-error for calls that give numbers
GuardedEmbeddingModel.layer({ key, classify: ofNumbers })
CircuitBreaker.layer({ classify: classifyBody })
// @ts-expect-error for calls that give numbers
CircuitBreaker.layer({ classify: ofNumbers })
expectTypeOf(LlmOutcome.classifyBody).toEqualTypeOf<CircuitPolicy.Classify>()
