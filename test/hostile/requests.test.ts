// What callers may send to the gateway.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { startGateway } from "../gateway/startGateway.ts"
import { serve } from "../http/serve.ts"
import { eventually } from "../support/eventually.ts"

const hello = ScriptedProvider.json({ choices: [{ message: { content: "hello" }, finish_reason: "stop" }] })

const gateway = Effect.gen(function*() {
  const us = yield* serve(hello)
  const targets = [{ name: "us", baseUrl: us.url.replace("/chat", ""), model: "gpt-5" }]
  const { log, url } = yield* startGateway({ models: { chat: { targets } } })
  const post = (body: string) =>
    Effect.promise(async () => {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { connection: "close" },
        body
      })
      return { status: response.status, body: await response.text() }
    })
  return { log, post }
})

describe("a hostile request", () => {
  it.live("gets an answer where nobody can write it again, and the log a line", () =>
    Effect.gen(function*() {
      const { log, post } = yield* gateway
      const { body, status } = yield* post(`{"model":"chat","messages":[${"[".repeat(10_000)}${"]".repeat(10_000)}]}`)
      yield* eventually(Effect.sync(() => /message=call .*status=\d+/.test(log.join("\n"))))
      assert.isAtLeast(status, 400)
      assert.property(JSON.parse(body), "error")
    }))

  it.live("whose model the caller made up is logged in short", () =>
    Effect.gen(function*() {
      const { log, post } = yield* gateway
      yield* post(JSON.stringify({ model: `what-was-asked ${"x".repeat(3_000_000)}`, messages: [] }))
      yield* eventually(Effect.sync(() => log.join("\n").includes("what-was-asked")))
      assert.isBelow(log.join("\n").length, 10_000)
    }))
})
