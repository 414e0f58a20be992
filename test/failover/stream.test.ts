// Streams through a route: what is held back, and until when another target can take over.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule, Stream } from "effect"
import { CircuitBreaker, FailoverRouter, StreamSignal, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { called, provider, ProviderFailed, told as toldBy } from "../support/streams.ts"
import { classify, classifyPart, makeStreams, rescued, type Script, streamed, Streams } from "./streams.ts"
import { failure, route, router, tag, trail } from "./targets.ts"

describe("a stream that fails before its first content", () => {
  const fails: ReadonlyArray<readonly [string, Script, string]> = [
    ["at once", [new ProviderFailed()], "connection"],
    ["after its openers", [["open", "ping"], ["ping"], new ProviderFailed()], "connection"],
    ["in a part", [["open"], ["failed overloaded"]], "overloaded"],
    ["in a part, in a chunk with its openers", [["open", "ping", "failed overloaded", "text"]], "overloaded"],
    ["in a part that asks for a wait", [["open", "gate"]], "rate_limited"],
    ["by an end without a finish", [["open"]], "stream_cut"],
    ["by an end without anything", [], "stream_cut"],
    ["by silence", [["open"], Effect.never], "slow_first_content"],
    [
      "by pings without an end",
      [["open"], ...Array.from({ length: 100 }, (): Script => [500, ["ping"]]).flat()],
      "slow_first_content"
    ]
  ]
  it.effect.each(fails)(
    "goes on to the next target, and its openers are discarded: %s",
    ([, script, kind]) =>
      Effect.gen(function*() {
        const { asked, exit } = yield* streamed(script)
        assert.deepStrictEqual(exit, rescued)
        assert.deepStrictEqual(asked, ["us", "eu"])
        const recorded = yield* RecordedEvents.RecordedEvents
        const outcome = kind === "rate_limited" ? "ignored rate_limited" : `failure ${kind}`
        assert.deepStrictEqual((yield* recorded.calls).map(called), [outcome, "success"])
      }).pipe(Effect.provide(Streams({ firstContentTimeout: "10 seconds" })))
  )

  it.effect("goes on after two minutes without content, unless the target's limit is lifted", () =>
    Effect.gen(function*() {
      const slow: Script = [["open"], 120_001, ["text"], ["finish"]]
      assert.deepStrictEqual((yield* streamed(slow)).asked, ["us", "eu"])
      const lifted = Streams({ targets: [{ name: "us", firstContentTimeout: "Infinity" }, "eu"] })
      assert.deepStrictEqual(
        (yield* Effect.provide(streamed(slow), lifted)).exit,
        Exit.succeed(["open", "text", "finish"])
      )
    }).pipe(Effect.provide(Streams())))

  it.effect("is the caller's where it is refused for what was asked: the part as it is, not an error", () =>
    Effect.gen(function*() {
      const { asked, exit } = yield* streamed([["open"], ["refused"]])
      assert.deepStrictEqual(asked, ["us"])
      // As without a router: the part that tells of it, and the end.
      assert.deepStrictEqual(exit, Exit.succeed(["open", "refused"]))
    }).pipe(Effect.provide(Streams())))

  it.effect("goes to larger targets only where it is too long", () =>
    Effect.gen(function*() {
      const { asked, exit } = yield* streamed([["open"], ["long"]])
      assert.deepStrictEqual(asked, ["us", "big"])
      assert.deepStrictEqual(exit, Exit.succeed(["open big", "text big", "finish"]))
    }).pipe(Effect.provide(Streams({
      targets: [{ name: "us", contextTokens: 8 }, { name: "eu", contextTokens: 8 }, { name: "big", contextTokens: 9 }]
    }))))

  it.effect("fails with all attempts if all do", () =>
    Effect.gen(function*() {
      const stream = FailoverRouter.stream("chat", ({ name }) =>
        name === "us" ? provider(["failed overloaded"]) : provider(["open"]), { classifyPart })
      const error = yield* failure(Stream.runDrain(stream))
      assert.deepStrictEqual(trail(error), ["us overloaded", "eu stream_cut"])
      assert.strictEqual(error.attempts[0]?.error, "failed overloaded")
      assert.strictEqual(error.cause, "failed overloaded")
    }).pipe(Effect.provide(Streams())))

  it.effect("goes on when its circuit turns it away", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      const { asked, stream } = makeStreams([["text"], ["finish"]])
      assert.deepStrictEqual(yield* Effect.exit(Stream.runCollect(stream)), rescued)
      assert.deepStrictEqual(asked, ["eu"])
    }).pipe(Effect.provide(Streams())))

  it.effect("that dies is the caller's", () =>
    Effect.gen(function*() {
      const { asked, exit } = yield* streamed([["open"], Effect.die("bug")])
      assert.isTrue(Exit.hasDies(exit))
      assert.deepStrictEqual(asked, ["us"])
    }).pipe(Effect.provide(Streams())))

  it.effect("is asked again by retry where no other target takes calls", () =>
    Effect.gen(function*() {
      const { asked } = yield* streamed([["open"], ["failed overloaded"]])
      assert.deepStrictEqual(asked, ["us", "us"])
    }).pipe(Effect.provide(route({ targets: ["us"] }, { classify, retry: () => Schedule.recurs(1) }, {
      tripPolicy: TripPolicy.consecutive(9)
    }))))
})

describe("W64: a stream that fails after its first content", () => {
  it.effect.each(
    [
      ["is cut", [["open"], ["text"]], "StreamCut", ["open", "text"]],
      ["fails", [["text"], new ProviderFailed()], new ProviderFailed(), ["text"]],
      ["goes silent", [["text"], Effect.never], "AttemptTimedOut", ["text"]],
      ["fails in a part", [["text"], ["failed overloaded"]], undefined, ["text", "failed overloaded"]],
      ["fails in a part of the same chunk", [["open", "text", "failed overloaded"]], undefined, [
        "open",
        "text",
        "failed overloaded"
      ]]
    ] as const
  )("is the caller's, who has seen a part of it: %s", ([, script, error, parts]) =>
    Effect.gen(function*() {
      const { asked, stream } = makeStreams(script)
      const seen: Array<string> = []
      const fiber = yield* Effect.forkChild(
        Effect.exit(Stream.runForEach(stream, (part) => Effect.sync(() => seen.push(part))))
      )
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(toldBy(yield* Fiber.join(fiber)), error)
      assert.deepStrictEqual<ReadonlyArray<string>>(seen, parts)
      assert.deepStrictEqual(asked, ["us"])
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(Streams({ idleTimeout: "10 seconds" }))))
})

describe("rescue", () => {
  const texts = (n: number) => Array.from({ length: n }, (_, i) => [`text ${i}`])
  const cases: ReadonlyArray<readonly [string, number]> = [["as many as are held", 3], ["one less", 2]]

  it.effect.each(cases)(
    "starts again at the next target with a stream that is cut after %s",
    ([, n]) =>
      Effect.gen(function*() {
        for (
          const end of [[], [new ProviderFailed()], [["failed overloaded"]], [Effect.never]] as ReadonlyArray<Script>
        ) {
          const { asked, exit } = yield* streamed([...texts(n), ...end])
          assert.deepStrictEqual([asked, exit], [["us", "eu"], rescued])
        }
      }).pipe(Effect.provide(Streams({ rescue: 3, idleTimeout: "10 seconds" })))
  )

  it.effect("not with one that is cut after one more", () =>
    Effect.gen(function*() {
      const { asked, exit } = yield* streamed(texts(4))
      assert.deepStrictEqual(asked, ["us"])
      assert.strictEqual(toldBy(exit), "StreamCut")
    }).pipe(Effect.provide(Streams({ rescue: 3 }))))

  it.effect("counts all parts, but holds openers back however many they are", () =>
    Effect.gen(function*() {
      const pings = Array.from({ length: 20 }, () => ["ping"])
      assert.deepStrictEqual((yield* streamed(pings)).exit, rescued)
      const { asked } = yield* streamed([...pings, ["text"]])
      assert.deepStrictEqual(asked, ["us"])
      assert.deepStrictEqual((yield* streamed([["open"], ["text"]])).exit, rescued)
    }).pipe(Effect.provide(Streams({ rescue: 3 }))))

  it.effect("of the call takes the place of the route's", () =>
    Effect.gen(function*() {
      assert.strictEqual(toldBy((yield* streamed(texts(1), { rescue: 0 })).exit), "StreamCut")
      assert.deepStrictEqual((yield* streamed(texts(9), { rescue: 9 })).exit, rescued)
    }).pipe(Effect.provide(Streams({ rescue: 3 }))))

  it.effect("that is no number of parts is refused, and nobody is asked", () =>
    Effect.gen(function*() {
      for (const rescue of [-1, 1.5, Number.NaN, Infinity]) {
        const { asked, exit } = yield* streamed([["finish"]], { rescue })
        assert.isTrue(Exit.hasDies(exit))
        assert.deepStrictEqual(asked, [])
      }
    }).pipe(Effect.provide(Streams())))

  it.effect("gives a short answer whole, also one that ends within the held parts", () =>
    Effect.gen(function*() {
      const { asked, exit } = yield* streamed([["open"], ["text"], ["finish"], ["usage"]])
      assert.deepStrictEqual([asked, exit], [["us"], Exit.succeed(["open", "text", "finish", "usage"])])
    }).pipe(Effect.provide(Streams({ rescue: 100 }))))

  it.effect("keeps the order, and what comes in large chunks", () =>
    Effect.gen(function*() {
      const parts = ["open", ...Array.from({ length: 50 }, (_, n) => `text ${n}`), "finish"]
      for (const script of [[parts], [parts.slice(0, 2), parts.slice(2)], parts.map((part) => [part])]) {
        assert.deepStrictEqual((yield* streamed(script)).exit, Exit.succeed(parts))
      }
    }).pipe(Effect.provide(Streams({ rescue: 7 }))))

  it.effect.each(
    [["a tool call", "tool"], ["a finish", "finish"], ["a refusal", "refusal"]] as const
  )("is over with %s: from then on the answer is the caller's", ([, part]) =>
    Effect.gen(function*() {
      const { asked, stream } = makeStreams([["open"], ["text"], [part], Effect.never])
      const seen: Array<string> = []
      const fiber = yield* Effect.forkChild(Stream.runForEach(stream, (part) => Effect.sync(() => seen.push(part))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["open", "text", part])
      assert.deepStrictEqual(asked, ["us"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(Streams({ rescue: 100 }))))

  it.effect("a tool call that comes first and fails later is the caller's", () =>
    Effect.gen(function*() {
      const { asked, exit } = yield* streamed([["tool"], new ProviderFailed()])
      assert.deepStrictEqual([asked, toldBy(exit)], [["us"], new ProviderFailed()])
    }).pipe(Effect.provide(Streams({ rescue: 100 }))))
})

describe("commit in a stream", () => {
  it.effect("ends the holding: nobody else is asked", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const stream = FailoverRouter.stream("chat", ({ name }, { commit }) => {
        asked.push(name)
        return Stream.concat(Stream.fromEffectDrain(commit), provider(["open"], new ProviderFailed()))
      }, { classifyPart })
      assert.deepStrictEqual(toldBy(yield* Effect.exit(Stream.runDrain(stream))), new ProviderFailed())
      assert.deepStrictEqual(asked, ["us"])
    }).pipe(Effect.provide(Streams())))

  it.effect("leaves the part that reports a failure to the caller, as it is", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const parts = yield* FailoverRouter.stream("chat", ({ name }, { commit }) => {
        asked.push(name)
        return Stream.concat(Stream.fromEffectDrain(commit), provider(["failed overloaded", "ping"]))
      }, { classifyPart }).pipe(Stream.runCollect)
      assert.deepStrictEqual([asked, parts], [["us"], ["failed overloaded", "ping"]])
    }).pipe(Effect.provide(router())))

  it.effect("holds nothing back after it", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* FailoverRouter.stream(
        "chat",
        (_, { commit }) => Stream.concat(Stream.fromEffectDrain(commit), provider(["open"], Effect.never)),
        { classifyPart }
      ).pipe(Stream.runForEach((part) => Effect.sync(() => seen.push(part))), Effect.forkChild)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["open"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(router())))
})

describe("a stream that is opaque", () => {
  it.effect("every part is content, and the end is the finish", () =>
    Effect.gen(function*() {
      const whole = (script: Script) => streamed(script, { classifyPart: StreamSignal.opaque })
      assert.deepStrictEqual((yield* whole([["a"], ["b"]])).exit, Exit.succeed(["a", "b"]))
      assert.deepStrictEqual((yield* whole([])).exit, Exit.succeed([]))
      assert.deepStrictEqual((yield* whole([new ProviderFailed()])).exit, rescued)
      assert.deepStrictEqual(toldBy((yield* whole([["a"], new ProviderFailed()])).exit), new ProviderFailed())
    }).pipe(Effect.provide(Streams())))
})
