// What an attack on the gateway has found, and what became of it.
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Deferred, Effect } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { main } from "../../examples/gateway.ts"
import { serve } from "../http/serve.ts"

describe("a gateway under attack", () => {
  it.live("a request that nobody can write again gets an answer, and the log a line", () =>
    Effect.gen(function*() {
      const { log, post } = yield* gateway
      const { body, status } = yield* post(`{"model":"chat","messages":[${"[".repeat(10_000)}${"]".repeat(10_000)}]}`)
      assert.match(log.join("\n"), /message=call .*status=\d+/)
      assert.isAtLeast(status, 400)
      assert.property(JSON.parse(body), "error")
    }))

  it.live("the name of a model that a caller makes up is logged in short", () =>
    Effect.gen(function*() {
      const { log, post } = yield* gateway
      yield* post(JSON.stringify({ model: `what-was-asked ${"x".repeat(3_000_000)}`, messages: [] }))
      assert.isBelow(log.join("\n").length, 10_000)
    }))

  // Google's OpenAI-compatible API puts the error in a list of one.
  it.live("why a request was refused is told also where the error comes in a list", () =>
    Effect.gen(function*() {
      const error = { code: 400, message: "temperature must be below 2", status: "INVALID_ARGUMENT" }
      const { post } = yield* gatewayTo(ScriptedProvider.json([{ error }], { status: 400 }))
      for (const stream of [false, true]) {
        const { body, status } = yield* post(JSON.stringify({ model: "chat", messages: [], stream }))
        assert.strictEqual(status, 400)
        assert.include(body, "temperature must be below 2")
      }
    }))
})

const hello = ScriptedProvider.json({ choices: [{ message: { content: "hello" }, finish_reason: "stop" }] })

const gatewayTo = (answer: ScriptedProvider.Answer) =>
  Effect.gen(function*() {
    const us = yield* serve(answer)
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "gateway-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    )
    const file = join(directory, "gateway.json")
    const targets = [{ name: "us", baseUrl: us.url.replace("/chat", ""), model: "gpt-5" }]
    writeFileSync(file, JSON.stringify({ port: 0, models: { chat: { targets } } }))
    const log: Array<string> = []
    const ready = yield* Deferred.make<string>()
    yield* Effect.forkScoped(main.pipe(
      Effect.provideService(Console.Console, {
        ...globalThis.console,
        log: (line: string) => Deferred.doneUnsafe(ready, Effect.succeed(line.replace("gateway listens on ", ""))),
        error: (line: string) => void log.push(line)
      }),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ GATEWAY_CONFIG: file })))
    ))
    const url = yield* Deferred.await(ready)
    const post = (body: string) =>
      Effect.promise(async () => {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { connection: "close" },
          body
        })
        return { status: response.status, body: await response.text() }
      }).pipe(Effect.tap(Effect.sleep("100 millis")))
    return { log, post }
  })

const gateway = gatewayTo(hello)
