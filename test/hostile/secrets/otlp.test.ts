// What leaves the process by Effect's own exporter: the bodies of its requests, as a collector gets them.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, References, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitLogger,
  CircuitMetrics,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmStream,
  TripPolicy
} from "effect-resilience"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"
import { createServer } from "node:http"
import { answer, canary, errors, leaksIn, prompt } from "./canaries.ts"
import { assertSilent, inSpan } from "./sinks.ts"

const key = "provider-exported"

/** Keeps what it gets, by path. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly bodies: Record<string, string>; readonly close: () => void }>(
    (resume) => {
      const bodies: Record<string, string> = {}
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => body += text).on("end", () => {
          bodies[request.url!] = (bodies[request.url!] ?? "") + body
          response.end("{}")
        })
      }).listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, bodies, close: () => server.close() }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

/** Runs calls whose words all go to a collector, and gives what came there. */
const exported = <A, E>(
  calls: Effect.Effect<A, E, CircuitBreaker.CircuitBreaker | FailoverRouter.FailoverRouter>
) =>
  Effect.gen(function*() {
    const { bodies, url: baseUrl } = yield* collector
    const router = FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: [key] })] })
    yield* Effect.provide(
      calls,
      Layer.mergeAll(router, CircuitMetrics.layer, CircuitLogger.layer).pipe(
        Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(3), openDuration: 20 })),
        Layer.provide(CircuitStore.layerMemory),
        Layer.provideMerge(Otlp.layerJson({
          baseUrl,
          resource: { serviceName: "chat" },
          loggerMergeWithExisting: false,
          shutdownTimeout: "5 seconds"
        })),
        Layer.provide(FetchHttpClient.layer),
        Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map())),
        Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "All"))
      )
    )
    return bodies
  })

describe("Effect's OTLP exporter", () => {
  it.live("takes along nothing of calls", () =>
    Effect.gen(function*() {
      const bodies = yield* exported(Effect.gen(function*() {
        for (const error of Object.values(errors)) {
          for (const end of [Effect.fail(error), Effect.die(error), Effect.succeed({ prompt, answer })]) {
            yield* inSpan(end.pipe(CircuitBreaker.execute({ key, classify: LlmOutcome.classify })))
          }
          const stream = Stream.concat(Stream.make<Array<unknown>>(answer), Stream.fail(error))
          yield* inSpan(Stream.runDrain(stream.pipe(CircuitBreaker.stream({ key, classifyPart: LlmStream.openAi }))))
          yield* inSpan(FailoverRouter.execute("chat", () => Effect.fail(error)))
        }
      }))
      assert.sameMembers(Object.keys(bodies), ["/v1/logs", "/v1/metrics", "/v1/traces"])
      assertSilent(bodies, key)
    }))

  it.live("takes along the words of operators, which the same look finds", () =>
    Effect.gen(function*() {
      const bodies = yield* exported(CircuitBreaker.forceOpen(key, { reason: canary("note") }))
      assert.include(leaksIn(bodies["/v1/logs"] ?? ""), canary("note"))
    }))
})
