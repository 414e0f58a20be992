import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitError,
  CircuitPolicy,
  CircuitStore,
  LlmOutcome,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { called, classifyPart, provider, ProviderFailed, told } from "../support/streams.ts"

type Answer = Stream.Stream<string, ProviderFailed | CircuitError.CircuitBreakerError, CircuitBreaker.CircuitBreaker>

class DiskFull extends Data.TaggedError("DiskFull") {}
const brokenPipe = new ProviderFailed()

const drained = (answer: Answer) => Stream.runDrain(answer)
const diskFull = (answer: Answer) => Stream.runForEach(answer, () => Effect.fail(new DiskFull()))
const oneOfMany = (answer: Answer) => Stream.runDrain(Stream.take(answer, 1))
const abandoned = (answer: Answer) =>
  Effect.flatMap(
    Effect.forkChild(Stream.runDrain(answer)),
    (fiber) => Effect.andThen(Effect.sleep(10), Fiber.interrupt(fiber))
  )
const scoped = (answer: Answer) =>
  Effect.scoped(Effect.flatMap(Stream.toPull(answer), (pull) => Effect.andThen(pull, Effect.sleep(10))))

const endings: ReadonlyArray<
  readonly [
    name: string,
    answer: ReturnType<typeof provider>,
    consume: (answer: Answer) => Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>,
    /** What the consumer gets: the reason of the breaker, its own or the provider's error, or nothing. */
    ends: unknown,
    call: string
  ]
> = [
  ["a finish", provider(["open"], ["text"], ["finish"]), drained, undefined, "success"],
  ["a finish in the middle of a chunk", provider(["open", "text", "finish", "usage"]), drained, undefined, "success"],
  ["a finish and two more", provider(["text"], ["finish"], ["finish", "finish"]), drained, undefined, "success"],
  ["a finish without content", provider(["open"], ["finish"]), drained, undefined, "success"],
  ["a finish, then an error part", provider(["text"], ["finish"], ["failed timeout"]), drained, undefined, "success"],
  ["a finish, then a failure", provider(["finish"], Effect.fail(brokenPipe)), drained, brokenPipe, "success"],
  ["a finish, then silence", provider(["text"], ["finish"], Effect.never), drained, undefined, "success"],
  [
    "a finish, an error part, then silence",
    provider(["finish"], ["failed timeout"], Effect.never),
    drained,
    undefined,
    "success"
  ],
  ["a refusal", provider(["text"], ["refusal"]), drained, undefined, "ignored content_policy"],
  ["an error part first", provider(["failed overloaded"]), drained, undefined, "failure overloaded"],
  ["an error part last", provider(["text"], ["failed timeout"]), drained, undefined, "failure timeout"],
  ["an error part and a finish", provider(["failed timeout"], ["finish"]), drained, undefined, "failure timeout"],
  ["an error part before content", provider(["failed timeout"], ["text"]), drained, undefined, "failure timeout"],
  ["two errors in a chunk", provider(["failed timeout", "failed unknown"]), drained, undefined, "failure timeout"],
  [
    "an error part, then a failure",
    provider(["text"], ["failed timeout"], Effect.fail(brokenPipe)),
    drained,
    brokenPipe,
    "failure timeout"
  ],
  [
    "an error part, then silence",
    provider(["text"], ["failed timeout"], Effect.never),
    drained,
    "AttemptTimedOut",
    "failure timeout"
  ],
  ["a cut", provider(["open"], ["text"], ["text"]), drained, "StreamCut", "failure stream_cut"],
  ["a cut before content", provider(["open"], ["ping"]), drained, "StreamCut", "failure stream_cut"],
  ["nothing at all", provider(), drained, "StreamCut", "failure stream_cut"],
  ["a failure", provider(["text"], Effect.fail(brokenPipe)), drained, brokenPipe, "failure unknown"],
  ["a failure at once", provider(Effect.fail(brokenPipe)), drained, brokenPipe, "failure unknown"],
  ["a defect", provider(["text"], Effect.die(brokenPipe)), drained, brokenPipe, "ignored caller_error"],
  [
    "no content in time",
    provider(["open"], 600, ["ping"], Effect.never),
    drained,
    "AttemptTimedOut",
    "failure slow_first_content"
  ],
  ["silence", provider(["text"], Effect.never), drained, "AttemptTimedOut", "failure stream_stalled"],
  [
    "nothing but pings",
    provider(["text"], ...Array.from({ length: 9 }, () => [600, ["ping"]] as const).flat(), ["text"], ["finish"]),
    drained,
    "AttemptTimedOut",
    "failure stream_stalled"
  ],
  ["a consumer that stops", provider(["text"], ["text"], ["finish"]), oneOfMany, undefined, "interrupted cancelled"],
  ["a consumer that stops at the end", provider(["finish"], ["text"]), oneOfMany, undefined, "success"],
  ["a consumer that fails", provider(["text"], ["finish"]), diskFull, new DiskFull(), "interrupted cancelled"],
  ["an interruption", provider(["text"], Effect.never), abandoned, undefined, "interrupted cancelled"],
  ["an interruption before content", provider(Effect.never), abandoned, undefined, "interrupted cancelled"],
  ["an interruption after the finish", provider(["finish"], Effect.never), abandoned, undefined, "success"],
  ["a scope that closes", provider(["text"], ["finish"]), scoped, undefined, "interrupted cancelled"],
  [
    "an interruption of the provider's own",
    provider(["text"], Effect.interrupt),
    drained,
    "Interrupt",
    "interrupted cancelled"
  ]
]

/** The memory store, with a count of how often each permit was settled. */
const counting = (settles: Map<object, number>) =>
  Layer.effect(
    CircuitStore.CircuitStore,
    Effect.map(CircuitStore.CircuitStore, (store) => ({
      ...store,
      circuit: (...args: Parameters<typeof store.circuit>) => {
        const handle = store.circuit(...args)
        const settle: typeof handle.settle = (clock, permit, ...rest) => {
          settles.set(permit, (settles.get(permit) ?? 0) + 1)
          return handle.settle(clock, permit, ...rest)
        }
        return new Proxy(handle, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name, target)
            return name === "settle" ? settle : typeof value === "function" ? value.bind(target) : value
          }
        })
      }
    }))
  ).pipe(Layer.provide(CircuitStore.layerMemory))

const breaker = (settles: Map<object, number>) =>
  RecordedEvents.layer.pipe(
    Layer.provideMerge(CircuitBreaker.layer({
      gateJitter: 0,
      tripPolicy: TripPolicy.consecutive(1),
      openDuration: "1 minute",
      classify: (exit) => exit._tag === "Failure" && Cause.hasDies(exit.cause) ? LlmOutcome.classify(exit) : failed
    })),
    Layer.provide(counting(settles))
  )

const failed = Outcome.failure("unknown")

describe("CircuitBreaker.stream settles exactly once", () => {
  const limits = { firstContentTimeout: "1 second", idleTimeout: "1 second" } as const

  it.effect.each(endings)("W16: in a closed circuit, with %s", ([, answer, consume, ends, call]) => {
    const settles = new Map<object, number>()
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const stream = answer.pipe(CircuitBreaker.stream({ key: "model", classifyPart, ...limits }))
      const fiber = yield* Effect.forkChild(Effect.exit(consume(stream)))
      yield* TestClock.adjust("1 hour")

      const state = yield* CircuitBreaker.state("model")
      assert.deepStrictEqual(told(yield* Fiber.join(fiber)), ends)
      assert.deepStrictEqual((yield* recorded.calls).map(called), [call])
      assert.deepStrictEqual([...settles.values()], [1])
      assert.strictEqual(state._tag, call.startsWith("failure") ? "Open" : "Closed")
    }).pipe(Effect.provide(breaker(settles)))
  })

  it.effect.each(endings)("W16: as a probe, with %s", ([, answer, consume, ends, call]) => {
    const settles = new Map<object, number>()
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" })))
      yield* TestClock.adjust("1 minute")
      yield* recorded.clear
      settles.clear()
      const stream = answer.pipe(CircuitBreaker.stream({ key: "model", classifyPart, ...limits }))
      const fiber = yield* Effect.forkChild(Effect.exit(consume(stream)))
      yield* TestClock.adjust("10 seconds")

      const state = yield* CircuitBreaker.state("model")
      assert.deepStrictEqual(told(yield* Fiber.join(fiber)), ends)
      assert.deepStrictEqual((yield* recorded.calls).map(called), [call])
      assert.deepStrictEqual([...settles.values()], [1])
      assert.lengthOf(yield* recorded.of("circuit.probe"), 1)
      if (state._tag === "HalfOpen") assert.strictEqual(state.probing, 0)
      assert.strictEqual(
        state._tag,
        call === "success" ? "Closed" : call.startsWith("failure") ? "Open" : "HalfOpen"
      )
    }).pipe(Effect.provide(breaker(settles)))
  })

  it.effect.each(endings)("W16: as a probe that is over at the first content, with %s", (
    [, answer, consume, ends, call]
  ) => {
    const settles = new Map<object, number>()
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" })))
      yield* TestClock.adjust("1 minute")
      yield* recorded.clear
      settles.clear()
      const signals: Array<string> = []
      const noting = (part: string) => {
        const signal = classifyPart(part)
        signals.push(signal._tag)
        return signal
      }
      const stream = answer.pipe(
        CircuitBreaker.stream({ key: "model", classifyPart: noting, settleProbeAt: "first_content", ...limits })
      )
      const fiber = yield* Effect.forkChild(Effect.exit(consume(stream)))
      yield* TestClock.adjust("10 seconds")

      const first = signals.find((signal) => signal !== "Alive")
      const names = yield* recorded.names
      const state = yield* CircuitBreaker.state("model")
      assert.deepStrictEqual(told(yield* Fiber.join(fiber)), ends)
      assert.deepStrictEqual((yield* recorded.calls).map(called), [call])
      // One permit of the probe, and one of the closed circuit if there was content.
      assert.deepStrictEqual([...settles.values()], first === "Content" ? [1, 1] : [1])
      assert.strictEqual(names.includes("circuit.closed"), first === "Content" || call === "success")
      assert.lengthOf(yield* recorded.of("circuit.probe"), 1)
      assert.notInclude(names, "circuit.late_outcome")
      if (state._tag === "HalfOpen") assert.strictEqual(state.probing, 0)
      if (call.startsWith("failure")) assert.strictEqual(state._tag, "Open")
    }).pipe(Effect.provide(breaker(settles)))
  })
})

describe("CircuitBreaker.stream", () => {
  it.effect("gives the consumer every part that came before a cut, and fails", () =>
    Effect.gen(function*() {
      const parts: Array<string> = []
      const exit = yield* provider(["open", "text"], ["text"]).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart }),
        Stream.runForEach((part) => Effect.sync(() => parts.push(part))),
        Effect.exit
      )
      assert.deepStrictEqual(parts, ["open", "text", "text"])
      assert.strictEqual(told(exit), "StreamCut")
    }).pipe(Effect.provide(breaker(new Map()))))

  it.effect("leaves a healthy stream as it is, chunk by chunk", () =>
    Effect.gen(function*() {
      const chunks: Array<readonly [string, ...Array<string>]> = [["open", "text"], ["text"], ["finish", "usage"]]
      const seen = yield* provider(...chunks).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart }),
        Stream.chunks,
        Stream.runCollect
      )
      assert.deepStrictEqual(seen, chunks)
    }).pipe(Effect.provide(breaker(new Map()))))

  it.effect("that is opaque takes every part for content and the end for the finish", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const guarded = CircuitBreaker.stream({
        key: "model",
        idleTimeout: "1 second",
        classifyPart: StreamSignal.opaque
      })
      assert.deepStrictEqual(yield* Stream.runCollect(guarded(provider(["failed timeout"]))), ["failed timeout"])
      assert.deepStrictEqual(yield* Stream.runCollect(guarded(provider())), [])
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["success", "success"])

      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(guarded(provider(["ping"], Effect.never)))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(told(yield* Fiber.join(fiber)), "AttemptTimedOut")
      assert.strictEqual((yield* recorded.calls).map(called).at(-1), "failure stream_stalled")
    }).pipe(Effect.provide(breaker(new Map()))))

  it.effect("does not start a stream that is rejected, and settles nothing", () => {
    const settles = new Map<object, number>()
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* CircuitBreaker.forceOpen("model")
      let started = 0
      const error = yield* Stream.suspend(() => {
        started++
        return provider(["finish"])
      }).pipe(CircuitBreaker.stream({ key: "model", classifyPart }), Stream.runDrain, Effect.flip)
      assert.strictEqual(error._tag === "CircuitBreakerError" && error.reason._tag, "CircuitForcedOpen")
      assert.strictEqual(started, 0)
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["rejected_forced_open"])
      assert.strictEqual(settles.size, 0)
    }).pipe(Effect.provide(breaker(settles)))
  })

  it.effect("judges every run of the same stream anew", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const stream = provider(["text"], ["finish"]).pipe(CircuitBreaker.stream({ key: "model", classifyPart }))
      yield* Stream.runDrain(stream)
      yield* Stream.runDrain(Stream.concat(stream, stream))
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["success", "success", "success"])
    }).pipe(Effect.provide(breaker(new Map()))))

  it.effect("asks the classifier of the call about a failure, and that of the policy otherwise", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const failing = provider(["text"], Effect.fail(brokenPipe))
      const seen: Array<unknown> = []
      const guarded = CircuitBreaker.stream({
        key: "model",
        classifyPart,
        classify: (exit: Exit.Exit<never, ProviderFailed>) => {
          seen.push(exit._tag === "Failure" && Option.getOrUndefined(Cause.findErrorOption(exit.cause)))
          return Outcome.ignored("invalid_request")
        }
      })
      yield* failing.pipe(guarded, Stream.runDrain, Effect.flip)
      // A part has said it all before.
      yield* provider(["finish"], Effect.fail(brokenPipe)).pipe(guarded, Stream.runDrain, Effect.flip)
      yield* failing.pipe(CircuitBreaker.stream({ key: "model", classifyPart }), Stream.runDrain, Effect.flip)
      assert.deepStrictEqual(seen, [brokenPipe])
      assert.deepStrictEqual((yield* recorded.calls).map(called), [
        "ignored invalid_request",
        "success",
        "failure unknown"
      ])
    }).pipe(Effect.provide(breaker(new Map()))))

  it.effect("opens the circuit at once, or shuts its gate, as an error part says", () =>
    Effect.gen(function*() {
      const says = (outcome: Outcome.Outcome) =>
        Stream.make("?").pipe(
          CircuitBreaker.stream({ key: "model", classifyPart: () => StreamSignal.failed(outcome) }),
          Stream.runDrain
        )
      yield* says(Outcome.throttled("5 seconds"))
      const throttled = yield* Effect.flip(says(Outcome.success))
      assert.strictEqual(throttled.reason._tag, "CircuitThrottled")
      yield* TestClock.adjust("5 seconds")
      yield* says(Outcome.openNow("quota_exhausted", "30 minutes"))
      const open = yield* Effect.flip(says(Outcome.success))
      assert.strictEqual(open.message, "circuit \"model\" is open, retry after 30m")
    }).pipe(Effect.provide(breaker(new Map()))))

  it.effect("admits a stream to be opened by hand, and settles it when its scope closes", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const scope = yield* Scope.make()
      const pull = yield* Scope.provide(scope)(
        Stream.toPull(provider(["text"], ["finish"]).pipe(CircuitBreaker.stream({ key: "model", classifyPart })))
      )
      assert.deepStrictEqual(yield* pull, ["text"])
      assert.lengthOf(yield* recorded.calls, 0)
      yield* Scope.close(scope, Exit.void)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["interrupted cancelled"])
    }).pipe(Effect.provide(breaker(new Map()))))
})

describe("a stream without a reader of its parts", () => {
  it.effect("is refused, where the types do not: it would take half an answer for a whole one", () =>
    Effect.gen(function*() {
      for (const classifyPart of [undefined, null, "openAi", {}]) {
        const options = { key: "model", classifyPart } as never
        const exit = yield* Effect.exit(Stream.runDrain(CircuitBreaker.stream(Stream.make("a"), options)))
        assert(Exit.isFailure(exit))
        const error = Cause.squash(exit.cause)
        assert(error instanceof CircuitPolicy.InvalidOptions)
        assert.strictEqual(error.field, "classifyPart")
      }
    }).pipe(Effect.provide(CircuitTest.layer())))
})
