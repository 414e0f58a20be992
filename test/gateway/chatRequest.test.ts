import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode } from "../../examples/gateway/chatRequest.ts"

const messages = [{ role: "user", content: "hello" }]
const refused = (body: unknown) => Effect.flip(decode(typeof body === "string" ? body : JSON.stringify(body)))

describe("chatRequest", () => {
  it.effect("keeps the body as it came", () =>
    Effect.gen(function*() {
      const body = { messages, model: "chat", stream: true, n: 3, stream_options: { include_usage: true }, own: [null] }
      assert.deepStrictEqual(yield* decode(JSON.stringify(body)), {
        model: "chat",
        stream: true,
        allow: {},
        choices: 3,
        body
      })
    }))

  it.effect("stays in the regions that the header names", () =>
    Effect.gen(function*() {
      const allow = (regions: string) =>
        Effect.map(decode(JSON.stringify({ model: "chat", messages }), regions), ({ allow }) => allow.regions)
      assert.deepStrictEqual(yield* allow("eu"), ["eu"])
      assert.deepStrictEqual(yield* allow("eu , ch"), ["eu", "ch"])
      // Not a fence that lets everything pass.
      assert.deepStrictEqual(yield* allow(""), [""])
    }))

  it.effect("asks for one answer in one piece unless it says otherwise", () =>
    Effect.gen(function*() {
      for (const more of [{}, { stream: null }, { stream: false }, { n: null }, { n: 1 }]) {
        const { choices, stream } = yield* decode(JSON.stringify({ model: "chat", messages, ...more }))
        assert.deepStrictEqual([choices, stream], [1, false])
      }
    }))

  it.effect("is refused if the gateway cannot make sense of it", () =>
    Effect.gen(function*() {
      const bodies = [
        "",
        "{",
        "[]",
        "null",
        { messages },
        { model: 5, messages },
        { model: "chat" },
        { model: "chat", messages: "hello" },
        { model: "chat", messages, stream: "yes" }
      ]
      for (const body of bodies) {
        const { message, status } = yield* refused(body)
        assert.strictEqual(status, 400)
        assert.notInclude(message, "hello")
      }
    }))
})
