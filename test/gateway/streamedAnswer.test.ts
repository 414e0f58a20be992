import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { Failure } from "../../examples/gateway/failures.ts"
import { write } from "../../examples/gateway/streamedAnswer.ts"
import type { Part } from "../../examples/gateway/target.ts"
import { TargetError } from "../../examples/gateway/targetError.ts"

const part = (value: unknown): Part => ({
  _tag: "Event",
  event: "message",
  id: undefined,
  data: value === undefined ? "[DONE]" : JSON.stringify(value),
  value
})
const text = (content: string, index = 0) => part({ choices: [{ index, delta: { content }, finish_reason: null }] })
const finish = (index = 0) => part({ choices: [{ index, delta: {}, finish_reason: "stop" }] })
const usage = part({ choices: [], usage: { total_tokens: 3 } })
const done = part(undefined)
const error = { message: "The server had an error", type: "server_error", code: null }
const reset = new TargetError({
  status: 502,
  body: { error: { message: "reset", type: "upstream_error", code: "reset" } }
})

/** What the caller gets: the events by their data, and how they end. */
const written = (parts: ReadonlyArray<Part>, options: { readonly failure?: Failure; readonly choices?: number } = {}) =>
  Effect.gen(function*() {
    const codes: Array<string | number | null> = []
    const stream = Stream.concat(
      Stream.fromIterable(parts),
      options.failure === undefined ? Stream.empty : Stream.fail(options.failure)
    )
    const events = yield* Stream.runCollect(
      write(stream, { choices: options.choices ?? 1, onError: ({ code }) => codes.push(code) })
    )
    return { data: events.map((event) => event.replace(/^data: |\n\n$/g, "")), codes }
  })

const dataOf = (...parts: ReadonlyArray<Part>) => parts.map(({ data }) => data)

describe("streamedAnswer", () => {
  const whole = [text("Hel"), text("lo"), finish(), usage]

  for (
    const [what, parts, failure] of [
      ["that is whole", [...whole, done]],
      ["whose end was forgotten", whole],
      ["whose end comes twice", [...whole, done, done]],
      ["that breaks after its finish", whole, reset],
      ["that breaks after its end", [...whole, done], reset],
      ["that goes on with an error after its end", [...whole, done, part({ error })]]
    ] as const
  ) {
    it.effect(`${what}: goes through as it is, with one [DONE]`, () =>
      Effect.gen(function*() {
        const { codes, data } = yield* written(parts, failure === undefined ? {} : { failure })
        assert.deepStrictEqual([data, codes], [dataOf(...whole, done), []])
      }))
  }

  for (
    const [what, parts, code, failure] of [
      ["that breaks", [text("Hel")], "reset", reset],
      ["that just stops", [text("Hel")], "stream_cut"],
      ["that says [DONE] and nothing of a finish", [text("Hel"), done], "stream_cut"],
      ["that reports an error", [text("Hel"), part({ error }), text("lo"), finish(), done], null]
    ] as const
  ) {
    it.effect(`${what}: ends with one error and without [DONE]`, () =>
      Effect.gen(function*() {
        const { codes, data } = yield* written(parts, failure === undefined ? {} : { failure })
        assert.deepStrictEqual(data.slice(0, -1), dataOf(text("Hel")))
        const last = JSON.parse(data.at(-1)!)
        assert.deepStrictEqual(Object.keys(last.error), ["message", "type", "code"])
        assert.deepStrictEqual([last.error.code, codes], [code, [code]])
      }))
  }

  it.effect("of two choices: is complete when both are", () =>
    Effect.gen(function*() {
      const both = [text("a"), text("b", 1), finish(), finish(1)]
      assert.deepStrictEqual((yield* written(both, { choices: 2 })).data.at(-1), "[DONE]")
      assert.deepStrictEqual((yield* written(both.slice(0, 3), { choices: 2 })).codes, ["stream_cut"])
      assert.deepStrictEqual((yield* written(both.slice(0, 3))).codes, ["stream_cut"])
      // The second has not even begun, and nobody said that it never would.
      assert.deepStrictEqual((yield* written([text("a"), finish()], { choices: 2 })).codes, ["stream_cut"])
      assert.deepStrictEqual((yield* written([text("a"), finish(), done], { choices: 2 })).data.at(-1), "[DONE]")
    }))
})
