// The time of a call: the deadline of all targets together, the limit of one attempt, and who is judged as slow.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Option, Stream } from "effect"
import { FailoverRoute, FailoverRouter, StreamSignal } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { busily } from "../support/busily.ts"
import { classifyPart, provider, type Step } from "../support/streams.ts"
import { down, failure, makeTargets, route, router, tag, told, trail } from "./targets.ts"

const targets = ["us", "eu"]
const slow = (duration: Duration.Input) => Effect.delay(Effect.succeed("late"), duration)

/** How a call ends, and at which millisecond. */
const timed = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* TestClock.testClockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
    let millis = Infinity
    const fiber = yield* Effect.forkChild(Effect.onExit(self, () =>
      TestClock.testClockWith((clock) =>
        Effect.sync(() => {
          millis = clock.currentTimeMillisUnsafe() - start
        })
      )))
    yield* TestClock.adjust("1 hour")
    return [yield* Fiber.await(fiber), millis] as const
  })
const failedAt = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    timed(failure(self)),
    ([exit, millis]) => Exit.isSuccess(exit) ? Effect.succeed([exit.value, millis] as const) : Effect.die(exit.cause)
  )

describe("a deadline", () => {
  it.effect("is for all targets together, and who had it to himself was too slow", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: Effect.never })
      const [error, millis] = yield* failedAt(ask())
      assert.strictEqual(millis, 10_000)
      assert.deepStrictEqual(error.reason, {
        _tag: "DeadlineExceeded",
        route: "chat",
        attempts: error.attempts,
        deadline: Duration.seconds(10)
      })
      assert.deepStrictEqual(trail(error), ["us timeout"])
      assert.strictEqual(error.message, "route \"chat\" did not serve the call within 10s (us: timeout)")
      assert.isUndefined(error.retryAfter)
      assert.strictEqual(error.cause, error.attempts[0]?.error)
      assert.deepStrictEqual(take(), ["us"])
      assert.strictEqual(yield* tag("us"), "Open")
      assert.deepStrictEqual(yield* told, ["us -> eu: timeout", "exhausted: us timeout"])
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect.each(
    [
      ["had more than half", 4_999, "Open", "failure"],
      ["had just half", 5_000, "Closed", "ignored"],
      ["had less", 5_001, "Closed", "ignored"]
    ] as const
  )("cuts off a target, which is judged as too slow if it %s", ([, before, circuit, result]) =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.delay(down, before), eu: Effect.never })
      const [error, millis] = yield* failedAt(ask())
      assert.strictEqual(millis, 10_000)
      assert.deepStrictEqual(trail(error), ["us overloaded", "eu timeout"])
      assert.strictEqual(error.cause, error.attempts[0]?.error)
      assert.strictEqual(yield* tag("eu"), circuit)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.calls).map(({ result }) => result), ["failure", result])
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("that has passed with the failure of a target leaves no time for the next", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: Effect.delay(down, "9999 millis") })
      assert.deepStrictEqual(yield* timed(ask()), [Exit.succeed("eu"), 9_999])
      yield* FailoverRouter.reset("chat")
      take()
      ends.us = Effect.uninterruptible(Effect.delay(down, "11 seconds"))
      const [error, millis] = yield* failedAt(ask())
      assert.strictEqual(millis, 11_000)
      assert.strictEqual(error.reason._tag, "DeadlineExceeded")
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("of the call takes the place of the route's", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: slow("15 seconds") })
      assert.deepStrictEqual(yield* timed(ask({ deadline: "20 seconds" })), [Exit.succeed("late"), 15_000])
      const [error, millis] = yield* failedAt(ask({ deadline: 1 }))
      assert.deepStrictEqual([error.reason._tag, millis], ["DeadlineExceeded", 1])
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("does not keep an answer from the caller that comes just in time", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: slow("9999 millis") })
      assert.deepStrictEqual(yield* timed(ask()), [Exit.succeed("late"), 9_999])
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("is none unless there is one", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: slow("59 minutes") })
      assert.deepStrictEqual(yield* timed(ask()), [Exit.succeed("late"), 59 * 60_000])
    }).pipe(Effect.provide(route({ targets, attemptTimeout: "Infinity" }))))
})

describe("attemptTimeout", () => {
  it.effect("cuts off one attempt, which is the target's failure, and the next has its own", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.never, eu: Effect.never })
      const [error, millis] = yield* failedAt(ask())
      assert.strictEqual(millis, 5_000)
      assert.strictEqual(error.reason._tag, "NoTargetAvailable")
      assert.deepStrictEqual(trail(error), ["us timeout", "eu timeout"])
      assert.deepStrictEqual(error.attempts.map(({ durationMillis }) => durationMillis), [2_000, 3_000])
      // The first failure of a call says as much of its request as of its target: the second one says nothing new.
      assert.deepStrictEqual([yield* tag("us"), yield* tag("eu")], ["Open", "Closed"])
    }).pipe(Effect.provide(route({
      targets: ["us", { name: "eu", attemptTimeout: "3 seconds" }],
      attemptTimeout: "2 seconds",
      deadline: "10 seconds"
    }))))

  it.effect("is ten minutes if it is not given, which a target can lift", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.never, eu: slow("49 minutes") })
      assert.deepStrictEqual(yield* timed(ask()), [Exit.succeed("late"), 59 * 60_000])
      assert.deepStrictEqual([yield* tag("us"), yield* tag("eu")], ["Open", "Closed"])
    }).pipe(Effect.provide(route({ targets: ["us", { name: "eu", attemptTimeout: "Infinity" }] }))))

  it.effect("is the target's failure also with little of the deadline left, if it is the shorter", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.delay(down, "8 seconds"), eu: Effect.never })
      const [error, millis] = yield* failedAt(ask())
      assert.deepStrictEqual([error.reason._tag, millis], ["NoTargetAvailable", 9_000])
      assert.strictEqual(yield* tag("eu"), "Open")
    }).pipe(Effect.provide(route({
      targets: ["us", { name: "eu", attemptTimeout: "1 second" }],
      deadline: "10 seconds"
    }))))

  it.effect("of the breaker's policy counts too, and leads to the next target", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.never })
      assert.deepStrictEqual(yield* timed(ask()), [Exit.succeed("eu"), 4_000])
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(route({ targets }, {}, { attemptTimeout: "4 seconds" }))))

  it.effect("is not for streams", () =>
    Effect.gen(function*() {
      const stream = FailoverRouter.stream("chat", () => provider(["text"], 60_000, ["finish"]), { classifyPart })
      assert.deepStrictEqual(yield* timed(Stream.runCollect(stream)), [Exit.succeed(["text", "finish"]), 60_000])
    }).pipe(Effect.provide(route({ targets, attemptTimeout: "1 second" }, {}, { attemptTimeout: "1 second" }))))

  it.effect("that ends with the deadline is the target's own, which was too slow", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.delay(down, "6 seconds"), eu: Effect.never })
      const fiber = yield* Effect.forkChild(failure(ask()))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "DeadlineExceeded")
      assert.strictEqual(yield* tag("eu"), "Open")
    }).pipe(Effect.provide(route({
      targets: ["us", { name: "eu", attemptTimeout: "4 seconds" }],
      deadline: "10 seconds"
    }))))
})

describe("the deadline of a stream", () => {
  const streamed = (us: ReadonlyArray<Step>) =>
    Stream.runCollect(FailoverRouter.stream(
      "chat",
      ({ name }) => name === "us" ? provider(...us) : provider(["text"], ["finish"]),
      { classifyPart }
    ))

  it.effect("is over with its first content", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* timed(streamed([["open"], 9_999, ["text"], 60_000, ["finish"]])), [
        Exit.succeed(["open", "text", "finish"]),
        69_999
      ])
      const [error, millis] = yield* failedAt(streamed([["open"], 5_000, ["ping"], 5_002, ["text"]]))
      assert.deepStrictEqual([error.reason._tag, trail(error)], ["DeadlineExceeded", ["us slow_first_content"]])
      assert.closeTo(millis, 10_000, 1)
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("is over with its first content also while rescue holds parts back", () =>
    Effect.gen(function*() {
      const stream = FailoverRouter.stream(
        "chat",
        () => provider(["open"], ["text"], 6_000, ["text"], 6_000, ["text"], ["finish"]),
        { classifyPart, rescue: 100 }
      )
      assert.deepStrictEqual(yield* timed(Stream.runCollect(stream)), [
        Exit.succeed(["open", "text", "text", "text", "finish"]),
        12_000
      ])
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("blames nobody who had no more than half of it", () =>
    Effect.gen(function*() {
      const stream = FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? provider(5_000, ["failed overloaded"]) : provider(["open"], Effect.never),
        { classifyPart }
      )
      const [error, millis] = yield* failedAt(Stream.runDrain(stream))
      assert.deepStrictEqual(trail(error), ["us overloaded", "eu slow_first_content"])
      assert.closeTo(millis, 10_000, 1)
      assert.strictEqual(yield* tag("eu"), "Closed")
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds" }))))

  it.effect("also with an idle limit that is longer than what is left", () =>
    Effect.gen(function*() {
      const stream = FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? provider(6_000, ["failed overloaded"]) : provider(["open"], Effect.never),
        { classifyPart }
      )
      const [error, millis] = yield* failedAt(Stream.runDrain(stream))
      assert.closeTo(millis, 10_000, 1)
      assert.strictEqual(error.reason._tag, "DeadlineExceeded")
      assert.strictEqual(yield* tag("eu"), "Closed")
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds", idleTimeout: "8 seconds" }))))

  it.effect("leaves a limit of its own that is shorter as it is: the next target is asked", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* timed(streamed([["open"], Effect.never])), [
        Exit.succeed(["text", "finish"]),
        3_000
      ])
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(route({ targets, deadline: "10 seconds", firstContentTimeout: "3 seconds" }))))

  it.effect("of the target takes the place of the route's limits", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* timed(streamed([["open"], Effect.never])), [
        Exit.succeed(["text", "finish"]),
        2_000
      ])
      yield* FailoverRouter.reset("chat")
      const [exit, millis] = yield* timed(streamed([["text"], Effect.never]))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(millis, 1_000)
    }).pipe(Effect.provide(route({
      targets: [{ name: "us", firstContentTimeout: "2 seconds", idleTimeout: "1 second" }, "eu"],
      firstContentTimeout: "9 seconds",
      idleTimeout: "9 seconds"
    }))))

  it.effect("that is near leaves the first content its own limit, and not the shorter one of silence", () =>
    Effect.gen(function*() {
      const fiber = yield* FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? Stream.never : provider(["open"], 8_000, ["text"], ["finish"]),
        { classifyPart }
      ).pipe(Stream.runCollect, Effect.forkChild)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["open", "text", "finish"])
    }).pipe(Effect.provide(route({
      targets: ["us", "eu"],
      firstContentTimeout: "30 seconds",
      idleTimeout: "5 seconds",
      deadline: "40 seconds"
    }))))

  it.effect("lets go of what rescue holds back of a stream that has fallen silent", () =>
    Effect.gen(function*() {
      const answer = FailoverRouter.stream(
        "chat",
        ({ name }) => name === "us" ? Stream.concat(Stream.make("Hel"), Stream.never) : Stream.make("Good", " day"),
        { rescue: 3, deadline: "20 seconds", classifyPart: StreamSignal.opaque }
      )
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runHead(answer)))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed(Exit.succeed(Option.some("Hel"))))
    }).pipe(Effect.provide(router({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }))))
})

describe("parts without content that come as fast as they can", () => {
  const pings = 10_000
  const from = (us: Stream.Stream<string>, options: Partial<FailoverRouter.StreamOptions<string>> = {}) =>
    FailoverRouter.stream(
      "chat",
      ({ name }) => name === "us" ? us : provider(["text eu"], ["finish"]),
      { classifyPart, ...options }
    )

  it.effect("do not keep a call at a target beyond its limit", () =>
    busily((takes) =>
      Effect.gen(function*() {
        const stream = from(Stream.take(takes(100, "ping"), pings))
        assert.deepStrictEqual(yield* Stream.runCollect(stream), ["text eu", "finish"])
        assert.deepStrictEqual(yield* told, ["us -> eu: slow_first_content"])
      })
    ).pipe(Effect.provide(route({ targets, firstContentTimeout: "300 millis" }))))

  it.effect("do not keep a call beyond its deadline, whether caller or target is slow", () =>
    busily((takes) =>
      Effect.gen(function*() {
        const start = yield* Clock.currentTimeMillis
        const stream = FailoverRouter.stream(
          "chat",
          ({ name }) => name === "us" ? takes(200, "failed overloaded") : Stream.take(takes(30, "ping"), pings),
          { classifyPart }
        )
        const error = yield* failure(Stream.runDrain(stream))
        assert.strictEqual(error.reason._tag, "DeadlineExceeded")
        assert.deepStrictEqual(trail(error), ["us overloaded", "eu slow_first_content"])
        assert.strictEqual((yield* Clock.currentTimeMillis) - start, 320)
        assert.strictEqual(yield* tag("eu"), "Closed")
      })
    ).pipe(Effect.provide(route({ targets, deadline: "300 millis" }))))

  it.effect("do not keep what was held from a caller beyond the deadline", () =>
    busily((takes) =>
      Effect.gen(function*() {
        const start = yield* Clock.currentTimeMillis
        const us = Stream.concat(Stream.make("text"), Stream.take(takes(100, "ping"), pings))
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(from(us, { rescue: pings }), 1)), ["text"])
        assert.strictEqual((yield* Clock.currentTimeMillis) - start, 300)
      })
    ).pipe(Effect.provide(route({ targets, deadline: "300 millis" }))))
})
