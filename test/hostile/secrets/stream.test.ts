import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { CircuitBreaker, CircuitError, LlmStream, type StreamSignal, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { aiError, answer, body, canary, errors, prompt } from "./canaries.ts"
import { assertClean, assertSilent, faces, inSpan, listening } from "./sinks.ts"

const key = "provider/stream"

const untripped = { tripPolicy: TripPolicy.consecutive(1000) } as const

const chunk = (content: string, finish_reason: string | null = null) => ({
  id: canary("id"),
  model: canary("model"),
  choices: [{ index: 0, delta: { content, tool_calls: [{ function: { arguments: prompt } }] }, finish_reason }]
})

/** Streams as providers send them, each with secrets in what it says and how it ends. */
const streams: Readonly<Record<string, Stream.Stream<unknown, unknown>>> = {
  "an answer": Stream.make(chunk(answer), chunk(answer, "stop")),
  "a cut": Stream.make(chunk(answer)),
  "an error in the middle": Stream.make<Array<unknown>>(chunk(answer), JSON.parse(body)),
  "an error of effect/ai": Stream.make<Array<unknown>>({ type: "error", error: aiError() }),
  "a filter": Stream.make(chunk(answer, "content_filter")),
  "what is no part": Stream.make<Array<unknown>>(prompt, canary("text"), { [canary("field")]: prompt }, null)
}

describe("a guarded stream", () => {
  for (const [reader, classifyPart] of Object.entries({ openAi: LlmStream.openAi, effectAi: LlmStream.effectAi })) {
    it.effect(`shows nothing of its parts and of how it ends, read by ${reader}`, () => {
      const { layer, written } = listening(untripped)
      return Effect.gen(function*() {
        const broken = Object.values(errors).flatMap((error) => [Stream.fail(error), Stream.die(error)])
        const all = [
          ...Object.values(streams),
          ...broken,
          ...broken.map((end) => Stream.concat(Stream.make(chunk(answer)), end))
        ]
        for (const stream of all) {
          yield* inSpan(Stream.runDrain(stream.pipe(CircuitBreaker.stream({ key, classifyPart }))))
          yield* TestClock.adjust("1 hour")
        }
        const recorded = yield* RecordedEvents.RecordedEvents
        assert.isAtLeast((yield* recorded.calls).length, all.length)
        assertSilent(yield* written(key), key)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("shows nothing of what a reader of its parts throws, or gives in place of a signal", () => {
    const { layer, written } = listening(untripped)
    return Effect.gen(function*() {
      const throwing = Object.values(errors).map((error) => () => {
        throw error
      })
      const others = [{ _tag: canary("signal") }, { _tag: "Failed", outcome: { _tag: canary("tag"), kind: prompt } }]
      for (const classifyPart of [...throwing, ...others.map((other) => () => other as StreamSignal.StreamSignal)]) {
        yield* inSpan(Stream.runDrain(streams["an answer"]!.pipe(CircuitBreaker.stream({ key, classifyPart }))))
      }
      assertSilent(yield* written(key), key)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is cut or silent fails with an error that shows nothing of it", () => {
    const { layer } = listening(untripped)
    return Effect.gen(function*() {
      const { openAi: classifyPart } = LlmStream
      const silent = Stream.concat(Stream.make(chunk(answer)), Stream.never)
      const limits = { classifyPart, key, firstContentTimeout: "1 second", idleTimeout: "1 second" } as const
      for (const stream of [streams["a cut"]!, silent, Stream.never]) {
        const fiber = yield* Effect.forkChild(
          Effect.flip(Stream.runDrain(stream.pipe(CircuitBreaker.stream(limits)))),
          { startImmediately: true }
        )
        yield* TestClock.adjust("2 seconds")
        const error = yield* Fiber.join(fiber)
        assert.isTrue(CircuitError.isCircuitBreakerError(error))
        assertClean(faces(error))
      }
    }).pipe(Effect.provide(layer))
  })
})
