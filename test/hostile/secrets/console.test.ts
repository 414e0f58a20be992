// What the console shows to those who reach it.
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { CircuitBreaker, FailoverRoute, FailoverRouter, LlmOutcome, TripPolicy } from "effect-resilience"
import { CircuitConsole } from "effect-resilience/console"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { answer, canary, errors, leaksIn, prompt } from "./canaries.ts"
import { assertClean, assertSilent, inSpan, listening, without, type Written } from "./sinks.ts"

const key = "provider/watched"
const token = canary("token")

/** A console beside a breaker whose every word is kept. */
const watched = (operators: CircuitConsole.Options["operators"]) => {
  const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(3), openDuration: 20 })
  const app = HttpRouter.serve(CircuitConsole.layer({ operators })).pipe(
    Layer.provideMerge(FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: [key] })] })),
    Layer.provideMerge(layer),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
  )
  return { app, written }
}

const url = Effect.map(HttpServer.HttpServer, ({ address }) => `${HttpServer.formatAddress(address)}/circuits`)

const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return JSON.stringify([response.status, ...response.headers]) + await response.text()
  })

/** The stream of events up to a text. */
const listen = (url: string, until: string) =>
  Effect.promise(async (signal) => {
    const response = await fetch(`${url}/events`, { signal })
    const reader = response.body!.getReader()
    let text = ""
    while (!text.includes(until)) text += new TextDecoder().decode((await reader.read()).value)
    await reader.cancel()
    return text
  })

describe("a console", () => {
  it.live("shows nothing of calls and of tokens, nor do its refusals and the log of its server", () => {
    const { app, written } = watched({ "on call": Redacted.make(token) })
    return Effect.gen(function*() {
      const base = yield* url
      const events = yield* Effect.forkChild(listen(base, "the last order"), { startImmediately: true })
      yield* Effect.sleep("100 millis")
      for (const error of Object.values(errors)) {
        for (const end of [Effect.fail(error), Effect.die(error), Effect.succeed({ prompt, answer })]) {
          yield* inSpan(end.pipe(CircuitBreaker.execute({ key, classify: LlmOutcome.classify })))
        }
        yield* inSpan(FailoverRouter.execute("chat", () => Effect.fail(error)))
      }
      const order = (authorization: string, body: string) =>
        ask(`${base}/disable`, {
          method: "POST",
          headers: { authorization, "content-type": "application/json" },
          body
        })
      const reason = JSON.stringify({ key, reason: "the last order" })
      const refusals = yield* Effect.forEach(
        [
          [`Bearer ${token}-wrong`, reason],
          [`Basic ${token}`, reason],
          [`Bearer ${token}`, "no JSON"],
          [`Bearer ${token}`, "{}"]
        ] as const,
        ([authorization, body]) => order(authorization, body)
      )
      const done = yield* order(`Bearer ${token}`, reason)
      const seen: Written = {
        "the page": yield* ask(base),
        "the snapshot": yield* ask(`${base}/snapshot`),
        "the stream of events": yield* Fiber.join(events),
        "the answer to an order": done,
        "the refusals": refusals.join("\n")
      }
      assertClean(seen)
      for (const name of ["the snapshot", "the stream of events", "the answer to an order"]) {
        assert.include(seen[name], key, name)
      }
      assert.match(seen["the refusals"]!, /^\[401.*\n\[401.*\n\[400.*\n\[400/)
      // The server's own spans have the headers that Effect lets them have.
      const others = without(yield* written(key), "spans")
      assertSilent(others, key)
      assert.include(others["the log as json"], "Sent HTTP response")
    }).pipe(Effect.provide(app))
  })

  it.live("shows what operators write, and who they are", () => {
    const { app } = watched({ [canary("actor")]: Redacted.make(token) })
    return Effect.gen(function*() {
      const base = yield* url
      yield* ask(`${base}/disable`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ key, reason: canary("note") })
      })
      const found = leaksIn(yield* ask(`${base}/snapshot`))
      assert.includeMembers([...found], [canary("actor"), canary("note")])
      assert.notInclude(found, token)
    }).pipe(Effect.provide(app))
  })
})
