import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.exit(Effect.fail("503").pipe(guarded))
const up = Effect.exit(Effect.succeed("hello").pipe(guarded))

const Breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second" }).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

describe("the stream of events", () => {
  const collect = (count: number) =>
    Effect.forkChild(
      Stream.runCollect(Stream.take(Stream.map(CircuitBreaker.events, ({ event }) => event), count)),
      { startImmediately: true }
    )

  it.effect("begins with the subscription, and gives every subscriber every event in order", () =>
    Effect.gen(function*() {
      yield* down
      const early = yield* collect(3)
      yield* up
      const late = yield* collect(2)
      yield* TestClock.adjust("1 second")
      yield* up
      assert.deepStrictEqual(yield* Fiber.join(early), ["circuit.skipped", "circuit.half_open", "circuit.probe"])
      assert.deepStrictEqual(yield* Fiber.join(late), ["circuit.half_open", "circuit.probe"])
    }).pipe(Effect.provide(Breaker)))

  it.effect("has what happens between the subscription and the first pull", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.CircuitBreaker
      for (const events of [breaker.events, CircuitBreaker.events]) {
        const pull = yield* Stream.toPull(Stream.map(events, ({ event }) => event))
        yield* CircuitBreaker.forceOpen(key)
        yield* CircuitBreaker.reset(key)
        assert.deepStrictEqual(yield* pull, ["circuit.forced", "circuit.reset"])
      }
    }).pipe(Effect.scoped, Effect.provide(Breaker)))

  it.effect("is the same as a method of the service, and has the events of all circuits", () =>
    Effect.gen(function*() {
      const { events } = yield* CircuitBreaker.CircuitBreaker
      const fiber = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(Stream.map(events, (event) => "key" in event ? event.key : ""), 2)),
        { startImmediately: true }
      )
      yield* down
      yield* Effect.exit(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "other" })))
      assert.deepStrictEqual(yield* Fiber.join(fiber), [key, "other"])
    }).pipe(Effect.provide(Breaker)))

  it.effect("ends with its subscriber and does not touch the others", () =>
    Effect.gen(function*() {
      const leaver = yield* collect(9)
      const stayer = yield* collect(2)
      yield* down
      yield* Fiber.interrupt(leaver)
      yield* up
      assert.deepStrictEqual(yield* Fiber.join(stayer), ["circuit.opened", "circuit.skipped"])
    }).pipe(Effect.provide(Breaker)))

  it.effect("a subscriber that falls behind misses the oldest, and holds up no call", () =>
    Effect.gen(function*() {
      const { events } = yield* CircuitBreaker.CircuitBreaker
      const pull = yield* Stream.toPull(
        Stream.map(events, (event) => "skips_since_opened" in event ? event.skips_since_opened : 0)
      )
      yield* CircuitBreaker.forceOpen(key)
      const first = yield* Effect.forkChild(pull, { startImmediately: true })
      for (let i = 0; i < 1500; i++) yield* up
      yield* Fiber.interrupt(first)
      const left = yield* pull
      assert.strictEqual(left.at(-1), 1500)
      assert.isAtMost(left.length, 1024)
    }).pipe(Effect.scoped, Effect.provide(Breaker)))
})
