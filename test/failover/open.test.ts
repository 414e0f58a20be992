// A stream that has begun, for a server that answers with a status before the parts.
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { type FailoverError, FailoverRouter } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { HttpClient, HttpRouter, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { called, provider, ProviderFailed } from "../support/streams.ts"
import { classifyPart, type Script, Streams } from "./streams.ts"

/** Opens a stream that gives these parts at `us`, and others at `eu`. */
const opened = (us: Script, eu: Script = [["open eu"], ["text eu"], ["finish"]]) =>
  FailoverRouter.open("chat", ({ name }) => provider(...name === "us" ? us : eu), { classifyPart })

describe("open", () => {
  it.effect("waits for the first content, and gives the stream from its beginning", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(opened([["open"], 5_000, ["text"], 5_000, ["finish"]]))
      yield* TestClock.adjust(4_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const parts = yield* Fiber.join(fiber)
      const read = yield* Effect.forkChild(Stream.runCollect(parts))
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(yield* Fiber.join(read), ["open", "text", "finish"])
    }).pipe(Effect.scoped, Effect.provide(Streams())))

  it.effect("goes on to the next target as a stream does", () =>
    Effect.gen(function*() {
      const parts = yield* opened([["open"], new ProviderFailed()])
      assert.deepStrictEqual(yield* Stream.runCollect(parts), ["open eu", "text eu", "finish"])
    }).pipe(Effect.scoped, Effect.provide(Streams())))

  it.effect("fails where no target begins to answer", () =>
    Effect.gen(function*() {
      const error: unknown = yield* Effect.flip(opened([new ProviderFailed()], [["open"]]))
      assert.deepStrictEqual((error as FailoverError.FailoverError).attempts.map(({ cause }) => cause), [
        "connection",
        "stream_cut"
      ])
    }).pipe(Effect.scoped, Effect.provide(Streams())))

  it.effect("a part that refuses what was asked is the first of the stream", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Stream.runCollect(yield* opened([["refused"]])), ["refused"])
    }).pipe(Effect.scoped, Effect.provide(Streams())))

  it.effect("an error after the first content is the stream's", () =>
    Effect.gen(function*() {
      const parts = yield* opened([["text"], new ProviderFailed()])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Stream.runCollect(parts))))
    }).pipe(Effect.scoped, Effect.provide(Streams())))

  it.effect("lets go of its target when the scope closes, which says nothing of it", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      const scope = yield* Scope.make()
      let released = 0
      const us = Stream.ensuring(Stream.concat(Stream.make("text"), Stream.never), Effect.sync(() => released++))
      yield* Effect.asVoid(Scope.provide(FailoverRouter.open("chat", () => us, { classifyPart }), scope))
      assert.strictEqual(released, 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(released, 1)
      assert.deepStrictEqual((yield* recorded.calls).map(called), ["interrupted cancelled"])
    }).pipe(Effect.provide(Streams())))

  it.effect("its parts need nothing more", () =>
    Effect.gen(function*() {
      class Word extends Context.Service<Word, string>()("Word") {}
      const us = Stream.concat(Stream.fromEffect(Word), Stream.concat(Stream.fromEffect(Word), Stream.make("finish")))
      const parts = yield* FailoverRouter.open("chat", () => us, { classifyPart }).pipe(
        Effect.provideService(Word, "text")
      )
      assert.deepStrictEqual(yield* Stream.runCollect(parts), ["text", "text", "finish"])
    }).pipe(Effect.scoped, Effect.provide(Streams())))

  it.live("L4: answers with a status where all targets are down, and streams where one is not", () =>
    Effect.gen(function*() {
      let isDown = true
      const respond = FailoverRouter.open(
        "chat",
        () => isDown ? provider(new ProviderFailed()) : provider(["text"], ["finish"]),
        { classifyPart }
      ).pipe(
        Effect.map((parts) => HttpServerResponse.stream(Stream.encodeText(parts))),
        Effect.catchTag("FailoverError", () => Effect.succeed(HttpServerResponse.empty({ status: 503 })))
      )
      yield* Layer.build(
        HttpRouter.serve(HttpRouter.add("GET", "/", respond), { disableLogger: true, disableListenLog: true })
      )
      const status = Effect.map(HttpClient.get("/"), ({ status }) => status)
      assert.strictEqual(yield* status, 503)
      isDown = false
      yield* FailoverRouter.reset("chat")
      const response = yield* HttpClient.get("/")
      assert.deepStrictEqual([response.status, yield* response.text], [200, "textfinish"])
    }).pipe(Effect.scoped, Effect.provide([NodeHttpServer.layerTest, Streams()])))
})
