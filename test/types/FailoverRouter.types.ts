// What the compiler promises of the router: `npm run check` is the test.
import { type Config, Effect, type Layer, type Stream } from "effect"
import {
  type CircuitBreaker,
  type CircuitError,
  type FailoverError,
  type FailoverRoute,
  FailoverRouter,
  LlmRetry,
  LlmStream
} from "effect-resilience"
import { expectTypeOf } from "expect-type"
import { type Answer, type Ask, Asker, type ProviderFailed, type Tell } from "./calls.types.ts"

type Router = FailoverRouter.FailoverRouter

declare const ask: Ask
declare const tell: Tell
declare const router: Router["Service"]

// The circuits are the router's own business: a call fails with the router's error, or with its own.
expectTypeOf(FailoverRouter.execute("chat", () => ask)).toEqualTypeOf<
  Effect.Effect<Answer, ProviderFailed | FailoverError.FailoverError, Asker | Router>
>()
expectTypeOf(router.execute("chat", () => ask)).toEqualTypeOf<
  Effect.Effect<Answer, ProviderFailed | FailoverError.FailoverError, Asker>
>()

// A stream can also be cut after its first content, by the breaker.
type StreamErrors = ProviderFailed | FailoverError.FailoverError | CircuitError.CircuitBreakerError
expectTypeOf(FailoverRouter.stream("chat", () => tell, { classifyPart: LlmStream.openAi, rescue: 3 })).toEqualTypeOf<
  Stream.Stream<Answer, StreamErrors, Asker | Router>
>()
expectTypeOf(router.stream("chat", () => tell)).toEqualTypeOf<Stream.Stream<Answer, StreamErrors, Asker>>()

void FailoverRouter.execute("chat", (target, leg) => {
  expectTypeOf(target).toEqualTypeOf<FailoverRoute.Target>()
  return Effect.andThen(leg.commit, ask)
}, { allow: { regions: ["eu"] }, stickyKey: "user", deadline: "10 seconds" })

// @ts-expect-error a call that is no effect
void FailoverRouter.execute("chat", () => "hello")
// @ts-expect-error an option of streams
void FailoverRouter.execute("chat", () => ask, { rescue: 3 })
// @ts-expect-error a part that is none of this stream
void FailoverRouter.stream("chat", () => tell, { classifyPart: (part: number) => LlmStream.openAi(part) })
// @ts-expect-error a fence of one name only
void FailoverRouter.execute("chat", () => ask, { allow: { regions: "eu" } })

expectTypeOf(FailoverRouter.activeTarget("chat")).toEqualTypeOf<
  Effect.Effect<FailoverRoute.Target, FailoverError.FailoverError, Router>
>()
expectTypeOf(FailoverRouter.isFailedOver("chat")).toEqualTypeOf<
  Effect.Effect<boolean, FailoverError.FailoverError, Router>
>()
expectTypeOf(FailoverRouter.snapshot).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<FailoverRouter.RouteState>, never, Router>
>()
expectTypeOf(FailoverRouter.reset("chat")).toEqualTypeOf<
  Effect.Effect<void, FailoverError.FailoverError, Router>
>()

// The breaker, and what a probe needs, are the layer's to be given.
const routes = { chat: { targets: ["us", { name: "eu", region: "eu" }] } }
expectTypeOf(FailoverRouter.layer({ routes })).toEqualTypeOf<
  Layer.Layer<Router, never, CircuitBreaker.CircuitBreaker>
>()
expectTypeOf(FailoverRouter.layer({ routes, healthProbe: () => Effect.as(Asker, true) })).toEqualTypeOf<
  Layer.Layer<Router, never, CircuitBreaker.CircuitBreaker | Asker>
>()
expectTypeOf(FailoverRouter.layerConfig({ retry: () => LlmRetry.policy() })).toEqualTypeOf<
  Layer.Layer<Router, Config.ConfigError, CircuitBreaker.CircuitBreaker>
>()
// @ts-expect-error without routes
FailoverRouter.layer({})
// @ts-expect-error a route without targets
FailoverRouter.layer({ routes: { chat: {} } })
// @ts-expect-error a probe that does not say whether
FailoverRouter.layer({ routes, healthProbe: () => Effect.void })
