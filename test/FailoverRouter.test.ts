// A call and the targets of its route.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import { CircuitBreaker, CircuitStore, FailoverError, FailoverRouter, LlmStream, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"

const breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "60 seconds" }).pipe(
  Layer.provide(CircuitStore.layerMemory)
)
const regions = (options: Partial<FailoverRouter.Options> = {}) =>
  FailoverRouter.layer({ routes: { chat: { targets: ["us", "eu", "asia"] } }, ...options }).pipe(
    Layer.provideMerge(breaker)
  )

describe("FailoverRouter", () => {
  it.effect("goes on, comes home", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      let down = true
      const ask = FailoverRouter.execute("chat", ({ name }) =>
        Effect.suspend(() => {
          asked.push(name)
          return name === "us" && down ? Effect.fail({ status: 503 }) : Effect.succeed(name)
        }))
      assert.strictEqual(yield* ask, "eu")
      assert.strictEqual((yield* FailoverRouter.activeTarget("chat")).name, "eu")
      assert.strictEqual(yield* ask, "eu")
      assert.deepStrictEqual(asked, ["us", "eu", "eu"])
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* ask, "eu")
      assert.deepStrictEqual(asked, ["us", "eu", "eu", "us", "eu"])
      down = false
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* ask, "us")
      assert.isFalse(yield* FailoverRouter.isFailedOver("chat"))
      const [state] = yield* FailoverRouter.snapshot
      assert.strictEqual(state?.failedOverFor, undefined)
    }).pipe(Effect.provide(regions())))

  it.effect("exhausts", () =>
    Effect.gen(function*() {
      const exit = yield* FailoverRouter.execute("chat", ({ name }) => Effect.fail({ status: name === "us" ? 503 : 500 }))
        .pipe(Effect.flip)
      assert(FailoverError.isFailoverError(exit))
      console.log(exit.message, exit.cause, exit.attempts)
      const again = yield* FailoverRouter.execute("chat", () => Effect.fail({ status: 503 })).pipe(Effect.flip)
      console.log(String(again))
    }).pipe(Effect.provide(regions())))

  it.effect("probes", () =>
    Effect.gen(function*() {
      const probed: Array<string> = []
      let down = true
      yield* Effect.gen(function*() {
        const ask = FailoverRouter.execute("chat", ({ name }) =>
          name === "us" && down ? Effect.fail({ status: 503 }) : Effect.succeed(name))
        assert.strictEqual(yield* ask, "eu")
        yield* TestClock.adjust("60 seconds")
        down = false
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual((yield* FailoverRouter.activeTarget("chat")).name, "us")
        console.log(probed.join(" "))
      }).pipe(Effect.provide(regions({
        healthProbe: ({ name }) => Effect.sync(() => {
          probed.push(name)
          return !(name === "us" && down)
        })
      })))
    }))

  it.effect("streams", () =>
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
      const cut = yield* ask(0, [role, text("a")])
      assert(Exit.isFailure(cut))
    }).pipe(Effect.provide(regions())))
})
