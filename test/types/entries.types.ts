// What the compiler promises of the entries beside the core: `npm run check` is the test.
import { type Config, type Duration, type Effect, type Layer, Redacted } from "effect"
import type { CircuitBreaker, CircuitError, CircuitStore, FailoverRouter, RecordStore } from "effect-resilience"
import { GuardedEmbeddingModel, GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { CircuitConsole } from "effect-resilience/console"
import { EffectCircuitBreaker, GuardedHttpClient } from "effect-resilience/http"
import { RedisCircuitStore } from "effect-resilience/redis"
import { CircuitTest, type RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import type { AiError, EmbeddingModel, LanguageModel } from "effect/ai"
import type { HttpClient, HttpClientError, HttpRouter } from "effect/http"
import type { CircuitBreaker as EffectBreaker, Redis } from "effect/persistence"
import { expectTypeOf } from "expect-type"
import type { Asker, ProviderFailed } from "./calls.types.ts"

type Breaker = CircuitBreaker.CircuitBreaker
type Store = CircuitStore.CircuitStore
type Model = LanguageModel.LanguageModel

// A guarded model is a model: the same service goes in and comes out.
expectTypeOf(GuardedLanguageModel.layer({ key: "model" })).toEqualTypeOf<Layer.Layer<Model, never, Model | Breaker>>()
expectTypeOf(GuardedEmbeddingModel.layer({ key: "model" })).toEqualTypeOf<
  Layer.Layer<EmbeddingModel.EmbeddingModel, never, EmbeddingModel.EmbeddingModel | Breaker>
>()
expectTypeOf(GuardedLanguageModel.toAiError).returns.toEqualTypeOf<AiError.AiError>()
expectTypeOf(GuardedLanguageModel.circuitErrorOf).returns.toEqualTypeOf<
  CircuitError.CircuitBreakerError | undefined
>()
// @ts-expect-error without a key
GuardedLanguageModel.layer({ firstContentTimeout: "1 second" })

// A resilient one needs and fails with what its targets do, and has their model to probe with.
declare const us: Layer.Layer<Model, ProviderFailed>
declare const eu: Layer.Layer<Model, Config.ConfigError, Asker>
const targets = [{ name: "us", model: us }, { name: "eu", model: eu }] as const
expectTypeOf(ResilientLanguageModel.layer({ route: "chat", targets })).toEqualTypeOf<
  Layer.Layer<
    Model | FailoverRouter.FailoverRouter,
    ProviderFailed | Config.ConfigError,
    Asker | Breaker
  >
>()
declare const probe: Effect.Effect<boolean, never, Model | HttpClient.HttpClient>
expectTypeOf(
  ResilientLanguageModel.layer({ route: "chat", targets: [{ name: "us", model: us }], healthProbe: () => probe })
).toEqualTypeOf<
  Layer.Layer<Model | FailoverRouter.FailoverRouter, ProviderFailed, HttpClient.HttpClient | Breaker>
>()
// @ts-expect-error a target without a model
ResilientLanguageModel.layer({ route: "chat", targets: [{ name: "us" }] })
declare const generate: Effect.Effect<string, AiError.AiError, Model>
expectTypeOf(generate.pipe(ResilientLanguageModel.withCallOptions({ stickyKey: "user" }))).toEqualTypeOf<
  typeof generate
>()

// A client keeps its errors and needs; as a layer it stays an ordinary client.
declare const client: HttpClient.HttpClient
type GuardedClient = HttpClient.HttpClient.With<
  HttpClientError.HttpClientError | CircuitError.CircuitBreakerError,
  Breaker
>
expectTypeOf(GuardedHttpClient.withCircuitBreaker(client)).toEqualTypeOf<GuardedClient>()
expectTypeOf(client.pipe(GuardedHttpClient.withCircuitBreaker({ key: "model" }))).toEqualTypeOf<GuardedClient>()
expectTypeOf(GuardedHttpClient.layer()).toEqualTypeOf<
  Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | Breaker>
>()
expectTypeOf(CircuitConsole.layer({ path: "/ops", operators: { ann: Redacted.make("token") } })).toEqualTypeOf<
  Layer.Layer<never, never, HttpRouter.HttpRouter | Breaker>
>()
// @ts-expect-error a path that does not begin with /
CircuitConsole.layer({ path: "ops" })
// @ts-expect-error a token that logs could show
CircuitConsole.layer({ operators: { ann: "token" } })
expectTypeOf(EffectCircuitBreaker.layer).toEqualTypeOf<
  Layer.Layer<EffectBreaker.CircuitBreaker, never, Breaker>
>()

// A store on Redis takes the place of the one in memory; only who requires the connection can fail for want of it.
const url = "redis://cache:6379"
expectTypeOf(RedisCircuitStore.layer({ url })).toEqualTypeOf<Layer.Layer<Store>>()
expectTypeOf(RedisCircuitStore.layer({ url, requireConnection: true })).toEqualTypeOf<
  Layer.Layer<Store, RecordStore.StoreUnavailable>
>()
declare const requireConnection: boolean
expectTypeOf(RedisCircuitStore.layer({ url, requireConnection })).toEqualTypeOf<
  Layer.Layer<Store, RecordStore.StoreUnavailable>
>()
expectTypeOf(RedisCircuitStore.layerRedis()).toEqualTypeOf<Layer.Layer<Store, never, Redis.Redis>>()
expectTypeOf(RedisCircuitStore.layerConfig()).toEqualTypeOf<
  Layer.Layer<Store, Config.ConfigError | RecordStore.StoreUnavailable>
>()
// @ts-expect-error nothing to connect to
RedisCircuitStore.layer({ prefix: "app" })

// A test needs one layer.
expectTypeOf(CircuitTest.layer()).toEqualTypeOf<Layer.Layer<Breaker | RecordedEvents.RecordedEvents>>()
expectTypeOf(CircuitTest.adjustToProbe("model")).toEqualTypeOf<Effect.Effect<Duration.Duration, never, Breaker>>()
const scripted = ScriptedCall.make([ScriptedCall.fails("503"), ScriptedCall.succeeds(1)])
expectTypeOf(scripted.call).toEqualTypeOf<Effect.Effect<number, string>>()
