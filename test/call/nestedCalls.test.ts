import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { CircuitBreaker, StreamSignal, TripPolicy } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const other = "other"
const guarded = CircuitBreaker.execute({ key })
const streamed = <A, E>(self: Stream.Stream<A, E>) =>
  CircuitBreaker.stream(self, { key, classifyPart: StreamSignal.opaque })
const trip = Effect.exit(Effect.fail("503").pipe(guarded))
const stateOf = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)

const World = CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second" })

/** Ways to call a key inside a call of the same key. */
const nestings: ReadonlyArray<[string, Effect.Effect<string, unknown, CircuitBreaker.CircuitBreaker>]> = [
  ["a call in a call", Effect.succeed("hello").pipe(guarded, guarded)],
  ["three deep", Effect.succeed("hello").pipe(guarded, guarded, guarded)],
  [
    "a call in a fiber of the call",
    Effect.flatMap(Effect.forkChild(Effect.succeed("hello").pipe(guarded)), Fiber.join).pipe(guarded)
  ],
  [
    "a call under another key between",
    Effect.succeed("hello").pipe(guarded, CircuitBreaker.execute({ key: other }), guarded)
  ],
  [
    "a stream in a call",
    Effect.map(Stream.runCollect(streamed(Stream.make("hello"))), ([part]) => part!).pipe(guarded)
  ],
  [
    "a call in a stream",
    Effect.map(
      Stream.runCollect(
        CircuitBreaker.stream(Stream.fromEffect(Effect.succeed("hello").pipe(guarded)), {
          key,
          classifyPart: StreamSignal.opaque
        })
      ),
      ([part]) => part!
    )
  ]
]

describe("a call inside a probe of its own key", () => {
  it.effect.each(nestings)("is part of the probe: %s", ([, call]) =>
    Effect.gen(function*() {
      yield* trip
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* call, "hello")
      assert.strictEqual(yield* stateOf, "Closed")
    }).pipe(Effect.provide(World)))

  it.effect("fails with its own error, and the outer call's outcome counts", () =>
    Effect.gen(function*() {
      yield* trip
      yield* TestClock.adjust("1 second")
      const exit = yield* Effect.exit(Effect.fail("still down").pipe(guarded, guarded))
      assert.deepStrictEqual(exit, Exit.fail("still down"))
      assert.strictEqual(yield* stateOf, "Open")
      yield* TestClock.adjust("1 second")
      const recovered = yield* Effect.fail("inner").pipe(guarded, Effect.orElseSucceed(() => "fallback"), guarded)
      assert.strictEqual(recovered, "fallback")
      assert.strictEqual(yield* stateOf, "Closed")
    }).pipe(Effect.provide(World)))

  it.effect("is none any more when the probe has ended, whatever fiber it began in", () =>
    Effect.gen(function*() {
      yield* trip
      yield* TestClock.adjust("1 second")
      const ended = yield* Deferred.make<void>()
      const outliving = Deferred.await(ended).pipe(Effect.andThen(Effect.succeed("slipped through").pipe(guarded)))
      const fiber = yield* Effect.forkDetach(outliving).pipe(guarded)
      yield* trip
      yield* Deferred.succeed(ended, undefined)
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error.reason._tag, "CircuitOpen")
    }).pipe(Effect.provide(World)))

  it.effect("is none any more when an operator or another probe has decided meanwhile", () =>
    Effect.gen(function*() {
      yield* trip
      yield* TestClock.adjust("1 second")
      const decided = yield* Deferred.make<void>()
      const session = Effect.andThen(Deferred.await(decided), Effect.succeed("slipped through").pipe(guarded))
      const probe = yield* Effect.forkChild(session.pipe(guarded), { startImmediately: true })
      yield* CircuitBreaker.forceOpen(key)
      yield* Deferred.succeed(decided, undefined)
      const error = yield* Effect.flip(Fiber.join(probe))
      assert.strictEqual(error.reason._tag, "CircuitForcedOpen")
    }).pipe(Effect.provide(World)))

  it.effect("leaves others turned away", () =>
    Effect.gen(function*() {
      yield* trip
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
      const error = yield* Effect.flip(Effect.succeed("hello").pipe(guarded))
      assert.strictEqual(error.reason._tag, "CircuitHalfOpen")
      yield* Fiber.interrupt(probe)
    }).pipe(Effect.provide(World)))
})
