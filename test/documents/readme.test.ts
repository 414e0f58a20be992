// Holds what the README says in tables to the code, where the tables are not written by it.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Fiber, Stream } from "effect"
import { CircuitBreaker, CircuitError, LlmOutcome, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { decode } from "../../examples/gateway/configuration.ts"
import { actions } from "../../src/console/internal/steering.ts"
import { make as makeHealth } from "../../src/internal/machine/health.ts"
import { compilePolicy } from "../../src/internal/options/compiledPolicy.ts"
import { tripCriteria } from "../../src/internal/options/tripCriteria.ts"
import { cases } from "../conformance/cases.ts"
import { called, classifyPart, provider, ProviderFailed, type Step, told } from "../support/streams.ts"
import { codesOf, list, read, tableOf } from "./documents.ts"

const readme = read("README.md")
const rowsOf = (head: string) => tableOf(readme, head)

describe("the README's outcomes", () => {
  it("are those there are", () => {
    const made = [
      Outcome.success,
      Outcome.failure("unknown"),
      Outcome.ignored("unknown"),
      Outcome.throttled(1),
      Outcome.openNow("unknown")
    ]
    const named = rowsOf("outcome | meaning | effect on the circuit").map(([name]) => codesOf(name)[0])
    assert.deepStrictEqual(named, made.map(({ _tag }) => _tag))
  })
})

describe("the README's trip policies", () => {
  const rows = rowsOf("trip policy | opens")
  const policyOf = (cell: string): TripPolicy.TripPolicy => {
    const [, name, args = ""] = /^TripPolicy\.(\w+)\((.*)\)$/.exec(codesOf(cell)[0]!)!
    const options = () => JSON.parse(args.replaceAll(/(\w+):/g, "\"$1\":"))
    switch (name) {
      case "consecutive":
        return TripPolicy.consecutive(Number(args))
      case "failureRate":
        return TripPolicy.failureRate(options())
      case "slowCallRate":
        return TripPolicy.slowCallRate(options())
      case "adaptive":
        return TripPolicy.adaptive(options())
      case "anyOf":
        return TripPolicy.anyOf(TripPolicy.consecutive(4), TripPolicy.consecutive(2))
      default:
        return assert.fail(`there is no TripPolicy.${name}`)
    }
  }
  const healthOf = (cell: string) => makeHealth(tripCriteria(policyOf(cell), "tripPolicy"))
  const row = (begin: string) => rows.find(([cell]) => cell.startsWith(`\`TripPolicy.${begin}`))!

  it("are those there are", () => {
    const names = new Set(rows.map(([cell]) => /^`TripPolicy\.(\w+)/.exec(cell)![1]))
    assert.sameMembers([...names, "fromData"], Object.keys(TripPolicy))
  })

  it("open when it says, and by default", () => {
    const [cell, says] = row("consecutive(3)")
    assert.strictEqual(healthOf(cell).failureThreshold(), 3)
    assert.strictEqual(says, "at the third failure in a row (the default)")
    const context = Context.empty()
    assert.strictEqual(
      compilePolicy({}, context).fingerprint,
      compilePolicy({ tripPolicy: policyOf(cell) }, context).fingerprint
    )
  })

  it.each(rows.filter(([cell]) => cell.includes("Rate(")))("open when it says: %s", (cell, says) => {
    const least = Number(/once there are (\d+)/.exec(says)?.[1] ?? 10)
    const calls = (marked: (index: number) => boolean) => {
      const health = healthOf(cell)
      return Array.from({ length: least }, (_, index) => health.record(0, marked(index), marked(index) ? 20_001 : 0))
    }
    const onlyAtLast = [...Array.from({ length: least - 1 }, () => false), true]
    assert.deepStrictEqual(calls((index) => index % 2 === 1), onlyAtLast)
    assert.isFalse(calls((index) => index > least / 2).includes(true))
  })

  it("learn between the numbers it says", () => {
    const [cell, says] = row("adaptive")
    const learnt = (failed: boolean) => {
      const health = healthOf(cell)
      for (let call = 0; call < 500; call++) health.record(call, failed, 0)
      return health.failureThreshold()
    }
    assert.include(says, `after ${learnt(true)} to ${learnt(false)} failures in a row`)
  })

  it("open as soon as one of several would", () => {
    assert.strictEqual(healthOf(row("anyOf")[0]).failureThreshold(), 2)
  })
})

describe("the README's signals", () => {
  const broken = (reason: CircuitError.Reason) => CircuitError.make(reason)
  const wait = (seconds: number) => ({ status: 429, headers: { "retry-after": String(seconds) } })
  const samples: Readonly<Record<string, ReadonlyArray<unknown>>> = {
    "429 with a hint of up to 120 s": [wait(1), wait(120)],
    "429 with a longer hint": [wait(121)],
    "429 without a hint": [{ status: 429 }],
    "a quota or billing code": [
      { status: 429, error: { code: "insufficient_quota" } },
      { status: 400, error: { code: "billing_not_active" } }
    ],
    "an empty wallet": [
      { status: 403, body: { message: "Your account balance is insufficient." } },
      { status: 429, error: "You have used all available credits." }
    ],
    "a refused account or place": [
      { status: 400, error: { message: "This organization has been disabled." } },
      { status: 400, error: { message: "User location is not supported for the API use." } }
    ],
    "a connection error": [{ code: "ECONNREFUSED" }],
    "a timeout": [new Cause.TimeoutError(), { name: "TimeoutError" }],
    "a stream cut short or silent": [
      broken({ _tag: "StreamCut", key: "model" }),
      broken({ _tag: "AttemptTimedOut", key: "model", phase: "idle", limit: Duration.seconds(1) })
    ],
    "context length": [{ status: 400, error: { code: "context_length_exceeded" } }],
    "content policy": [{ status: 400, error: { code: "content_policy_violation" } }],
    "tool failures": [{ _tag: "AiError", reason: { _tag: "ToolNotFoundError" } }],
    "an error nobody knows": [{ _tag: "Unheard" }]
  }
  const exitsOf = (term: string): ReadonlyArray<Exit.Exit<never, unknown>> => {
    if (term === "a defect nobody knows") return [Exit.die({ _tag: "Unheard" })]
    const [from, to = from] = term.split("–").map(Number)
    const errors = samples[term] ?? Array.from({ length: to! - from! + 1 }, (_, index) => ({ status: from! + index }))
    assert.isNotEmpty(errors, `no sample of "${term}"`)
    return errors.map((error) => Exit.fail(error))
  }

  it.each(rowsOf("signal | outcome").map(([signals, outcome]) => ({ signals, outcome })))(
    "are judged as it says: $signals",
    ({ outcome, signals }) => {
      const [tag, kind] = codesOf(outcome)
      for (const exit of signals.split(", ").flatMap(exitsOf)) {
        const said = LlmOutcome.classify(exit)
        assert.strictEqual(said._tag, tag)
        if (kind !== undefined) assert.strictEqual(Outcome.kindOf(said), kind)
      }
      if (!outcome.includes("with the hint")) return
      for (const status of signals.match(/\d{3}/g)!.map(Number)) {
        const said = LlmOutcome.classify(Exit.fail({ status, headers: { "retry-after": "7" } }))
        assert.deepStrictEqual("retryAfter" in said && said.retryAfter, Duration.seconds(7))
      }
    }
  )

  it("are as many as it says", () => {
    assert.include(readme, `for ${cases.length} signals`)
  })
})

describe("the README's streams", () => {
  type Ended = Effect.Effect<Exit.Exit<unknown, unknown>, never, CircuitBreaker.CircuitBreaker>
  const silence = 10_000
  const after = (...script: ReadonlyArray<Step>): Ended => Effect.exit(Stream.runDrain(guarded(...script)))
  const guarded = (...script: ReadonlyArray<Step>) =>
    provider(...script).pipe(
      CircuitBreaker.stream({ key: "model", classifyPart, firstContentTimeout: "5 seconds", idleTimeout: "5 seconds" })
    )
  const samples: Readonly<Record<string, ReadonlyArray<Ended>>> = {
    "the finish part comes": [after(["text", "finish"])],
    "a part that reports a failure": [after(["text", "failed overloaded"])],
    "the stream ends without its finish": [after(["text"])],
    "the stream fails": [after(["text"], Effect.fail(new ProviderFailed()))],
    "no content, or no progress, in time": [after(silence), after(["text"], silence)],
    "the consumer stops, fails or is interrupted": [
      Effect.exit(Stream.runDrain(Stream.take(guarded(["text", "text"], silence), 1))),
      Effect.exit(Stream.runForEach(guarded(["text"], silence), () => Effect.fail(new ProviderFailed()))),
      Effect.exit(Effect.timeoutOption(Stream.runDrain(guarded(["text"], silence)), "1 second"))
    ]
  }
  const results: Readonly<Record<string, string>> = {
    success: "success",
    "what it means": "failure overloaded",
    "what `classify` says": "failure unknown",
    ignored: "ignored cancelled"
  }

  it.effect.each(rowsOf("what happens | counts as"))(
    "count as it says: %s",
    ([happens, counts]) =>
      Effect.gen(function*() {
        const recorded = yield* RecordedEvents.RecordedEvents
        const exits = yield* Effect.forEach(samples[happens]!, (sample) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(sample, { startImmediately: true })
            yield* TestClock.adjust(silence)
            return yield* Fiber.join(fiber)
          }))
        const codes = codesOf(counts).filter((code) => code !== "classify")
        const kinds = codes.filter((code) => /^[a-z_]+$/.test(code))
        const ends = (yield* recorded.calls).map(called).map((end) => end.replace("interrupted", "ignored"))
        assert.deepStrictEqual(
          ends,
          kinds.length > 0 ? kinds.map((kind) => `failure ${kind}`) : exits.map(() => results[counts]!)
        )
        for (const exit of kinds.length > 0 ? exits : []) assert.strictEqual(told(exit), codes.at(-1))
      }).pipe(Effect.provide(CircuitTest.layer()))
  )
})

describe("the README's spans", () => {
  it("have the attributes and events that it says, and no others", () => {
    const named = rowsOf("on the span | when | tells").flatMap((cells) => cells.flatMap(codesOf))
    const written = Array.from(
      read("src/internal/call/trace.ts").matchAll(/"((?:circuit|gen_ai|error)\.[\w.]+|failover(?:\.\w+)?)"/g),
      ([, name]) => name!
    )
    assert.sameMembers([...new Set(named)], [...new Set(written)])
  })
})

describe("the README's console", () => {
  it("has the orders that it says", () => {
    const orders = rowsOf("route | what it gives").flatMap(([route]) => route.startsWith("`POST") ? codesOf(route) : [])
    assert.deepStrictEqual(orders.map((order) => order.split("/").at(-1)), [...actions])
  })
})

describe("the README's gateway", () => {
  const [, json] = /<<'JSON'\n([\s\S]*?)^JSON$/m.exec(readme)!
  const settings: Readonly<Record<string, unknown>> = {
    apiKey: "secret",
    host: "0.0.0.0",
    rescueParts: 64,
    attemptTimeout: "30 seconds",
    firstContentTimeout: "10 seconds",
    idleTimeout: "10 seconds",
    region: "eu",
    contextTokens: 1000
  }
  const rows = rowsOf("setting | meaning").flatMap(([cell]) =>
    codesOf(cell).map((name) => ({ name, ofTarget: cell.includes(" of a ") }))
  )

  it.effect("reads the configuration and the settings that it shows", () =>
    Effect.gen(function*() {
      const shown = JSON.parse(json!)
      for (const { name, ofTarget } of rows) {
        assert.property(settings, name)
        Object.assign(ofTarget ? shown.models.chat.targets[0] : shown, { [name]: settings[name] })
      }
      assert.strictEqual((yield* decode(JSON.stringify(shown), "README")).port, 8080)
    }))

  it("has no setting that it does not show", () => {
    const [schemas] = read("examples/gateway/configuration.ts").split("export type")
    const fields = Array.from(schemas!.matchAll(/^ {2}(\w+): /gm), ([, name]) => name!)
    const shown = Array.from(json!.matchAll(/"(\w+)":/g), ([, name]) => name!)
    assert.sameMembers([...new Set(fields)], [
      ...new Set([...shown.filter((name) => name !== "chat"), ...rows.map(({ name }) => name)])
    ])
  })

  it("is as short as it says", () => {
    const files = list("examples").filter((path) => /\/gateway(?:\.ts|\/.+)$/.test(path))
    const lines = files.reduce((sum, path) => sum + read(path).split("\n").length - 1, 0)
    assert.isAbove(files.length, 10)
    assert.include(readme, "server of about a thousand lines")
    assert.isBelow(lines, 1100)
  })
})
