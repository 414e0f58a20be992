import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import * as ConsoleExample from "../../examples/console.ts"
import * as FailoverExample from "../../examples/failover.ts"
import * as HttpClientExample from "../../examples/http-client.ts"
import * as InterruptedProbe from "../../examples/interrupted-probe.ts"
import * as LanguageModelExample from "../../examples/language-model.ts"
import * as OfficialClients from "../../examples/official-clients.ts"
import * as OneProbe from "../../examples/one-probe.ts"
import * as OpenTelemetryExample from "../../examples/opentelemetry.ts"
import * as QuickStart from "../../examples/quick-start.ts"
import * as ResilientModel from "../../examples/resilient-model.ts"
import * as Retry from "../../examples/retry.ts"
import * as StreamExample from "../../examples/stream.ts"
import * as TestClockExample from "../../examples/test-clock.ts"

describe("examples", () => {
  it.live("quick-start: the sixth call is turned away", () =>
    Effect.gen(function*() {
      const answers = yield* QuickStart.program
      assert.deepStrictEqual(answers, [
        ...Array.from({ length: 5 }, () => "the model answered 503"),
        "openai/gpt-5/eu is resting"
      ])
    }))

  it.live("retry: the third attempt answers", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Retry.program, "hello")
    }))

  it.live("failover: another region answers, and the first one when it is back", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* FailoverExample.program, ["eu", "eu", "us", "us", "eu"])
    }))

  it.live("language-model: two failures, one call that is not asked, then an answer", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* LanguageModelExample.program, [
        "the model failed",
        "the model failed",
        "not asked, and waited",
        "hello"
      ])
    }))

  it.live("official-clients: a retry, an error that counts nothing, and a gate", () =>
    Effect.gen(function*() {
      const { answer, kind, rejection, states, status } = yield* OfficialClients.program
      assert.deepStrictEqual([answer, kind, status], ["hello", "context_length", 429])
      assert.include(rejection.message, "is throttled, retry after")
      assert.deepStrictEqual(
        states.map((state) => state._tag === "Closed" && state.consecutiveFailures),
        [0, 0, 0]
      )
    }))

  it.live("resilient-model: another provider answers, and a fence holds", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ResilientModel.program, [
        "hello from Anthropic (anthropic/eu serves)",
        "hello from Anthropic (anthropic/eu serves)",
        "hello from OpenAI (openai/us serves)",
        "hello from Anthropic (openai/us serves)"
      ])
    }))

  it.live("opentelemetry: spans tell the outage call by call, and metrics count it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* OpenTelemetryExample.program, [
        "chat claude | closed | circuit.failure",
        "chat claude | closed | circuit.failure",
        "chat claude | open | circuit.skipped",
        "chat claude | half_open | circuit.probe",
        "cb_requests_total success 1",
        "cb_requests_total failure 2",
        "cb_requests_total rejected_open 1"
      ])
    }))

  it.live("console: a page with three models, and operators if there is a token", () =>
    Effect.gen(function*() {
      const environment = ConfigProvider.fromUnknown({ PORT: "0", CONSOLE_TOKEN: "secret" })
      const context = yield* Layer.build(ConsoleExample.App.pipe(Layer.provide(ConfigProvider.layer(environment))))
      const url = `${HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)}/circuits`
      const page = yield* Effect.promise(async () => (await fetch(url)).text())
      assert.include(page, "<h1>Models</h1>")
      const snapshot = yield* Effect.promise(async () =>
        await (await fetch(`${url}/snapshot`)).json() as { readonly circuits_total: number; readonly actions: boolean }
      ).pipe(
        Effect.tap(Effect.sleep("50 millis")),
        Effect.repeat({ until: (read) => read.circuits_total === 3, times: 60 })
      )
      assert.deepStrictEqual([snapshot.circuits_total, snapshot.actions], [3, true])
    }))

  it.live("stream: half an answer after a 200 is a failure", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* StreamExample.program, { text: "Hel", kind: "stream_cut", failures: 1 })
    }))

  it.effect("test-clock: opens on the fifth failure and probes at exactly 60 seconds", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* TestClockExample.scenario, { left: "1ms", answer: "hello" })
    }))

  it.effect("one-probe: fifty callers at the deadline, one probe", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* OneProbe.scenario, { answered: 1, rejected: 49, calls: 2 })
    }))

  it.effect("interrupted-probe: the slot is free and nothing was counted", () =>
    Effect.gen(function*() {
      const { answer, between, probes } = yield* InterruptedProbe.scenario
      assert.strictEqual(answer, "hello")
      assert.deepStrictEqual(probes, ["interrupted", "success"])
      assert(between._tag === "HalfOpen")
      assert.strictEqual(between.probing, 0)
      assert.strictEqual(between.openings, 1)
    }))

  it.live("http-client: a cut and a 529 open the circuit, and a probe closes it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* HttpClientExample.program, [
        "the answer broke off",
        "it said 529",
        "local/model is resting",
        "{\"text\":\"hello\"}"
      ])
    }))
})
