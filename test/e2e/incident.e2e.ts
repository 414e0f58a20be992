// Every alert and every panel, against a real Prometheus and what two instances really tell it.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { CircuitObserver, MetricDefinition } from "effect-resilience"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import { findProgram } from "../support/programs/findProgram.ts"
import { promtool } from "../support/programs/programs.ts"
import { file, hurried, rules, scaledFile, scaledRules } from "./alertRules.ts"
import { queries } from "./dashboardQueries.ts"
import { runIncident } from "./incident.ts"
import type { Phase } from "./script.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { fired, phases, prometheus, range } = await Effect.runPromise(
  Scope.provide(runIncident({ prometheus: { ruleFiles: [file], rules: scaledFile } }), scope)
)

/** What is wrong when, and with what: the label sets that an alert is to have then. */
const meant: Readonly<
  Record<string, readonly [phase: Phase, ...labels: ReadonlyArray<Readonly<Record<string, string>>>]>
> = {
  CircuitOpenTooLong: ["outage", { backend: "openai/gpt-5" }, { backend: "anthropic/claude-opus" }],
  CircuitTurnsAway: ["outage", { backend: "openai/gpt-5" }, { backend: "anthropic/claude-opus" }],
  CircuitFlapping: ["flapping", { backend: "mistral/large" }],
  CircuitNearTrip: ["near trip", { backend: "cohere/command" }, { backend: "mistral/large" }],
  CircuitProbeFailing: ["outage", { backend: "openai/gpt-5" }],
  CircuitForgottenHold: [
    "held",
    { backend: "google/gemini-pro", hold: "forced open" },
    { backend: "cohere/command", hold: "disabled" }
  ],
  AllTargetsDown: ["outage", { route: "chat" }],
  AccountRefused: ["faults", { route: "chat", target: "openai/gpt-5", kind: "auth" }],
  FailedOverTooLong: ["outage", { route: "chat", target: "anthropic/claude-opus" }],
  CircuitStoreDegraded: ["store away", {}],
  CircuitStoreErrors: ["store away", { error: "TIMEOUT" }],
  CircuitObserverErrors: ["faults", { observer: "audit" }],
  CircuitClassifierErrors: ["faults", {}],
  CircuitStoreFull: ["faults", {}]
}

describe("the incident", () => {
  const definitions: ReadonlyArray<MetricDefinition.MetricDefinition> = Object.values(MetricDefinition.definitions)
  const happened = (series: string) =>
    Effect.map(prometheus.queryRange(`${series} > 0`, range), (found) => found.map(({ metric }) => metric))

  it.live("moves every metric, in both instances or what they share", () =>
    Effect.gen(function*() {
      for (const { name, type } of definitions) {
        assert.isNotEmpty(yield* happened(type === "histogram" ? `${name}_count` : name), name)
      }
      assert.sameMembers((yield* happened("up")).map(({ instance }) => instance), ["a", "b"])
    }))

  it.live("ends calls in every way, and fails in many", () =>
    Effect.gen(function*() {
      const calls = yield* happened("sum by (outcome) (cb_requests_total)")
      assert.sameMembers(calls.map(({ outcome }) => outcome), [...CircuitObserver.callResults])
      const kinds = (yield* happened("sum by (kind) (cb_failures_total)")).map(({ kind }) => kind)
      assert.includeMembers(kinds, ["server_error", "overloaded", "connection", "timeout", "stream_cut"])
      const states = yield* prometheus.queryRange("count_values by () (\"state\", cb_current_state)", range)
      assert.sameMembers(states.map(({ metric }) => metric["state"]), ["0", "1", "2", "3", "4"])
    }))
})

describe("alerts", () => {
  it.live("are all loaded and can all be evaluated", () =>
    Effect.gen(function*() {
      const loaded = yield* prometheus.rules
      assert.deepStrictEqual(loaded.map(({ name }) => name), [...rules, ...rules].map(({ alert }) => alert))
      assert.deepStrictEqual(loaded.filter(({ lastError }) => lastError), [])
      assert.deepStrictEqual(Object.keys(meant).sort(), rules.map(({ alert }) => alert).sort())
      // At no second of the incident do the series of an expression fail to match.
      for (const { expr } of [...rules, ...scaledRules]) yield* prometheus.queryRange(expr, range)
    }))

  it("pass their unit tests", () => {
    const directory = dirname(file)
    const output = execFileSync(findProgram(promtool), ["test", "rules", "alerts.test.yml"], {
      cwd: directory,
      encoding: "utf8"
    })
    assert.include(output, "SUCCESS")
  })

  for (const { alert, expr } of scaledRules) {
    const [phase, ...expected] = meant[alert]!
    it.live(`${alert}: silent while all is well, and raised by "${phase}"`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* prometheus.queryRange(expr, phases.healthy), [])
        const raised = yield* prometheus.queryRange(expr, { start: phases[phase].start, end: phases[phase].end + 2 })
        for (const labels of expected) {
          assert.isTrue(
            raised.some(({ metric }) => includes(metric, { job: "api", ...labels })),
            `${JSON.stringify(labels)} is not among ${JSON.stringify(raised.map(({ metric }) => metric))}`
          )
        }
      }))
  }

  it.live("fire, with their labels and in words", () =>
    Effect.sync(() => {
      for (const alert of ["CircuitOpenTooLong", "CircuitStoreDegraded"]) {
        const said = fired.find(({ labels }) => includes(labels, { alertname: alert, ...hurried }))
        assert.isDefined(said, `${alert} is not among ${fired.map(({ labels }) => labels["alertname"]).join(", ")}`)
        assert.notInclude(JSON.stringify(said), "<no value>")
      }
    }))
})

describe("dashboards", () => {
  const seconds = Math.ceil(range.end - range.start)

  it("have queries", () => {
    assert.isAbove(queries(seconds).length, 0)
  })

  for (const { dashboard, expr, panel } of queries(seconds)) {
    it.live(`${dashboard}, ${panel}: ${expr.replace(/\s+/g, " ")}`, () =>
      Effect.gen(function*() {
        const found = yield* prometheus.queryRange(expr, range)
        assert.isTrue(found.some(({ values }) => values.some(([, value]) => value !== "NaN")))
      }))
  }

  it("have the panels that the runbook names", () => {
    const runbook = readFileSync(join(dirname(file), "RUNBOOK.md"), "utf8")
    const where = Array.from(
      runbook.matchAll(/^\*\*Look at\*\* [^]*?\n\n/gm),
      ([text]) => text.replace(/`[^`]*`/g, "").replace(/\s+/g, " ")
    )
    const named = where.flatMap((text) => Array.from(text.matchAll(/_([^_]+)_/g), ([, title]) => title!))
    const panels = new Set(queries(seconds).map(({ panel }) => panel))
    assert.isNotEmpty(named)
    assert.deepStrictEqual(named.filter((title) => !panels.has(title)), [])
  })
})

const includes = (labels: Readonly<Record<string, string>>, some: Readonly<Record<string, string>>) =>
  Object.entries(some).every(([name, value]) => labels[name] === value)
