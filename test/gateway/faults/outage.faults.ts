// Providers that are away for a while, under a steady stream of requests.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Answer } from "./Answer.ts"
import { assertAsked, assertError, assertTook, assertWhole } from "./assertAnswer.ts"
import type { Provider } from "./Provider.ts"
import { silence, unavailable, usage, whole } from "./replies.ts"
import { stories, type Story } from "./Story.ts"
import { now, sleep } from "./storyTime.ts"

/** A call every so many seconds, whatever becomes of the calls before. Gives the answers in order. */
const steadily = ({ ask }: Story, count: number, every: number): Effect.Effect<ReadonlyArray<Answer>> =>
  Effect.forEach(
    Array.from({ length: count }, (_, call) => call),
    (call) => Effect.andThen(sleep(call * every), ask()),
    { concurrency: "unbounded" }
  )

const seenSince = ({ requests }: Provider, moment: number) => requests.filter(({ at }) => at >= moment)

stories("outages", ({ bothWays }) => {
  bothWays(
    "us is down for 60 s, with a call every 4 s: nobody notices, and us is hardly asked",
    {},
    (story) =>
      Effect.gen(function*() {
        const { eu, us } = story
        assertWhole((yield* steadily(story, 1, 4))[0]!, "us")
        assertAsked([us, 1], [eu, 0])

        us.script(unavailable)
        const downAt = now()
        for (const answer of yield* steadily(story, 15, 4)) assertWhole(answer, "eu")
        yield* sleep(4)
        assert.isAtMost(seenSince(us, downAt).length, 4)

        us.script(whole("us"))
        const backAt = now()
        // A call to us may well be lost on the way to its return, but to no caller.
        for (const answer of yield* steadily(story, 8, 4)) {
          assert.deepStrictEqual([answer.ending, answer.flaw], ["whole", undefined])
        }
        yield* sleep(2)
        assert.isAtLeast(seenSince(us, backAt).length, 1)
        // By now 34 seconds have passed, and all calls are its again.
        const restored = now()
        for (const answer of yield* steadily(story, 8, 4)) assertWhole(answer, "us")
        assert.deepStrictEqual(seenSince(eu, restored), [])
      })
  )

  bothWays(
    "20 callers at once while us is down: all are served by eu",
    { us: [unavailable] },
    (story) =>
      Effect.gen(function*() {
        for (const answer of yield* steadily(story, 20, 0)) {
          assertWhole(answer, "eu")
          assertTook(answer, 0, 30)
        }
        const { eu, us } = story
        assertAsked([eu, 20])
        assert.isAtMost(us.requests.length, 40)
      })
  )

  bothWays(
    "20 callers at once while us is silent: all are served by eu",
    { us: [silence] },
    (story) =>
      Effect.gen(function*() {
        for (const answer of yield* steadily(story, 20, 0)) {
          assertWhole(answer, "eu")
          assertTook(answer, story.stream ? 10 : 30, 60)
        }
        const { eu, us } = story
        assertAsked([us, 20], [eu, 20])
      })
  )

  bothWays("both are down: one error in bounded time, until one of them is back", {
    us: [unavailable],
    eu: [unavailable]
  }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      const first = yield* ask()
      const error = assertError(first, 502, 503)
      assertTook(first, 0, 6)
      assert.isAtLeast(first.retryAfter!, 1)
      assert.isAtMost(first.retryAfter!, 60)
      // The last one that is left is asked again.
      assertAsked([us, 1], [eu, 2])
      for (const name of ["us", "eu"]) assert.match(JSON.stringify(error), new RegExp(`\\b${name}\\b`))

      assertError(yield* ask(), 502, 503)
      assertAsked([us, 2], [eu, 2])
      // Both circuits are open.
      const third = yield* ask()
      assertError(third, 503)
      assertTook(third, 0)
      assert.isAtLeast(third.retryAfter!, 1)
      assertAsked([us, 2], [eu, 2])

      us.script(whole("us"))
      yield* sleep(third.retryAfter!)
      const backAt = now()
      let answer = yield* ask()
      while (answer.ending === "error" && now() - backAt < 30) {
        yield* sleep(2)
        answer = yield* ask()
      }
      assertWhole(answer, "us")
    }))

  bothWays(
    "both are silent: one error in bounded time",
    { us: [silence], eu: [silence] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const answer = yield* ask()
        assertError(answer, 502, 503, 504)
        assertTook(answer, 20, 62)
        assertAsked([us, 1], [eu, 1])
      })
  )

  bothWays(
    "accounting: model and usage are of the target that served",
    { us: [unavailable] },
    (story) =>
      Effect.gen(function*() {
        const { ask, stream, us } = story
        const failedOver = yield* ask({ includeUsage: true })
        assertWhole(failedOver, "eu")
        assert.deepStrictEqual(failedOver.usages, [usage("eu")])

        us.script(whole("us"))
        yield* sleep(60)
        const back = yield* ask({ includeUsage: true })
        assertWhole(back, "us")
        assert.deepStrictEqual(back.usages, [usage("us")])
        assert.notDeepEqual(usage("us"), usage("eu"))

        // A stream tells it only to those who ask.
        const unasked = yield* ask()
        assertWhole(unasked, "us")
        assert.deepStrictEqual(unasked.usages, stream ? [] : [usage("us")])
      })
  )
})
