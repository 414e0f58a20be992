/** One instance of the example application: a breaker and a router on the shared store, and its metrics at `/metrics`. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Metric, type Scope, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitMetrics,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmStream,
  TripPolicy
} from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse, HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"

export const gpt = "openai/gpt-5"
export const claude = "anthropic/claude-opus"
export const mistral = "mistral/large"
export const gemini = "google/gemini-pro"
export const command = "cohere/command"

/** What can be made to throw. */
export interface Faults {
  observer: boolean
  classifier: boolean
}

type Services = CircuitBreaker.CircuitBreaker | FailoverRouter.FailoverRouter | HttpClient.HttpClient

export interface Instance {
  readonly name: string
  /** Host and port of `/metrics`. */
  readonly address: string
  readonly faults: Faults
  /** Calls of two tenants in a store that has room for one. */
  readonly crowd: Effect.Effect<void>
  readonly run: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Services>>
}

/** Short times, so that an incident fits into a minute. */
const policies = (faults: Faults): (key: string) => CircuitPolicy.CircuitPolicy => {
  const common: CircuitPolicy.CircuitPolicy = {
    attemptTimeout: "1 second",
    openDuration: "2 seconds",
    classify: (exit) => {
      if (faults.classifier) throw new TypeError("no such field")
      return LlmOutcome.classify(exit)
    }
  }
  const streak = { ...common, tripPolicy: TripPolicy.consecutive(5) }
  const rate: CircuitPolicy.CircuitPolicy = {
    ...common,
    tripPolicy: TripPolicy.failureRate({ threshold: 0.5, window: 40 }),
    openDuration: "300 millis"
  }
  return (key) => key === mistral ? rate : streak
}

export const make = (name: string, redisUrl: string): Effect.Effect<Instance, never, Scope.Scope> =>
  Effect.gen(function*() {
    const faults: Faults = { observer: false, classifier: false }
    const registry = Layer.succeed(Metric.MetricRegistry, new Map())
    const audit = CircuitObserver.layer({
      name: "audit",
      onEvent: () => {
        if (faults.observer) throw new Error("the disk is full")
      }
    })
    const router = FailoverRouter.layer({
      routes: [
        FailoverRoute.make("chat", {
          targets: [{ name: gpt, key: gpt }, { name: claude, key: claude }],
          minFailoverDuration: "2 seconds"
        })
      ]
    })
    const breaker = Layer.mergeAll(router, CircuitMetrics.layer, audit).pipe(
      Layer.provideMerge(CircuitBreaker.layer(policies(faults))),
      Layer.provide(RedisCircuitStore.layer({ url: redisUrl, operationTimeout: "200 millis" })),
      Layer.provideMerge(FetchHttpClient.layer)
    )
    const tenants = CircuitMetrics.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "300 millis" })),
      Layer.provide(CircuitStore.layerMemoryWith({ maxCircuits: 1 })),
      Layer.provide(registry)
    )
    const server = HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true })
      .pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
      )
    // A new one, or both instances would get one and the same.
    const context = yield* Layer.build(Layer.fresh(Layer.mergeAll(breaker, server).pipe(Layer.provide(registry)))).pipe(
      Effect.orDie
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    if (!("port" in address)) return yield* Effect.die(new Error("the server has no port"))
    const services: Context.Context<Services> = context
    return {
      name,
      address: `127.0.0.1:${address.port}`,
      faults,
      crowd: Effect.provide(crowd, tenants),
      run: Effect.provideContext(services)
    }
  })

const crowd = Effect.gen(function*() {
  yield* Effect.ignore(CircuitBreaker.execute(Effect.fail("503"), { key: "tenant/a" }))
  yield* CircuitBreaker.execute(Effect.void, { key: "tenant/b" })
  yield* Effect.sleep("400 millis")
  yield* CircuitBreaker.execute(Effect.void, { key: "tenant/a" })
}).pipe(Effect.orDie)

const request = (url: string, model: string) =>
  HttpClientRequest.post(`${url}/${model}`).pipe(
    HttpClientRequest.bodyJsonUnsafe({ messages: [] }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap((response) => response.json)
  )

/** Asks a model for a whole answer. */
export const ask = (url: string, model: string) => CircuitBreaker.execute(request(url, model), { key: model })

/** Asks whichever model serves. */
export const askAny = (url: string) => FailoverRouter.execute("chat", ({ name }) => request(url, name))

/** Asks a model for a stream, and reads it. */
export const read = (url: string, model: string) =>
  HttpClientRequest.post(`${url}/${model}`).pipe(
    HttpClientRequest.bodyJsonUnsafe({ messages: [], stream: true }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.map(({ stream }) => stream),
    Stream.unwrap,
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("data: ")),
    Stream.map((line) => line.slice("data: ".length)),
    CircuitBreaker.stream({
      key: model,
      classify: LlmOutcome.classify,
      classifyPart: LlmStream.openAi,
      firstContentTimeout: "1 second",
      idleTimeout: "1 second"
    }),
    Stream.runDrain
  )
