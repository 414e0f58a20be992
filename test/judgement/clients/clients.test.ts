import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CircuitBreaker, LlmOutcome } from "effect-resilience"
import { CircuitTest, ScriptedProvider } from "effect-resilience/testing"
import { recorded, telling } from "../../conformance/suite.ts"
import { aiWithAnthropic, aiWithGoogle, aiWithOpenAi } from "./ai.ts"
import { anthropic } from "./anthropic.ts"
import { bedrock } from "./bedrock.ts"
import type { Client, Target } from "./client.ts"
import { cohere } from "./cohere.ts"
import type { Dialect, Refusal } from "./dialects.ts"
import { google } from "./google.ts"
import { groq } from "./groq.ts"
import { langchain } from "./langchain.ts"
import { mistral } from "./mistral.ts"
import { ollama } from "./ollama.ts"
import { openai } from "./openai.ts"
import { nobody, served } from "./server.ts"

const { cut, json, reset, silence, text } = ScriptedProvider

const clients: ReadonlyArray<Client> = [
  openai,
  anthropic,
  google,
  mistral,
  groq,
  cohere,
  ollama,
  bedrock,
  langchain,
  aiWithOpenAi,
  aiWithAnthropic,
  aiWithGoogle
]

type Mode = "once" | "drain"

interface Situation {
  readonly name: string
  readonly answer: (dialect: Dialect) => ScriptedProvider.Answer | "refused"
  /** Outcome, kind and wait, unless the client has an exception of that name. */
  readonly expected: string
  readonly modes: ReadonlyArray<Mode>
  readonly target?: () => Partial<Target>
  /** The value is judged as the body of an answer. */
  readonly body?: boolean
}

const refusals: Readonly<Record<Refusal, string>> = {
  "too long": "Ignored context_length",
  "wrong key": "Ignored auth",
  "no access": "Ignored auth",
  "no such model": "Ignored invalid_request",
  "limited, hint in a header": "Throttled rate_limited 7000",
  "limited, hint in its own place": "Throttled rate_limited 7000",
  "no credit": "OpenNow quota_exhausted",
  "server error": "Failure server_error",
  overloaded: "Failure overloaded"
}

const limit = { timeoutMillis: 80 }
const both: ReadonlyArray<Mode> = ["once", "drain"]
const once: ReadonlyArray<Mode> = ["once"]
const malformed = { expected: "Failure malformed_response", modes: once, body: true } as const
const headers = { "content-type": "application/json" }

const situations: ReadonlyArray<Situation> = [
  ...Object.entries(refusals).map(([name, expected]): Situation => ({
    name,
    answer: ({ refusals }) => refusals[name as Refusal],
    expected,
    modes: both
  })),
  { name: "an answer", answer: ({ answer }) => json(answer), expected: "Success", modes: once, body: true },
  { name: "a page of HTML", answer: () => text("<html>Bad gateway</html>"), ...malformed },
  { name: "half a JSON text", answer: () => text("{\"choices\":[", { headers }), ...malformed },
  { name: "nothing at all", answer: () => text("", { headers }), ...malformed },
  { name: "another object", answer: () => json({ ok: true }), ...malformed },
  {
    name: "a page of HTML from a proxy",
    answer: () => text("<html>Bad gateway</html>", { status: 502 }),
    expected: "Failure server_error",
    modes: both
  },
  {
    name: "a stream that fails",
    answer: ({ failingStream }) => failingStream,
    expected: "Failure overloaded",
    modes: ["drain"]
  },
  {
    name: "a cut answer",
    answer: ({ answer }) => cut(json(answer), { afterBytes: 20 }),
    expected: "Failure stream_cut",
    modes: once
  },
  { name: "nobody there", answer: () => "refused", expected: "Failure connection", modes: both },
  { name: "a reset before any byte", answer: () => reset, expected: "Failure connection", modes: both },
  { name: "its own limit", answer: () => silence, expected: "Failure timeout", modes: both, target: () => limit },
  {
    name: "AbortSignal.timeout of the caller",
    answer: () => silence,
    expected: "Failure timeout",
    modes: once,
    target: () => ({ signal: AbortSignal.timeout(80) })
  },
  {
    name: "an AbortController of the caller",
    answer: () => silence,
    expected: "Ignored cancelled",
    modes: both,
    target: () => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 40)
      return { signal: controller.signal }
    }
  }
]

/** What a circuit made of the call, which has to be what `explain` says. */
const verdictOf = (call: () => Promise<unknown>, body = false) =>
  Effect.gen(function*() {
    const classify = body ? LlmOutcome.classifyBody : LlmOutcome.classify
    const exit = yield* Effect.tryPromise(call).pipe(
      CircuitBreaker.execute({ key: "model", classify }),
      Effect.exit
    )
    const verdict = yield* recorded
    const { outcome, row } = LlmOutcome.explain(exit, { body })
    assert.isTrue(verdict.startsWith(outcome._tag === "Success" ? "Success" : `${outcome._tag} ${outcome.kind}`), row)
    return verdict
  }).pipe(Effect.provide(CircuitTest.layer(telling)))

describe.concurrent.each(clients.map((client) => [client.name, client] as const))("%s", (_, client) => {
  const cases = situations.flatMap((situation) =>
    situation.modes.map((mode) => [situation.name, mode === "once" ? "at once" : "streamed", mode, situation] as const)
  )

  it.live.each(cases)("%s, %s", ([name, , mode, { answer, body, expected, target }]) =>
    Effect.gen(function*() {
      const sent = answer(client.dialect)
      const url = sent === "refused" ? yield* nobody : yield* served(sent)
      const verdict = yield* verdictOf(() => client[mode]({ url, ...target?.() }), body)
      assert.strictEqual(verdict, client.except?.[name] ?? expected)
    }).pipe(Effect.scoped))

  it("has exceptions for situations that there are", () => {
    const names = new Set(situations.map(({ name }) => name))
    assert.deepStrictEqual(Object.keys(client.except ?? {}).filter((name) => !names.has(name)), [])
  })

  it.live.each(Object.entries(client.mistakes))(
    "counts no mistake of the caller: %s",
    ([, mistake]) =>
      Effect.gen(function*() {
        const url = yield* served(json(client.dialect.answer))
        assert.match(yield* verdictOf(() => mistake(url)), /^Ignored (?:caller_error|auth)$/)
      }).pipe(Effect.scoped)
  )
})
