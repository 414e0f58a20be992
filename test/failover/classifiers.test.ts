// Classifiers that break their promises: they return what they must not, or throw. No call and no stream is changed.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { FailoverRouter, Outcome, StreamSignal } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { classifyPart, provider } from "../support/streams.ts"
import { makeTargets, router, told } from "./targets.ts"

describe("a router whose classifiers break their promises", () => {
  const junk: ReadonlyArray<readonly [string, () => unknown]> = [
    ["nothing", () => undefined],
    ["null", () => null],
    ["a failure without an outcome", () => ({ _tag: "Failed" })]
  ]

  it.effect.each(junk)(
    "a classifyPart that returns %s does not change the stream",
    ([, junk]) =>
      Effect.gen(function*() {
        const parts = yield* FailoverRouter.stream("chat", () => Stream.make("a", "b"), {
          classifyPart: (part): StreamSignal.StreamSignal =>
            part === "a" ? junk() as never : StreamSignal.finish(Outcome.success)
        }).pipe(Stream.runCollect)
        assert.deepStrictEqual(parts, ["a", "b"])
      }).pipe(Effect.provide(router()))
  )

  it.effect("a classifyPart that returns no signal reads as proof of life, and the holding goes on", () =>
    Effect.gen(function*() {
      const parts = yield* FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? provider(["odd"]) : provider(["finish"]),
        {
          classifyPart: (part): StreamSignal.StreamSignal =>
            part === "odd" ? { _tag: "Odd" } as never : classifyPart(part)
        }
      ).pipe(Stream.runCollect)
      assert.deepStrictEqual(parts, ["finish"])
    }).pipe(Effect.provide(router())))

  const outcomes: ReadonlyArray<readonly [string, unknown]> = [
    ["nothing", undefined],
    ["null", null],
    ["a text", "Failure"],
    ["another tag", { _tag: "Odd" }],
    ["a name that objects have", { _tag: "constructor" }]
  ]
  it.effect.each(outcomes)(
    "a classifier that returns %s changes neither an answer nor an error",
    ([, outcome]) =>
      Effect.gen(function*() {
        const { ask, ends, take } = makeTargets()
        assert.deepStrictEqual(yield* Effect.exit(ask()), Exit.succeed("us"))
        ends.us = Effect.fail("as it is")
        assert.deepStrictEqual(yield* Effect.exit(ask()), Exit.fail("as it is"))
        assert.deepStrictEqual(take(), ["us", "us"])
      }).pipe(Effect.provide(router({ classify: () => outcome as never })))
  )

  it.effect("a kind that there is not is unknown", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.fail("odd") })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(yield* told, ["us -> eu: unknown"])
    }).pipe(Effect.provide(router({
      classify: (exit) => Exit.isSuccess(exit) ? Outcome.success : { _tag: "Failure", kind: "sadness" as never }
    }))))

  it.effect("a classifier that throws is announced, as that of the breaker", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets()
      assert.deepStrictEqual(yield* Effect.exit(ask()), Exit.succeed("us"))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("classify.failed")).map(({ key }) => key), ["chat/us"])
    }).pipe(Effect.provide(router({
      classify: () => {
        throw new Error("broken")
      }
    }))))
})
