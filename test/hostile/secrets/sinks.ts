/** Everything that the library writes about calls, gathered as texts: what a reader of logs, metrics and spans sees. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { assert } from "@effect/vitest"
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Cause, Console, Effect, Formatter, Layer, Logger, Metric, References, Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitLogger,
  CircuitMetrics,
  type CircuitPolicy,
  CircuitStore
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { PrometheusMetrics } from "effect/observability"
import { inspect } from "node:util"
import { leaksIn } from "./canaries.ts"

/** What was written, by who wrote it. */
export type Written = Readonly<Record<string, string>>

/** A breaker whose every word is kept. */
export const listening = <E = never, R = never>(
  policy: CircuitPolicy.CircuitPolicy = {},
  store: Layer.Layer<CircuitStore.CircuitStore, E, R> = CircuitStore.layerMemory
) => {
  const lines = { json: "", logfmt: "", simple: "", structured: "", pretty: "" }
  const keeping = (name: keyof typeof lines) => (line: unknown) => {
    lines[name] += `${typeof line === "string" ? line : inspect(line, { depth: 20 })}\n`
  }
  const keeper = keeping("pretty")
  const print = (...words: ReadonlyArray<unknown>) => words.forEach(keeper)
  const page: Console.Console = Object.assign(Object.create(globalThis.console), {
    log: print,
    error: print,
    group: print,
    groupCollapsed: print,
    groupEnd: () => {}
  })
  const loggers = Logger.layer([
    Logger.map(Logger.formatJson, keeping("json")),
    Logger.map(Logger.formatLogFmt, keeping("logfmt")),
    Logger.map(Logger.formatSimple, keeping("simple")),
    Logger.map(Logger.formatStructured, keeping("structured")),
    Logger.consolePretty({ colors: false })
  ])
  const exporter = new InMemorySpanExporter()
  const streamed: Array<CircuitEvent.CircuitEvent> = []
  const subscription = Layer.effectDiscard(
    Effect.forkScoped(
      Stream.runForEach(CircuitBreaker.events, (event) => Effect.sync(() => void streamed.push(event))),
      { startImmediately: true }
    )
  )
  const layer = Layer.mergeAll(subscription, RecordedEvents.layer, CircuitMetrics.layer, CircuitLogger.layer).pipe(
    Layer.provideMerge(CircuitBreaker.layer({ gateJitter: 0, ...policy })),
    Layer.provideMerge(store),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map())),
    Layer.provideMerge(NodeSdk.layer(() => ({
      resource: { serviceName: "chat" },
      spanProcessor: new SimpleSpanProcessor(exporter)
    }))),
    Layer.provideMerge(Layer.mergeAll(
      loggers,
      Layer.succeed(Console.Console, page),
      Layer.succeed(References.MinimumLogLevel, "All")
    ))
  )
  /** Holds a circuit and calls it once more, so that everybody has a word to say, and gives what was written. */
  const written = Effect.fnUntraced(function*(key: string) {
    yield* CircuitBreaker.forceOpen(key)
    yield* inSpan(Effect.void.pipe(CircuitBreaker.execute({ key })))
    // Lets the subscriber of the stream take what is there.
    yield* Effect.repeat(Effect.yieldNow, { times: 50 })
    const recorded = yield* RecordedEvents.RecordedEvents
    return {
      ...Object.fromEntries(Object.entries(lines).map(([name, text]) => [`the log as ${name}`, text])),
      "recorded events": JSON.stringify(yield* recorded.all),
      "recorded calls": JSON.stringify(yield* recorded.calls),
      "streamed events": JSON.stringify(streamed),
      metrics: yield* PrometheusMetrics.format(),
      spans: inspect(
        exporter.getFinishedSpans().map(({ attributes, events, name, status }) => ({
          name,
          attributes,
          events,
          status
        })),
        { depth: 20 }
      )
    }
  })
  return { layer, written }
}

/** In a span that ends well: what the span has is what the call had to leave there. */
export const inSpan = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.withSpan(Effect.exit(self), "caller")

/** What others have written. */
export const without = (written: Written, ...names: ReadonlyArray<string>): Written =>
  Object.fromEntries(Object.entries(written).filter(([name]) => !names.includes(name)))

/** Fails if a text shows a canary, and also if it has no word on `subject`: what caught nothing proves nothing. */
export const assertSilent = (written: Written, subject: string): void => {
  for (const [name, text] of Object.entries(written)) {
    assert.include(text, subject, `${name} has caught nothing`)
  }
  assertClean(written)
}

/** Fails if a text shows a canary, or is empty. */
export const assertClean = (written: Written): void => {
  for (const [name, text] of Object.entries(written)) {
    assert.isNotEmpty(text, name)
    assert.deepStrictEqual(leaksIn(text), [], name)
  }
}

/** Everything that a reader can make of an error, but what it was made of: that is who follows its causes to see. */
export const faces = (error: unknown): Written => {
  const { message, name, stack } = Object(error) as Error
  return {
    String: String(error),
    message,
    name,
    // What names the error, without the lines of code below it, which quote nothing.
    stack: String(stack),
    JSON: JSON.stringify(error),
    inspect: inspect(error, { depth: 20 }),
    "Effect's formatter": Formatter.format(error),
    "Effect's JSON": Formatter.formatJson(error),
    "a pretty cause": Cause.pretty(Cause.fail(error))
  }
}
