// A guarded call in OpenTelemetry: the span of each question says how the circuit stood and what happened, and metrics
// tell the same in numbers. Run it: node examples/opentelemetry.ts (it exports to memory, and needs no collector)
//
// For a collector, put OTLPTraceExporter and OTLPMetricExporter of @opentelemetry/exporter-trace-otlp-http and
// @opentelemetry/exporter-metrics-otlp-http in the place of those in memory: they send to OTEL_EXPORTER_OTLP_ENDPOINT.
// Effect does the same without the SDK: Otlp.layerJson({ baseUrl: "http://localhost:4318" }) of effect/observability.
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { NodeRuntime } from "@effect/platform-node"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Console, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitMetrics, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
import { ScriptedCall } from "effect-resilience/testing"

const spans = new InMemorySpanExporter()
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const metricReader = new PeriodicExportingMetricReader({ exporter: metrics })

const Telemetry = NodeSdk.layer(() => ({
  resource: { serviceName: "chat" },
  // In production a BatchSpanProcessor.
  spanProcessor: new SimpleSpanProcessor(spans),
  metricReader
}))

const Breaker = CircuitMetrics.layer.pipe(
  Layer.provideMerge(CircuitBreaker.layer({
    classify: LlmOutcome.classify,
    tripPolicy: TripPolicy.consecutive(2),
    openDuration: "1 second"
  })),
  Layer.provide(CircuitStore.layerMemory)
)

// Stands for a model: overloaded twice, then well again.
const provider = ScriptedCall.make([
  ...ScriptedCall.times(2, ScriptedCall.fails({ status: 529 })),
  ScriptedCall.succeeds("hello")
])

const ask = provider.call.pipe(
  CircuitBreaker.execute({ key: "anthropic/claude" }),
  Effect.withSpan("chat claude", { kind: "client", attributes: { "gen_ai.operation.name": "chat" } }),
  Effect.exit
)

const spanLines = () =>
  spans.getFinishedSpans().map(({ attributes, events, name }) => {
    const happened = events.filter((event) => event.name.startsWith("circuit.")).map((event) => event.name)
    return [name, attributes["circuit.state"], ...happened].join(" | ")
  })

const metricLines = () =>
  (metrics.getMetrics().at(-1)?.scopeMetrics ?? [])
    .flatMap((scope) => scope.metrics)
    .flatMap(({ dataPoints, descriptor: { name } }) =>
      dataPoints.flatMap(({ attributes, value }) => {
        const shown = name === "cb_requests_total" && attributes["backend"] === "anthropic/claude" && value !== 0
        return shown ? [`${name} ${String(attributes["outcome"])} ${String(value)}`] : []
      })
    )

export const program = Effect.gen(function*() {
  yield* Effect.replicateEffect(ask, 3)
  yield* Effect.sleep("1100 millis")
  yield* ask
  // At the end of the program the layer does this by itself.
  yield* Effect.promise(() => metricReader.forceFlush())
  const lines = [...spanLines(), ...metricLines()]
  yield* Console.log(lines.join("\n"))
  return lines
}).pipe(Effect.provide(Layer.provideMerge(Breaker, Telemetry)))

if (import.meta.main) NodeRuntime.runMain(program)
