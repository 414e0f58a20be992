import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Stream } from "effect"
import { CircuitBreaker, CircuitLogger, CircuitStore, LlmOutcome, LlmStream, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { called, told } from "../support/streams.ts"

/** Text of a prompt, of an answer, of a header: nobody may read it anywhere. */
const canary = "canary-7f3a"

type Line = unknown
type Answer = Stream.Stream<Line, unknown>

const lines = (...parts: ReadonlyArray<Line>): Answer => Stream.fromIterable(parts).pipe(Stream.rechunk(1))
const dropped = (error: unknown, ...parts: ReadonlyArray<Line>): Answer =>
  Stream.concat(lines(...parts), Stream.fail(error))
const silent = (...parts: ReadonlyArray<Line>): Answer => Stream.concat(lines(...parts), Stream.never)
const ticking = (part: Line): Answer => Stream.map(Stream.tick("100 millis"), () => part)

const text = `data: {"choices":[{"delta":{"content":"${canary}"},"finish_reason":null}]}`
const role = `data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}`
const stop = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}`
const done = "data: [DONE]"
const page = ["<!doctype html>", "<html>", `<body>502 Bad Gateway ${canary}</body>`, "</html>"]
const half = text.slice(0, 50)

class Hostile extends Error {
  override get message(): string {
    throw new Error(canary)
  }
  get status(): number {
    throw new Error(canary)
  }
}

const cyclic = Object.assign(new Error(canary), { cause: {} as unknown })
cyclic.cause = cyclic
const reset = Object.assign(new Error(canary), { code: "ECONNRESET" })

const cut = ["StreamCut", "failure stream_cut"] as const
const slow = ["AttemptTimedOut", "failure slow_first_content"] as const
const stalled = ["AttemptTimedOut", "failure stream_stalled"] as const
const served = [undefined, "success"] as const

const bad: ReadonlyArray<readonly [name: string, answer: Answer, ends: unknown, call: string]> = [
  ["nothing at all", lines(), ...cut],
  ["an empty line", lines(""), ...cut],
  ["a page of HTML", lines(...page), ...cut],
  ["a page of HTML in one part", lines(page.join("\n")), ...cut],
  ["a page of HTML that never ends", silent(...page), ...slow],
  ["a page of 100 KB", lines(`<html>${canary.repeat(10_000)}`), ...cut],
  ["no terminator", lines(role, text, text), ...cut],
  ["an opener and no more", lines(role), ...cut],
  ["an opener and the terminator", lines(role, done), ...served],
  ["half a part, at the end", lines(role, text, half), ...cut],
  ["half a part, then silence", silent(role, text, half), ...stalled],
  ["half a part, first, then silence", silent(half), ...slow],
  ["two halves", lines(text.slice(0, 50), text.slice(50), done), ...served],
  ["garbage first", lines("\u0000\uFFFD", role, text, stop, done), ...served],
  ["garbage in the middle", lines(role, text, "data: {]", "\u0000", text, stop), ...served],
  ["garbage last", lines(role, text, stop, done, canary), ...served],
  ["garbage instead of the terminator", lines(role, text, canary), ...cut],
  ["nothing but garbage", lines(1, null, undefined, {}, [], Number.NaN, Symbol("x")), ...cut],
  ["comments for ever", ticking(": OPENROUTER PROCESSING"), ...slow],
  ["garbage for ever", ticking(canary), ...slow],
  ["text, then comments for ever", Stream.concat(lines(role, text), ticking(": ping")), ...stalled],
  ["an answer that does not stream", lines(`{"choices":[{"message":{"content":"${canary}"}}]}`), ...cut],
  [
    "an error, first",
    lines(`data: {"error":{"code":"server_is_overloaded","message":"${canary}"}}`),
    undefined,
    "failure overloaded"
  ],
  [
    "an error, last",
    lines(role, text, `data: {"error":{"type":"server_error","message":"${canary}"}}`, done),
    undefined,
    "failure server_error"
  ],
  ["an error that is not JSON", lines({ event: "error", data: canary }), undefined, "failure unknown"],
  ["an error with no words", lines(role, "data: {\"error\":{}}"), undefined, "failure unknown"],
  ["an error that wraps itself", lines({ error: cyclic }), undefined, "failure unknown"],
  ["an error that cannot be read", lines({ error: new Hostile() }), undefined, "failure unknown"],
  ["a failure that wraps itself", dropped(cyclic, role, text), cyclic, "failure unknown"],
  ["a failure that is undefined", dropped(undefined, role, text), undefined, "failure unknown"],
  ["a failure that is a text", dropped(canary, role, text), canary, "failure unknown"],
  [
    "a reset of the connection",
    dropped(reset, role, text),
    reset,
    "failure connection"
  ]
]

/** A breaker with every listener that writes down what it hears. */
const breaker = (kept: Array<string>) => {
  const keeper = Logger.map(Logger.formatJson, (line) => {
    kept.push(line)
  })
  return Layer.mergeAll(CircuitLogger.layer, RecordedEvents.layer).pipe(
    Layer.provideMerge(
      CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), classify: LlmOutcome.classify })
    ),
    Layer.provide(CircuitStore.layerMemory),
    Layer.merge(Logger.layer([keeper]))
  )
}

describe("a broken stream", () => {
  it.effect.each(bad)("ends in one documented kind, and nobody quotes it: %s", ([, answer, ends, call]) => {
    const kept: Array<string> = []
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const fiber = yield* answer.pipe(
        CircuitBreaker.stream({
          key: "model",
          classifyPart: LlmStream.openAi,
          firstContentTimeout: "10 seconds",
          idleTimeout: "5 seconds"
        }),
        Stream.runDrain,
        Effect.exit,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.join(fiber)
      const state = yield* CircuitBreaker.state("model")
      assert.strictEqual(told(exit), ends)
      assert.deepStrictEqual((yield* recorded.calls).map(called), [call])
      assert.strictEqual(state._tag, call === "success" ? "Closed" : "Open")
      assert.lengthOf(yield* recorded.of("classify.failed"), 0)

      assert.lengthOf(kept, call === "success" ? 0 : 1)
      assert.notInclude(JSON.stringify([yield* recorded.all, yield* recorded.calls, state, kept]), canary)
    }).pipe(Effect.provide(breaker(kept)))
  })
})
