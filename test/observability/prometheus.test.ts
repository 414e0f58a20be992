import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitMetrics,
  CircuitStore,
  MetricDefinition,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { HttpClient, HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { spawnSync } from "node:child_process"
import { metricsObserver } from "../support/metrics.ts"
import { findProgram } from "../support/programs/findProgram.ts"
import { promtool } from "../support/programs/programs.ts"

const { definitions } = MetricDefinition

/** A server with `/metrics`, and a breaker whose metrics are there, in a registry of their own. */
const server = (options: CircuitMetrics.Options = {}) =>
  HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layerTest),
    Layer.provideMerge(CircuitMetrics.layerWith(options)),
    Layer.provideMerge(CircuitBreaker.layer({
      tripPolicy: TripPolicy.anyOf(
        TripPolicy.consecutive(2),
        TripPolicy.failureRate({ threshold: 1, window: 100, minimumCalls: 100 })
      )
    })),
    Layer.provide(CircuitStore.layerMemory),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
  )

const scrape = Effect.flatMap(HttpClient.get("/metrics"), (response) => response.text)

const up = (key: string) => Effect.succeed("hello").pipe(CircuitBreaker.execute({ key }))
const says = (key: string, outcome: Outcome.Outcome) =>
  Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome }))

/** A life in which every metric of a circuit is touched. */
const life = Effect.fnUntraced(function*(key: string) {
  yield* up(key)
  yield* Stream.runDrain(
    Stream.make("a", "b").pipe(
      Stream.rechunk(1),
      Stream.tap(() => Effect.sleep(1)),
      CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque })
    )
  )
  const late = yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key })), { startImmediately: true })
  yield* says(key, Outcome.failure("overloaded"))
  yield* says(key, Outcome.failure("timeout"))
  yield* Effect.exit(up(key))
  late.interruptUnsafe()
  yield* Effect.yieldNow
  yield* CircuitBreaker.reset(key)
  const throwing = () => {
    throw new Error("broken")
  }
  yield* Effect.succeed("kept").pipe(CircuitBreaker.execute({ key, classify: throwing }))
  yield* says(key, Outcome.throttled("1 minute"))
})

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads the samples of a page as Prometheus does: every line is a comment or a sample. */
const samplesOf = (page: string): ReadonlyArray<Sample> =>
  page.trimEnd().split("\n").filter((line) => !line.startsWith("# ")).map((line) => {
    const [, name, inner = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/s.exec(line) ?? []
    assert(name !== undefined && value !== undefined, line)
    const labels = inner.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/gs)
    return {
      name,
      value: Number(value),
      labels: Object.fromEntries(Array.from(labels, ([, label, escaped]) => [label, unescaped(escaped!)]))
    }
  })

const unescaped = (value: string) => value.replace(/\\(.)/g, (_, character) => character === "n" ? "\n" : character)

/** What `promtool check metrics` has to say: it fails where the page does not parse. */
const checked = (page: string) => {
  const { status, stderr, stdout } = spawnSync(findProgram(promtool), ["check", "metrics"], {
    input: page,
    encoding: "utf8"
  })
  return { status, said: `${stdout}${stderr}`.split("\n").filter((line) => line !== "") }
}

describe("/metrics for Prometheus", () => {
  it.live("is served as text that promtool reads without a word, whatever was touched", () =>
    Effect.gen(function*() {
      yield* life("openai/gpt-5/eu")
      // What a store, a router and a broken observer would make it hear.
      const observer = yield* metricsObserver()
      observer.onStoreOperation?.("claim", 1, undefined)
      observer.onStoreOperation?.("claim", 1, "TIMEOUT")
      observer.onFault?.("observer", "broken")
      const failover = { at: 0, route: "chat", from_target: "a", to_target: "b" }
      observer.onEvent?.({ event: "failover.switched", ...failover, cause: "open" })
      observer.onAttempt?.("chat", "a", "open")
      observer.onAttempt?.("chat", "b", undefined)
      observer.onEvent?.({ event: "failover.refused", at: 0, route: "chat", target: "a", kind: "auth", calls: 1 })
      observer.onEvent?.({
        event: "failover.exhausted",
        at: 0,
        route: "chat",
        targets: [{ target: "a", cause: "open" }]
      })

      const response = yield* HttpClient.get("/metrics")
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      const page = yield* response.text
      assert.sameMembers(
        Array.from(page.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => `${name} ${type}`),
        Object.values(definitions).map(({ name, type }) => `${name} ${type}`)
      )
      // No warning is accepted: names, units and help are as its lint wants them.
      assert.deepStrictEqual(checked(page), { status: 0, said: [] })
    }).pipe(Effect.provide(server())))

  it.live("carries every key as it is, whatever is in it", () =>
    Effect.gen(function*() {
      const keys = [
        "\"quoted\"",
        "back\\slash",
        "ends in a \\",
        "two\nlines",
        "\\n is no newline",
        "a=\"b\",c=\"d\"} 1",
        "# HELP me",
        "clé 🔥 模型",
        "tab\tand\r return",
        " "
      ]
      yield* Effect.forEach(keys, up)
      const page = yield* scrape
      assert.deepStrictEqual(checked(page), { status: 0, said: [] })
      const successes = samplesOf(page).filter(({ labels, name }) =>
        name === definitions.requests.name && labels["outcome"] === "success"
      )
      assert.sameMembers(successes.map(({ labels }) => labels["backend"]), keys)
      assert.isTrue(successes.every(({ value }) => value === 1))
    }).pipe(Effect.provide(server())))

  it.live("a long key is cut, and not within a character", () =>
    Effect.gen(function*() {
      yield* up("k".repeat(500))
      yield* up(`${"k".repeat(199)}🔥${"k".repeat(300)}`)
      yield* up(`${"l".repeat(198)}🔥`)
      const states = samplesOf(yield* scrape).filter(({ name }) => name === definitions.currentState.name)
      assert.sameMembers(
        states.map(({ labels }) => labels["backend"]),
        ["k".repeat(200), "k".repeat(199), `${"l".repeat(198)}🔥`]
      )
    }).pipe(Effect.provide(server())))

  it.live("stays as long as it is, however many keys there are", () =>
    Effect.gen(function*() {
      const use = (from: number, to: number) =>
        Effect.forEach(Array.from({ length: to - from }, (_, index) => `key ${from + index}`), (key) =>
          Effect.andThen(up(key), says(key, Outcome.failure("overloaded"))), { discard: true })
      const backends = (samples: ReadonlyArray<Sample>, metric: string) =>
        new Set(samples.flatMap(({ labels, name }) =>
          name === metric ? [labels["backend"]] : []
        ))
      yield* use(0, 200)
      const early = samplesOf(yield* scrape)
      yield* use(200, 10_000)
      const page = yield* scrape
      const late = samplesOf(page)

      const kept = Array.from({ length: 100 }, (_, index) => `key ${index}`)
      assert.deepStrictEqual(backends(late, definitions.requests.name), new Set([...kept, "other"]))
      // Those beyond have counts in common, and no state.
      assert.deepStrictEqual(backends(late, definitions.currentState.name), new Set(kept))
      const other = late.find(({ labels, name }) =>
        name === definitions.requests.name && labels["backend"] === "other" && labels["outcome"] === "success"
      )
      assert.strictEqual(other?.value, 9900)
      assert.strictEqual(late.length, early.length)
      assert.isBelow(page.length, 500_000)
      assert.strictEqual(checked(page).status, 0)
    }).pipe(Effect.provide(server({ maxLabelValues: 100 }))))
})
