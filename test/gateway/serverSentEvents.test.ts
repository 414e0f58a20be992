import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { read, write, writeData } from "../../examples/gateway/serverSentEvents.ts"

/** What is read from a text that arrives in pieces of so many bytes. */
const readIn = (text: string, size: number) => {
  const bytes = new TextEncoder().encode(text)
  const pieces = Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, index) => bytes.slice(index * size, (index + 1) * size)
  )
  return Stream.runCollect(read(Stream.decodeText(Stream.fromIterable(pieces)))).pipe(
    Effect.map((events) => events.map(({ data, event }) => event === "message" ? data : `${event}: ${data}`))
  )
}

describe("serverSentEvents", () => {
  const text = [
    "\uFEFFdata: {\"a\":\"ü😀\"}\r\n\r\n",
    ": a comment\n\n",
    "retry: 3000\n\n",
    "data:\n\n",
    "event: error\ndata: one\ndata: two\nid: 7\n\n",
    "data:no space\r\r",
    "data: [DONE]"
  ].join("")

  it.effect("are the same however the bytes are cut", () =>
    Effect.gen(function*() {
      for (const size of [1, 2, 3, 7, 1000]) {
        assert.deepStrictEqual(yield* readIn(text, size), [
          "{\"a\":\"ü😀\"}",
          "error: one\ntwo",
          "no space",
          "[DONE]"
        ])
      }
    }))

  it.effect("that come together are taken together", () =>
    Effect.gen(function*() {
      const arrays = yield* read(Stream.succeed("data: 1\n\ndata: 2\n\n")).pipe(
        Stream.chunks,
        Stream.runCollect
      )
      assert.deepStrictEqual(arrays.map((events) => events.length), [2])
    }))

  it.effect("end with the error of the bytes, after what came before it", () =>
    Effect.gen(function*() {
      const bytes = Stream.concat(Stream.succeed(new TextEncoder().encode("data: 1\n\ndata: 2")), Stream.fail("reset"))
      const seen: Array<string> = []
      const exit = yield* Effect.flip(
        Stream.runForEach(read(Stream.decodeText(bytes)), ({ data }) => Effect.sync(() => seen.push(data)))
      )
      assert.deepStrictEqual([seen, exit], [["1"], "reset"])
    }))

  it.effect("are read as they were written", () =>
    Effect.gen(function*() {
      const written = write({ _tag: "Event", event: "error", id: undefined, data: "one\ntwo" }) + writeData("{}")
      assert.strictEqual(written, "event: error\ndata: one\ndata: two\n\ndata: {}\n\n")
      assert.deepStrictEqual(yield* readIn(written, 5), ["error: one\ntwo", "{}"])
    }))
})
