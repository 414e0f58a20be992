import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { CircuitBreaker, type CircuitPolicy, LlmOutcome, type Outcome, TripPolicy } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { answer, canary, errors, leaksIn, prompt, response } from "./canaries.ts"
import { assertClean, assertSilent, faces, inSpan, listening, type Written } from "./sinks.ts"

const key = "provider/model"

const untripped = { tripPolicy: TripPolicy.consecutive(1000), attemptTimeout: "30 seconds" } as const

/** Calls that end in every way, with a secret in each. */
const calls = (classify: CircuitPolicy.Classify | undefined) =>
  Effect.gen(function*() {
    const guarded = <A, E>(self: Effect.Effect<A, E>) => CircuitBreaker.execute(self, { key, classify })
    for (const error of Object.values(errors)) {
      yield* inSpan(guarded(Effect.fail(error)))
      yield* inSpan(guarded(Effect.die(error)))
      yield* inSpan(guarded(Effect.succeed(error)))
      yield* TestClock.adjust("1 hour")
    }
    yield* inSpan(guarded(Effect.succeed(response(503))))
    yield* inSpan(guarded(Effect.succeed({ prompt, answer })))
    yield* inSpan(guarded(Effect.die(prompt)))
  })

describe("a breaker", () => {
  for (
    const [name, classify] of [["the policy's classifier", undefined], ["LlmOutcome", LlmOutcome.classify]] as const
  ) {
    it.effect(`shows nothing of what calls succeed, fail and die with, judged by ${name}`, () => {
      const { layer, written } = listening(untripped)
      return Effect.gen(function*() {
        yield* calls(classify)
        assertSilent(yield* written(key), key)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("shows nothing of what opens it, is rejected by it and probes it", () => {
    const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(1), openDuration: "10 seconds" })
    return Effect.gen(function*() {
      const guarded = <A, E>(self: Effect.Effect<A, E>) =>
        CircuitBreaker.execute(self, { key, classify: LlmOutcome.classify })
      const failing = inSpan(guarded(Effect.fail(errors["an error of an official client"])))
      yield* failing
      const rejection = yield* Effect.flip(guarded(Effect.succeed(answer)))
      assertClean(faces(rejection))
      assert.include(faces(rejection)["message"], key)
      yield* TestClock.adjust("10 seconds")
      yield* failing
      yield* TestClock.adjust("1 hour")
      yield* inSpan(guarded(Effect.succeed(answer)))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.includeMembers([...yield* recorded.names], ["circuit.opened", "circuit.probe", "circuit.closed"])
      assertSilent(yield* written(key), key)
    }).pipe(Effect.provide(layer))
  })

  it.effect("shows nothing of what a classifier throws, or gives in place of an outcome", () => {
    const { layer, written } = listening(untripped)
    return Effect.gen(function*() {
      const forged = { _tag: "Failure", kind: canary("kind"), retryAfter: canary("wait") }
      const others = [canary("verdict"), { _tag: canary("tag") }, forged, { ...forged, _tag: "Throttled" }]
      const named = Object.assign(new Error("no"), { name: `Incorrect API key provided: ${canary("name")}` })
      const throwing = [...Object.values(errors), named].map((error) => () => {
        throw error
      })
      for (const classify of [...throwing, ...others.map((other) => () => other as unknown as Outcome.Outcome)]) {
        yield* inSpan(Effect.fail(prompt).pipe(CircuitBreaker.execute({ key, classify })))
        yield* TestClock.adjust("1 hour")
      }
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.isAbove((yield* recorded.of("classify.failed")).length, 2)
      assertSilent(yield* written(key), key)
    }).pipe(Effect.provide(layer))
  })

  it.effect("shows nothing of what an observer throws", () => {
    const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(1) })
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      for (const [index, error] of Object.values(errors).entries()) {
        yield* breaker.observe({
          name: `observer ${index}`,
          onEvent: ({ event }) => {
            if (!event.startsWith("observer.")) throw error
          }
        })
      }
      yield* inSpan(Effect.fail(prompt).pipe(CircuitBreaker.execute({ key })))
      yield* inSpan(Effect.fail(prompt).pipe(CircuitBreaker.execute({ key })))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.isAtLeast((yield* recorded.of("observer.failed")).length, Object.keys(errors).length)
      assertSilent(yield* written(key), key)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("shows nothing of an attempt that took too long", () => {
    const { layer, written } = listening(untripped)
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(
        Effect.flip(Effect.andThen(Effect.succeed(prompt), Effect.never).pipe(CircuitBreaker.execute({ key }))),
        { startImmediately: true }
      )
      yield* TestClock.adjust("30 seconds")
      assertClean(faces(yield* Fiber.join(fiber)))
      assertSilent(yield* written(key), key)
    }).pipe(Effect.provide(layer))
  })
})

describe("what is shown", () => {
  it.effect("is what operators write, and the keys of circuits: also proof that these sinks would show a leak", () => {
    const { layer, written } = listening()
    return Effect.gen(function*() {
      const secret = canary("key-of-a-circuit")
      yield* inSpan(Effect.succeed(answer).pipe(CircuitBreaker.execute({ key: secret })))
      yield* CircuitBreaker.forceOpen(secret, { reason: canary("note"), actor: canary("actor") })
      const rejection = yield* Effect.flip(Effect.succeed(answer).pipe(CircuitBreaker.execute({ key: secret })))
      const shown: Written = yield* written(secret)
      for (const [name, text] of Object.entries(shown)) {
        assert.include(leaksIn(text), secret, name)
      }
      const { "recorded events": events = "", "the log as json": log = "" } = shown
      for (const text of [events, log]) assert.includeMembers([...leaksIn(text)], [canary("note"), canary("actor")])
      assert.includeMembers([...leaksIn(rejection.message)], [secret, canary("note")])
    }).pipe(Effect.provide(layer))
  })

  it("is found where it is encoded, too", () => {
    const secret = `sk-${canary("key")}`
    for (const before of ["", "a", "ab"]) {
      assert.isNotEmpty(leaksIn(Buffer.from(before + secret).toString("base64")), before)
    }
    assert.isNotEmpty(leaksIn(secret.toUpperCase()))
    assert.isEmpty(leaksIn("nothing of that kind"))
  })
})
