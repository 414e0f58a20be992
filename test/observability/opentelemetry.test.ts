import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { assert, describe, it } from "@effect/vitest"
import type { Attributes } from "@opentelemetry/api"
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  type MetricData,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor
} from "@opentelemetry/sdk-trace-base"
import { Effect, Exit, Fiber, Layer, Metric, Stream } from "effect"
import { CircuitBreaker, CircuitMetrics, CircuitStore, MetricDefinition, Outcome, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"
import { classifyPart, provider } from "../support/streams.ts"

const key = "model"
const { definitions } = MetricDefinition

const Breaker = CircuitMetrics.layer.pipe(
  Layer.provideMerge(CircuitBreaker.layer({
    tripPolicy: TripPolicy.anyOf(
      TripPolicy.consecutive(2),
      TripPolicy.failureRate({ threshold: 0.75, window: 10, minimumCalls: 10 })
    ),
    openDuration: "10 seconds",
    gateJitter: 0
  })),
  Layer.provide(CircuitStore.layerMemory)
)

/** An exporter that still holds its spans when it was shut down. */
class KeepingSpanExporter extends InMemorySpanExporter {
  kept: ReadonlyArray<ReadableSpan> = []
  override shutdown() {
    this.kept = this.getFinishedSpans()
    return super.shutdown()
  }
}

/** A breaker on the SDK, which exports metrics when it is asked to and when it shuts down, from a registry of its own. */
const sdk = (options: { readonly sampler?: Sampler; readonly batch?: boolean } = {}) => {
  const spans = new KeepingSpanExporter()
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const metricReader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 })
  const Sdk = NodeSdk.layer(() => ({
    resource: { serviceName: "chat" },
    spanProcessor: options.batch ? new BatchSpanProcessor(spans) : new SimpleSpanProcessor(spans),
    metricReader,
    tracerConfig: options.sampler === undefined ? {} : { sampler: options.sampler }
  })).pipe(Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map())))
  const layer = Layer.provideMerge(Breaker, Sdk)
  return { spans, metrics, layer, flush: Effect.promise(() => metricReader.forceFlush()) }
}

const lastExport = (exporter: InMemoryMetricExporter) => exporter.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? []

const guarded = CircuitBreaker.execute({ key })
const up = Effect.succeed("hello").pipe(guarded)
const says = (outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))
const down = says(Outcome.failure("overloaded"))

/** Runs a call in a span of its own, while virtual time passes. */
const call = <A, E, R>(name: string, self: Effect.Effect<A, E, R>, millis = 0) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(Effect.withSpan(self, name)), { startImmediately: true })
    yield* TestClock.adjust(millis)
    return yield* Fiber.join(fiber)
  })

const lifeCycle = Effect.gen(function*() {
  yield* call("slow", Effect.delay(Effect.succeed("hello"), 1500).pipe(guarded), 1500)
  yield* call("failing", down)
  yield* call("tripping", down)
  yield* call("skipped", up)
  yield* TestClock.adjust("10 seconds")
  yield* call("probe failing", down)
  yield* TestClock.adjust("10 seconds")
  yield* call("probe succeeding", up)
  yield* call("throttling", says(Outcome.throttled("3 seconds")))
  yield* call("throttled", up)
  yield* TestClock.adjust("3 seconds")
  const parts = provider(500, ["text"], 1000, ["text", "finish"])
  yield* call("stream", Stream.runDrain(CircuitBreaker.stream(parts, { key, classifyPart })), 1500)
})

/** What the life cycle makes of every metric: labels beside the backend, and the value or how full the buckets are. */
const expected: Record<string, ReadonlyArray<readonly [labels: Attributes, value: unknown]>> = {
  stateTransitions: [
    [{ from_state: "closed", to_state: "open" }, 1],
    [{ from_state: "half_open", to_state: "closed" }, 1],
    [{ from_state: "half_open", to_state: "open" }, 1],
    [{ from_state: "open", to_state: "half_open" }, 2]
  ],
  requests: [
    [{ outcome: "failure" }, 3],
    [{ outcome: "ignored" }, 1],
    [{ outcome: "interrupted" }, 0],
    [{ outcome: "rejected_forced_open" }, 0],
    [{ outcome: "rejected_half_open" }, 0],
    [{ outcome: "rejected_open" }, 1],
    [{ outcome: "rejected_throttled" }, 1],
    [{ outcome: "success" }, 3]
  ],
  requestLatency: [[{}, { count: 7, sum: 3, filled: { 0.1: 5, 2: 2 } }]],
  currentState: [[{}, 0]],
  lastTransition: [[{}, 21.5]],
  failures: [[{ kind: "overloaded" }, 3]],
  consecutiveFailures: [[{}, 0]],
  failureThreshold: [[{}, 2]],
  failureRateThreshold: [[{}, 0.75]],
  outage: [[{}, { count: 1, sum: 20, filled: { 30: 1 } }]],
  probes: [[{ result: "failure" }, 1], [{ result: "success" }, 1]],
  throttles: [[{ kind: "rate_limited" }, 1]],
  firstContent: [[{}, { count: 1, sum: 0.5, filled: { 0.5: 1 } }]],
  streamGap: [[{}, { count: 1, sum: 1, filled: { 1: 1 } }]],
  unguardedCalls: [[{}, 0]]
}

/** The points of a metric in the order of their labels, a histogram's as how full each of its buckets is. */
const pointsOf = (metric: MetricData): ReadonlyArray<readonly [labels: Attributes, value: unknown]> =>
  metric.dataPoints.map(({ attributes: { backend, ...labels }, value }) => {
    assert.include([key, undefined], backend)
    if (typeof value === "number") return [labels, value] as const
    assert("buckets" in value)
    const { boundaries, counts } = value.buckets
    const filled = counts.flatMap((count, bucket) => count === 0 ? [] : [[boundaries[bucket], count]])
    return [labels, { count: value.count, sum: value.sum, filled: Object.fromEntries(filled) }] as const
  }).sort(([one], [other]) => JSON.stringify(one) < JSON.stringify(other) ? -1 : 1)

const types = { counter: DataPointType.SUM, gauge: DataPointType.GAUGE, histogram: DataPointType.HISTOGRAM }

const shown = (exporter: InMemorySpanExporter, name: string) => {
  const span = exporter.getFinishedSpans().find((span) => span.name === name)
  assert(span !== undefined, name)
  const events = span.events.map(({ attributes, name }): Record<string, unknown> => ({ name, ...attributes }))
  return { attributes: span.attributes, events }
}

describe("the OpenTelemetry SDK", () => {
  it.effect("gets every metric that a life cycle touches: name, type, description, labels, buckets, values", () => {
    const { flush, layer, metrics } = sdk()
    return Effect.gen(function*() {
      yield* lifeCycle
      yield* flush
      const exported = lastExport(metrics)
      assert.strictEqual(metrics.getMetrics()[0]?.resource.attributes["service.name"], "chat")
      assert.sameMembers(
        exported.map(({ descriptor }) => descriptor.name),
        Object.entries(definitions).flatMap(([id, { name }]) => id in expected ? [name] : [])
      )
      for (const [id, definition] of Object.entries(definitions)) {
        const metric = exported.find(({ descriptor }) => descriptor.name === definition.name)
        if (metric === undefined) continue
        assert.strictEqual(metric.descriptor.description, definition.description)
        assert.strictEqual(metric.dataPointType, types[definition.type], definition.name)
        if (metric.dataPointType === DataPointType.SUM) assert.isTrue(metric.isMonotonic, definition.name)
        if (metric.dataPointType === DataPointType.HISTOGRAM) {
          assert("buckets" in definition)
          for (const { value } of metric.dataPoints) {
            assert("buckets" in value)
            assert.deepStrictEqual(value.buckets.boundaries, [...definition.buckets])
          }
        }
        assert.deepStrictEqual(pointsOf(metric), expected[id], definition.name)
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("gets on each span how its call stood and what happened, in order", () => {
    const { layer, spans } = sdk()
    return Effect.gen(function*() {
      yield* lifeCycle
      const [closed, open, halfOpen] = ["closed", "open", "half_open"].map((state) => ({
        "circuit.key": key,
        "circuit.state": state,
        "circuit.admitted": true
      }))
      const failure = { "circuit.outcome": "failure", "error.type": "overloaded", "circuit.key": key }
      assert.deepStrictEqual(shown(spans, "slow"), { attributes: { ...closed }, events: [] })
      for (const name of ["failing", "tripping"]) {
        assert.deepStrictEqual(shown(spans, name), {
          attributes: { ...closed },
          events: [{ name: "circuit.failure", ...failure }]
        })
      }
      const skipped = shown(spans, "skipped")
      const [first, ...others] = skipped.events
      assert.deepStrictEqual(skipped.attributes, { ...open, "circuit.admitted": false })
      assert.isString(first?.["circuit.outage_id"])
      assert.deepStrictEqual(first, {
        name: "circuit.skipped",
        "circuit.key": key,
        "circuit.rejected_by": "open",
        "circuit.retry_after_ms": 10_000,
        "circuit.outage_id": first?.["circuit.outage_id"]
      })
      // The tracer's own, of what the call failed with.
      assert.deepStrictEqual(others.map(({ name }) => name), ["exception"])
      assert.deepStrictEqual(shown(spans, "probe failing"), {
        attributes: { ...halfOpen, "circuit.probe": true },
        events: [{ name: "circuit.probe", ...failure }]
      })
      assert.deepStrictEqual(shown(spans, "probe succeeding"), {
        attributes: { ...halfOpen, "circuit.probe": true },
        events: [{ name: "circuit.probe", "circuit.key": key, "circuit.outcome": "success" }]
      })
      const wait = { "circuit.key": key, "circuit.retry_after_ms": 3000 }
      assert.deepStrictEqual(shown(spans, "throttling").events, [
        { name: "circuit.throttled", ...wait, "error.type": "rate_limited" }
      ])
      assert.deepStrictEqual(shown(spans, "throttled").events[0], {
        name: "circuit.skipped",
        ...wait,
        "circuit.rejected_by": "throttled"
      })
      assert.deepStrictEqual(shown(spans, "stream"), {
        attributes: { ...closed, "gen_ai.response.time_to_first_chunk": 0.5 },
        events: []
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("gets an event for each attempt of a retried call, up to the rejection", () => {
    const { layer, spans } = sdk()
    return Effect.gen(function*() {
      yield* call("retried", Effect.fail("503").pipe(guarded, Effect.retry({ times: 2 })))
      const { attributes, events } = shown(spans, "retried")
      assert.deepStrictEqual(events.map(({ name }) => name), [
        "circuit.failure",
        "circuit.failure",
        "circuit.skipped",
        "exception"
      ])
      assert.isFalse(attributes["circuit.admitted"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("hears nothing of spans that it does not sample, and metrics go on", () => {
    const { flush, layer, metrics, spans } = sdk({ sampler: new AlwaysOffSampler() })
    return Effect.gen(function*() {
      const told = yield* Effect.andThen(Effect.exit(down), Effect.currentSpan).pipe(Effect.withSpan("unsampled"))
      assert.strictEqual(told.attributes.size, 0)
      yield* flush
      const failures = lastExport(metrics).find(({ descriptor }) => descriptor.name === definitions.failures.name)
      assert.deepStrictEqual(failures === undefined ? [] : pointsOf(failures), [[{ kind: "overloaded" }, 1]])
      assert.deepStrictEqual(spans.getFinishedSpans(), [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not touched by a stream that outlives its span", () => {
    const { layer, spans } = sdk()
    return Effect.gen(function*() {
      const parts = provider(1000, ["text"], 1000, ["finish"])
      const stream = yield* Effect.forkChild(
        Stream.runCollect(CircuitBreaker.stream(parts, { key, classifyPart })),
        { startImmediately: true }
      ).pipe(Effect.withSpan("short"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.await(stream), Exit.succeed(["text", "finish"]))
      const { attributes, events } = shown(spans, "short")
      assert.deepStrictEqual(Object.keys(attributes).sort(), ["circuit.admitted", "circuit.key", "circuit.state"])
      assert.deepStrictEqual(events, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("gets what happened last when everything shuts down", () => {
    const { layer, metrics, spans } = sdk({ batch: true })
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* Effect.exit(down)
        // What still runs is interrupted by the end of the scope, and counts.
        yield* Effect.forkScoped(Effect.never.pipe(guarded), { startImmediately: true })
      }).pipe(Effect.withSpan("last"), Effect.scoped, Effect.provide(layer))
      assert.lengthOf(metrics.getMetrics(), 1)
      const requests = lastExport(metrics).find(({ descriptor }) => descriptor.name === definitions.requests.name)
      assert(requests !== undefined)
      const counted = pointsOf(requests).filter(([, value]) => value === 1).map(([{ outcome }]) => outcome)
      assert.deepStrictEqual(counted, ["failure", "interrupted"])
      assert.deepStrictEqual(spans.kept.map(({ name }) => name), ["last"])
    })
  })
})
