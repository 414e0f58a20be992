import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import {
  CircuitBreaker,
  FailoverError,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  LlmStream,
  TripPolicy
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { answer, body, canary, errors, leaksIn, prompt } from "./canaries.ts"
import { assertClean, assertSilent, faces, inSpan, listening } from "./sinks.ts"

const route = "chat"

/** A route of two targets whose words are all kept; a health probe fails as calls do. */
const listeningRouter = (options: Partial<FailoverRouter.Options> = {}) => {
  const { layer, written } = listening({ tripPolicy: TripPolicy.consecutive(2), openDuration: "30 minutes" })
  return {
    layer: Layer.provideMerge(
      FailoverRouter.layer({
        routes: [FailoverRoute.make(route, { targets: ["us", "eu"], payload: () => ({ apiKey: canary("payload") }) })],
        classify: LlmOutcome.classify,
        ...options
      }),
      layer
    ),
    written
  }
}

/** What no caller gets: the error of a target among the others is its own, and who logs that logs what it quotes. */
const ofRouter = (error: FailoverError.FailoverError) => {
  const { String, message, name, stack } = faces(error)
  return { String: String!, message: message!, name: name!, stack: stack! }
}

describe("a router", () => {
  it.effect("shows nothing of what its targets say", () => {
    const { layer, written } = listeningRouter({ retry: () => LlmRetry.policy({ attempts: 2 }) })
    return Effect.gen(function*() {
      /** A call while the time passes that it waits for. */
      const passing = <A, E, R>(call: Effect.Effect<A, E, R>) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(call)
          yield* TestClock.adjust("1 minute")
          const result = yield* Fiber.join(fiber)
          yield* Effect.forEach(["chat/us", "chat/eu"], (key) => CircuitBreaker.reset(key))
          return result
        })
      let exhausted = 0
      for (const error of Object.values(errors)) {
        const asked = [Effect.fail(error), Effect.die(error), Effect.succeed({ error: JSON.parse(body).error })]
        for (const end of asked) yield* passing(inSpan(FailoverRouter.execute(route, () => end)))
        const saved = ({ name }: FailoverRoute.Target) => name === "us" ? Effect.fail(error) : Effect.succeed(answer)
        yield* passing(inSpan(FailoverRouter.execute(route, saved)))
        const failed = yield* passing(Effect.flip(FailoverRouter.execute(route, () => Effect.fail(error))))
        if (!FailoverError.isFailoverError(failed)) continue
        exhausted++
        assertClean(ofRouter(failed))
      }
      assert.isAbove(exhausted, 5)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.includeMembers([...new Set(yield* recorded.names)], ["failover.exhausted", "failover.switched"])
      assertSilent(yield* written("chat/us"), "chat/us")
    }).pipe(Effect.provide(layer))
  })

  it.effect("shows nothing of what its health probes fail and die with", () => {
    const ends = Object.values(errors).flatMap((error) => [Effect.fail(error), Effect.die(error)])
    let next = 0
    const { layer, written } = listeningRouter({ healthProbe: () => ends[next++ % ends.length]! })
    return Effect.gen(function*() {
      yield* Effect.repeat(inSpan(FailoverRouter.execute(route, () => Effect.fail(prompt))), { times: 3 })
      yield* TestClock.adjust("1 day")
      assert.isAbove(next, ends.length)
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.isAbove((yield* recorded.of("failover.probe")).length, ends.length)
      assertSilent(yield* written("chat/us"), "chat/us")
    }).pipe(Effect.provide(layer))
  })

  it.effect("shows nothing of the parts of its streams", () => {
    const { layer, written } = listeningRouter()
    return Effect.gen(function*() {
      const part = { choices: [{ delta: { content: answer, role: prompt } }] }
      const ends = [Stream.empty, Stream.make(JSON.parse(body) as unknown), ...Object.values(errors).map(Stream.fail)]
      for (const end of ends) {
        for (const parts of [end, Stream.concat(Stream.make<Array<unknown>>(part), end)]) {
          const stream = FailoverRouter.stream(route, () => parts, { classifyPart: LlmStream.openAi })
          yield* inSpan(Stream.runDrain(stream))
          yield* TestClock.adjust("1 hour")
        }
      }
      assertSilent(yield* written("chat/us"), "chat/us")
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells in no message what its targets said: only a program that follows the causes finds that", () => {
    const { layer } = listeningRouter()
    return Effect.gen(function*() {
      const own = errors["an error of an official client"]
      const error = yield* Effect.flip(FailoverRouter.execute(route, () => Effect.fail(own)))
      assert(FailoverError.isFailoverError(error))
      assertClean(ofRouter(error))
      assert.deepStrictEqual(leaksIn(JSON.stringify(error)), [])
      // The caller's own error, unchanged.
      assert.strictEqual(error.cause, own)
      assert.isNotEmpty(leaksIn(faces(error)["a pretty cause"]!))
    }).pipe(Effect.provide(layer))
  })
})
