import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Stream } from "effect"
import { CircuitBreaker, LlmRetry, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { busily } from "../support/busily.ts"
import { called, classifyPart, provider, ProviderFailed, type Step, told } from "../support/streams.ts"

const Breaker = CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(100), attemptTimeout: "1 second" })

type Limits = Pick<CircuitBreaker.StreamOptions, "firstContentTimeout" | "idleTimeout">

/** Streams a script through the limits, to a consumer that takes its time for every part. */
const streams = (limits: Limits, script: ReadonlyArray<Step>, pause: Duration.Input = 0) =>
  Effect.gen(function*() {
    const recorded = yield* RecordedEvents.RecordedEvents
    yield* recorded.clear
    const fiber = yield* provider(...script).pipe(
      CircuitBreaker.stream({ key: "model", classifyPart, ...limits }),
      Stream.runForEach(() => Effect.sleep(pause)),
      Effect.exit,
      Effect.forkChild
    )
    yield* TestClock.adjust("1 day")
    const exit = yield* Fiber.join(fiber)
    return [told(exit), ...(yield* recorded.calls).map(called)]
  })

const served = [undefined, "success"]
const tooSlow = ["AttemptTimedOut", "failure slow_first_content"]
const stalled = ["AttemptTimedOut", "failure stream_stalled"]

describe("firstContentTimeout", () => {
  const limits = { firstContentTimeout: "10 seconds" } as const

  it.effect("counts from the start, and openers and pings do not stop it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* streams(limits, [9_999, ["text"], ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [10_001, ["text"], ["finish"]]), tooSlow)
      assert.deepStrictEqual(yield* streams(limits, [5_000, ["open"], 4_999, ["text"], ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [5_000, ["open"], 5_001, ["text"], ["finish"]]), tooSlow)
      const pings = Array.from({ length: 99 }, () => [1_000, ["ping"]] as const).flat()
      assert.deepStrictEqual(yield* streams(limits, [["open"], ...pings, ["text"], ["finish"]]), tooSlow)
    }).pipe(Effect.provide(Breaker)))

  it.effect("counts the time that the provider takes to open the stream", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const connects = Effect.as(Effect.sleep("10001 millis"), provider(["text"], ["finish"]))
      const opens = Effect.map(Effect.sleep("10001 millis"), () => Effect.succeed<[string]>(["text"]))
      for (const stream of [Stream.unwrap(connects), Stream.fromPull(opens)]) {
        const fiber = yield* stream.pipe(
          CircuitBreaker.stream({ key: "model", classifyPart, ...limits }),
          Stream.runDrain,
          Effect.exit,
          Effect.forkChild
        )
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(told(yield* Fiber.join(fiber)), "AttemptTimedOut")
      }
      const slow = "failure slow_first_content"
      assert.deepStrictEqual((yield* recorded.calls).map(called), [slow, slow])
    }).pipe(Effect.provide(Breaker)))

  it.effect("is over with the first content, and says nothing about what comes after", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* streams({ ...limits, idleTimeout: "Infinity" }, [["text"], 3_600_000, ["text"], ["finish"]]),
        served
      )
      assert.deepStrictEqual(
        yield* streams({ ...limits, idleTimeout: "Infinity" }, [["open", "text"], 3_600_000, ["finish"]]),
        served
      )
    }).pipe(Effect.provide(Breaker)))

  it.effect("is two minutes if it is not given, or the idle limit if that is shorter", () =>
    Effect.gen(function*() {
      // The attempt timeout of the policy does not apply: a long answer is no failure.
      assert.deepStrictEqual(yield* streams({}, [119_999, ["text"], ["finish"]]), served)
      assert.deepStrictEqual(yield* streams({}, [120_001, ["text"], ["finish"]]), tooSlow)
      const idle = { idleTimeout: "5 seconds" } as const
      assert.deepStrictEqual(yield* streams(idle, [4_999, ["text"], ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(idle, [5_001, ["text"], ["finish"]]), tooSlow)
      assert.deepStrictEqual(yield* streams({ ...idle, ...limits }, [5_001, ["text"], ["finish"]]), served)
      assert.deepStrictEqual(yield* streams({ idleTimeout: "1 hour" }, [120_001, ["text"], ["finish"]]), tooSlow)
    }).pipe(Effect.provide(Breaker)))

  it.effect.each<Duration.Input>(["Infinity", Duration.infinity, Infinity])(
    "is lifted by %s",
    (firstContentTimeout) =>
      Effect.gen(function*() {
        const script = [3_600_000, ["text"], 119_999, ["finish"]]
        assert.deepStrictEqual(yield* streams({ firstContentTimeout }, script), served)
        const shortIdle = { firstContentTimeout, idleTimeout: "1 second" } as const
        assert.deepStrictEqual(yield* streams(shortIdle, [3_600_000, ["text"], ["finish"]]), served)
      }).pipe(Effect.provide(Breaker))
  )
})

describe("idleTimeout", () => {
  const limits = { firstContentTimeout: "1 minute", idleTimeout: "10 seconds" } as const

  it.effect("starts again with every content, and with nothing else", () =>
    Effect.gen(function*() {
      const steady = Array.from({ length: 99 }, () => [9_999, ["text"]] as const).flat()
      assert.deepStrictEqual(yield* streams(limits, [["text"], ...steady, 9_999, ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [["text"], 10_001, ["finish"]]), stalled)
      assert.deepStrictEqual(yield* streams(limits, [["text"], 6_000, ["ping"], 3_999, ["text", "finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [["text"], 6_000, ["ping"], 4_001, ["text", "finish"]]), stalled)
      assert.deepStrictEqual(yield* streams(limits, [["text"], 6_000, ["ping", "text"], 9_000, ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [["text"], 6_000, ["text", "ping"], 9_000, ["finish"]]), served)
    }).pipe(Effect.provide(Breaker)))

  it.effect("is two minutes if it is not given, and lifted by a duration without an end", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* streams({}, [["text"], 119_999, ["text"], 119_999, ["finish"]]), served)
      assert.deepStrictEqual(yield* streams({}, [["text"], 120_001, ["finish"]]), stalled)
      assert.deepStrictEqual(yield* streams({ idleTimeout: "Infinity" }, [["text"], 3_600_000, ["finish"]]), served)
      assert.deepStrictEqual(yield* streams({ idleTimeout: "Infinity" }, [120_001, ["text"], ["finish"]]), tooSlow)
    }).pipe(Effect.provide(Breaker)))

  it.effect("and the first limit count only while the consumer asks for more", () =>
    Effect.gen(function*() {
      // Two openers: the consumer takes an hour each before there is content, and after it.
      const script = [["open"], ["open"], 59_999, ["text"], 9_999, ["text"], ["finish"]]
      assert.deepStrictEqual(yield* streams(limits, script, "1 hour"), served)
      assert.deepStrictEqual(yield* streams(limits, [["open"], 60_001, ["text"], ["finish"]], "1 hour"), tooSlow)
      assert.deepStrictEqual(
        yield* streams(limits, [["text"], 5_000, ["ping"], 5_001, ["text"], ["finish"]], "1 hour"),
        stalled
      )
    }).pipe(Effect.provide(Breaker)))

  it.effect("rests while a tool runs, until the next part, and then starts again", () =>
    Effect.gen(function*() {
      const hour = 3_600_000
      assert.deepStrictEqual(yield* streams(limits, [["text"], ["tool"], hour, ["text"], ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [["text"], ["tool"], hour, ["tool"], hour, ["finish"]]), served)
      const rested = [["text"], 9_000, ["tool"], hour, ["result"]] as const
      assert.deepStrictEqual(yield* streams(limits, [...rested, 9_999, ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [...rested, 10_001, ["finish"]]), stalled)
      assert.deepStrictEqual(yield* streams(limits, [["text"], ["tool", "result"], 10_001, ["finish"]]), stalled)
      assert.deepStrictEqual(yield* streams(limits, [["text", "tool", "text"], 10_001, ["finish"]]), stalled)
    }).pipe(Effect.provide(Breaker)))

  it.effect("and the first limit rest while a tool runs, which is no content", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* streams(limits, [["tool"], 3_600_000, ["result"], 59_999, ["finish"]]), served)
      assert.deepStrictEqual(yield* streams(limits, [["tool"], 3_600_000, ["result"], 60_001, ["text"]]), tooSlow)
    }).pipe(Effect.provide(Breaker)))

  it.effect("ends a stream that has finished, as nothing after the finish matters", () =>
    Effect.gen(function*() {
      const fiber = yield* provider(["text"], ["finish"], 5_000, ["usage"], Effect.never).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart, ...limits }),
        Stream.runCollect,
        Effect.forkChild
      )
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["text", "finish", "usage"])
    }).pipe(Effect.provide(Breaker)))
})

describe("a stream that is cut off by a limit", () => {
  it.effect.each(
    [
      ["first_content", provider(["open"], Effect.never)],
      ["idle", provider(["text"], Effect.never)]
    ] as const
  )("fails with what it waited for, once the provider has let go: %s", ([phase, stream]) =>
    Effect.gen(function*() {
      let released = 0
      const resource = Effect.acquireRelease(Effect.void, () =>
        Effect.delay(
          Effect.sync(() => {
            released++
          }),
          "1 second"
        ))
      const fiber = yield* Stream.unwrap(Effect.as(resource, stream)).pipe(
        CircuitBreaker.stream({
          key: "model",
          classifyPart,
          firstContentTimeout: "4 seconds",
          idleTimeout: "4 seconds"
        }),
        Stream.runDrain,
        Effect.flip,
        Effect.forkChild
      )
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(released, 1)
      assert.isTrue(error._tag === "CircuitBreakerError" && !error.isRejection)
      assert.deepStrictEqual(error._tag === "CircuitBreakerError" && error.reason, {
        _tag: "AttemptTimedOut",
        key: "model",
        phase,
        limit: Duration.seconds(4)
      })
      assert.strictEqual(
        error.message,
        phase === "idle"
          ? "circuit \"model\": the stream had gone silent after 4s"
          : "circuit \"model\": no content had arrived after 4s"
      )
    }).pipe(Effect.provide(Breaker)))

  it.effect("W17: does not hold the slot of a probe for ever", () =>
    Effect.gen(function*() {
      const guarded = CircuitBreaker.stream({ key: "model", classifyPart, idleTimeout: "10 seconds" })
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(guarded(provider(Effect.never)))))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      yield* CircuitTest.adjustToProbe("model")
      const probe = yield* Effect.forkChild(Effect.exit(Stream.runDrain(guarded(provider(["ping"], Effect.never)))))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(told(yield* Fiber.join(probe)), "AttemptTimedOut")
      yield* CircuitTest.adjustToProbe("model")
      yield* Stream.runDrain(guarded(provider(["finish"])))
      assert.strictEqual((yield* CircuitBreaker.state("model"))._tag, "Closed")
    }).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }))))

  it.effect.each(
    [
      ["a cut", provider(["text"]), "StreamCut"],
      ["a stall", provider(["text"], Effect.never), "AttemptTimedOut"],
      [
        "a failure after an error part",
        provider(["failed overloaded"], Effect.fail(new ProviderFailed())),
        new ProviderFailed()
      ]
    ] as const
  )("is not tried again if it opened the circuit: %s", ([, stream, error]) =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const fiber = yield* stream.pipe(
        CircuitBreaker.stream({ key: "model", classifyPart, idleTimeout: "1 second" }),
        Stream.retry(LlmRetry.policy({ attempts: 5 })),
        Stream.runDrain,
        Effect.exit,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(told(yield* Fiber.join(fiber)), error)
      assert.lengthOf(yield* recorded.calls, 1)
    }).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("a provider that sends parts without content as fast as it can", () => {
  const limits = { firstContentTimeout: "300 millis", idleTimeout: "300 millis" } as const

  it.effect.each(
    [
      ["first_content", ["open"], 100, 3],
      ["first_content", ["open"], 70, 5],
      ["idle", ["open", "text"], 100, 3],
      ["idle", ["text", "open"], 299, 2]
    ] as const
  )(
    "is cut off, for its time is compared at every part: %s",
    ([phase, before, millis, pulls]) =>
      busily((takes) =>
        Effect.gen(function*() {
          const recorded = yield* RecordedEvents.RecordedEvents
          const started = yield* Clock.currentTimeMillis
          const error = yield* Stream.concat(Stream.fromArray(before), Stream.take(takes(millis, "ping"), 10_000)).pipe(
            CircuitBreaker.stream({ key: "model", classifyPart, ...limits }),
            Stream.runDrain,
            Effect.flip
          )
          assert.deepStrictEqual(error._tag === "CircuitBreakerError" && error.reason, {
            _tag: "AttemptTimedOut",
            key: "model",
            phase,
            limit: Duration.millis(300)
          })
          assert.strictEqual((yield* Clock.currentTimeMillis) - started, pulls * millis)
          assert.deepStrictEqual((yield* recorded.calls).map(called), [
            phase === "idle" ? "failure stream_stalled" : "failure slow_first_content"
          ])
        })
      ).pipe(Effect.provide(Breaker))
  )

  it.effect("is served if content comes with the last of them, however late", () =>
    busily((takes) =>
      Effect.gen(function*() {
        const recorded = yield* RecordedEvents.RecordedEvents
        const answer = Stream.concat(Stream.take(takes(1_000, "ping", "text", "ping"), 3), Stream.make("finish"))
        const guarded = CircuitBreaker.stream({ key: "model", classifyPart, ...limits })
        assert.deepStrictEqual(yield* Stream.runCollect(guarded(answer)), ["ping", "text", "ping", "finish"])
        // Nothing after the finish matters, and so it ends.
        yield* Stream.runDrain(guarded(Stream.concat(answer, Stream.take(takes(100, "ping"), 10_000))))
        assert.deepStrictEqual((yield* recorded.calls).map(called), ["success", "success"])
      })
    ).pipe(Effect.provide(Breaker)))

  // As a socket does that always has more: every pull ends before the event loop turns.
  const firehose = (parts: number) =>
    Stream.fromAsyncIterable(
      async function*() {
        for (let sent = 0; sent < parts; sent++) yield "ping"
      }(),
      () => new ProviderFailed()
    )

  it.live("lets timers run, and the limit", () =>
    Effect.gen(function*() {
      const error = yield* firehose(200_000).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart, idleTimeout: "20 millis" }),
        Stream.runDrain,
        Effect.flip
      )
      assert.strictEqual(told(Exit.fail(error)), "AttemptTimedOut")
    }).pipe(Effect.provide(Breaker)))

  it.live("lets the caller leave", () =>
    Effect.gen(function*() {
      let taken = 0
      const fiber = yield* firehose(200_000).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart }),
        Stream.runForEach(() => Effect.sync(() => void taken++)),
        Effect.forkChild
      )
      yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.isBelow(taken, 200_000)
    }).pipe(Effect.provide(Breaker)))
})

describe("an interruption", () => {
  it.effect.each(
    [
      ["with a limit", { idleTimeout: "1 hour" }],
      ["without one", { firstContentTimeout: "Infinity", idleTimeout: "Infinity" }]
    ] as const
  )("is honoured at once while the provider is silent, %s", ([, limits]) =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      let released = 0
      const silence = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          released++
        }))
      const fiber = yield* provider(["text"], silence).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart, ...limits }),
        Stream.runDrain,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* recorded.calls, 0)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.strictEqual(released, 1)
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["interrupted cancelled"])
    }).pipe(Effect.provide(Breaker)))
})

describe("slowness", () => {
  const slowerThan = "2 seconds"
  const Slow = CircuitTest.layer({
    tripPolicy: TripPolicy.slowCallRate({ threshold: 1, slowerThan, window: 1, minimumCalls: 1 })
  })
  const isSlow = (script: ReadonlyArray<Step>, pause?: Duration.Input) =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual(yield* streams({ idleTimeout: "Infinity" }, script, pause), served)
      const slow = yield* recorded.of("circuit.slow_call")
      const opened = yield* recorded.of("circuit.opened")
      yield* CircuitBreaker.reset("model")
      return [...slow.map(({ duration_ms }) => duration_ms), ...opened.map(({ failure_kind }) => failure_kind)]
    })

  it.effect("I70: is judged by the time to the first content, and never takes the answer away", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* isSlow([["open"], 2_001, ["text"], ["finish"]]), [2_001, "slow"])
      assert.deepStrictEqual(yield* isSlow([["open"], 2_000, ["text"], 3_600_000, ["finish"]]), [])
      assert.deepStrictEqual(yield* isSlow([1_999, ["tool"], 3_600_000, ["finish"]]), [])
      assert.deepStrictEqual(yield* isSlow([2_001, ["tool"], 3_600_000, ["finish"]]), [2_001, "slow"])
      assert.deepStrictEqual(yield* isSlow([1_000, ["tool"], 3_600_000, ["result"], 1_001, ["text", "finish"]]), [
        2_001,
        "slow"
      ])
      assert.deepStrictEqual(yield* isSlow([1_999, ["finish"]]), [])
      assert.deepStrictEqual(yield* isSlow([["open"], 1_500, ["ping"], 1_500, ["finish"]]), [3_000, "slow"])
    }).pipe(Effect.provide(Slow)))

  it.effect("of a stream that fails without content is that of the failure", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const slow = (firstContentTimeout: Duration.Input, script: ReadonlyArray<Step>) =>
        Effect.andThen(
          streams({ firstContentTimeout }, script),
          Effect.map(recorded.of("circuit.slow_call"), (events) => events.map(({ duration_ms }) => duration_ms))
        )
      assert.deepStrictEqual(yield* slow("1 hour", [1_000, ["open"], 1_001]), [2_001])
      assert.deepStrictEqual(yield* slow("1 hour", [2_001, Effect.fail(new ProviderFailed())]), [2_001])
      assert.deepStrictEqual(yield* slow("1 hour", [2_001, ["failed timeout"]]), [2_001])
      assert.deepStrictEqual(yield* slow("3 seconds", [Effect.never]), [3_000])
      assert.deepStrictEqual(yield* slow("1 hour", [["text"], 3_600_000]), [])
    }).pipe(Effect.provide(Slow)))

  it.effect("is not the consumer's, which takes its time before it asks for more", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* isSlow([["open"], 1_000, ["text"], ["finish"]], "1 hour"), [])
      assert.deepStrictEqual(yield* isSlow([["open"], ["open"], ["finish"]], "1 hour"), [])
    }).pipe(Effect.provide(Slow)))

  it.effect.each(["finish", "first_content"] as const)(
    "of a probe opens the circuit again, and what comes later changes nothing: %s",
    (settleProbeAt) =>
      Effect.gen(function*() {
        const recorded = yield* RecordedEvents.RecordedEvents
        yield* CircuitBreaker.forceOpen("model", { for: "1 minute" })
        yield* CircuitTest.adjustToProbe("model")
        yield* recorded.clear
        const fiber = yield* provider(2_001, ["text"], ["finish"]).pipe(
          CircuitBreaker.stream({ key: "model", classifyPart, settleProbeAt }),
          Stream.runCollect,
          Effect.forkChild
        )
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(yield* Fiber.join(fiber), ["text", "finish"])
        const [opened] = yield* recorded.of("circuit.opened")
        assert.deepStrictEqual([opened?.reason, opened?.latency_tripped], ["probe_failed", true])
        assert.strictEqual((yield* recorded.names).at(-1), "circuit.opened")
      }).pipe(Effect.provide(Slow))
  )
})
