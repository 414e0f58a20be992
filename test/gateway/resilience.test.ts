// The numbers, as callers and targets feel them.
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Stream } from "effect"
import { CircuitBreaker, FailoverRouter, LlmStream } from "effect-resilience"
import { ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import type { Configuration } from "../../examples/gateway/configuration.ts"
import * as Resilience from "../../examples/gateway/resilience.ts"

const target = (name: string) => ({ name, baseUrl: "http://localhost/v1", model: "m" })
const configuration: Configuration = { port: 0, models: { chat: { targets: [target("us"), target("eu")] } } }

type Step = ScriptedCall.Step<unknown, unknown>

const whole = ScriptedCall.succeeds({
  choices: [{ index: 0, message: { content: "hello" }, finish_reason: "stop" }]
})
const fails = (status: number, headers: Record<string, string> = {}) => ScriptedCall.fails({ status, headers })

/** Two targets of which us answers as the test says, and calls to them. */
const cast = Effect.fnUntraced(function*(us: (call: number) => Step) {
  const router = yield* FailoverRouter.FailoverRouter
  const calls = { us: 0, eu: 0 }
  const ask = Effect.suspend(() => {
    let served = ""
    const answer = router.execute("chat", ({ name }) => {
      served = name
      return ScriptedCall.make<unknown, unknown>([name === "us" ? us(++calls.us) : (calls.eu++, whole)]).call
    })
    return Effect.map(answer, () => served)
  })
  /** Who serves a call within so much time; undefined if nobody does. */
  const askFor = Effect.fnUntraced(function*(time: Duration.Input) {
    const asked = yield* Effect.forkChild(ask, { startImmediately: true })
    yield* TestClock.adjust(time)
    return asked.pollUnsafe() === undefined ? undefined : yield* Fiber.join(asked)
  })
  return { askFor, calls }
})

const layer = Resilience.layer(Resilience.models(configuration))

describe("resilience", () => {
  for (
    const [what, step] of [
      ["a server error", fails(500)],
      ["an overload", fails(503)],
      ["a connection that is reset", ScriptedCall.fails({ code: "ECONNRESET" })],
      ["a time-out", fails(408)],
      ["a rate limit without a hint", fails(429)],
      ["a rate limit with a long hint", fails(429, { "retry-after": "6" })],
      ["an overload with a long hint", fails(503, { "retry-after": "6" })],
      ["an empty purse", fails(402)],
      ["a wrong key", fails(401)],
      ["an unknown model", fails(404)],
      ["a page of HTML", ScriptedCall.succeeds("<html>")],
      ["an error of no kind", ScriptedCall.fails(new Error("hm"))]
    ] as const
  ) {
    it.effect(`${what}: us is called once, and eu serves at once`, () =>
      Effect.gen(function*() {
        const { askFor, calls } = yield* cast(() => step)
        assert.strictEqual(yield* askFor("1 millis"), "eu")
        assert.deepStrictEqual(calls, { us: 1, eu: 1 })
      }).pipe(Effect.provide(layer)))
  }

  it.effect("a rate limit with a hint: eu serves meanwhile, and us when it is over", () =>
    Effect.gen(function*() {
      const { askFor, calls } = yield* cast((call) => call === 1 ? fails(429, { "retry-after": "4" }) : whole)
      for (let call = 1; call <= 10; call++) assert.strictEqual(yield* askFor("1 millis"), "eu")
      assert.deepStrictEqual(calls, { us: 1, eu: 10 })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* askFor("1 millis"), "us")
    }).pipe(Effect.provide(layer)))

  it.effect("a server error where only one target is left: it is called again", () =>
    Effect.gen(function*() {
      const { askFor, calls } = yield* cast((call) => call === 1 ? fails(500) : whole)
      yield* CircuitBreaker.forceOpen("chat/eu")
      assert.strictEqual(yield* askFor("1 second"), "us")
      assert.deepStrictEqual(calls, { us: 2, eu: 0 })
    }).pipe(Effect.provide(layer)))

  it.effect("who is silent has ten minutes", () =>
    Effect.gen(function*() {
      const { askFor, calls } = yield* cast(() => ScriptedCall.hangs)
      assert.strictEqual(yield* askFor("599 seconds"), undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls, { us: 1, eu: 1 })
    }).pipe(Effect.provide(layer)))

  it.effect("who streams nothing has two minutes", () =>
    Effect.gen(function*() {
      const router = yield* FailoverRouter.FailoverRouter
      const asked: Array<string> = []
      const parts = router.stream("chat", ({ name }) => {
        asked.push(name)
        return name === "us"
          ? Stream.never
          : Stream.make({ choices: [{ delta: { content: "a" }, finish_reason: "stop" }] })
      }, { classifyPart: LlmStream.openAi })
      const read = yield* Effect.forkChild(Stream.runDrain(parts), { startImmediately: true })
      yield* TestClock.adjust("119999 millis")
      assert.deepStrictEqual(asked, ["us"])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(read)
      assert.deepStrictEqual(asked, ["us", "eu"])
    }).pipe(Effect.provide(layer)))

  for (const [minutes, most] of [[1, 4], [3, 8]] as const) {
    it.effect(`who is down for ${minutes} min sees ${most} calls, and has all of them 30 seconds after its return`, () =>
      Effect.gen(function*() {
        let isDown = true
        const { askFor, calls } = yield* cast(() => isDown ? fails(503) : whole)
        for (let call = 1; call <= 15 * minutes; call++) assert.strictEqual(yield* askFor("4 seconds"), "eu")
        assert.strictEqual(calls.us, most)

        isDown = false
        for (let call = 1; call <= 8; call++) assert.isDefined(yield* askFor("4 seconds"))
        const before = calls.eu
        for (let call = 1; call <= 5; call++) assert.strictEqual(yield* askFor("4 seconds"), "us")
        assert.strictEqual(calls.eu, before)
      }).pipe(Effect.provide(layer)))
  }
})
