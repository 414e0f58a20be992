// What the compiler promises of the breaker: `npm run check` is the test.
import type { Config, Effect, Exit, Layer, Scope, Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitError,
  type CircuitEvent,
  type CircuitState,
  CircuitStore,
  LlmStream,
  Outcome,
  StreamSignal
} from "effect-resilience"
import { expectTypeOf } from "expect-type"
import type { Answer, Ask, Asker, ProviderFailed, Tell } from "./calls.types.ts"

type Breaker = CircuitBreaker.CircuitBreaker
type BreakerError = CircuitError.CircuitBreakerError

declare const ask: Ask
declare const tell: Tell
declare const breaker: Breaker["Service"]

/** The call keeps what it gives, fails with and needs; the breaker adds its error, and itself. */
type Guarded = Effect.Effect<Answer, ProviderFailed | BreakerError, Asker | Breaker>
type GuardedStream = Stream.Stream<Answer, ProviderFailed | BreakerError, Asker | Breaker>

expectTypeOf(CircuitBreaker.execute(ask, { key: "model" })).toEqualTypeOf<Guarded>()
expectTypeOf(ask.pipe(CircuitBreaker.execute({ key: "model" }))).toEqualTypeOf<Guarded>()

// A service at hand is not needed again.
type GuardedHere = Effect.Effect<Answer, ProviderFailed | BreakerError, Asker>
expectTypeOf(breaker.execute(ask, { key: "model" })).toEqualTypeOf<GuardedHere>()
expectTypeOf(ask.pipe(breaker.execute({ key: "model" }))).toEqualTypeOf<GuardedHere>()

// A classifier of the call sees what the call gives and fails with.
expectTypeOf(
  CircuitBreaker.execute(ask, {
    key: "model",
    classify: (exit) => {
      expectTypeOf(exit).toEqualTypeOf<Exit.Exit<Answer, ProviderFailed>>()
      return Outcome.success
    }
  })
).toEqualTypeOf<Guarded>()

declare const judgeAnswers: (exit: Exit.Exit<Answer, ProviderFailed>) => Outcome.Outcome
declare const judgeNumbers: (exit: Exit.Exit<number, ProviderFailed>) => Outcome.Outcome
expectTypeOf(ask.pipe(CircuitBreaker.execute({ key: "model", classify: judgeAnswers }))).toEqualTypeOf<Guarded>()
// @ts-expect-error a classifier for other calls
void ask.pipe(CircuitBreaker.execute({ key: "model", classify: judgeNumbers }))
// @ts-expect-error a classifier that says nothing
void CircuitBreaker.execute(ask, { key: "model", classify: () => undefined })
// @ts-expect-error without a key
void CircuitBreaker.execute(ask, {})
// @ts-expect-error a key that is no text
void CircuitBreaker.execute(ask, { key: 1 })
// @ts-expect-error an option of streams
void CircuitBreaker.execute(ask, { key: "model", idleTimeout: "1 second" })

expectTypeOf(CircuitBreaker.stream(tell, { key: "model", idleTimeout: "1 second", classifyPart: StreamSignal.opaque }))
  .toEqualTypeOf<GuardedStream>()
expectTypeOf(tell.pipe(CircuitBreaker.stream({ key: "model", classifyPart: StreamSignal.opaque }))).toEqualTypeOf<
  GuardedStream
>()
// @ts-expect-error a stream whose parts nobody reads, without a word on that
void CircuitBreaker.stream(tell, { key: "model" })
// @ts-expect-error a stream whose parts nobody reads, without a word on that
void tell.pipe(CircuitBreaker.stream({ key: "model" }))
expectTypeOf(tell.pipe(CircuitBreaker.stream({ key: "model", classifyPart: LlmStream.openAi })))
  .toEqualTypeOf<GuardedStream>()
expectTypeOf(breaker.stream(tell, { key: "model", classifyPart: StreamSignal.opaque })).toEqualTypeOf<
  Stream.Stream<Answer, ProviderFailed | BreakerError, Asker>
>()
// @ts-expect-error a part that is none of this stream
void CircuitBreaker.stream(tell, { key: "model", classifyPart: (part: number) => LlmStream.openAi(part) })
// @ts-expect-error a moment that is none
void CircuitBreaker.stream(tell, { key: "model", classifyPart: StreamSignal.opaque, settleProbeAt: "start" })

expectTypeOf(CircuitBreaker.acquire("model")).toEqualTypeOf<
  Effect.Effect<CircuitBreaker.Permit, BreakerError, Scope.Scope | Breaker>
>()

// Nothing that looks or steers can fail.
expectTypeOf(CircuitBreaker.state("model")).toEqualTypeOf<
  Effect.Effect<CircuitState.CircuitState, never, Breaker>
>()
expectTypeOf(CircuitBreaker.states).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<CircuitState.CircuitState>, never, Breaker>
>()
expectTypeOf(CircuitBreaker.events).toEqualTypeOf<Stream.Stream<CircuitEvent.CircuitEvent, never, Breaker>>()
type Steered = Effect.Effect<void, never, Breaker>
expectTypeOf(CircuitBreaker.forceOpen("model", { for: "1 minute", reason: "incident" })).toEqualTypeOf<Steered>()
expectTypeOf(CircuitBreaker.reset("model", { actor: "ops" })).toEqualTypeOf<Steered>()
expectTypeOf(CircuitBreaker.disable("model")).toEqualTypeOf<Steered>()
expectTypeOf(CircuitBreaker.enable("model")).toEqualTypeOf<Steered>()
// @ts-expect-error how long is not what a reset asks for
void CircuitBreaker.reset("model", { for: "1 minute" })

// A store is what a breaker needs, whichever it is.
type NeedsStore = Layer.Layer<Breaker, never, CircuitStore.CircuitStore>
expectTypeOf(CircuitBreaker.layer()).toEqualTypeOf<NeedsStore>()
expectTypeOf(CircuitBreaker.layer((key) => ({ probes: key.length }))).toEqualTypeOf<NeedsStore>()
expectTypeOf(CircuitBreaker.layerConfig()).toEqualTypeOf<
  Layer.Layer<Breaker, Config.ConfigError, CircuitStore.CircuitStore>
>()
expectTypeOf(CircuitBreaker.layerNoop).toEqualTypeOf<Layer.Layer<Breaker>>()
expectTypeOf(CircuitStore.layerMemory).toEqualTypeOf<Layer.Layer<CircuitStore.CircuitStore>>()
expectTypeOf(CircuitStore.layerMemoryWith({ maxCircuits: 10 })).toEqualTypeOf<
  Layer.Layer<CircuitStore.CircuitStore>
>()
// @ts-expect-error an option that is none
CircuitBreaker.layer({ openFor: "1 minute" })
