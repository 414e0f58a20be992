// Callers that go away, callers that may not, callers that are wrong; and a gateway that gets the signal to end.
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { assertAsked, assertBetween, assertCutShort, assertError, assertWhole } from "./assertAnswer.ts"
import { left } from "./Caller.ts"
import { silence, unavailable, whole } from "./replies.ts"
import { stories } from "./Story.ts"
import { now, seconds, sleep } from "./storyTime.ts"

const slow = whole("us", { pace: seconds(0.5) })
const messages = [{ role: "user", content: "hello" }]

stories("callers", ({ bothWays, inOnePiece, streaming }) => {
  streaming(
    "leaves after 10 parts: us is told, and asked again next time",
    { us: [slow] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        // More of them than failures would be needed to open the circuit.
        for (const call of [1, 2, 3]) {
          assert.strictEqual((yield* ask({ leaveAfterParts: 10 })).flaw, left)
          yield* sleep(4)
          assertAsked([us, call], [eu, 0])
          const { at, leftAt } = us.requests[call - 1]!
          assertBetween(leftAt! - at, 5, 7)
        }
        us.script(whole("us"))
        assertWhole(yield* ask(), "us")
        assertAsked([us, 4], [eu, 0])
      })
  )

  bothWays(
    "leaves while us is silent: us is told, and asked again next time",
    { us: [silence] },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        for (const call of [1, 2, 3]) {
          assert.strictEqual((yield* ask({ leaveAfter: 5 })).flaw, left)
          yield* sleep(4)
          assertAsked([us, call], [eu, 0])
          const { at, leftAt } = us.requests[call - 1]!
          assertBetween(leftAt! - at, 4.5, 7)
        }
        us.script(whole("us"))
        assertWhole(yield* ask(), "us")
        assertAsked([us, 4], [eu, 0])
      })
  )

  bothWays(
    "leaves while eu is silent, after us: eu is told too",
    { us: [unavailable], eu: [silence] },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        assert.strictEqual((yield* ask({ leaveAfter: 5 })).flaw, left)
        yield* sleep(4)
        assertAsked([us, 1], [eu, 1])
        assert.isDefined(eu.requests[0]!.leftAt)
      })
  )

  streaming(
    "leaves in the middle of a probe of us: the next call is for us",
    { us: [unavailable] },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        for (const call of [1, 2]) {
          assertWhole(yield* ask(), "eu")
          assertAsked([us, call], [eu, call])
        }
        us.script(slow, whole("us"))
        yield* sleep(15)
        assert.strictEqual((yield* ask({ leaveAfterParts: 5 })).flaw, left)
        yield* sleep(1)
        for (const call of [4, 5]) {
          assertWhole(yield* ask(), "us")
          assertAsked([us, call], [eu, 2])
        }
      })
  )

  bothWays(
    "without the key, or with a wrong one: 401",
    { apiKey: "secret" },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        for (const authorization of ["", "Bearer wrong", "Bearer secretly", "secret", "Bearer "]) {
          assertError(yield* ask({ authorization }), 401)
        }
        assertAsked([us, 0], [eu, 0])
        assertWhole(yield* ask(), "us")
      })
  )

  bothWays("an unknown model: 404", {}, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      for (const model of ["none", "constructor", "us", "us-model"]) assertError(yield* ask({ model }), 404)
      assertAsked([us, 0], [eu, 0])
    }))

  inOnePiece("what is not a chat: 400", {}, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      const bodies = ["", "{\"model\":\"chat\"", "[]", "null", JSON.stringify({ messages })]
      for (const body of bodies) assertError(yield* ask({ body }), 400)
      assertAsked([us, 0], [eu, 0])
    }))

  inOnePiece("too much of a request: 413", {}, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      const content = "x".repeat(32 * 1024 * 1024)
      assertError(yield* ask({ body: JSON.stringify({ model: "chat", messages: [{ role: "user", content }] }) }), 413)
      assertAsked([us, 0], [eu, 0])
    }))

  streaming(
    "the gateway is told to end within a stream: ends it, and itself",
    { us: [slow] },
    ({ ask, gateway }) =>
      Effect.gen(function*() {
        const asked = yield* Effect.forkChild(ask())
        yield* sleep(6)
        yield* gateway.terminate
        const answer = yield* Fiber.join(asked)
        if (answer.ending === "whole") assertWhole(answer, "us")
        else assertCutShort(answer, "us")
        assert.strictEqual(yield* gateway.ended, 0, gateway.log())
      })
  )

  streaming("the gateway is told to end within a stream of minutes: does not wait for its end", {
    us: [whole("us", { parts: 300, pace: seconds(1) })]
  }, ({ ask, gateway }) =>
    Effect.gen(function*() {
      const asked = yield* Effect.forkChild(ask())
      yield* sleep(6)
      yield* gateway.terminate
      const toldAt = now()
      const answer = yield* Fiber.join(asked)
      assertCutShort(answer, "us")
      assert.strictEqual(yield* gateway.ended, 0, gateway.log())
      assertBetween(now() - toldAt, 0, 60)
    }))

  inOnePiece("the gateway is told to end while us thinks: answers, and ends", {
    us: [(chat) => ScriptedProvider.late(whole("us")(chat), seconds(8))]
  }, ({ ask, gateway }) =>
    Effect.gen(function*() {
      const asked = yield* Effect.forkChild(ask())
      yield* sleep(3)
      yield* gateway.terminate
      const answer = yield* Fiber.join(asked)
      if (answer.ending === "whole") assertWhole(answer, "us")
      else assertError(answer, 503)
      assert.strictEqual(yield* gateway.ended, 0, gateway.log())
    }))
})
