// What the compiler promises of the router: `npm run check` is the test.
import { Config, Effect, type Layer, type Schema, type Stream } from "effect"
import {
  type CircuitBreaker,
  type CircuitError,
  type FailoverError,
  FailoverRoute,
  FailoverRouter,
  LlmRetry,
  LlmStream,
  StreamSignal
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
expectTypeOf(router.stream("chat", () => tell, { classifyPart: StreamSignal.opaque })).toEqualTypeOf<
  Stream.Stream<Answer, StreamErrors, Asker>
>()

// A name does not tell what the targets carry.
void FailoverRouter.execute("chat", (target, leg) => {
  expectTypeOf(target).toEqualTypeOf<FailoverRoute.Target<unknown>>()
  return Effect.andThen(leg.commit, ask)
}, { allow: { regions: ["eu"] }, stickyKey: "user", deadline: "10 seconds" })

// @ts-expect-error a stream whose parts nobody reads, without a word on that
void FailoverRouter.stream("chat", () => tell)
// @ts-expect-error a stream whose parts nobody reads, without a word on that
void FailoverRouter.stream("chat", () => tell, { rescue: 3 })
// @ts-expect-error a call that is no effect
void FailoverRouter.execute("chat", () => "hello")
// @ts-expect-error an option of streams
void FailoverRouter.execute("chat", () => ask, { rescue: 3 })
// @ts-expect-error a part that is none of this stream
void FailoverRouter.stream("chat", () => tell, { classifyPart: (part: number) => LlmStream.openAi(part) })
// @ts-expect-error a fence of one name only
void FailoverRouter.execute("chat", () => ask, { allow: { regions: "eu" } })

// A route does: calls, streams, probes and retries get what its targets were given.
declare const openAi: { readonly chat: Ask; readonly tell: Tell }
declare const anthropic: { readonly messages: Ask }

const bare = FailoverRoute.make("bare", { targets: ["us", { name: "eu", region: "eu" }] })
expectTypeOf(bare).toEqualTypeOf<FailoverRoute.FailoverRoute<undefined>>()
const alike = FailoverRoute.make("alike", {
  targets: [{ name: "us", payload: openAi }, { name: "eu", tier: 1, payload: openAi }],
  deadline: "30 seconds"
})
expectTypeOf(alike).toEqualTypeOf<FailoverRoute.FailoverRoute<typeof openAi>>()
const mixed = FailoverRoute.make("mixed", {
  targets: [{ name: "openai", payload: openAi }, { name: "anthropic", payload: anthropic }]
})
expectTypeOf(mixed).toEqualTypeOf<FailoverRoute.FailoverRoute<typeof openAi | typeof anthropic>>()
const partly = FailoverRoute.make("partly", { targets: [{ name: "us", payload: openAi }, "eu"] })
expectTypeOf(partly).toEqualTypeOf<FailoverRoute.FailoverRoute<typeof openAi | undefined>>()
const byFunction = FailoverRoute.make("by function", {
  targets: ["us", "eu"],
  payload: (target) => {
    expectTypeOf(target).toEqualTypeOf<FailoverRoute.Target<undefined>>()
    return target.name.length
  }
})
expectTypeOf(byFunction).toEqualTypeOf<FailoverRoute.FailoverRoute<number>>()
const given = ["us", "eu"].map((name) => ({ name, region: name, payload: openAi }))
expectTypeOf(FailoverRoute.make("given", { targets: given })).toEqualTypeOf<
  FailoverRoute.FailoverRoute<typeof openAi>
>()

// @ts-expect-error a field of a target that there is not
FailoverRoute.make("chat", { targets: [{ name: "us", regoin: "eu" }] })
// @ts-expect-error a setting of a route that there is not
FailoverRoute.make("chat", { targets: ["us"], dedline: "10 seconds" })
// @ts-expect-error without targets
FailoverRoute.make("chat", {})
// @ts-expect-error a function that gives another payload than a target has
FailoverRoute.make("chat", { targets: [{ name: "us", payload: openAi }], payload: () => anthropic })

expectTypeOf(FailoverRouter.execute(alike, (target) => target.payload.chat)).toEqualTypeOf<
  Effect.Effect<Answer, ProviderFailed | FailoverError.FailoverError, Asker | Router>
>()
expectTypeOf(router.execute(mixed, ({ payload }) => "chat" in payload ? payload.chat : payload.messages))
  .toEqualTypeOf<Effect.Effect<Answer, ProviderFailed | FailoverError.FailoverError, Asker>>()
expectTypeOf(FailoverRouter.stream(alike, (target) => target.payload.tell, { classifyPart: LlmStream.openAi }))
  .toEqualTypeOf<Stream.Stream<Answer, StreamErrors, Asker | Router>>()
// @ts-expect-error what only one of the targets carries
void FailoverRouter.execute(mixed, (target) => target.payload.chat)
// @ts-expect-error a call for other targets than those of the route
void FailoverRouter.execute(alike, (target: FailoverRoute.Target<typeof anthropic>) => target.payload.messages)
// @ts-expect-error a call that takes a name for more than it says
void FailoverRouter.execute("alike", (target: FailoverRoute.Target<typeof openAi>) => target.payload.chat)
// A call that asks nothing of the payload is one for every route.
void FailoverRouter.execute(alike, (_target: FailoverRoute.Target) => ask)

FailoverRouter.layer({
  routes: [alike, byFunction],
  healthProbe: (target) => {
    expectTypeOf(target).toEqualTypeOf<FailoverRoute.Target<typeof openAi | number>>()
    return Effect.succeed(true)
  },
  retry: (target) => {
    expectTypeOf(target.payload).toEqualTypeOf<typeof openAi | number>()
    return LlmRetry.policy()
  }
})

const configured = FailoverRoute.fromConfig("chat", (target) => ({ ...openAi, name: target.name }))
expectTypeOf(FailoverRouter.execute(configured, (target) => target.payload.chat)).toEqualTypeOf<
  Effect.Effect<Answer, ProviderFailed | FailoverError.FailoverError, Asker | Router>
>()
FailoverRouter.layerConfig({
  routes: [configured, FailoverRoute.fromConfig("draft", () => anthropic)],
  healthProbe: ({ payload }) => Effect.as("chat" in payload ? payload.chat : payload.messages, true)
})
FailoverRouter.layerConfig({}, Config.succeed([alike]))
// @ts-expect-error a route whose targets only configuration knows
FailoverRouter.layer({ routes: [configured] })
// @ts-expect-error a route that needs no configuration
FailoverRouter.layerConfig({ routes: [alike] })
expectTypeOf(FailoverRoute.decode({}, ({ name }) => name.length)).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<FailoverRoute.FailoverRoute<number>>, Schema.SchemaError>
>()
expectTypeOf(FailoverRoute.decode({})).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<FailoverRoute.FailoverRoute<undefined>>, Schema.SchemaError>
>()

expectTypeOf(FailoverRouter.activeTarget(alike)).toEqualTypeOf<
  Effect.Effect<FailoverRoute.Target<typeof openAi>, FailoverError.FailoverError, Router>
>()
expectTypeOf(FailoverRouter.activeTarget("chat")).toEqualTypeOf<
  Effect.Effect<FailoverRoute.Target<unknown>, FailoverError.FailoverError, Router>
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
const routes = [bare]
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
// @ts-expect-error routes without the values that calls name them by
FailoverRouter.layer({ routes: { chat: { targets: ["us"] } } })
// @ts-expect-error a probe that does not say whether
FailoverRouter.layer({ routes, healthProbe: () => Effect.void })
