// Providers that are well and say no: busy, out of money, not to this caller, not to this prompt.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { assertAsked, assertBetween, assertError, assertTook, assertWhole } from "./assertAnswer.ts"
import { error, filtered, unavailable, whole } from "./replies.ts"
import { stories } from "./Story.ts"
import { now, sleep } from "./storyTime.ts"

const tooMany = (retryAfter?: string) =>
  error(
    429,
    "rate_limit_exceeded",
    "Rate limit reached for requests",
    retryAfter === undefined ? {} : { "retry-after": retryAfter }
  )
const noMoney = error(429, "insufficient_quota", "You exceeded your current quota")
const unknownModel = error(404, "model_not_found", "The model does not exist")
const wrongKey = error(401, "invalid_api_key", "Incorrect API key provided")
const tooLong = error(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens")
const badPrompt = error(400, filtered, "The response was filtered")
const badRequest = error(400, "invalid_value", "temperature is out of range")

stories("refusals", ({ bothWays }) => {
  bothWays(
    "429 with a hint of 2 s: eu serves all calls without a wait, and us is asked again when the hint has passed",
    { us: [tooMany("2"), whole("us")] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const throttledAt = now()
        let call = 0
        // Far enough from the end of the hint that a slow machine does not reach it.
        while (now() < throttledAt + 1.2) {
          const answer = yield* ask()
          assertWhole(answer, "eu")
          assertTook(answer, 0)
          assertAsked([us, 1], [eu, ++call])
        }
        yield* sleep(throttledAt + 5 - now())
        assertWhole(yield* ask(), "us")
        assertAsked([us, 2], [eu, call])
      })
  )

  bothWays(
    "429 with a hint of 2 s by the only target that is left: waits, and is served by it",
    { us: [tooMany("2"), whole("us")], eu: [noMoney] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        assertError(yield* ask(), 429, 502, 503)
        assertAsked([us, 1], [eu, 1])
        const answer = yield* ask()
        assertWhole(answer, "us")
        assertAsked([us, 2], [eu, 1])
        assertBetween(us.requests[1]!.at - us.requests[0]!.at, 2, 3)
      })
  )

  bothWays(
    "429 with a hint of 30 s: eu serves at once",
    { us: [tooMany("30")] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const answer = yield* ask()
        assertWhole(answer, "eu")
        assertTook(answer, 0)
        assertAsked([us, 1], [eu, 1])
        assertWhole(yield* ask(), "eu")
        assertAsked([us, 1], [eu, 2])
      })
  )

  bothWays("429 for ever, without a hint: eu serves", { us: [tooMany()] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      for (const call of [1, 2, 3, 4]) {
        const answer = yield* ask()
        assertWhole(answer, "eu")
        assertTook(answer, 0)
        assertAsked([eu, call])
        // Never twice in a call, and never again once the second failure has opened the circuit.
        assert.isAtMost(us.requests.length, Math.min(call, 2))
      }
      assert.isAtLeast(us.requests.length, 1)
    }))

  bothWays(
    "429 without money: eu serves, and us is left alone",
    { us: [noMoney] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        for (const call of [1, 2, 3]) {
          const answer = yield* ask()
          assertWhole(answer, "eu")
          assertTook(answer, 0)
          assertAsked([us, 1], [eu, call])
        }
      })
  )

  bothWays(
    "404 from us, that does not know its own model: eu serves, and us is left",
    { us: [unknownModel] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        for (const _ of [1, 2, 3]) assertWhole(yield* ask(), "eu")
        assertAsked([us, 2], [eu, 3])
      })
  )

  bothWays("401 from us: eu serves", { us: [wrongKey] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      assertWhole(yield* ask(), "eu")
      assertAsked([us, 1], [eu, 1])
      assert.strictEqual(us.requests[0]!.headers["authorization"], "Bearer key-of-us")
      assert.strictEqual(eu.requests[0]!.headers["authorization"], "Bearer key-of-eu")
    }))

  bothWays(
    "context too long: a larger target serves",
    { us: [tooLong], contextTokens: { us: 8_192, eu: 200_000 } },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        assertWhole(yield* ask(), "eu")
        assertAsked([us, 1], [eu, 1])
      })
  )

  for (const contextTokens of [undefined, { us: 8_192, eu: 8_192 }]) {
    const sizes = contextTokens === undefined ? "of unknown sizes" : "of the same size"
    bothWays(
      `context too long for targets ${sizes}: surfaced`,
      { us: [tooLong], contextTokens },
      (story) =>
        Effect.gen(function*() {
          const { ask, eu, us } = story
          const { code, message } = assertError(yield* ask(), 400)
          assert.strictEqual(code, "context_length_exceeded")
          assert.include(message, "maximum context length is 8192 tokens")
          assertAsked([us, 1], [eu, 0])
        })
    )
  }

  bothWays("content filter, by a 400: surfaced", { us: [badPrompt] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      for (const call of [1, 2, 3]) {
        const { code, message } = assertError(yield* ask(), 400)
        assert.strictEqual(code, filtered)
        assert.include(message, "The response was filtered")
        assertAsked([us, call], [eu, 0])
      }
    }))

  bothWays(
    "content filter, in an answer: surfaced",
    { us: [whole("us", { parts: 20, finish: filtered })] },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        for (const call of [1, 2, 3]) {
          const { ending, finishReason, flaw } = yield* ask()
          assert.deepStrictEqual([ending, flaw, finishReason], ["whole", undefined, filtered])
          assertAsked([us, call], [eu, 0])
        }
      })
  )

  bothWays(
    "content filter before any content: surfaced",
    { us: [whole("us", { parts: 0, finish: filtered })] },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        const { ending, finishReason, flaw } = yield* ask()
        assert.deepStrictEqual([ending, flaw, finishReason], ["whole", undefined, filtered])
        assertAsked([us, 1], [eu, 0])
      })
  )

  bothWays("an invalid request: surfaced", { us: [badRequest] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      for (const call of [1, 2, 3]) {
        const { code, message } = assertError(yield* ask(), 400)
        assert.deepStrictEqual([code, message], ["invalid_value", "temperature is out of range"])
        assertAsked([us, call], [eu, 0])
      }
    }))

  bothWays(
    "a fallback that refuses what the primary would have taken: the first cause is told",
    { us: [unavailable], eu: [badRequest] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const error = assertError(yield* ask(), 502, 503)
        assert.match(JSON.stringify(error), /503|overloaded|server_error/)
        assertAsked([us, 1], [eu, 1])
      })
  )
})
