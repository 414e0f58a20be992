import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { CircuitBreaker, type CircuitError, LlmStream, Outcome, StreamSignal, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { expectTypeOf } from "vitest"
import { called, classifyPart, provider, ProviderFailed, told } from "../support/streams.ts"

const Breaker = CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(100) })

describe("a stream that nobody pulls", () => {
  it.effect("is not admitted, neither when it is built nor when it is opened", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      let started = 0
      const stream = Stream.suspend(() => {
        started++
        return provider(["finish"])
      }).pipe(CircuitBreaker.stream({ key: "model", classifyPart }))
      const pull = yield* Effect.scoped(Stream.toPull(stream))
      assert.strictEqual(started, 0)
      assert.deepStrictEqual(yield* CircuitBreaker.states, [])
      assert.deepStrictEqual(yield* recorded.calls, [])
      assert.isDefined(pull)
    }).pipe(Effect.provide(Breaker)))

  it.effect("does not hold the slot of a probe", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("model", { for: "1 minute" })
      yield* CircuitTest.adjustToProbe("model")
      const guarded = CircuitBreaker.stream({ key: "model", classifyPart })
      yield* Effect.scoped(
        Effect.gen(function*() {
          const pull = yield* Stream.toPull(guarded(provider(["finish"])))
          yield* Stream.runDrain(guarded(provider(["finish"])))
          assert.isDefined(pull)
        })
      )
      assert.strictEqual((yield* CircuitBreaker.state("model"))._tag, "Closed")
    }).pipe(Effect.provide(Breaker)))
})

describe("the resources of the provider's stream", () => {
  class Stop extends Data.TaggedError("Stop") {}

  const limits = { firstContentTimeout: "1 second", idleTimeout: "1 second" } as const

  it.effect.each(
    [
      ["finishes", provider(["text"], ["finish"]), Stream.runDrain],
      ["is cut", provider(["text"]), Stream.runDrain],
      ["fails", provider(["text"], Effect.fail(new ProviderFailed())), Stream.runDrain],
      ["stalls", provider(["text"], Effect.never), Stream.runDrain],
      ["is left", provider(["text"], ["finish"]), (stream: Answer) => Stream.runDrain(Stream.take(stream, 1))],
      ["meets a failure", provider(["text"]), (stream: Answer) => Stream.runForEach(stream, () => new Stop())],
      [
        "is interrupted",
        provider(["text"], Effect.never),
        (stream: Answer) =>
          Effect.flatMap(
            Effect.forkChild(Stream.runDrain(stream)),
            (fiber) => Effect.andThen(Effect.sleep(10), Fiber.interrupt(fiber))
          )
      ]
    ] as const
  )("are released once, when it %s, before anything else happens", ([, script, consume]) =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const note = (line: string) =>
        Effect.sync(() => {
          log.push(line)
        })
      const recorded = yield* RecordedEvents.RecordedEvents
      const connection = Effect.acquireRelease(note("acquired"), () => note("released"))
      const stream = Stream.unwrap(Effect.as(connection, script)).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart, ...limits })
      )
      const run = Effect.exit(consume(stream)).pipe(Effect.andThen(note("next")))
      const fiber = yield* Effect.forkChild(Effect.andThen(run, run))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(log, ["acquired", "released", "next", "acquired", "released", "next"])
      assert.lengthOf(yield* recorded.calls, 2)
    }).pipe(Effect.provide(Breaker)))

  it.effect("are released before the stream that follows starts", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const leg = (name: string) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            log.push(`${name} acquired`)
            return provider(["text"])
          }),
          () => Effect.sync(() => log.push(`${name} released`))
        ).pipe(Stream.unwrap, CircuitBreaker.stream({ key: name, classifyPart }))
      yield* leg("eu").pipe(Stream.catch(() => leg("us")), Stream.runDrain, Effect.exit)
      assert.deepStrictEqual(log, ["eu acquired", "eu released", "us acquired", "us released"])
    }).pipe(Effect.provide(Breaker)))

  it.effect("belong to the caller's own scope where the stream asks for one", () =>
    Effect.gen(function*() {
      let released = 0
      const connection = Effect.acquireRelease(
        Effect.succeed("finish"),
        () => Effect.sync(() => released++)
      )
      const stream = Stream.fromEffect(connection).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart, idleTimeout: "1 second" })
      )
      expectTypeOf(stream).toExtend<
        Stream.Stream<string, CircuitError.CircuitBreakerError, Scope.Scope | CircuitBreaker.CircuitBreaker>
      >()
      const scope = yield* Scope.make()
      assert.deepStrictEqual(yield* Scope.provide(Stream.runCollect(stream), scope), ["finish"])
      assert.strictEqual(released, 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(released, 1)
    }).pipe(Effect.provide(Breaker)))
})

describe("a classifier that is broken", () => {
  it.effect("reads as proof of life where it throws, and is announced by its name only", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const parts = yield* provider(["text", "canary", "text"], ["canary"], ["canary"], ["canary", "finish"]).pipe(
        CircuitBreaker.stream({
          key: "model",
          classifyPart: (part: string) => {
            if (part === "canary") throw new SyntaxError(part)
            return classifyPart(part)
          }
        }),
        Stream.runCollect
      )
      assert.lengthOf(parts, 7)
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["success"])
      const faults = yield* recorded.of("classify.failed")
      assert.deepStrictEqual(faults.map(({ error, failures }) => [error, failures]), [
        ["SyntaxError", 1],
        ["SyntaxError", 2],
        ["SyntaxError", 4]
      ])
      assert.notInclude(JSON.stringify(yield* recorded.all), "canary")
    }).pipe(Effect.provide(Breaker)))

  const junk: ReadonlyArray<unknown> = [
    null,
    undefined,
    "Content",
    1,
    [],
    {},
    { _tag: "toString" },
    { _tag: "Bogus", outcome: Outcome.success },
    Promise.resolve(StreamSignal.content)
  ]

  it.effect.each(junk.map((value) => [value] as const))(
    "reads as proof of life where it returns %o",
    ([value]) =>
      Effect.gen(function*() {
        const recorded = yield* RecordedEvents.RecordedEvents
        const guarded = CircuitBreaker.stream({
          key: "model",
          firstContentTimeout: "1 second",
          classifyPart: (part: string) => part === "junk" ? value as StreamSignal.StreamSignal : classifyPart(part)
        })
        assert.lengthOf(yield* Stream.runCollect(guarded(provider(["junk"], ["text", "junk", "finish"]))), 4)
        assert.strictEqual(told(yield* Effect.exit(Stream.runDrain(guarded(provider(["junk"]))))), "StreamCut")
        const fiber = yield* Effect.forkChild(
          Effect.exit(Stream.runDrain(guarded(provider(["junk"], 2_000, ["text"]))))
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(told(yield* Fiber.join(fiber)), "AttemptTimedOut")
        assert.deepStrictEqual((yield* recorded.calls).map(called), [
          "success",
          "failure stream_cut",
          "failure slow_first_content"
        ])
        assert.deepStrictEqual((yield* recorded.of("classify.failed")).map(({ error }) => error), [
          "TypeError",
          "TypeError",
          "TypeError"
        ])
      }).pipe(Effect.provide(Breaker))
  )

  const outcomes: ReadonlyArray<readonly [outcome: unknown, call: string]> = [
    [undefined, "ignored caller_error"],
    [null, "ignored caller_error"],
    [{}, "ignored caller_error"],
    [{ _tag: "toString" }, "ignored caller_error"],
    [{ _tag: "Failure", kind: "canary" }, "failure unknown"],
    [{ _tag: "OpenNow", kind: "overloaded", retryAfter: "canary" }, "failure overloaded"]
  ]

  it.effect.each(outcomes)("says nothing about the provider, or as much as it can, with the outcome %o", (
    [outcome, call]
  ) =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      for (const _tag of ["Finish", "Failed"]) {
        const parts = yield* provider(["text"], ["finish"]).pipe(
          CircuitBreaker.stream({ key: _tag, classifyPart: () => ({ _tag, outcome }) as StreamSignal.StreamSignal }),
          Stream.runCollect
        )
        assert.deepStrictEqual(parts, ["text", "finish"])
      }
      assert.deepStrictEqual((yield* recorded.calls).map(called), [call, call])
      assert.notInclude(JSON.stringify(yield* recorded.all), "canary")
    }).pipe(Effect.provide(Breaker)))

  it.effect.each(
    [
      ["throws", () => {
        throw new RangeError("canary")
      }],
      ["returns junk", () => ({ _tag: "canary" }) as unknown as Outcome.Outcome]
    ] as const
  )(
    "leaves the failure as it is when it %s, and says nothing about the provider",
    ([, classify]) =>
      Effect.gen(function*() {
        const recorded = yield* RecordedEvents.RecordedEvents
        const error = yield* provider(["text"], Effect.fail(new ProviderFailed())).pipe(
          CircuitBreaker.stream({ key: "model", classifyPart, classify }),
          Stream.runDrain,
          Effect.flip
        )
        assert.instanceOf(error, ProviderFailed)
        assert.deepStrictEqual((yield* recorded.calls).map(called), ["ignored caller_error"])
        assert.lengthOf(yield* recorded.of("classify.failed"), 1)
        assert.notInclude(JSON.stringify(yield* recorded.all), "canary")
      }).pipe(Effect.provide(Breaker))
  )
})

describe("the types of CircuitBreaker.stream", () => {
  class Model extends Context.Service<Model, Stream.Stream<{ readonly text: string }, ProviderFailed>>()("Model") {}
  const answer = Stream.unwrap(Model.use((model) => Effect.succeed(model)))

  type Guarded = Stream.Stream<
    { readonly text: string },
    ProviderFailed | CircuitError.CircuitBreakerError,
    Model | CircuitBreaker.CircuitBreaker
  >

  it.effect("keep parts, errors and services, data-first and data-last", () =>
    Effect.gen(function*() {
      const classifyPart = ({ text }: { readonly text: string }) =>
        text === "" ? StreamSignal.alive : StreamSignal.finish(Outcome.success)
      const first = CircuitBreaker.stream(answer, { key: "model", classifyPart, idleTimeout: "1 second" })
      const last = answer.pipe(CircuitBreaker.stream({ key: "model", classifyPart }))
      const plain = answer.pipe(CircuitBreaker.stream({ key: "model", classifyPart: StreamSignal.opaque }))
      const reader = answer.pipe(CircuitBreaker.stream({ key: "model", classifyPart: LlmStream.openAi }))
      const classified = answer.pipe(
        CircuitBreaker.stream({
          key: "model",
          classifyPart,
          classify: (exit: Exit.Exit<never, ProviderFailed>) =>
            Exit.isFailure(exit) ? Outcome.failure("overloaded") : Outcome.success
        })
      )
      expectTypeOf(first).toEqualTypeOf<Guarded>()
      expectTypeOf(last).toEqualTypeOf<Guarded>()
      expectTypeOf(plain).toEqualTypeOf<Guarded>()
      expectTypeOf(reader).toEqualTypeOf<Guarded>()
      expectTypeOf(classified).toEqualTypeOf<Guarded>()

      assert.deepStrictEqual(yield* Stream.runCollect(first), [{ text: "Hi" }])
      assert.deepStrictEqual(yield* Stream.runCollect(last), [{ text: "Hi" }])
      assert.deepStrictEqual(yield* Stream.runCollect(plain), [{ text: "Hi" }])
    }).pipe(Effect.provide(Layer.merge(Breaker, Layer.succeed(Model, Stream.make({ text: "Hi" }))))))

  it.effect("are those of the service too, and layerNoop gives the stream as it is", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      const guarded = breaker.stream(provider(["text"]), { key: "model", classifyPart, idleTimeout: 1 })
      expectTypeOf(guarded).toEqualTypeOf<
        Stream.Stream<string, ProviderFailed | CircuitError.CircuitBreakerError>
      >()
      assert.deepStrictEqual(yield* Stream.runCollect(guarded), ["text"])
    }).pipe(Effect.provide(CircuitBreaker.layerNoop)))
})

type Answer = Stream.Stream<
  string,
  ProviderFailed | CircuitError.CircuitBreakerError,
  CircuitBreaker.CircuitBreaker
>
