// What to alert on, with Prometheus and without: rules that name only what exists, and examples that find what they say.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import {
  CircuitBreaker,
  CircuitLogger,
  type CircuitPolicy,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  MetricDefinition,
  TripPolicy
} from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { rules } from "../e2e/alertRules.ts"
import { findProgram } from "../support/programs/findProgram.ts"
import { jq } from "../support/programs/programs.ts"

const runbook = readFileSync(new URL("../../dashboards/RUNBOOK.md", import.meta.url), "utf8")

const definitions: ReadonlyArray<MetricDefinition.MetricDefinition> = Object.values(MetricDefinition.definitions)
const seriesOf = ({ name, type }: MetricDefinition.MetricDefinition) =>
  type === "histogram" ? ["bucket", "count", "sum"].map((part) => `${name}_${part}`) : [name]
const labelsOf = new Map(
  definitions.flatMap((definition) => seriesOf(definition).map((series) => [series, definition.labels] as const))
)
/** Every scrape adds these. */
const scraped = ["job", "instance"]
/** What `label_replace` adds. */
const made = (expr: string) => Array.from(expr.matchAll(/"(\w+)", "[^"]*", "\w*", "[^"]*"/g), ([, label]) => label!)
const listed = (text: string) => text.split(",").map((label) => label.trim()).filter((label) => label !== "")

describe("alert rules", () => {
  for (const { alert, annotations, expr, for: duration, labels } of rules) {
    const used = Array.from(expr.matchAll(/\b(?:cb|failover)_\w+/g), ([name]) => name)
    const known = new Set([...scraped, ...made(expr), ...used.flatMap((name) => labelsOf.get(name) ?? [])])

    it(`${alert} asks for series and labels that exist`, () => {
      assert.isNotEmpty(used)
      assert.deepStrictEqual(used.filter((name) => !labelsOf.has(name)), [])
      for (const [, name, matchers] of expr.matchAll(/\b((?:cb|failover)_\w+)\{([^}]*)\}/g)) {
        const matched = Array.from(matchers!.matchAll(/(\w+)\s*[=!]/g), ([, label]) => label)
        assert.deepStrictEqual(matched.filter((label) => !labelsOf.get(name!)?.includes(label!)), [])
      }
      for (const [, grouped] of expr.matchAll(/\b(?:by|on|without|ignoring) \(([^)]*)\)/g)) {
        assert.deepStrictEqual(listed(grouped!).filter((label) => !known.has(label)), [])
      }
    })

    it(`${alert} says what is wrong in words, how urgent it is, and where to read on`, () => {
      assert.match(duration, /^\d+m$/)
      assert.include(["page", "ticket"], labels["severity"])
      assert.hasAllKeys(annotations, ["summary", "description", "runbook_url"])
      assert.isTrue(annotations["runbook_url"]!.endsWith(`RUNBOOK.md#${alert.toLowerCase()}`))
      const kept = listed(/\bby \(([^)]*)\)/.exec(expr)![1]!)
      const said = Array.from(JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g), ([, label]) => label!)
      assert.deepStrictEqual(said.filter((label) => !kept.includes(label)), [])
      assert.include(annotations["description"], "$value")
    })
  }

  it("each have a chapter in the runbook, in their order", () => {
    const chapters = Array.from(runbook.matchAll(/^## (\w+)$/gm), ([, title]) => title)
    assert.deepStrictEqual(chapters, rules.map(({ alert }) => alert))
    for (const part of ["Means", "Look at", "Do", "Do nothing"]) {
      assert.strictEqual(runbook.split(`\n**${part}** `).length - 1, rules.length, part)
    }
  })
})

const gpt = "openai/gpt-5"
const claude = "anthropic/claude-opus"
const gemini = "google/gemini-pro"

const policies = {
  [claude]: { tripPolicy: TripPolicy.slowCallRate({ threshold: 0.5, slowerThan: "10 seconds", window: 2 }) },
  [gpt]: { openDuration: "30 seconds" }
} satisfies Record<string, CircuitPolicy.CircuitPolicy>

const defaults: CircuitPolicy.CircuitPolicy = {}

const up = (key: string) => Effect.exit(Effect.succeed("hello").pipe(CircuitBreaker.execute({ key })))
const down = (key: string) => Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
const lasting = (key: string, seconds: number) =>
  Effect.exit(Effect.andThen(TestClock.adjust(seconds * 1000), Effect.void).pipe(CircuitBreaker.execute({ key })))

/** An outage of a minute, a provider that is slow, a hold, an observer and a classifier that throw, and nobody left. */
const outage = Effect.gen(function*() {
  yield* up(gpt)
  yield* down(gpt)
  yield* down(gpt)
  yield* down(gpt)
  for (let second = 0; second < 15; second++) {
    yield* TestClock.adjust("2 seconds")
    if (second < 14) yield* up(gpt)
  }
  yield* down(gpt)
  yield* TestClock.adjust("30 seconds")
  yield* up(gpt)

  yield* lasting(claude, 20)
  yield* lasting(claude, 20)

  yield* CircuitBreaker.forceOpen(gemini, { reason: "maintenance", actor: "on-call" })
  yield* CircuitBreaker.disable(gpt)
  yield* CircuitBreaker.enable(gpt)

  yield* Effect.fail("503").pipe(
    CircuitBreaker.execute({
      key: gpt,
      classify: () => {
        throw new TypeError("no such field")
      }
    }),
    Effect.exit
  )
  yield* Effect.scoped(Effect.gen(function*() {
    const breaker = yield* CircuitBreaker.CircuitBreaker
    yield* breaker.observe({
      name: "audit",
      onEvent: () => {
        throw new RangeError("the disk is full")
      }
    })
    yield* down(gpt)
  }))
  yield* FailoverRouter.execute("chat", () => Effect.fail({ status: 529 })).pipe(
    Effect.provide(FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: [gpt, claude] })] })),
    Effect.exit
  )
}).pipe(
  Effect.provide(
    CircuitLogger.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer((key) => policies[key as keyof typeof policies] ?? defaults)),
      Layer.provide(CircuitStore.layerMemory),
      Layer.provideMerge(TestClock.layer())
    )
  )
)

/** Nothing listens there. */
const storeAway = up(gpt).pipe(
  Effect.provide(
    CircuitLogger.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer()),
      Layer.provide(RedisCircuitStore.layer({ url: "redis://127.0.0.1:1" }))
    )
  )
)

const crowd = Effect.andThen(CircuitBreaker.disable(gpt), up(claude)).pipe(
  Effect.provide(
    CircuitLogger.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer()),
      Layer.provide(CircuitStore.layerMemoryWith({ maxCircuits: 1 }))
    )
  )
)

const lines: Array<string> = []
const keep = Logger.map(Logger.formatJson, (line) => void lines.push(line))
await Effect.runPromise(Effect.all([crowd, outage, storeAway]).pipe(Effect.provide(Logger.layer([keep]))))

const directory = mkdtempSync(join(tmpdir(), "alerting-"))
writeFileSync(join(directory, "app.log"), lines.map((line) => `${line}\n`).join(""))
afterAll(() => rmSync(directory, { recursive: true }))

/** What each example of the runbook finds in this: the key, route, observer, error or limit of a line, or the text it prints. */
const findings: Readonly<Record<string, ReadonlyArray<string>>> = {
  "slow, not broken": [claude],
  "one failure before the trip, with the default of three in a row": [gpt],
  "about to open, whatever the policy": [`["${gpt}","unknown"]`],
  "ten or more calls turned away within one opening": [gpt, gpt, gpt, gpt, gpt],
  "calls turned away per second, for each outage": [`${gpt} 0.5`],
  "failed probes": [gpt],
  "time to recover, in milliseconds": [`${gpt} 60000`],
  "held by hand, by whom and why, and not released": [`${gemini} on-call: maintenance`],
  "nobody served": ["chat"],
  "does the store work? the last line says": ["CONNECTION"],
  "calls run without a circuit": ["1"],
  "a part of the guard throws": ["TypeError", "RangeError"]
}

describe("alerts from logs only", () => {
  const examples = Array.from(
    runbook.matchAll(/^```sh\n# (.*)\n(.*)\n```$/gm),
    ([, title, run]) => [title!, run!] as const
  )

  it("have an example for each finding", () => {
    assert.deepStrictEqual(examples.map(([title]) => title), Object.keys(findings))
  })

  for (const [title, run] of examples) {
    it(title, () => {
      const command = run.replace(/^jq(?= )/, () => findProgram(jq))
      const output = execFileSync("sh", ["-c", command], { cwd: directory, encoding: "utf8" })
      assert.deepStrictEqual(output.split("\n").filter((line) => line !== "").map(found), findings[title])
    })
  }
})

const found = (line: string): string => {
  if (!line.startsWith("{")) return line
  const { annotations: { error, key, max_circuits, route } } = JSON.parse(line)
  return String(error ?? route ?? key ?? max_circuits)
}
