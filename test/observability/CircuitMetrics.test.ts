import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Latch, Layer, Metric, Stream } from "effect"
import {
  Circuit,
  CircuitBreaker,
  type CircuitEvent,
  CircuitMetrics,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  LlmRetry,
  MetricDefinition,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { TestClock } from "effect/testing"
import { makeRegistry, metricsObserver } from "../support/metrics.ts"
import { numberedOutages } from "../support/numberedOutages.ts"

const policy: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.consecutive(2),
  openDuration: "10 seconds",
  gateJitter: 0
}

/** A breaker whose metrics go to a registry of its own. */
const measured = (options: {
  readonly policy?: CircuitPolicy.CircuitPolicy
  readonly metrics?: CircuitMetrics.Options
  readonly store?: CircuitStore.MemoryOptions
  readonly observers?: ReadonlyArray<CircuitObserver.CircuitObserver>
} = {}) => {
  const metrics = makeRegistry()
  const layer = Layer.mergeAll(
    CircuitMetrics.layerWith(options.metrics ?? {}),
    ...(options.observers ?? []).map((observer) => CircuitObserver.layer(observer))
  ).pipe(
    Layer.provideMerge(CircuitBreaker.layer(options.policy ?? policy)),
    Layer.provide(CircuitStore.layerMemoryWith(options.store ?? {})),
    Layer.provide(Layer.succeed(Metric.MetricRegistry, metrics.registry))
  )
  return { ...metrics, layer }
}

const up = (key: string) => Effect.exit(Effect.succeed("hello").pipe(CircuitBreaker.execute({ key })))
const down = (key: string) => Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
const says = (key: string, outcome: Outcome.Outcome) =>
  Effect.exit(Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome })))
const lasting = (key: string, duration: Duration.Input) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.sleep(duration).pipe(CircuitBreaker.execute({ key })))
    yield* TestClock.adjust(duration)
    yield* Fiber.join(fiber)
  })
const trip = (key: string) => Effect.andThen(down(key), down(key))

const requests = (outcome: CircuitObserver.CallResult, backend = "a") =>
  ["cb_requests_total", { backend, outcome }] as const
const transition = (from_state: string, to_state: string, backend = "a") =>
  ["cb_state_transitions_total", { backend, from_state, to_state }] as const
const a = { backend: "a" }

describe("CircuitMetrics", () => {
  it.effect("I48: every transition counts once and sets the gauge; backends are apart", () => {
    const { layer, value } = measured()
    return Effect.gen(function*() {
      yield* up("idle")
      yield* trip("a")
      yield* trip("b")
      for (const backend of ["a", "b"]) {
        assert.strictEqual(value(...transition("closed", "open", backend)), 1)
        assert.strictEqual(value("cb_current_state", { backend }), 2)
      }
      assert.strictEqual(value(...transition("closed", "open", "idle")), 0)
      assert.strictEqual(value("cb_current_state", { backend: "idle" }), 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("I49: every attempt of a retried call counts", () => {
    const { layer, value } = measured({ policy: { ...policy, tripPolicy: TripPolicy.consecutive(10) } })
    return Effect.gen(function*() {
      const call = Effect.fail({ status: 503 }).pipe(
        CircuitBreaker.execute({ key: "a" }),
        Effect.retry(LlmRetry.policy({ attempts: 4 }))
      )
      const fiber = yield* Effect.forkChild(Effect.exit(call))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(fiber)
      assert.strictEqual(value(...requests("failure")), 4)
      assert.strictEqual(value("cb_request_latency_seconds", a), 4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("I50: every rejection counts by what rejected it, and none has a latency (W23)", () => {
    const { layer, value } = measured()
    return Effect.gen(function*() {
      yield* trip("a")
      yield* up("a")
      yield* TestClock.adjust("10 seconds")
      const probe = yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* up("a")
      yield* Fiber.interrupt(probe)
      yield* CircuitBreaker.reset("a")
      yield* says("a", Outcome.throttled("1 second"))
      yield* up("a")
      yield* CircuitBreaker.forceOpen("a")
      yield* up("a")
      for (const by of Circuit.rejectedBy) {
        assert.strictEqual(value(...requests(`rejected_${by}`)), 1, by)
      }
      assert.strictEqual(value("cb_request_latency_seconds", a), 4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("I62: half-open is 1, forced open 3, disabled 4, and back to 0", () => {
    const { layer, value } = measured()
    const is = (state: number) => assert.strictEqual(value("cb_current_state", a), state)
    return Effect.gen(function*() {
      yield* trip("a")
      yield* TestClock.adjust("10 seconds")
      const probe = yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      is(1)
      assert.strictEqual(value(...transition("open", "half_open")), 1)
      yield* Fiber.interrupt(probe)
      assert.strictEqual(value("cb_probes_total", { ...a, result: "interrupted" }), 1)
      yield* CircuitBreaker.forceOpen("a")
      is(3)
      yield* CircuitBreaker.disable("a")
      is(4)
      yield* CircuitBreaker.enable("a")
      is(0)
      assert.strictEqual(value("cb_last_transition_timestamp_seconds", a), 10)
    }).pipe(Effect.provide(layer))
  })

  it.effect("I78: interrupted calls count", () => {
    const { layer, value } = measured()
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(value(...requests("interrupted")), 1)
      assert.strictEqual(value("cb_request_latency_seconds", a), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells an outage: how long, how many probes, which kinds of failure", () => {
    const { layer, sum, value } = measured()
    return Effect.gen(function*() {
      yield* says("a", Outcome.failure("overloaded"))
      yield* says("a", Outcome.failure("timeout"))
      yield* TestClock.adjust("10 seconds")
      yield* says("a", Outcome.failure("timeout"))
      yield* TestClock.adjust("10 seconds")
      yield* up("a")
      assert.strictEqual(value("cb_outage_seconds", a), 1)
      assert.strictEqual(sum("cb_outage_seconds", a), 20)
      assert.strictEqual(value("cb_probes_total", { ...a, result: "failure" }), 1)
      assert.strictEqual(value("cb_probes_total", { ...a, result: "success" }), 1)
      assert.strictEqual(value("cb_failures_total", { ...a, kind: "overloaded" }), 1)
      assert.strictEqual(value("cb_failures_total", { ...a, kind: "timeout" }), 2)
      assert.strictEqual(value(...transition("half_open", "open")), 1)
      assert.strictEqual(value(...transition("half_open", "closed")), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("an operator's reset ends an outage, where there is one", () => {
    const { layer, sum, value } = measured()
    return Effect.gen(function*() {
      yield* up("a")
      yield* CircuitBreaker.reset("a")
      assert.isUndefined(value("cb_outage_seconds", a))
      yield* trip("a")
      yield* TestClock.adjust("7 seconds")
      yield* CircuitBreaker.reset("a")
      assert.strictEqual(sum("cb_outage_seconds", a), 7)
    }).pipe(Effect.provide(layer))
  })

  it.effect("I65, I68: failures in a row stand beside the threshold that is in force, until a success", () => {
    const { layer, value } = measured({ policy: { ...policy, tripPolicy: TripPolicy.consecutive(5) } })
    return Effect.gen(function*() {
      yield* up("a")
      assert.strictEqual(value("cb_consecutive_failures", a), 0)
      for (const failures of [1, 2, 3, 4]) {
        yield* down("a")
        assert.strictEqual(value("cb_consecutive_failures", a), failures)
      }
      assert.strictEqual(value("cb_failure_threshold", a), 5)
      yield* up("a")
      assert.strictEqual(value("cb_consecutive_failures", a), 0)
      for (let call = 0; call < 5; call++) yield* down("a")
      assert.strictEqual(value("cb_consecutive_failures", a), 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells the share of failures that opens the circuit, the lowest if there are several", () => {
    const rate = (threshold: number) => TripPolicy.failureRate({ threshold, window: 10, minimumCalls: 10 })
    const { layer, value } = measured({ policy: { ...policy, tripPolicy: TripPolicy.anyOf(rate(0.75), rate(0.5)) } })
    return Effect.gen(function*() {
      yield* down("a")
      assert.strictEqual(value("cb_failure_rate_threshold", a), 0.5)
      assert.isUndefined(value("cb_failure_threshold", a))
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells of throttles and late outcomes", () => {
    const { layer, value } = measured()
    return Effect.gen(function*() {
      const late = Latch.makeUnsafe()
      const call = yield* Effect.forkChild(late.await.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* says("a", Outcome.throttled("1 second"))
      assert.strictEqual(value("cb_throttles_total", { ...a, kind: "rate_limited" }), 1)
      yield* TestClock.adjust("1 second")
      yield* trip("a")
      yield* late.open
      yield* Fiber.join(call)
      assert.strictEqual(value("cb_late_outcomes_total", a), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells the latency of what ran, beyond the last bucket too (I60)", () => {
    const { layer, sum, value } = measured()
    return Effect.gen(function*() {
      yield* lasting("a", "1500 millis")
      yield* lasting("a", "2 hours")
      assert.strictEqual(value("cb_request_latency_seconds", a), 2)
      assert.strictEqual(sum("cb_request_latency_seconds", a), 7201.5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells how long streams took to their first content and between parts, and what was waited for in vain", () => {
    const { layer, sum, value } = measured()
    const parts = [["alive", 1], ["content", 2], ["content", 3], ["never", 60]] as const
    const source = Stream.fromIterable(parts).pipe(
      Stream.mapEffect(([part, seconds]) => Effect.as(Effect.sleep(Duration.seconds(seconds)), part)),
      Stream.rechunk(1)
    )
    return Effect.gen(function*() {
      const guarded = CircuitBreaker.stream(source, {
        key: "a",
        idleTimeout: "10 seconds",
        classifyPart: (part) => part === "alive" ? StreamSignal.alive : StreamSignal.content
      })
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(guarded)), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(value("cb_first_content_seconds", a), 1)
      assert.strictEqual(sum("cb_first_content_seconds", a), 3)
      assert.strictEqual(value("cb_stream_gap_seconds", a), 2)
      assert.strictEqual(sum("cb_stream_gap_seconds", a), 13)
      assert.strictEqual(value("cb_failures_total", { ...a, kind: "stream_stalled" }), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("counters are there before their first count, so that a rate sees it", () => {
    const { all, layer } = measured()
    return Effect.gen(function*() {
      yield* up("a")
      assert.strictEqual(all("cb_requests_total").length, 8)
      assert.strictEqual(all("cb_state_transitions_total").length, 4)
      assert.strictEqual(all("cb_probes_total").length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("W25: a circuit that was open before anybody looked reads as open at its first use", () => {
    const metrics = makeRegistry()
    return Effect.gen(function*() {
      yield* Effect.provide(trip("a"), CircuitBreaker.layer(policy))
      const late = CircuitMetrics.layer.pipe(Layer.provideMerge(CircuitBreaker.layer(policy)))
      yield* metrics.provide(Effect.provide(up("a"), late))
      assert.strictEqual(metrics.value("cb_current_state", a), 2)
      assert.strictEqual(metrics.value(...transition("closed", "open")), 0)
    }).pipe(Effect.provide(CircuitStore.layerMemory))
  })

  it.effect("I53: a life cycle is the same with metrics and without", () => {
    const lifeCycle = Effect.gen(function*() {
      const seen = [yield* up("a"), yield* down("a"), yield* down("a"), yield* up("a")]
      yield* TestClock.adjust("10 seconds")
      const back = [yield* down("a"), yield* up("a")]
      yield* TestClock.adjust("10 seconds")
      return numberedOutages([...seen, ...back, yield* up("a"), yield* CircuitBreaker.state("a")])
    })
    const inTime = <E>(layer: Layer.Layer<CircuitBreaker.CircuitBreaker, E>) =>
      lifeCycle.pipe(Effect.provide(Layer.provideMerge(layer, TestClock.layer())))
    return Effect.gen(function*() {
      const unmeasured = yield* inTime(CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory)))
      assert.strictEqual(yield* inTime(measured().layer), unmeasured)
    })
  })

  it.effect("I57: registries are apart, and two breakers on one add up", () => {
    const one = measured()
    const other = measured()
    const same = CircuitMetrics.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer(policy)),
      Layer.provide(CircuitStore.layerMemory)
    )
    return Effect.gen(function*() {
      yield* Effect.provide(up("a"), one.layer)
      yield* Effect.provide(up("b"), other.layer)
      yield* one.provide(Effect.provide(up("a"), same))
      assert.deepStrictEqual(one.all("cb_current_state").map(({ labels }) => labels["backend"]), ["a"])
      assert.deepStrictEqual(other.all("cb_current_state").map(({ labels }) => labels["backend"]), ["b"])
      assert.strictEqual(one.value(...requests("success")), 2)
    })
  })

  it.effect("I58, I59: a hundred first uses at once lose no count", () => {
    const { all, layer, value } = measured()
    return Effect.gen(function*() {
      yield* Effect.all(Array.from({ length: 100 }, () => Effect.andThen(Effect.yieldNow, up("a"))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(value(...requests("success")), 100)
      assert.strictEqual(all("cb_current_state").length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(["", "🔥", "a\nb", `"quoted"\\`, "k".repeat(10_000)])(
    "I60: takes the key %j as it is, but for its length",
    (text) => {
      const { all, layer } = measured()
      const key = `key ${text}`
      return Effect.gen(function*() {
        yield* trip(key)
        for (const name of ["cb_requests_total", "cb_current_state", "cb_state_transitions_total"]) {
          for (const { labels } of all(name)) assert.strictEqual(labels["backend"], key.slice(0, 200))
        }
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("W29: ten thousand keys stay within the cap; what is beyond counts together and has no state", () => {
    const { all, layer, value } = measured({ metrics: { maxLabelValues: 50 } })
    return Effect.gen(function*() {
      for (let user = 0; user < 10_000; user++) yield* up(`user/${user}`)
      yield* down("user/9999")
      assert.strictEqual(new Set(all("cb_requests_total").map(({ labels }) => labels["backend"])).size, 51)
      assert.strictEqual(value(...requests("success", "other")), 9950)
      assert.strictEqual(value(...requests("failure", "other")), 1)
      assert.strictEqual(all("cb_current_state").length, 50)
    }).pipe(Effect.provide(layer))
  })

  it.effect("series of a circuit that is forgotten go, and make room", () => {
    const { all, layer, value } = measured({ metrics: { maxLabelValues: 1 }, store: { idleTimeToLive: "1 minute" } })
    return Effect.gen(function*() {
      yield* trip("a")
      assert.strictEqual(value("cb_current_state", a), 2)
      yield* TestClock.adjust("5 minutes")
      yield* up("b")
      assert.isUndefined(value("cb_current_state", a))
      assert.isUndefined(value(...requests("failure")))
      assert.strictEqual(all("cb_requests_total").length, 8)
      assert.strictEqual(value(...requests("success", "b")), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a success that comes when the circuit is open ends no streak", () => {
    const { layer, value } = measured()
    return Effect.gen(function*() {
      const late = Latch.makeUnsafe()
      const call = yield* Effect.forkChild(late.await.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* trip("a")
      yield* late.open
      yield* Fiber.join(call)
      assert.strictEqual(value("cb_consecutive_failures", a), 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a circuit beyond the cap has no state when there is room again, until it changes", () => {
    const { layer, value } = measured({
      policy: { ...policy, openDuration: "1 hour" },
      metrics: { maxLabelValues: 1 },
      store: { idleTimeToLive: "10 minutes" }
    })
    return Effect.gen(function*() {
      yield* up("first")
      const late = Latch.makeUnsafe()
      const call = yield* Effect.forkChild(late.await.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* trip("a")
      for (let minute = 0; minute < 16; minute++) {
        yield* up("a")
        yield* TestClock.adjust("1 minute")
      }
      assert.isUndefined(value("cb_current_state", { backend: "first" }))
      yield* late.open
      yield* Fiber.join(call)
      assert.isUndefined(value("cb_current_state", a))
      assert.strictEqual(value("cb_late_outcomes_total", { backend: "other" }), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a call that ends when its circuit was forgotten brings no series back, and is not lost", () => {
    const { layer, value } = measured({ store: { idleTimeToLive: "1 minute" } })
    return Effect.gen(function*() {
      yield* up("a")
      const late = Latch.makeUnsafe()
      const call = yield* Effect.forkChild(late.await.pipe(CircuitBreaker.execute({ key: "a" })), {
        startImmediately: true
      })
      yield* TestClock.adjust("5 minutes")
      yield* up("b")
      yield* late.open
      yield* Fiber.join(call)
      assert.isUndefined(value(...requests("success")))
      assert.strictEqual(value(...requests("success", "other")), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("I51: its own faults hurt nobody and are counted", () => {
    const { layer, registry, value } = measured()
    const set = registry.set.bind(registry)
    registry.set = (id, metric) => {
      if (metric.id === "cb_request_latency_seconds") throw new Error("no room")
      return set(id, metric)
    }
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* up("a"), Exit.succeed("hello"))
      yield* trip("a")
      assert.strictEqual((yield* CircuitBreaker.state("a"))._tag, "Open")
      assert.strictEqual(value("cb_observer_errors_total", { observer: "metrics" }), 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("counts every throw of other observers and of classifiers", () => {
    const throwing = () => {
      throw new Error("broken")
    }
    const { layer, value } = measured({ observers: [{ name: "broken", onCircuit: () => ({ onCall: throwing }) }] })
    return Effect.gen(function*() {
      for (let call = 0; call < 5; call++) {
        yield* Effect.exit(Effect.void.pipe(CircuitBreaker.execute({ key: "a", classify: throwing })))
      }
      assert.strictEqual(value("cb_observer_errors_total", { observer: "broken" }), 5)
      assert.strictEqual(value("cb_classifier_errors_total"), 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells which target serves a route, and when none does", () => {
    const metrics = makeRegistry()
    const at = 0
    const events: ReadonlyArray<CircuitEvent.CircuitEvent> = [
      { event: "failover.switched", route: "chat", at, from_target: "us", to_target: "eu", cause: "open" },
      { event: "failover.recovered", route: "chat", at, from_target: "eu", to_target: "us", failed_over_ms: 30_000 },
      { event: "failover.exhausted", route: "chat", at, targets: [] }
    ]
    return Effect.gen(function*() {
      const observer = yield* metricsObserver()
      const active = (target: string) => metrics.value("failover_active_target", { route: "chat", target })
      const failedOver = () => metrics.value("failover_failed_over", { route: "chat" })
      observer.onRoute?.("chat", ["us", "eu"], "us")
      assert.deepStrictEqual([active("us"), active("eu"), failedOver()], [1, 0, 0])
      assert.strictEqual(metrics.value("failover_exhausted_total", { route: "chat" }), 0)
      observer.onEvent?.(events[0]!)
      assert.deepStrictEqual([active("us"), active("eu"), failedOver()], [0, 1, 1])
      observer.onEvent?.(events[1]!)
      observer.onEvent?.(events[2]!)
      assert.deepStrictEqual([active("us"), active("eu"), failedOver()], [1, 0, 0])
      assert.strictEqual(metrics.value("failover_switches_total", { from_target: "us", cause: "open" }), 1)
      assert.strictEqual(metrics.value("failover_switches_total", { from_target: "eu", cause: "recovered" }), 1)
      assert.strictEqual(metrics.value("failover_exhausted_total", { route: "chat" }), 1)
    }).pipe(metrics.provide)
  })

  it.effect("W29: other labels stay within the cap too", () => {
    const metrics = makeRegistry()
    return Effect.gen(function*() {
      const observer = yield* metricsObserver({ maxLabelValues: 2 })
      for (const route of ["one", "two", "three", "four", "one"]) {
        observer.onEvent?.({ event: "failover.exhausted", route, at: 0, targets: [] })
      }
      assert.deepStrictEqual(
        metrics.all("failover_exhausted_total").map(({ labels, value }) => [labels["route"], value]),
        [["one", 2], ["two", 1], ["other", 2]]
      )
    }).pipe(metrics.provide)
  })

  it("names and labels are those of the definitions, each once", () => {
    const names = Object.values(MetricDefinition.definitions).map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
    for (const name of names) assert.match(name, /^(cb|failover)_[a-z_]+$/)
    for (const { name, type } of Object.values(MetricDefinition.definitions)) {
      assert.strictEqual(name.endsWith("_total"), type === "counter", name)
      assert.strictEqual(name.endsWith("_seconds") && !name.includes("timestamp"), type === "histogram", name)
    }
  })

  it.effect.each([0, -1, 1.5, Number.NaN])("refuses %d label values", (maxLabelValues) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(metricsObserver({ maxLabelValues }))
      assert.include(String(exit), "maxLabelValues")
    }))
})
