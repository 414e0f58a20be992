import { assert, describe, it } from "@effect/vitest"
import * as Answer from "./Answer.ts"

const chunk = (choice: object) => ({
  model: "us-model",
  choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }]
})
const hello = chunk({ delta: { content: "hello" } })
const stop = chunk({ finish_reason: "stop" })
const error = { error: { message: "sorry", type: "server_error", code: null } }
const done = "[DONE]"

const stream = (events: ReadonlyArray<unknown>, rest: Partial<Answer.Raw> = {}) =>
  Answer.judge({
    status: 200,
    contentType: "text/event-stream",
    retryAfter: undefined,
    body: "",
    clean: true,
    events: events.map((data) => ({ at: 1, data })),
    took: 2,
    ...rest
  })

const piece = (body: unknown, rest: Partial<Answer.Raw> = {}) =>
  stream([], {
    contentType: "application/json",
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...rest
  })

const message = (choice: object) => ({ choices: [{ index: 0, message: { content: "hello" }, ...choice }] })

const cases: ReadonlyArray<readonly [name: string, answer: Answer.Answer, ending: Answer.Answer["ending"]]> = [
  ["a whole stream", stream([hello, stop, done]), "whole"],
  ["a stream without a finish", stream([hello, done]), "broken"],
  ["a stream without a [DONE]", stream([hello, stop]), "broken"],
  ["a stream that breaks off", stream([hello, stop, done], { clean: false }), "broken"],
  ["a stream that goes on after its [DONE]", stream([hello, stop, done, hello]), "broken"],
  ["a stream with two finishes", stream([hello, stop, stop, done]), "broken"],
  ["a stream with garbage", stream([hello, "{\"choices\":[{", stop, done]), "broken"],
  ["a stream of another status", stream([hello, stop, done], { status: 503 }), "broken"],
  ["a stream of nothing", stream([]), "broken"],
  ["an error in a stream", stream([hello, error]), "error"],
  ["an error and a [DONE]", stream([hello, error, done]), "broken"],
  ["an error and more", stream([hello, error, hello]), "broken"],
  ["two errors", stream([hello, error, error]), "broken"],
  ["an error without a type", stream([hello, { error: { message: "sorry", code: null } }]), "broken"],
  ["a whole answer", piece(message({ finish_reason: "stop" })), "whole"],
  ["an answer without a finish", piece(message({})), "broken"],
  ["an answer without content", piece(message({ message: {}, finish_reason: "stop" })), "broken"],
  ["an answer that breaks off", piece(message({ finish_reason: "stop" }), { clean: false }), "broken"],
  ["a page", piece("<html>", { status: 502 }), "broken"],
  ["an error", piece(error, { status: 503 }), "error"],
  ["an error of status 200", piece(error), "broken"],
  ["an error of another form", piece({ message: "sorry" }, { status: 503 }), "broken"]
]

describe("what a caller got", () => {
  for (const [name, answer, ending] of cases) {
    it(`${name} is ${ending}`, () => {
      assert.strictEqual(answer.ending, ending, answer.flaw)
      assert.strictEqual(answer.flaw === undefined, ending !== "broken")
    })
  }

  it("reads events and no comments", () => {
    assert.deepStrictEqual(Answer.event("event: x\ndata: {\"a\":1}"), { data: { a: 1 } as object })
    assert.deepStrictEqual(Answer.event("data: [DONE]"), { data: done })
    assert.deepStrictEqual(Answer.event("data: {\"a\":"), { data: "{\"a\":" })
    assert.isUndefined(Answer.event(": ping"))
  })
})
