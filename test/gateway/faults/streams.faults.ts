// Providers that fail in the middle of a stream. Nothing that is cut short may look complete.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { assertAsked, assertBetween, assertCutShort, assertError, assertTook, assertWhole } from "./assertAnswer.ts"
import * as replies from "./replies.ts"
import { type Plot, stories } from "./Story.ts"
import { seconds } from "./storyTime.ts"

const { beginning, done, finish, stream, whole } = replies

// A moment before the cut, or what was sent last would be lost with the connection.
const cutAfter = (parts: number) => (chat: replies.Chat) =>
  ScriptedProvider.cut(ScriptedProvider.events([...beginning(chat, "us", { parts }), { pause: seconds(0.5) }]))
const stalledAfter = (parts: number) => (chat: replies.Chat) =>
  ScriptedProvider.stall(ScriptedProvider.events(beginning(chat, "us", { parts })))
const pinging = stream((chat) => [
  ...beginning(chat, "us", { parts: 20 }),
  ...Array.from({ length: 40 }, () => [{ pause: seconds(1) }, ": ping\n\n"]).flat()
])
const endless = stream((chat) => beginning(chat, "us"))
const undone = stream((chat) => [...beginning(chat, "us"), ...finish(chat, "us")])
const doneTooEarly = stream((chat) => [...beginning(chat, "us", { parts: 40 }), done])
const cutAfterFinish = (chat: replies.Chat) =>
  ScriptedProvider.cut(
    ScriptedProvider.events([...beginning(chat, "us"), ...finish(chat, "us"), { pause: seconds(0.5) }])
  )
const failing = stream((chat) => [
  ...beginning(chat, "us", { parts: 20 }),
  { data: { error: { message: "The server had an error", type: "server_error", code: "server_error" } } }
])
const half = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ga\n\n"
const malformed = stream((chat) => [
  ...beginning(chat, "us", { parts: 30 }),
  half,
  // The other parts, without the opener.
  ...beginning(chat, "us").slice(31),
  ...finish(chat, "us"),
  done
])

// In large pieces, as fast as the socket takes them, and more than anybody waits for.
const flooding = (parts: number) =>
  stream((chat) => [...beginning(chat, "us", { parts }), ...Array<string>(100_000).fill(openers)])
const openers = "data: {\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n".repeat(1_000)

// Each of 50 kB and without content, as fast as the socket takes them.
const swelling = stream((chat) => [...beginning(chat, "us", { parts: 0 }), ...Array<string>(100_000).fill(swollen)])
const swollen = `data: {"choices":[{"index":0,"delta":{}}],"padding":"${"x".repeat(50_000)}"}\n\n`

/** Held back, and so served by eu, with no part of us. */
const rescued: Plot = ({ ask, eu, us }) =>
  Effect.gen(function*() {
    assertWhole(yield* ask(), "eu")
    assertAsked([eu, 1])
    assert.isAtMost(us.requests.length, 2)
  })

const rescueParts = 64

stories("streams", ({ streaming }) => {
  streaming(
    "cut after 40 of 60 parts: an error after them",
    { us: [cutAfter(40)] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const answer = yield* ask()
        assertCutShort(answer, "us", 40)
        assertTook(answer, 0, 0.5)
        assertAsked([us, 1], [eu, 0])
      })
  )
  streaming("cut after 40 of 60 parts, with rescue: eu serves", { us: [cutAfter(40)], rescueParts }, rescued)

  streaming(
    "cut after 40 of 60 parts, for ever: is left for eu",
    { us: [cutAfter(40)] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        for (const _ of [1, 2]) assertCutShort(yield* ask(), "us", 40)
        assertWhole(yield* ask(), "eu")
        assertAsked([us, 2], [eu, 1])
      })
  )

  streaming(
    "stalled after 20 parts: an error 10 s after them",
    { us: [stalledAfter(20)] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const answer = yield* ask()
        assertCutShort(answer, "us", 20)
        assertTook(answer, 10)
        assertAsked([us, 1], [eu, 0])
        const { at, leftAt } = us.requests[0]!
        assertBetween(leftAt! - at, 10, 10)
      })
  )
  streaming(
    "stalled after 20 parts, with rescue: eu serves after 10 s",
    { us: [stalledAfter(20)], rescueParts },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        const answer = yield* ask()
        assertWhole(answer, "eu")
        assertTook(answer, 10)
        assertAsked([us, 1], [eu, 1])
      })
  )
  streaming(
    "nothing but pings after 20 parts: an error 10 s after them",
    { us: [pinging] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const answer = yield* ask()
        assertCutShort(answer, "us", 20)
        assertTook(answer, 10)
        assertAsked([us, 1], [eu, 0])
      })
  )

  streaming(
    "openers without end, as fast as they go: eu serves",
    { us: [flooding(0)] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        assertWhole(yield* ask(), "eu")
        assertAsked([us, 1], [eu, 1])
      })
  )
  streaming(
    "K1: parts of 50 kB without content, without end: eu serves, and the memory stays",
    { us: [whole("us"), swelling], heapMegabytes: 256 },
    ({ ask, eu, gateway, us }) =>
      Effect.gen(function*() {
        assertWhole(yield* ask(), "us")
        const before = yield* gateway.peakMegabytes
        const answer = yield* ask()
        assertWhole(answer, "eu")
        const { at, leftAt } = us.requests[1]!
        assertBetween(leftAt! - at, 0, 11)
        assert.isBelow(yield* gateway.peakMegabytes, before + 64)
        assertAsked([us, 2], [eu, 1])
      })
  )
  streaming(
    "openers without end after 20 parts, as fast as they go: an error",
    { us: [flooding(20)] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        assertCutShort(yield* ask(), "us", 20)
        assertAsked([us, 1], [eu, 0])
      })
  )

  streaming(
    "one malformed part among 60: an error in its place",
    { us: [malformed] },
    (story) =>
      Effect.gen(function*() {
        const { ask, eu, us } = story
        const answer = yield* ask()
        assertCutShort(answer, "us", 30)
        assertAsked([us, 1], [eu, 0])
      })
  )

  streaming("the end without a finish: an error", { us: [endless] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      assertCutShort(yield* ask(), "us", 60)
      assertAsked([us, 1], [eu, 0])
    }))
  streaming("the end without a finish, with rescue: eu serves", { us: [endless], rescueParts }, rescued)

  streaming("a [DONE] without a finish: an error", { us: [doneTooEarly] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      for (const _ of [1, 2]) assertCutShort(yield* ask(), "us", 40)
      assertWhole(yield* ask(), "eu")
      assertAsked([us, 2], [eu, 1])
    }))
  streaming("a [DONE] without a finish, with rescue: eu serves", { us: [doneTooEarly], rescueParts }, rescued)

  streaming("a finish without a [DONE]: complete", { us: [undone] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      assertWhole(yield* ask(), "us")
      assertAsked([us, 1], [eu, 0])
    }))

  streaming("cut after the finish: complete", { us: [cutAfterFinish] }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      for (const call of [1, 2, 3]) {
        assertWhole(yield* ask(), "us")
        assertAsked([us, call], [eu, 0])
      }
    }))

  streaming(
    "an error event after 20 parts: one error after them",
    { us: [failing] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        assertCutShort(yield* ask(), "us", 20)
        assertAsked([us, 1], [eu, 0])
      })
  )
  streaming("an error event after 20 parts, with rescue: eu serves", { us: [failing], rescueParts }, rescued)

  streaming("both are cut after 40 parts, with rescue: an error", {
    us: [cutAfter(40)],
    eu: [cutAfter(40)],
    rescueParts
  }, ({ ask, eu }) =>
    Effect.gen(function*() {
      const answer = yield* ask()
      if (answer.status === 200) assertCutShort(answer, answer.text.startsWith("eu") ? "eu" : "us")
      else assertError(answer, 502, 503)
      assert.isAtLeast(eu.requests.length, 1)
    }))

  streaming("a caller that does not read for 25 s: gets it all later", {
    // More than the buffers on the way hold.
    us: [whole("us", { padding: 700_000 })]
  }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      const answer = yield* ask({ pauseAfterParts: 2 })
      assertWhole(answer, "us")
      assertTook(answer, 25, 90)
      assertAsked([us, 1], [eu, 0])
    }))

  streaming(
    "a stream in crumbs: is put together",
    { us: [replies.crumbled("us")] },
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        assertWhole(yield* ask(), "us")
        assertAsked([us, 1], [eu, 0])
      })
  )

  streaming("a slow stream without a fault, with rescue: goes its way", {
    us: [whole("us", { pace: seconds(0.5) })],
    rescueParts: 8
  }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      const answer = yield* ask()
      assertWhole(answer, "us")
      assertTook(answer, 30)
      // Held back no longer than it takes to have 8 parts.
      assertBetween(answer.firstContentAt!, 3, 5)
      assertAsked([us, 1], [eu, 0])
    }))
})
