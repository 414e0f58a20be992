// Calls that a probe makes of its own circuit where no context says that they are a part of it.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { CircuitBreaker, CircuitError, Outcome, StreamSignal, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const stateOf = Effect.map(CircuitBreaker.state(key), ({ _tag }) => _tag)
const hello = Effect.succeed("hello").pipe(guarded)

const World = CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second" })

const toProbe = Effect.andThen(Effect.exit(Effect.fail("503").pipe(guarded)), TestClock.adjust("1 second"))

/** A call by a function of promises, which runs the effect on its own. */
const promised = <A, E>(self: Effect.Effect<A, E, CircuitBreaker.CircuitBreaker>) =>
  Effect.gen(function*() {
    const breaker = yield* CircuitBreaker.CircuitBreaker
    const clock = yield* Clock.Clock
    return yield* Effect.tryPromise(async () => {
      await Promise.resolve()
      return self.pipe(
        Effect.provideService(CircuitBreaker.CircuitBreaker, breaker),
        Effect.provideService(Clock.Clock, clock),
        Effect.runPromise
      )
    })
  })

const shapes: ReadonlyArray<[string, Effect.Effect<string, unknown, CircuitBreaker.CircuitBreaker>]> = [
  ["a call across a promise", promised(hello).pipe(guarded)],
  [
    "a call in a stream across a promise",
    promised(hello).pipe(
      Stream.fromEffect,
      CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque }),
      Stream.runCollect,
      Effect.map(([part]) => part!)
    )
  ],
  [
    "a stream across a promise",
    promised(
      Stream.make("hello").pipe(
        CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque }),
        Stream.runCollect,
        Effect.map(([part]) => part!)
      )
    ).pipe(guarded)
  ]
]

describe("a probe whose own call is turned away by it", () => {
  it.effect.each(shapes)(
    "lets that call pass the next time, and closes the circuit: %s",
    ([, call]) =>
      Effect.gen(function*() {
        yield* toProbe
        assert.isTrue(Exit.isFailure(yield* Effect.exit(call)))
        assert.strictEqual(yield* stateOf, "HalfOpen")
        assert.strictEqual(yield* call, "hello")
        assert.strictEqual(yield* stateOf, "Closed")
      }).pipe(Effect.provide(World))
  )

  it.effect("says so by its error and by an event, and does not count as a failure", () =>
    Effect.gen(function*() {
      yield* toProbe
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* recorded.clear
      const error = CircuitError.find(yield* Effect.flip(promised(hello).pipe(guarded)))
      assert(error !== undefined)
      assert.deepStrictEqual(error.reason, {
        _tag: "CircuitHalfOpen",
        key,
        retryAfter: undefined,
        selfRejection: true
      })
      assert.strictEqual(
        error.message,
        "circuit \"model\" is half-open: this probe's own call was turned away by it"
      )
      assert.deepStrictEqual((yield* recorded.calls).map(({ kind, result }) => [result, kind]), [
        ["rejected_half_open", undefined],
        ["ignored", "caller_error"]
      ])
      const [event, ...others] = yield* recorded.of("circuit.self_rejection")
      assert.deepStrictEqual(others, [])
      const { generation, outage_id } = (yield* recorded.of("circuit.half_open"))[0]!
      const at = yield* Clock.currentTimeMillis
      assert.deepStrictEqual(event, { event: "circuit.self_rejection", key, at, generation, outage_id, rejections: 1 })
    }).pipe(Effect.provide(World)))

  it.effect("closes the circuit however many calls of this kind come at once", () =>
    Effect.gen(function*() {
      yield* toProbe
      const call = promised(hello).pipe(guarded)
      let rounds = 0
      while ((yield* stateOf) !== "Closed" && rounds < 20) {
        rounds++
        yield* Effect.all(Array.from({ length: 20 }, () => Effect.exit(call)), { concurrency: "unbounded" })
      }
      assert.isAtMost(rounds, 7)
    }).pipe(Effect.provide(World)))

  it.effect("lets no more of others pass than it has to", () =>
    Effect.gen(function*() {
      yield* toProbe
      yield* Effect.exit(promised(hello).pipe(guarded))
      const probe = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
      assert.deepStrictEqual([yield* Effect.exit(hello), yield* Effect.isFailure(hello)], [Exit.succeed("hello"), true])
      yield* Fiber.interrupt(probe)
    }).pipe(Effect.provide(World)))

  it.effect("opens the circuit again if that call fails when it passes", () =>
    Effect.gen(function*() {
      yield* toProbe
      const call = promised(Effect.fail("still down").pipe(guarded)).pipe(guarded)
      yield* Effect.exit(call)
      assert.strictEqual(yield* stateOf, "HalfOpen")
      yield* Effect.exit(call)
      assert.strictEqual(yield* stateOf, "Open")
    }).pipe(Effect.provide(World)))

  it.effect("is none where the circuit of another key turned the call away", () =>
    Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* toProbe
      yield* CircuitBreaker.forceOpen("other")
      yield* Effect.exit(promised(Effect.void.pipe(CircuitBreaker.execute({ key: "other" }))).pipe(guarded))
      assert.deepStrictEqual(yield* recorded.of("circuit.self_rejection"), [])
    }).pipe(Effect.provide(World)))
})

describe("a call by the holder of a permit", () => {
  const permit = CircuitBreaker.acquire(key)
  const ways: ReadonlyArray<
    [string, Effect.Effect<string, unknown, CircuitBreaker.CircuitBreaker | Scope.Scope>]
  > = [
    ["in its scope", Effect.andThen(permit, hello)],
    ["in a scope within", Effect.andThen(permit, Effect.scoped(hello))],
    ["in a fiber of it", Effect.andThen(permit, Effect.flatMap(Effect.forkChild(hello), Fiber.join))],
    [
      "in a stream",
      Effect.andThen(
        permit,
        Effect.map(
          Stream.runCollect(
            Stream.make("hello").pipe(CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque }))
          ),
          ([part]) => part!
        )
      )
    ],
    ["before it is settled", Effect.flatMap(permit, ({ settle }) => Effect.tap(hello, () => settle(Outcome.success)))]
  ]

  it.effect.each(ways)("is part of the probe, and closes the circuit: %s", ([, call]) =>
    Effect.gen(function*() {
      yield* toProbe
      assert.strictEqual(yield* Effect.scoped(call), "hello")
      assert.strictEqual(yield* stateOf, "Closed")
    }).pipe(Effect.provide(World)))

  it.effect("says what the permit is to say where that is left open, and no more where it is not", () =>
    Effect.gen(function*() {
      yield* toProbe
      const failing = Effect.exit(Effect.fail("503").pipe(guarded))
      yield* Effect.scoped(Effect.andThen(permit, failing))
      assert.strictEqual(yield* stateOf, "Open")
      yield* TestClock.adjust("1 second")
      yield* Effect.scoped(Effect.flatMap(permit, ({ settle }) => Effect.andThen(failing, settle(Outcome.success))))
      assert.strictEqual(yield* stateOf, "Closed")
    }).pipe(Effect.provide(World)))

  it.effect("is one like any other when the permit has ended", () =>
    Effect.gen(function*() {
      yield* toProbe
      const scope = yield* Scope.make()
      const { settle } = yield* Scope.provide(permit, scope)
      yield* settle(Outcome.ignored("cancelled"))
      const probe = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
      assert.isTrue(yield* Effect.isFailure(hello))
      yield* Fiber.interrupt(probe)
    }).pipe(Effect.provide(World)))

  it.effect("leaves others turned away", () =>
    Effect.gen(function*() {
      yield* toProbe
      const other = yield* Effect.forkChild(Effect.andThen(Effect.sleep("1 second"), hello))
      yield* permit
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(other)))
    }).pipe(Effect.scoped, Effect.provide(World)))
})
