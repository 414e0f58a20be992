// Whatever a provider sends and whatever is thrown: one documented kind, one settle, and nothing of it in an event or
// a log.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, References, Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitLogger,
  type CircuitPolicy,
  CircuitStore,
  LlmOutcome,
  LlmStream,
  Outcome
} from "effect-resilience"
import { RecordedEvents, ScriptedProvider } from "effect-resilience/testing"
import { inspect } from "node:util"
import type { Client } from "../conformance/client.ts"
import { effectAi } from "../conformance/effectAi.ts"
import { fetched, httpClient, httpClientReading } from "../conformance/http.ts"
import { anthropic, openai } from "../conformance/official.ts"
import { guardedStream, listening, recorded, telling } from "../conformance/suite.ts"
import type { Mode } from "../conformance/wire.ts"
import { collectGarbage } from "../support/collectGarbage.ts"
import { cpuMillis } from "../support/cpuMillis.ts"

const canary = "CANARY-7f3a"
const clients: ReadonlyArray<Client> = [openai, anthropic, fetched, httpClientReading, effectAi]

/** A breaker whose events and logs are kept, as one text each. */
const watched = (policy: CircuitPolicy.CircuitPolicy = {}) => {
  const lines: Array<unknown> = []
  const logger = Logger.make<unknown, void>(({ cause, fiber, message }) => {
    lines.push([message, cause, fiber.getRef(References.CurrentLogAnnotations)])
  })
  return {
    lines,
    layer: Layer.mergeAll(CircuitLogger.layer, RecordedEvents.layer).pipe(
      Layer.provideMerge(CircuitBreaker.layer({ ...telling, classify: LlmOutcome.classify, ...policy })),
      Layer.provide(CircuitStore.layerMemory),
      Layer.merge(Logger.layer([logger]))
    )
  }
}

/** Runs a guarded call, and gives its verdict once it is sure that no observer heard more than that. */
const verdictOf = <A, E>(
  run: Effect.Effect<A, E, CircuitBreaker.CircuitBreaker>,
  policy?: CircuitPolicy.CircuitPolicy
): Effect.Effect<
  readonly [verdict: string, exit: Exit.Exit<A, E>, events: ReadonlyArray<CircuitEvent.CircuitEvent>]
> => {
  const { layer, lines } = watched(policy)
  return Effect.gen(function*() {
    const exit = yield* Effect.exit(run)
    const { all } = yield* RecordedEvents.RecordedEvents
    const events = yield* all
    assert.notInclude(JSON.stringify(events), canary)
    assert.notInclude(inspect(lines, { depth: 20 }), canary)
    assert.isAtLeast(lines.length, events.length)
    return [yield* recorded, exit, events] as const
  }).pipe(Effect.provide(layer))
}

/** The same for a call of a client to a provider that answers in one way. */
const answered = (client: Client, mode: Mode, answer: ScriptedProvider.Answer, policy?: CircuitPolicy.CircuitPolicy) =>
  Effect.scoped(Effect.gen(function*() {
    const scripted = ScriptedProvider.make([answer])
    const port = yield* listening(scripted.handler)
    const provider = client === anthropic ? "anthropic" : "openai-chat"
    const call = { provider, url: `http://127.0.0.1:${port}`, prompt: canary, how: "patient" } as const
    const [verdict] = yield* verdictOf(
      mode === "stream"
        ? Stream.runDrain(guardedStream(client, call))
        : CircuitBreaker.execute(client.once(call), { key: "model" }),
      policy
    )
    assert.include(JSON.stringify(yield* scripted.requests), canary)
    return verdict
  }))

const same = (mode: Mode, answer: ScriptedProvider.Answer, expected: string, policy?: CircuitPolicy.CircuitPolicy) =>
  Effect.forEach(
    clients,
    (client) =>
      Effect.map(
        answered(client, mode, answer, policy),
        (verdict) => assert.strictEqual(verdict, expected, client.name)
      )
  )

describe("a bad answer", () => {
  const bodies = { classify: LlmOutcome.classifyBody }
  const headers = { "x-request-id": canary, "x-ms-throttle-reason": canary }

  it.live.each<[string, Mode, ScriptedProvider.Answer, string, CircuitPolicy.CircuitPolicy?]>([
    [
      "an error that quotes the prompt everywhere",
      "once",
      ScriptedProvider.json(
        { error: { message: canary, type: canary, code: canary, param: canary, metadata: { raw: canary } } },
        { status: 500, headers }
      ),
      "Failure server_error"
    ],
    [
      "an error of 5 MB",
      "once",
      ScriptedProvider.text(canary.repeat(500_000), { status: 400 }),
      "Ignored invalid_request"
    ],
    ["a page of HTML", "once", ScriptedProvider.text(`<html>${canary}</html>`), "Failure malformed_response", bodies],
    [
      "half a JSON text",
      "once",
      ScriptedProvider.text(`{"choices":[{"message":{"content":"${canary}`, {
        headers: { "content-type": "application/json" }
      }),
      "Failure malformed_response",
      bodies
    ],
    [
      "nothing",
      "once",
      ScriptedProvider.text("", { headers: { "content-type": "application/json" } }),
      "Failure malformed_response",
      bodies
    ],
    ["nothing, for a stream", "stream", ScriptedProvider.text("", { headers }), "Failure stream_cut"],
    ["a page of HTML, for a stream", "stream", ScriptedProvider.text(`<html>${canary}</html>`), "Failure stream_cut"]
  ])("%s", ([, mode, answer, expected, policy]) => same(mode, answer, expected, policy))

  it.live.each<[string, string]>([
    [canary, "Failure rate_limited"],
    ["", "Failure rate_limited"],
    ["-1", "Failure rate_limited"],
    ["NaN", "Failure rate_limited"],
    ["Infinity", "Failure rate_limited"],
    ["1e999", "Failure rate_limited"],
    ["0x10", "Failure rate_limited"],
    ["1,5", "Failure rate_limited"],
    ["12 seconds", "Failure rate_limited"],
    [encodeURIComponent("٣"), "Failure rate_limited"],
    ["Thu, 32 Foo 2026 25:61:61 GMT", "Failure rate_limited"],
    ["9".repeat(300), "Failure rate_limited"],
    ["{}", "Failure rate_limited"],
    ["null", "Failure rate_limited"],
    // Numbers and durations all the same, cut to a day.
    ["9".repeat(40), "OpenNow rate_limited 86400000"],
    [`${"1".repeat(40)}h`, "OpenNow rate_limited 86400000"]
  ])("a header of junk: %s", ([junk, expected]) => {
    const names = ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"]
    const headers = Object.fromEntries(names.map((name) => [name, junk]))
    return same("once", ScriptedProvider.text("", { status: 429, headers }), expected)
  })

  it.live.each<[string, string | Uint8Array]>([
    ["words", `${canary} is not an event\n\n`],
    ["no value", "data:\n\n"],
    ["half an object", `data: {"choices":[{"delta":{"content":"${canary}\n\n`],
    ["a text", `data: "${canary}"\n\n`],
    ["null", "data: null\n\n"],
    ["a list", `data: ["${canary}"]\n\n`],
    ["a number", "data: 42\n\n"],
    ["members of another type", `data: {"choices":"${canary}","type":{"a":1},"error":"","delta":[]}\n\n`],
    ["no delta", "data: {\"choices\":[null,{\"delta\":null},{}]}\n\n"],
    ["a name of an event that nobody knows", `event: ${canary}\ndata: {"type":"${canary}"}\n\n`],
    ["bytes that are no text", Uint8Array.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xfe, 0x80, 0x0a, 0x0a])],
    ["zeros", new Uint8Array(1000)],
    ["an event that never ends", `data: ${canary.repeat(1000)}`],
    ["nothing but line ends", "\r\n\n\r\r\n\n\n"],
    ["JSON without events", `{"error":{"message":"${canary}"}}\n{"error":{}}\n`]
  ])("events that are none, and an end that is no finish: %s", ([, garbage]) => {
    const answer = ScriptedProvider.text(garbage, { headers: { "content-type": "text/event-stream" } })
    return Effect.forEach(
      clients,
      (client) =>
        Effect.map(
          answered(client, "stream", answer),
          (verdict) => assert.match(verdict, /^Failure (?:stream_cut|malformed_response|unknown)$/, client.name)
        )
    )
  })
})

describe("100 MB", () => {
  const megabyte = canary.padEnd(1_048_576, "x")
  const hundredTimes = <A>(value: A) => Array.from({ length: 100 }, () => value)
  const head = (status: number, type: string): ScriptedProvider.Action => ({
    _tag: "Head",
    status,
    headers: { "content-type": type }
  })
  const write = (chunk: string): ScriptedProvider.Action => ({ _tag: "Write", chunk })

  it.live("of an error are judged without being read", () =>
    Effect.gen(function*() {
      let millis = 0
      const classify: CircuitPolicy.Classify = (exit) => {
        millis = cpuMillis(() => LlmOutcome.classify(exit))
        return LlmOutcome.classify(exit)
      }
      const answer = [
        head(500, "application/json"),
        write("{\"error\":\""),
        ...hundredTimes(write(megabyte)),
        write("\"}")
      ]
      assert.strictEqual(yield* answered(fetched, "once", answer, { classify }), "Failure server_error")
      assert.isBelow(millis, 100)
    }))

  it.live("of a response that nobody has read stay unread", () =>
    Effect.scoped(Effect.gen(function*() {
      const scripted = ScriptedProvider.make([[head(503, "text/plain"), ...hundredTimes(write(megabyte))]])
      const port = yield* listening(scripted.handler)
      const response = Effect.tryPromise((signal) => fetch(`http://127.0.0.1:${port}`, { signal }))
      const [verdict, exit] = yield* verdictOf(CircuitBreaker.execute(response, { key: "model" }))
      assert.strictEqual(verdict, "Failure overloaded")
      assert.isTrue(Exit.isSuccess(exit) && !exit.value.bodyUsed)
    })))

  it.live("of a stream pass through without being kept", () =>
    Effect.gen(function*() {
      const part = `data: {"choices":[{"index":0,"delta":{"content":"${"x".repeat(65_000)}"}}]}\n\n`
      const used = () => {
        collectGarbage()
        const { external, heapUsed } = process.memoryUsage()
        return heapUsed + external
      }
      const before = used()
      let most = 0
      let parts = 0
      const classifyPart: typeof LlmStream.openAi = (part) => {
        if (++parts % 400 === 0) most = Math.max(most, used())
        return LlmStream.openAi(part)
      }
      const answer = [
        head(200, "text/event-stream"),
        ...Array.from({ length: 1600 }, () => write(part)),
        write("data: [DONE]\n\n")
      ]
      const watching = { ...httpClient, classifyPart: () => classifyPart }
      assert.strictEqual(yield* answered(watching, "stream", answer), "Success")
      assert.strictEqual(parts, 1601)
      assert.isBelow(most - before, 20_000_000)
    }))

  it.live("of one event are too long for Effect's decoder, and malformed", () =>
    Effect.gen(function*() {
      const answer = [head(200, "text/event-stream"), write("data: "), ...hundredTimes(write(megabyte))]
      assert.strictEqual(yield* answered(httpClient, "stream", answer), "Failure malformed_response")
    }))

  it("of an event that was read are content", () => {
    const event = { data: `{"choices":[{"delta":{"content":"${megabyte.repeat(100)}"}}]}` }
    assert.strictEqual(LlmStream.openAi(event)._tag, "Content")
    assert.isBelow(cpuMillis(() => LlmStream.openAi(event)), 100)
  })
})

describe("a bad error", () => {
  const { proxy: revoked, revoke } = Proxy.revocable([], {})
  revoke()
  const trap = () => {
    throw new Error(canary)
  }
  const throwing = new Proxy({}, { get: trap, has: trap, ownKeys: trap, getPrototypeOf: trap })
  const getters = Object.defineProperties(
    new Error(canary),
    Object.fromEntries(
      ["message", "name", "status", "headers", "cause", "error", "_tag", "stack"].map((key) => [key, { get: trap }])
    )
  )
  const cyclic = new Error(canary)
  cyclic.cause = { error: cyclic, errors: [cyclic, { cause: cyclic }], reason: cyclic }
  let deep: unknown = { status: 503 }
  for (let depth = 0; depth < 100_000; depth++) deep = new Error(canary, { cause: deep })
  const wide = new AggregateError(Array.from({ length: 100_000 }, () => new Error(canary)))
  const nothing = Object.create(null) as object

  const bad: ReadonlyArray<readonly [string, unknown]> = [
    ["undefined", undefined],
    ["null", null],
    ["an empty text", ""],
    ["a text", canary],
    ["a text of 100 MB", canary.repeat(9_000_000)],
    ["a symbol", Symbol(canary)],
    ["a bigint", 1n],
    ["a function", () => canary],
    ["an error without a message", new Error()],
    ["a message that is none", Object.assign(new Error(), { message: { toString: trap } })],
    ["a message of 100 MB", new Error(canary.repeat(9_000_000))],
    ["names that are texts", { name: canary, code: canary, type: canary, status: canary, reason: canary }],
    ["headers that throw", { status: Number.NaN, headers: throwing, body: throwing }],
    ["a revoked proxy", revoked],
    ["a proxy whose every trap throws", throwing],
    ["getters that throw", getters],
    ["a cycle", cyclic],
    ["a cause 100,000 errors down", deep],
    ["100,000 errors at once", wide],
    ["no prototype", nothing]
  ]

  it.live.each(bad)("%s, of a call", ([, error]) =>
    Effect.gen(function*() {
      const [verdict, exit, events] = yield* verdictOf(
        Effect.fail(error).pipe(CircuitBreaker.execute({ key: "model" }))
      )
      assert.strictEqual(verdict, "Failure unknown")
      // The judgement did not throw: nobody had to catch it.
      assert.deepStrictEqual(events.map(({ event }) => event), ["circuit.opened"])
      assert.isTrue(
        Exit.isFailure(exit) &&
          exit.cause.reasons.every((reason) => Cause.isFailReason(reason) && reason.error === error)
      )
      assert.isBelow(cpuMillis(() => LlmOutcome.classify(exit)), 1000)
    }))

  it.live.each(bad)("%s, of a stream and of its parts", ([, error]) =>
    Effect.gen(function*() {
      for (const classifyPart of [LlmStream.openAi, LlmStream.anthropic, LlmStream.gemini, LlmStream.effectAi]) {
        const parts = Stream.make(error, { error }, { type: error, choices: error, data: error })
        const [verdict] = yield* verdictOf(
          Stream.runDrain(
            CircuitBreaker.stream(Stream.concat(parts, Stream.fail(error)), { key: "model", classifyPart })
          )
        )
        const [outcome, kind] = verdict.split(" ")
        // Effect itself stumbles over an error that throws when it is looked at: a defect.
        assert.include<string | undefined>(["Failure", "Ignored"], outcome)
        assert.include<string | undefined>(Outcome.kinds, kind)
      }
    }))

  it.live.each(bad)("%s, as a defect and as a value", ([, error]) =>
    Effect.gen(function*() {
      const execute = CircuitBreaker.execute({ key: "model" })
      const [defect] = yield* verdictOf(Effect.die(error).pipe(execute))
      assert.strictEqual(defect, "Ignored caller_error")
      const [value] = yield* verdictOf(Effect.succeed(error).pipe(execute))
      assert.strictEqual(value, "Success")
      const [body] = yield* verdictOf(Effect.succeed(error).pipe(execute), { classify: LlmOutcome.classifyBody })
      assert.strictEqual(body, "Failure malformed_response")
    }))
})
