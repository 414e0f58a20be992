// What a stream of a route has open, and lets go of: finalizers, interruption, back-pressure, probes.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { CircuitBreaker, FailoverError, FailoverRoute, FailoverRouter, StreamSignal } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { collectGarbage } from "../support/collectGarbage.ts"
import { eventually } from "../support/eventually.ts"
import { called, provider, ProviderFailed, told as toldBy } from "../support/streams.ts"
import { classify, classifyPart, makeStreams, rescued, type Script, streamed, Streams } from "./streams.ts"
import { failure, route, router, tag } from "./targets.ts"

describe("what a stream has open", () => {
  /** A target whose stream holds something open, and the order in which all of it happens. */
  const tracked = (script: Record<string, Script>, options: Partial<FailoverRouter.StreamOptions<string>> = {}) => {
    const log: Array<string> = []
    const stream = FailoverRouter.stream("chat", ({ name }) =>
      Stream.unwrap(Effect.acquireRelease(
        Effect.sync(() => {
          log.push(`open ${name}`)
          return provider(...script[name] ?? [["text"], ["finish"]])
        }),
        () => Effect.delay(Effect.sync(() => log.push(`close ${name}`)), "1 second")
      )), { classifyPart, ...options })
    return { log, stream }
  }

  it.effect("is let go of before the next target is asked", () =>
    Effect.gen(function*() {
      const { log, stream } = tracked({ us: [["open"], ["failed overloaded"]] })
      const fiber = yield* stream.pipe(
        Stream.runForEach((part) => Effect.sync(() => log.push(part))),
        Effect.forkChild
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(log, ["open us", "close us", "open eu", "text", "finish", "close eu"])
    }).pipe(Effect.provide(Streams())))

  it.effect.each(
    [
      ["a defect", [["open"], Effect.die("bug")]],
      ["a limit", [["open"], Effect.never]],
      ["an error after content", [["text"], new ProviderFailed()]]
    ] as ReadonlyArray<readonly [string, Script]>
  )("is let go of once, after %s", ([, us]) =>
    Effect.gen(function*() {
      const { log, stream } = tracked({ us })
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runDrain(stream)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.lengthOf(log.filter((line) => line === "close us"), 1)
      assert.strictEqual(log.length % 2, 0)
    }).pipe(Effect.provide(Streams({ firstContentTimeout: "5 seconds" }))))

  const stages: ReadonlyArray<readonly [string, Script]> = [
    ["before anything", [Effect.never]],
    ["while openers are held", [["open"], ["ping"], Effect.never]],
    ["while content is held", [["open"], ["text"], Effect.never]],
    ["after it was let through", [["text"], ["text"], ["text"], Effect.never]]
  ]
  const limits: ReadonlyArray<readonly [string, Parameters<typeof route>[0]]> = [
    ["without limits", { firstContentTimeout: "Infinity", idleTimeout: "Infinity" }],
    ["with limits", { firstContentTimeout: "1 hour", idleTimeout: "1 hour", deadline: "1 hour" }]
  ]
  for (const [how, settings] of limits) {
    it.effect.each(stages)(
      `I24, I156: is let go of when the caller interrupts it %s, ${how}: nothing is said of the target, and its probe is free`,
      ([, us]) =>
        Effect.gen(function*() {
          yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
          yield* TestClock.adjust("30 seconds")
          const recorded = yield* RecordedEvents.RecordedEvents
          const { log, stream } = tracked({ us }, { rescue: 2 })
          const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(log, ["open us"])
          const interrupt = yield* Effect.forkChild(Fiber.interrupt(fiber))
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(interrupt)
          assert.deepStrictEqual(log, ["open us", "close us"])
          assert.deepStrictEqual((yield* recorded.calls).map(called), ["interrupted cancelled"])
          const state = yield* CircuitBreaker.state("chat/us")
          assert.strictEqual(state._tag === "HalfOpen" && state.probing, 0)
        }).pipe(Effect.provide(Streams(settings)))
    )
  }

  it.effect("is let go of when the consumer has enough: nothing is said of the target", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const { log, stream } = tracked({ us: [["text a"], ["text b"], ["finish"]] })
      const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.take(stream, 1)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["text a"])
      assert.deepStrictEqual(log, ["open us", "close us"])
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["interrupted cancelled"])
    }).pipe(Effect.provide(Streams())))

  it.effect("is let go of when the consumer fails", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const { log, stream } = tracked({ us: [["text a"], ["text b"], ["finish"]] })
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runForEach(stream, () => Effect.fail("consumer"))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(toldBy(yield* Fiber.join(fiber)), "consumer")
      assert.deepStrictEqual(log, ["open us", "close us"])
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["interrupted cancelled"])
    }).pipe(Effect.provide(Streams())))

  it.effect("is nothing while nobody runs it", () =>
    Effect.gen(function*() {
      const { log, stream } = tracked({})
      assert.isTrue(Stream.isStream(stream))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(log, [])
    }).pipe(Effect.provide(Streams())))

  it.live("is no part that was held back and let go of", () =>
    Effect.gen(function*() {
      const more = yield* Deferred.make<void>()
      const parts: Array<WeakRef<object>> = []
      const source = Stream.range(1, 60).pipe(
        Stream.rechunk(1),
        Stream.map((number) => {
          const part = { number }
          parts.push(new WeakRef(part))
          return part
        }),
        Stream.concat(Stream.drain(Stream.fromEffect(Deferred.await(more))))
      )
      const lettingGo = (
        stream: Stream.Stream<unknown, unknown, FailoverRouter.FailoverRouter | CircuitBreaker.CircuitBreaker>
      ) =>
        Effect.gen(function*() {
          parts.length = 0
          const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
          yield* eventually(Effect.sync(() => parts.length === 60))
          yield* eventually(Effect.sync(() => {
            collectGarbage()
            return parts.filter((part) => part.deref() !== undefined).length <= 2
          }))
          yield* Fiber.interrupt(fiber)
        })
      yield* lettingGo(CircuitBreaker.stream(source, { key: "control", classifyPart: StreamSignal.opaque }))
      yield* lettingGo(FailoverRouter.stream("chat", () => source, { rescue: 50, classifyPart: StreamSignal.opaque }))
    }).pipe(Effect.provide(router({ routes: [FailoverRoute.make("chat", { targets: ["us"] })] }))))
})

describe("back-pressure", () => {
  it.effect("is kept: after what was held nothing is pulled before the consumer asks", () =>
    Effect.gen(function*() {
      let pulled = 0
      const parts = Stream.tap(
        Stream.rechunk(Stream.fromIterable(["open", "text 1", "text 2", "text 3", "text 4", "finish"]), 1),
        () => Effect.sync(() => pulled++)
      )
      const stream = FailoverRouter.stream("chat", () => parts, { classifyPart, rescue: 2 })
      const fiber = yield* stream.pipe(Stream.rechunk(1), Stream.runForEach(() => Effect.never), Effect.forkChild)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(pulled, 3)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(Streams())))

  it.effect("a consumer that takes its time is not held against the target", () =>
    Effect.gen(function*() {
      const { stream } = makeStreams([["text 1"], ["text 2"], ["finish"]])
      const fiber = yield* Effect.forkChild(Effect.exit(Stream.runForEach(stream, () => Effect.sleep("1 hour"))))
      yield* TestClock.adjust("1 day")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(Effect.provide(Streams({ idleTimeout: "5 seconds", deadline: "10 seconds" }))))
})

describe("a probe on a stream", () => {
  const script = (name: string): Script => name === "us" ? [["text"], 60_000, ["finish"]] : [["finish"]]
  it.effect.each([["finish", "HalfOpen"], ["first_content", "Closed"]] as const)(
    "settles at its %s",
    ([settleProbeAt, during]) =>
      Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen("chat/us", { for: "1 second" })
        yield* CircuitTest.adjustToProbe("chat/us")
        yield* TestClock.adjust("30 seconds")
        const stream = FailoverRouter.stream("chat", ({ name }) => provider(...script(name)), {
          classifyPart,
          settleProbeAt
        })
        const fiber = yield* Effect.forkChild(Stream.runCollect(stream))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* tag("us"), during)
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(yield* Fiber.join(fiber), ["text", "finish"])
        assert.strictEqual(yield* tag("us"), "Closed")
      }).pipe(Effect.provide(Streams()))
  )
})

describe("a stream of a route", () => {
  it.effect("that there is not fails so when it runs", () =>
    Effect.gen(function*() {
      const error = yield* failure(
        Stream.runDrain(FailoverRouter.stream("chess", () => Stream.make("a"), { classifyPart: StreamSignal.opaque }))
      )
      assert.strictEqual(error.reason._tag, "UnknownRoute")
    }).pipe(Effect.provide(router())))

  it.effect("keeps to the fence, and to the sticky key", () =>
    Effect.gen(function*() {
      const from = (options: FailoverRouter.ExecuteOptions) =>
        Stream.runCollect(
          FailoverRouter.stream("chat", ({ name }) => Stream.make(name), {
            ...options,
            classifyPart: StreamSignal.opaque
          })
        )
      assert.deepStrictEqual(yield* from({ allow: { targets: ["eu"] } }), ["eu"])
      const homes = yield* Effect.forEach(Array.from({ length: 30 }), () => from({ stickyKey: "k" }))
      assert.strictEqual(new Set(homes.flat()).size, 1)
      const error = yield* Effect.flip(from({ allow: { targets: [] } }))
      assert.isTrue(FailoverError.isFailoverError(error) && error.reason._tag === "NoTargetAllowed")
    }).pipe(Effect.provide(route({ targets: ["us", "eu", "asia"].map((name) => ({ name, tier: 1 })) }))))

  it.effect("can be run again, and begins anew", () =>
    Effect.gen(function*() {
      const { asked, stream } = makeStreams([["open"], ["failed overloaded"]])
      assert.deepStrictEqual(yield* Effect.exit(Stream.runCollect(stream)), rescued)
      assert.deepStrictEqual(yield* Effect.exit(Stream.runCollect(stream)), rescued)
      assert.deepStrictEqual(asked, ["us", "eu", "eu"])
    }).pipe(Effect.provide(Streams())))

  it.effect("works without a breaker too", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* streamed([["open"], ["failed overloaded"]])).exit, rescued)
      assert.deepStrictEqual((yield* streamed([["open"], new ProviderFailed()])).exit, rescued)
      assert.deepStrictEqual(
        (yield* streamed([["open"], ["text"], ["finish"]])).exit,
        Exit.succeed(["open", "text", "finish"])
      )
      const late = yield* streamed([["open"], Effect.never], { deadline: "10 seconds" })
      const error = Exit.isFailure(late.exit) ? Cause.squash(late.exit.cause) : undefined
      assert(FailoverError.isFailoverError(error))
      assert.deepStrictEqual(error.reason._tag === "DeadlineExceeded" && error.reason.deadline, Duration.seconds(10))
      const hanging: Effect.Effect<Stream.Stream<string>> = Effect.never
      const fiber = yield* FailoverRouter.stream("chat", () => Stream.unwrap(hanging), {
        deadline: "10 seconds",
        classifyPart
      }).pipe(
        Stream.runDrain,
        failure,
        Effect.forkChild
      )
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "DeadlineExceeded")
    }).pipe(Effect.provide(
      FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })], classify }).pipe(
        Layer.provide(CircuitBreaker.layerNoop)
      )
    )))
})
