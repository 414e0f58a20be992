// Requests that make a healthy provider fail, by numbers: they may fail themselves, and take nobody else with them. And a
// provider that is truly dead, which sees no more calls than the circuits let through.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import type { Answer } from "./Answer.ts"
import { assertWhole } from "./assertAnswer.ts"
import { error, type Reply, serverError, silence, unavailable, whole } from "./replies.ts"
import { stories, type Story } from "./Story.ts"
import { sleep } from "./storyTime.ts"

const word = "poison"

/** Half an answer, and the connection is gone. */
const cut = (name: string): Reply => (chat) => ScriptedProvider.cut(whole(name)(chat), { afterBytes: 300 })

const failures: ReadonlyArray<readonly [by: string, failure: (name: string) => Reply]> = [
  ["500", () => serverError],
  ["504", () => error(504, null, "upstream request timeout")],
  ["a cut", cut],
  ["a hang", () => silence]
]

/** Two providers that fail what has the word in it, and serve the rest. */
const poisonable = (failure: (name: string) => Reply) => {
  const provider = (name: string): ReadonlyArray<Reply> => [
    (chat) => (chat.prompt.includes(word) ? failure(name) : whole(name))(chat)
  ]
  return { us: provider("us"), eu: provider("eu") }
}

/** Bodies of a caller who repeats himself, and of one who changes a word each time. */
const bodies: ReadonlyArray<readonly [which: string, prompt: (index: number) => string]> = [
  ["the same body", () => word],
  ["changing bodies", (index) => `${word} ${index}`]
]
const question = (index: number) => `question ${index}`

const every = (seconds: number, until: number) =>
  Array.from({ length: Math.floor(until / seconds) }, (_, index) => index * seconds)

/** A call at each of these moments, whatever becomes of the calls before. */
const askAt = ({ ask }: Story, moments: ReadonlyArray<number>, prompt: (index: number) => string) =>
  Effect.forEach(
    moments,
    (moment, index) => Effect.andThen(sleep(moment), ask({ prompt: prompt(index) })),
    { concurrency: "unbounded" }
  )

const served = (answers: ReadonlyArray<Answer>) => answers.filter(({ ending }) => ending === "whole").length

stories("one caller's request", ({ bothWays, inOnePiece }) => {
  for (const [by, failure] of failures) {
    bothWays(`${by}: the next caller is served`, poisonable(failure), (story) =>
      Effect.gen(function*() {
        const poison = yield* Effect.forkChild(story.ask({ prompt: word }))
        yield* sleep(25)
        assertWhole(yield* story.ask(), "us")
        poison.interruptUnsafe()
      }))

    for (const [which, prompt] of bodies) {
      inOnePiece(
        `${by}, four of ${which} among 20 calls a second: 43 of 45 are served`,
        poisonable(failure),
        (story) =>
          Effect.gen(function*() {
            const poison = yield* Effect.forkChild(askAt(story, [0.3, 0.8, 1.3, 1.8], prompt))
            assert.isAtLeast(served(yield* askAt(story, every(0.05, 2.25), question)), 43)
            poison.interruptUnsafe()
          })
      )

      inOnePiece(
        `${by}, ${which} once a second among others: 95 % are served`,
        poisonable(failure),
        (story) =>
          Effect.gen(function*() {
            const poison = yield* Effect.forkChild(askAt(story, every(1, 40).map((moment) => moment + 0.5), prompt))
            assert.isAtLeast(served(yield* askAt(story, every(1, 40), question)), 38)
            poison.interruptUnsafe()
          })
      )
    }

    inOnePiece(
      `${by}, sent again by its client: all others are served`,
      poisonable(failure),
      (story) =>
        Effect.gen(function*() {
          // As official clients do: twice more, after half a second and after one.
          const client = Effect.forEach([0.5, 1, 0], (wait) => Effect.andThen(story.ask({ prompt: word }), sleep(wait)))
          const poison = yield* Effect.forkChild(client)
          const answers = yield* askAt(story, every(0.5, 45), question)
          assert.strictEqual(served(answers), answers.length)
          poison.interruptUnsafe()
        })
    )
  }
})

/** Its server is gone; what it would answer does not matter. */
const refused = serverError

stories("a provider that is dead", ({ inOnePiece }) => {
  const dead: ReadonlyArray<readonly [by: string, reply: Reply]> = [
    ["500", error(500, "server_error", "The server had an error")],
    ["503", unavailable],
    ["a refused connection", refused],
    ["a hang", silence]
  ]
  const callers: ReadonlyArray<readonly [who: string, prompt: (index: number) => string]> = [
    ["callers with a question each", question],
    ["a lonely caller with one body", () => "the only question"],
    ["a health check", () => "ping"]
  ]
  for (const [by, reply] of dead) {
    for (const [who, prompt] of callers) {
      inOnePiece(
        `${by}, asked by ${who}: it sees as few calls as its circuit lets through`,
        { us: [reply] },
        (story) =>
          Effect.gen(function*() {
            const { eu, us } = story
            if (reply === refused) yield* us.shut
            yield* Effect.forEach(
              every(4, 60),
              (_, index) => Effect.andThen(story.ask({ prompt: prompt(index) }), sleep(4))
            )
            // Two that open it, and a probe after 10, 30 and 60 seconds.
            assert.isAtMost(us.requests.length, 5)
            assert.isAtLeast(eu.requests.length, 10)
          })
      )
    }
  }

  inOnePiece(
    "a batch of identical prompts opens its circuit too",
    { us: [serverError] },
    (story) =>
      Effect.gen(function*() {
        const batch = yield* askAt(story, every(0.2, 8), () => "the same for all")
        assert.strictEqual(served(batch), batch.length)
        assert.isAtMost(story.us.requests.length, 4)
      })
  )
})
