import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Layer, Logger, Metric, type Scope } from "effect"
import {
  CircuitBreaker,
  CircuitLogger,
  CircuitMetrics,
  CircuitStore,
  MetricDefinition,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { FetchHttpClient } from "effect/http"
import {
  Otlp,
  OtlpExporter,
  type OtlpLogger,
  type OtlpMetrics,
  type OtlpResource,
  type OtlpTracer
} from "effect/observability"
import { createServer, type RequestListener, type ServerResponse } from "node:http"

const key = "model"
const { definitions } = MetricDefinition

/** A server on the loopback interface. */
const serve = (listener: RequestListener): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer(listener)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      assert(typeof address === "object" && address !== null)
      return `http://127.0.0.1:${address.port}`
    })
  )

/** A collector that keeps what it gets, by path. */
const collector = Effect.gen(function*() {
  const received: Array<
    { readonly path: string | undefined; readonly type: string | undefined; readonly body: unknown }
  > = []
  const url = yield* serve((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const { headers, url } = request
      received.push({ path: url, type: headers["content-type"], body: JSON.parse(Buffer.concat(chunks).toString()) })
      response.end("{}")
    })
  })
  return { url, received }
})

/** A breaker that measures, traces and logs to a collector, from a registry of its own. */
const telemetry = (baseUrl: string, exportInterval: number, shutdownTimeout: Duration.Input = "200 millis") =>
  Layer.mergeAll(CircuitMetrics.layer, CircuitLogger.layer).pipe(
    Layer.provideMerge(
      CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2), openDuration: "1 minute", gateJitter: 0 })
    ),
    Layer.provide(CircuitStore.layerMemory),
    Layer.provideMerge(Otlp.layerJson({
      baseUrl,
      resource: { serviceName: "chat", attributes: { "deployment.environment.name": "test" } },
      loggerExportInterval: exportInterval,
      metricsExportInterval: exportInterval,
      tracerExportInterval: exportInterval,
      loggerMergeWithExisting: false,
      shutdownTimeout
    })),
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
  )

const up = Effect.succeed("hello").pipe(CircuitBreaker.execute({ key }))
const down = Effect.succeed("answer").pipe(
  CircuitBreaker.execute({ key, classify: () => Outcome.failure("overloaded") })
)

/** Attributes as an object. */
const plain = (attributes: ReadonlyArray<OtlpResource.KeyValue> = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

interface Receiver {
  readonly url: string
  /** How many requests came, undefined if none can come. */
  readonly asked: (() => number) | undefined
}

/** A collector that does not do its work. */
const failing = (answer: (response: ServerResponse) => void): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.suspend(() => {
    let requests = 0
    const server = serve((_, response) => {
      requests++
      answer(response)
    })
    return Effect.map(server, (url) => ({ url, asked: () => requests }))
  })

describe("the OTLP exporter of Effect", () => {
  it.live("sends metrics, spans and logs as OTLP in JSON, with the resource", () =>
    Effect.gen(function*() {
      const { received, url } = yield* collector
      yield* Effect.gen(function*() {
        yield* Effect.withSpan(down, "first")
        yield* Effect.exit(Effect.withSpan(down, "second"))
        yield* Effect.exit(Effect.withSpan(up, "third"))
        const flusher = yield* OtlpExporter.Flusher
        yield* flusher.flush
      }).pipe(Effect.provide(telemetry(url, 3_600_000, "30 seconds")))

      assert.isTrue(received.every(({ type }) => type === "application/json"))
      const sent = (path: string) => received.filter((one) => one.path === path).map(({ body }) => body)

      const [metrics] = (sent("/v1/metrics") as Array<OtlpMetrics.MetricsData>).flatMap((data) => data.resourceMetrics)
      assert.include(plain(metrics?.resource.attributes), {
        "service.name": "chat",
        "deployment.environment.name": "test"
      })
      const metric = (name: string) => metrics?.scopeMetrics[0]?.metrics.find((metric) => metric.name === name)
      const requests = metric(definitions.requests.name)?.sum
      assert.isTrue(requests?.isMonotonic)
      assert.deepStrictEqual(
        Object.fromEntries(
          requests?.dataPoints.flatMap(({ asDouble, attributes }) =>
            asDouble === 0 ? [] : [[Object.values(plain(attributes)).sort().join(" "), asDouble]]
          ) ?? []
        ),
        { "failure model": 2, "model rejected_open": 1 }
      )
      assert.deepStrictEqual(
        metric(definitions.currentState.name)?.gauge?.dataPoints.map(({ asDouble }) => asDouble),
        [2]
      )
      const [latency] = metric(definitions.requestLatency.name)?.histogram?.dataPoints ?? []
      assert.strictEqual(latency?.count, 2)
      assert.deepStrictEqual(latency?.explicitBounds, [...definitions.requestLatency.buckets])

      const [traces] = (sent("/v1/traces") as Array<OtlpTracer.TraceData>).flatMap((data) => data.resourceSpans)
      assert.include(plain(traces?.resource.attributes), { "service.name": "chat" })
      const spans = traces?.scopeSpans.flatMap(({ spans }) => spans) ?? []
      assert.deepStrictEqual(
        spans.map((
          { events, name }
        ) => [name, events.map((event) => event.name).filter((name) => name !== "exception")]),
        [["first", ["circuit.failure"]], ["second", ["circuit.failure"]], ["third", ["circuit.skipped"]]]
      )
      assert.include(plain(spans[2]?.attributes), {
        "circuit.key": key,
        "circuit.state": "open",
        "circuit.admitted": false
      })
      assert.include(plain(spans[1]?.events[0]?.attributes), { "error.type": "overloaded" })
      const skipped = plain(spans[2]?.events[0]?.attributes)
      assert.include(skipped, { "circuit.rejected_by": "open" })

      const [logs] = (sent("/v1/logs") as Array<OtlpLogger.LogsData>).flatMap((data) => data.resourceLogs)
      assert.include(plain(logs?.resource?.attributes), { "service.name": "chat" })
      const records = logs?.scopeLogs.flatMap(({ logRecords }) => logRecords ?? []) ?? []
      // The log line of an event stands in the trace of the call in which it happened.
      const traceOf = (name: string) => spans.find((span) => span.name === name)?.traceId
      assert.deepStrictEqual(
        records.map(({ body, severityText, traceId }) => [body?.stringValue, severityText, traceId]),
        [
          ["circuit.failure", "Warn", traceOf("first")],
          ["circuit.opened", "Warn", traceOf("second")],
          ["circuit.skipped", "Warn", traceOf("third")]
        ]
      )
      assert.include(plain(records[0]?.attributes), { key, kind: "overloaded", consecutive_failures: 1 })
      assert.strictEqual(plain(records[2]?.attributes)["outage_id"], skipped["circuit.outage_id"])
    }))

  it.live("sends the last of it when everything shuts down", () =>
    Effect.gen(function*() {
      const { received, url } = yield* collector
      yield* Effect.withSpan(down, "last").pipe(Effect.provide(telemetry(url, 3_600_000, "30 seconds")))
      assert.sameMembers(received.map(({ path }) => path), ["/v1/metrics", "/v1/traces", "/v1/logs"])
      const all = JSON.stringify(received)
      for (const one of ["\"last\"", "circuit.failure", "cb_failures_total"]) assert.include(all, one)
    }))

  const receivers: ReadonlyArray<readonly [string, Effect.Effect<Receiver, never, Scope.Scope>]> = [
    ["answers 503", failing((response) => response.writeHead(503).end())],
    ["answers nonsense", failing((response) => response.end("<html>"))],
    ["hangs up", failing((response) => response.destroy())],
    ["never answers", failing(() => {})],
    // A port that was free a moment ago.
    ["is not there", Effect.map(Effect.scoped(serve(() => {})), (url) => ({ url, asked: undefined }))]
  ]

  for (const [name, receiver] of receivers) {
    it.live(`neither delays nor changes a call when the collector ${name}`, () =>
      Effect.gen(function*() {
        const { asked, url } = yield* receiver
        yield* Effect.gen(function*() {
          const context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
          // Synchronous, so whatever waited for the collector would be a defect.
          const now = <A, E>(call: Effect.Effect<A, E, CircuitBreaker.CircuitBreaker>) =>
            Effect.runSyncExitWith(context)(Effect.withSpan(call, "call"))
          for (let round = 0; round < 20; round++) {
            for (let call = 0; call < 50; call++) assert.deepStrictEqual(now(up), Exit.succeed("hello"))
            yield* Effect.sleep(5)
          }
          if (asked !== undefined) assert.isAbove(asked(), 0)
          assert.deepStrictEqual([now(down), now(down)], [Exit.succeed("answer"), Exit.succeed("answer")])
          assert.isTrue(Exit.isFailure(now(up)))
          assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Open")
        }).pipe(Effect.provide(telemetry(url, 10)))
      }).pipe(Effect.provide(Logger.layer([]))))
  }
})
