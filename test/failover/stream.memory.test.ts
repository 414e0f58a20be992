// What is held back of a stream is bounded in bytes: for a call, and for all calls of the process.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Random, Stream } from "effect"
import { CircuitBreaker, FailoverRoute, FailoverRouter, Outcome, StreamSignal } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { called, ProviderFailed } from "../support/streams.ts"
import { classify } from "./streams.ts"
import { route } from "./targets.ts"

const kib = 1_024

/** A part that says what it is, with so many KiB beside. */
interface Part {
  readonly says: string
  readonly padding: string
}
const part = (says: string, size = 0): Part => ({ says, padding: "x".repeat(size * kib) })

const classifyPart = ({ says }: Part): StreamSignal.StreamSignal =>
  says === "text" ? StreamSignal.content : says === "finish" ? StreamSignal.finish(Outcome.success) : StreamSignal.alive

const answer = (name: string) => [part(`open ${name}`), part("text"), part("finish")]

/** Streams these parts from `us`, and a short answer from `eu`. */
const streams = (us: Stream.Stream<Part, ProviderFailed>, options: Partial<FailoverRouter.StreamOptions<Part>> = {}) =>
  Effect.gen(function*() {
    const asked: Array<string> = []
    const exit = yield* FailoverRouter.stream("chat", ({ name }) => {
      asked.push(name)
      return name === "us" ? us : Stream.fromIterable(answer("eu"))
    }, { classifyPart, ...options }).pipe(
      Stream.map(({ says }) => says),
      Stream.runCollect,
      Effect.exit
    )
    return { asked, exit }
  })

const Streams = (settings: Parameters<typeof route>[0] = {}, ofProcess = 1_024 * kib) =>
  route({ targets: ["us", "eu"], maxHeldBytes: 256 * kib, ...settings }, { classify }).pipe(
    Layer.provide(Layer.succeed(FailoverRouter.MaxHeldBytes, ofProcess))
  )

const rescued = { asked: ["us", "eu"], exit: Exit.succeed(["open eu", "text", "finish"]) }
const calls = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(called)
)
const openers = (sizes: ReadonlyArray<number>) => Stream.fromIterable(sizes.map((size) => part("open us", size)))
/** In parts of 50 KiB each, as fast as they are taken. */
const flood = Stream.map(Stream.range(1, 1_000), () => part("open us", 50))

describe("what a call holds back", () => {
  it.effect("is a failure of the target where it is too much without content, and the next one answers", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* streams(flood), rescued)
      assert.deepStrictEqual(yield* calls, ["failure slow_first_content", "success"])
    }).pipe(Effect.provide(Streams())))

  it.effect("is not too much at its limit", () =>
    Effect.gen(function*() {
      const legal = Stream.concat(openers([100, 100, 50]), Stream.make(part("text", 300), part("finish")))
      const { asked, exit } = yield* streams(legal)
      assert.deepStrictEqual(asked, ["us"])
      assert.deepStrictEqual(exit, Exit.succeed(["open us", "open us", "open us", "text", "finish"]))
      assert.deepStrictEqual((yield* streams(openers([100, 100, 100]))).asked, ["us", "eu"])
    }).pipe(Effect.provide(Streams())))

  it.effect("takes room for every part, however small", () =>
    Effect.gen(function*() {
      const pulled: Array<number> = []
      const crumbs = Stream.map(Stream.range(1, 1_000_000), (n) => {
        pulled.push(n)
        return part("open us")
      })
      assert.deepStrictEqual(
        yield* streams(crumbs, { classifyPart: StreamSignal.sized(classifyPart, () => 0) }),
        rescued
      )
      assert.isBelow(pulled.length, 20_000)
    }).pipe(Effect.provide(Streams())))

  it.effect("is let through with its content where it is too much, and nothing of it is lost", () =>
    Effect.gen(function*() {
      const long = Stream.concat(
        Stream.make(part("open us"), part("text", 100), part("text", 100), part("text", 100), part("text")),
        Stream.fail(new ProviderFailed())
      )
      const seen: Array<string> = []
      const asked: Array<string> = []
      yield* FailoverRouter.stream("chat", ({ name }) => {
        asked.push(name)
        return long
      }, { classifyPart }).pipe(Stream.runForEach(({ says }) => Effect.sync(() => seen.push(says))), Effect.exit)
      assert.deepStrictEqual(asked, ["us"])
      assert.deepStrictEqual(seen, ["open us", "text", "text", "text", "text"])
    }).pipe(Effect.provide(Streams({ rescue: 1_000 }))))

  it.effect("is nothing after `commit`, when parts go through as they come", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const parts = yield* FailoverRouter.stream("chat", ({ name }, { commit }) => {
        asked.push(name)
        return Stream.concat(Stream.fromEffectDrain(commit), Stream.concat(flood, Stream.make(part("finish"))))
      }, { classifyPart }).pipe(Stream.runCount)
      assert.deepStrictEqual([asked, parts], [["us"], 1_001])
    }).pipe(Effect.provide(Streams())))

  it.effect("is bounded without a breaker too", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* streams(flood), rescued)
    }).pipe(Effect.provide(
      FailoverRouter.layer({
        routes: [FailoverRoute.make("chat", { targets: ["us", "eu"], maxHeldBytes: 256 * kib })]
      }).pipe(Layer.provide(CircuitBreaker.layerNoop))
    )))

  it.effect("has the size that the reader says, unless that is none", () =>
    Effect.gen(function*() {
      const large = StreamSignal.sized(classifyPart, () => 200 * kib)
      assert.deepStrictEqual((yield* streams(openers([0, 0]), { classifyPart: large })).asked, ["us", "eu"])
      yield* FailoverRouter.reset("chat")
      const small = StreamSignal.sized(classifyPart, ({ padding }) => padding.length / 10)
      const legal = Stream.concat(openers([500, 500, 500]), Stream.fromIterable(answer("us")))
      assert.deepStrictEqual((yield* streams(legal, { classifyPart: small })).asked, ["us"])
      const broken = [Number.NaN, -1, "many" as never]
      const readers = [
        ...broken.map((size) => StreamSignal.sized(classifyPart, () => size)),
        StreamSignal.sized(classifyPart, () => {
          throw new Error("bug")
        })
      ]
      for (const classifyPart of readers) {
        yield* FailoverRouter.reset("chat")
        assert.deepStrictEqual(yield* streams(flood, { classifyPart }), rescued)
      }
    }).pipe(Effect.provide(Streams())))
})

describe("what all calls of a process hold back", () => {
  /** Openers of so many KiB, and then silence. */
  const holding = (size: number) => Stream.concat(openers([size]), Stream.never)

  it.effect("keeps a call from holding more, which goes on without a failure of its target", () =>
    Effect.gen(function*() {
      const first = yield* Effect.forkChild(streams(holding(200)), { startImmediately: true })
      // Beyond the 64 KiB that are a call's own, the first has 136 of 200 KiB.
      const second = Stream.concat(openers([200]), Stream.fromIterable(answer("us")))
      assert.deepStrictEqual(yield* streams(second), rescued)
      assert.deepStrictEqual(yield* calls, ["ignored slow_first_content", "success"])
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual((yield* streams(second)).asked, ["us"])
    }).pipe(Effect.provide(Streams({}, 200 * kib))))

  it.effect("never keeps usual openers from being held", () =>
    Effect.gen(function*() {
      const first = yield* Effect.forkChild(streams(holding(200)), { startImmediately: true })
      const cut = Stream.concat(openers([60]), Stream.fail(new ProviderFailed()))
      assert.deepStrictEqual(yield* streams(cut), rescued)
      yield* Fiber.interrupt(first)
    }).pipe(Effect.provide(Streams({}, 136 * kib + 1_000))))

  it.effect("lets content through that would be more", () =>
    Effect.gen(function*() {
      const first = yield* Effect.forkChild(streams(holding(200)), { startImmediately: true })
      const long = Stream.concat(
        Stream.make(part("text", 100), part("text", 100)),
        Stream.concat(Stream.never, Stream.make(part("finish")))
      )
      const seen: Array<string> = []
      const second = yield* FailoverRouter.stream("chat", () => long, { classifyPart, rescue: 100 }).pipe(
        Stream.runForEach(({ says }) => Effect.sync(() => seen.push(says))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(seen, ["text", "text"])
      yield* Fiber.interruptAll([first, second])
    }).pipe(Effect.provide(Streams({}, 200 * kib))))

  it.effect("is given back at every end", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<Stream.Stream<Part, ProviderFailed>> = [
        Stream.empty,
        Stream.fail(new ProviderFailed()),
        Stream.die("bug"),
        Stream.never,
        flood,
        Stream.fromIterable(answer("us")),
        Stream.make(part("text", 90), part("text", 90), part("finish"))
      ]
      for (let i = 0; i < 300; i++) {
        yield* FailoverRouter.reset("chat")
        const end = ends[yield* Random.nextIntBetween(0, ends.length)]!
        const us = Stream.concat(openers([yield* Random.nextIntBetween(0, 250)]), end)
        const rescue = yield* Random.nextIntBetween(0, 5)
        const fiber = yield* Effect.forkChild(Effect.exit(streams(us, { rescue })), { startImmediately: true })
        yield* TestClock.adjust(yield* Random.nextIntBetween(0, 3))
        yield* Fiber.interrupt(fiber)
      }
      yield* FailoverRouter.reset("chat")
      const all = Stream.concat(openers([250]), Stream.fromIterable(answer("us")))
      assert.deepStrictEqual((yield* streams(all)).asked, ["us"])
    }).pipe(Effect.provide(Streams({}, 190 * kib))))
})
