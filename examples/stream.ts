// A stream is judged by its parts: HTTP 200 and half an answer is a failure, whatever the status said.
// Run it: node examples/stream.ts (it brings a provider of its own, and needs no key)
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Layer, Stream } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, LlmStream, Outcome } from "effect-resilience"
import OpenAI from "openai"
import { provider } from "./provider.ts"

class ProviderError extends Data.TaggedError("ProviderError")<{ readonly cause: unknown }> {}

const answer = (client: OpenAI, prompt: string) =>
  // Closing the scope hangs up on the provider, also while it is silent.
  Effect.acquireRelease(
    Effect.tryPromise({
      try: (signal) =>
        client.chat.completions.create(
          { model: "gpt-5", stream: true, messages: [{ role: "user", content: prompt }] },
          { signal }
        ),
      catch: (cause) => new ProviderError({ cause })
    }),
    (stream) => Effect.sync(() => stream.controller.abort()),
    { interruptible: true }
  ).pipe(
    Effect.map((stream) => Stream.fromAsyncIterable(stream, (cause) => new ProviderError({ cause }))),
    Stream.unwrap,
    CircuitBreaker.stream({
      key: "openai/gpt-5",
      classifyPart: LlmStream.openAi,
      idleTimeout: "30 seconds" // default: 2 minutes
    }),
    Stream.map((chunk) => chunk.choices[0]?.delta.content ?? "")
  )

const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify }).pipe(Layer.provide(CircuitStore.layerMemory))

export const program = Effect.gen(function*() {
  const client = new OpenAI({ apiKey: "none", maxRetries: 0, baseURL: `${yield* provider}/v1` })
  let text = ""
  const error = yield* answer(client, "hi").pipe(
    Stream.runForEach((words) => Effect.sync(() => text += words)),
    Effect.flip
  )
  const kind = Outcome.kindOf(LlmOutcome.fromError(error))
  yield* Console.log(`"${text}" came, then: ${kind}`)
  const state = yield* CircuitBreaker.state("openai/gpt-5")
  return { text, kind, failures: state._tag === "Closed" ? state.consecutiveFailures : undefined }
}).pipe(Effect.scoped, Effect.provide(Breaker))

if (import.meta.main) NodeRuntime.runMain(program)
