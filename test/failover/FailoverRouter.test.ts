// A route in the life of its targets: away from one that fails, back to it when it is well, and nothing else.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import { CircuitBreaker, FailoverError, FailoverRoute, FailoverRouter, LlmStream, TripPolicy } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const regions = (options: Partial<FailoverRouter.Options> = {}) =>
  FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu", "asia"] })], ...options }).pipe(
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(2), openDuration: "60 seconds" }))
  )

/** A provider in several regions, some of which are down. */
const makeProvider = () => {
  const down = new Set<string>()
  const asked: Array<string> = []
  return {
    down,
    take: (): ReadonlyArray<string> => asked.splice(0),
    ask: FailoverRouter.execute("chat", ({ name }) =>
      Effect.suspend(() => {
        asked.push(name)
        return down.has(name) ? Effect.fail({ status: 503 }) : Effect.succeed(`hello from ${name}`)
      }))
  }
}

describe("FailoverRouter", () => {
  it.effect("W55: carries every call through an outage of its primary, and comes home after it", () =>
    Effect.gen(function*() {
      const { ask, down, take } = makeProvider()
      assert.strictEqual(yield* ask, "hello from us")
      down.add("us")
      for (let n = 0; n < 5; n++) assert.strictEqual(yield* ask, "hello from eu")
      // Two calls found out; the others went where the route is.
      assert.deepStrictEqual(take(), ["us", "us", "eu", "us", "eu", "eu", "eu", "eu"])
      assert.isTrue(yield* FailoverRouter.isFailedOver("chat"))

      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* ask, "hello from eu")
      assert.strictEqual(yield* ask, "hello from eu")
      assert.deepStrictEqual(take(), ["us", "eu", "eu"])

      down.clear()
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* ask, "hello from us")
      assert.isFalse(yield* FailoverRouter.isFailedOver("chat"))
    }).pipe(Effect.provide(regions())))

  it.effect("W57: leaves a stand-in that fails too", () =>
    Effect.gen(function*() {
      const { ask, down, take } = makeProvider()
      down.add("us").add("eu")
      for (let n = 0; n < 3; n++) assert.strictEqual(yield* ask, "hello from asia")
      assert.deepStrictEqual(take(), ["us", "eu", "asia", "us", "eu", "asia", "asia"])
      assert.strictEqual((yield* FailoverRouter.activeTarget("chat")).name, "asia")
    }).pipe(Effect.provide(regions())))

  it.effect("fails with all that happened when nobody is left", () =>
    Effect.gen(function*() {
      const { ask, down } = makeProvider()
      for (const name of ["us", "eu", "asia"]) down.add(name)
      yield* Effect.exit(ask)
      const error = yield* Effect.flip(ask)
      assert(FailoverError.isFailoverError(error))
      assert.strictEqual(
        error.message,
        "no target of route \"chat\" served the call (us: overloaded, eu: overloaded, asia: overloaded), retry after 1m"
      )
      assert.deepStrictEqual(error.cause, { status: 503 })
    }).pipe(Effect.provide(regions())))

  it.effect("W58: with a health probe, no call of a user finds out that the primary is still down", () =>
    Effect.gen(function*() {
      const { ask, down, take } = makeProvider()
      yield* Effect.gen(function*() {
        down.add("us")
        yield* ask
        yield* ask
        take()
        for (let minute = 0; minute < 3; minute++) {
          yield* TestClock.adjust("60 seconds")
          assert.strictEqual(yield* ask, "hello from eu")
        }
        down.clear()
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* ask, "hello from us")
        assert.deepStrictEqual(take(), ["eu", "eu", "eu", "us"])
      }).pipe(Effect.provide(regions({ healthProbe: ({ name }) => Effect.sync(() => !down.has(name)) })))
    }))

  it.effect("a stream is whole, from one target", () =>
    Effect.gen(function*() {
      const text = (content: string) => ({ choices: [{ delta: { content } }] })
      const role = { choices: [{ delta: { role: "assistant" } }] }
      const finish = { choices: [{ delta: {}, finish_reason: "stop" }] }
      const overloaded = { error: { code: "server_is_overloaded" } }
      const ask = (rescue: number, us: ReadonlyArray<unknown>) =>
        FailoverRouter.stream("chat", ({ name }): Stream.Stream<unknown> =>
          name === "us" ? Stream.fromIterable(us) : Stream.make(role, text(name), text("!"), finish), {
          classifyPart: LlmStream.openAi,
          rescue
        }).pipe(Stream.runCollect, Effect.exit)
      const whole = Exit.succeed([role, text("eu"), text("!"), finish])
      assert.deepStrictEqual(yield* ask(0, [role, overloaded]), whole)
      yield* FailoverRouter.reset("chat")
      assert.deepStrictEqual(yield* ask(0, [role]), whole)
      yield* FailoverRouter.reset("chat")
      assert.deepStrictEqual(yield* ask(5, [role, text("a")]), whole)
      yield* FailoverRouter.reset("chat")
      assert.isTrue(Exit.isFailure(yield* ask(0, [role, text("a")])))
      assert.deepStrictEqual(yield* ask(0, [role, text("a"), finish]), Exit.succeed([role, text("a"), finish]))
    }).pipe(Effect.provide(regions())))

  it.effect("an operator moves it by the circuit of a target", () =>
    Effect.gen(function*() {
      const { ask } = makeProvider()
      yield* CircuitBreaker.forceOpen("chat/us", { reason: "maintenance" })
      assert.strictEqual(yield* ask, "hello from eu")
      yield* FailoverRouter.reset("chat")
      assert.strictEqual(yield* ask, "hello from us")
    }).pipe(Effect.provide(regions())))
})
