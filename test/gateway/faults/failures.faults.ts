// Providers that fail before they have said a word.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { assertAsked, assertBetween, assertTook, assertWhole } from "./assertAnswer.ts"
import * as replies from "./replies.ts"
import { type Plot, stories } from "./Story.ts"
import { seconds } from "./storyTime.ts"

const { opener, reset, serverError, silence, stream, unavailable, whole } = replies

const busy = replies.error(503, "server_is_overloaded", "Try again later", { "retry-after": "30" })
const html = replies.answer(ScriptedProvider.text("<html><body>Bad gateway</body></html>"))
const untrue = replies.error(200, "server_error", "The server had an error while processing your request")
const errorEvent = stream(
  () => [{ data: { error: { message: "overloaded", type: "server_error", code: "overloaded" } } }]
)
const headersOnly = replies.answer(ScriptedProvider.stall(ScriptedProvider.events([])))
const headersOnlyJson = replies.answer(
  ScriptedProvider.stall(ScriptedProvider.text("", { headers: { "content-type": "application/json" } }))
)
const openerOnly = (chat: replies.Chat) => ScriptedProvider.stall(ScriptedProvider.events([opener(chat, "us")]))
const cutAfterOpener = (chat: replies.Chat) =>
  ScriptedProvider.cut(ScriptedProvider.events([opener(chat, "us"), { pause: seconds(0.5) }]))
const noWord = stream((chat) => [opener(chat, "us")])
const pings = stream(() => Array.from({ length: 40 }, () => [{ pause: seconds(1) }, ": ping\n\n"]).flat())
const openers = stream((chat) => Array.from({ length: 20 }, () => [opener(chat, "us"), { pause: seconds(3) }]).flat())
const noLine = stream(() => Array.from({ length: 40 }, () => [{ pause: seconds(1) }, "data: {\"choices\": "]).flat())
const nothing = (chat: replies.Chat) =>
  ScriptedProvider.text("", { headers: { "content-type": chat.stream ? "text/event-stream" : "application/json" } })
const half = (chat: replies.Chat) => ScriptedProvider.cut(whole("us")(chat), { afterBytes: 100 })

/** Served by eu at once, and us is asked again by the next call. */
const servedByEuOnce: Plot = ({ ask, eu, us }) =>
  Effect.gen(function*() {
    const answer = yield* ask()
    assertWhole(answer, "eu")
    assertTook(answer, 0, 3)
    assertWhole(yield* ask(), "us")
    assertAsked([us, 2], [eu, 1])
  })

/** Served by eu every time, and us is left once a second call has failed there. */
const servedByEu: Plot = ({ ask, eu, us }) =>
  Effect.gen(function*() {
    for (const call of [1, 2, 3]) {
      const answer = yield* ask()
      assertWhole(answer, "eu")
      assertTook(answer, 0, 3)
      assertAsked([us, Math.min(call, 2)], [eu, call])
    }
  })

/** Served by eu when the limit is over, without a second attempt at us, whose request is given up. */
const servedByEuAfter = (limit: number): Plot => ({ ask, eu, us }) =>
  Effect.gen(function*() {
    const answer = yield* ask()
    assertWhole(answer, "eu")
    assertTook(answer, limit)
    assertAsked([us, 1], [eu, 1])
    const { at, leftAt } = us.requests[0]!
    assertBetween(leftAt! - at, limit, limit)
    assertBetween(eu.requests[0]!.at - leftAt!, -1, 0)
  })

stories("failures", ({ bothWays, inOnePiece, streaming }) => {
  bothWays("500 once: eu serves at once", { us: [serverError, whole("us")] }, servedByEuOnce)

  bothWays("503 for ever: eu serves, and us is left", { us: [unavailable] }, servedByEu)
  bothWays("503 with a hint of 30 s: eu serves at once", { us: [busy] }, servedByEu)

  bothWays("connection reset once: eu serves at once", { us: [reset, whole("us")] }, servedByEuOnce)
  bothWays("connection reset for ever: eu serves", { us: [reset] }, servedByEu)
  bothWays(
    "connections that died while they were idle: us serves, and nobody notices",
    {},
    ({ ask, eu, us }) =>
      Effect.gen(function*() {
        const four = Effect.all([ask(), ask(), ask(), ask()], { concurrency: "unbounded" })
        yield* four
        us.forget()
        for (const answer of yield* four) assertWhole(answer, "us")
        assert.isAtLeast(us.resets(), 1)
        assertWhole(yield* ask(), "us")
        assertAsked([us, 9], [eu, 0])
      })
  )
  bothWays("connection refused: eu serves", {}, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      yield* us.shut
      for (const call of [1, 2, 3]) {
        const answer = yield* ask()
        assertWhole(answer, "eu")
        assertTook(answer, 0, 3)
        assertAsked([eu, call])
      }
    }))

  bothWays("a page of HTML with a status of 200: eu serves", { us: [html] }, servedByEu)
  bothWays("an error with a status of 200: eu serves", { us: [untrue] }, servedByEu)
  bothWays("nothing with a status of 200: eu serves", { us: [nothing] }, servedByEu)
  streaming("an error as the first event: eu serves", { us: [errorEvent] }, servedByEu)
  streaming("cut after the opener, before any content: eu serves", { us: [cutAfterOpener] }, servedByEu)
  streaming("the opener, and the end: eu serves", { us: [noWord] }, servedByEu)
  inOnePiece("half a body, for ever: eu serves", { us: [half] }, servedByEu)

  streaming("never answers: eu serves after 10 s", { us: [silence] }, servedByEuAfter(10))
  inOnePiece("never answers: eu serves after 30 s", { us: [silence] }, servedByEuAfter(30))
  streaming("headers, and nothing else: eu serves after 10 s", { us: [headersOnly] }, servedByEuAfter(10))
  inOnePiece("headers, and nothing else: eu serves after 30 s", { us: [headersOnlyJson] }, servedByEuAfter(30))
  streaming("the opener, and nothing else: eu serves after 10 s", { us: [openerOnly] }, servedByEuAfter(10))
  streaming("one opener after the other: eu serves after 10 s", { us: [openers] }, servedByEuAfter(10))
  streaming("pings, and nothing else: eu serves after 10 s", { us: [pings] }, servedByEuAfter(10))
  streaming("a line without an end: eu serves after 10 s", { us: [noLine] }, servedByEuAfter(10))
  streaming("first token after 20 s: eu serves after 10 s", {
    us: [(chat) => ScriptedProvider.late(whole("us")(chat), seconds(20))]
  }, servedByEuAfter(10))
  inOnePiece("an answer after 20 s: is waited for", {
    us: [(chat) => ScriptedProvider.late(whole("us")(chat), seconds(20))]
  }, ({ ask, eu, us }) =>
    Effect.gen(function*() {
      const answer = yield* ask()
      assertWhole(answer, "us")
      assertTook(answer, 20)
      assertAsked([us, 1], [eu, 0])
    }))
})
