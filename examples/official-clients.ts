// The official clients, and plain fetch, behind one breaker. Turn their own retries off: the breaker cannot count calls
// it does not see, and two loops of retries multiply.
// Run it: node examples/official-clients.ts (it brings a provider of its own, and needs no key)
import Anthropic from "@anthropic-ai/sdk"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, LlmRetry, Outcome } from "effect-resilience"
import OpenAI from "openai"
import { provider } from "./provider.ts"

// Wrap what a client throws as you like: the judgement looks through causes.
class ProviderError extends Data.TaggedError("ProviderError")<{ readonly cause: unknown }> {}

const call = <A>(send: (signal: AbortSignal) => PromiseLike<A>) =>
  Effect.tryPromise({ try: send, catch: (cause) => new ProviderError({ cause }) })

const askOpenAi = (client: OpenAI, prompt: string) =>
  call((signal) =>
    client.chat.completions.create({ model: "gpt-5", messages: [{ role: "user", content: prompt }] }, { signal })
  ).pipe(
    CircuitBreaker.execute({ key: "openai/gpt-5" }),
    Effect.retry(LlmRetry.policy({ base: "10 millis" })),
    Effect.map((answer) => answer.choices[0]?.message.content)
  )

const askAnthropic = (client: Anthropic, prompt: string) =>
  call((signal) =>
    client.messages.create(
      { model: "claude-opus-5", max_tokens: 100, messages: [{ role: "user", content: prompt }] },
      { signal }
    )
  ).pipe(CircuitBreaker.execute({ key: "anthropic/claude-opus-5" }))

// For fetch a 429 is a success, but it is judged all the same.
const askFetch = (url: string, prompt: string) =>
  call((signal) => fetch(`${url}/v1/other`, { method: "POST", body: JSON.stringify({ prompt }), signal })).pipe(
    CircuitBreaker.execute({ key: "other" })
  )

const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify, attemptTimeout: "30 seconds" }).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

export const program = Effect.gen(function*() {
  const url = yield* provider
  const options = { apiKey: "none", maxRetries: 0 }
  const answer = yield* askOpenAi(new OpenAI({ ...options, baseURL: `${url}/v1` }), "hi")
  const tooLong = yield* Effect.flip(askAnthropic(new Anthropic({ ...options, baseURL: url }), "a long prompt"))
  const { status } = yield* askFetch(url, "hi")
  const rejection = yield* Effect.flip(askFetch(url, "hi"))

  const kind = Outcome.kindOf(LlmOutcome.fromError(tooLong))
  yield* Console.log(`openai: ${answer}, at the second attempt`)
  yield* Console.log(`anthropic: ${kind}, which counts nothing`)
  yield* Console.log(`fetch: ${status}, and then ${rejection.message}`)
  return { answer, kind, status, rejection, states: yield* CircuitBreaker.states }
}).pipe(Effect.scoped, Effect.provide(Breaker))

if (import.meta.main) NodeRuntime.runMain(program)
