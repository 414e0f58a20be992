// What the demo counts and tells, on a route whose regions answer as the test says.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { FailoverRouter } from "effect-resilience"
import { TestClock } from "effect/testing"
import { incident } from "../../examples/demo/incident.ts"
import { over, resilience } from "../../examples/demo/resilience.ts"
import type { Script } from "../../examples/demo/script.ts"
import { Story } from "../../examples/demo/story.ts"
import { rowsOf } from "../../examples/demo/summary.ts"

const endpoint = { url: "http://localhost/v1", model: "m", apiKey: undefined }

const script: Script = {
  title: "a test",
  phases: [],
  regions: ["us", "eu"],
  chat: over({ us: endpoint, eu: endpoint }, "2 seconds"),
  maxWait: "100 millis",
  play: Effect.void,
  missing: Effect.succeed([])
}

const layer = resilience(script).pipe(Layer.provideMerge(Story.layer(script)))

type Answer = "hello" | 503 | 429

const refusal = (status: number) => ({ status, headers: status === 429 ? { "retry-after": "1" } : {} })

const ask = Effect.fnUntraced(function*(answers: Readonly<Record<string, Answer>>) {
  const { callers, count } = yield* Story
  const call = FailoverRouter.execute("chat", ({ name }) => {
    const answer = answers[name]!
    return answer === "hello" ? Effect.succeed(answer) : Effect.fail(refusal(answer))
  })
  const fiber = yield* Effect.forkChild(Effect.exit(call.pipe(count(callers))))
  // As long as a quick retry at each region may wait.
  yield* TestClock.adjust("100 millis")
  yield* Fiber.join(fiber)
})

// Retries wait at random.
const untimed = (text: string) => text.replace(/\d+\.\d s/g, "a while")

const told = Story.use(({ lines }) =>
  Effect.succeed(lines.map(({ about, active, text }) => untimed(`${active} | ${about} | ${text}`)))
)

/** Without those of the clock on the wall. */
const rows = Story.use((story) =>
  Effect.succeed(
    rowsOf(story).filter(([name]) => name !== "  an answer").map(([name, value]) => untimed(`${name}: ${value}`))
  )
)

describe("demo", () => {
  it.effect("tells an outage that no caller notices, and the way home", () =>
    Effect.gen(function*() {
      yield* ask({ us: "hello", eu: "hello" })
      for (let i = 0; i < 4; i++) yield* ask({ us: 503, eu: "hello" })
      yield* TestClock.adjust("2 seconds")
      yield* ask({ us: 503, eu: "hello" })
      yield* TestClock.adjust("2 seconds")
      yield* ask({ us: "hello", eu: "hello" })
      yield* ask({ us: "hello", eu: "hello" })
      assert.deepStrictEqual(yield* told, [
        "us | us | opened for a while: 3 failures in a row (overloaded)",
        "eu | chat | eu serves from here on, us is out (overloaded)",
        "eu | us | half-open: one call goes out as a probe",
        "eu | us | opened for a while: the probe failed (overloaded)",
        "eu | us | half-open: one call goes out as a probe",
        "eu | us | closed: the probe succeeded, after a while",
        "us | chat | us serves again, eu answered 3 calls in a while"
      ])
      assert.deepStrictEqual(yield* rows, [
        "calls: 8: 8 answered, 0 failed",
        "  by us: 3",
        "  by eu: 5: 3 while it served, 2 that us did not answer",
        "attempts: 12 for 8 calls, 0 more turned away by circuits",
        "  at us: 3 answered, 4 overloaded",
        "  at eu: 5 answered",
        "us while out: 4 attempts (3 at first, 1 to probe) in place of 3 calls",
        "the route: left us at a while (overloaded), home at a while"
      ])
    }).pipe(Effect.provide(layer)))

  it.effect("tells a throttle, for which the route stays where it is", () =>
    Effect.gen(function*() {
      yield* ask({ us: 429, eu: "hello" })
      yield* ask({ us: 429, eu: "hello" })
      assert.deepStrictEqual(yield* told, [
        "us | us | throttled: nobody calls it for a while (rate_limited)"
      ])
      assert.deepStrictEqual(yield* rows, [
        "calls: 2: 2 answered, 0 failed",
        "  by us: 0",
        "  by eu: 2: 0 while it served, 2 that us did not answer",
        "attempts: 3 for 2 calls, 1 more turned away by circuits",
        "  at us: 1 throttled",
        "  at eu: 2 answered"
      ])
    }).pipe(Effect.provide(layer)))

  it.effect("does not hide a call that failed, and compares with one that has no route", () =>
    Effect.gen(function*() {
      const { count, unrouted } = yield* Story
      yield* ask({ us: "hello", eu: "hello" })
      yield* ask({ us: 503, eu: 503 })
      yield* Effect.exit(Effect.fail("503").pipe(count(unrouted)))
      assert.deepStrictEqual(yield* told, ["us | chat | a call failed: us overloaded, eu overloaded"])
      const [first] = yield* rows
      assert.strictEqual(first, "calls: 2: 1 answered, 1 failed")
      assert.include(yield* rows, "without a route: 1: 0 answered, 1 failed (one caller of us, with retries)")
      assert.include(yield* incident.missing, "this did not happen: every call was answered")
    }).pipe(Effect.provide(layer)))
})
