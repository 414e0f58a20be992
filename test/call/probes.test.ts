import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Latch, Schedule, Scope } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.flip(Effect.fail("503").pipe(guarded))
const up = Effect.succeed("hello").pipe(guarded)

const state = CircuitBreaker.state(key)

const failure = <A, E, R>(self: Effect.Effect<A, E | CircuitError.CircuitBreakerError, R>) =>
  Effect.map(
    Effect.flip(self),
    (error) => CircuitError.isCircuitBreakerError(error) ? error.reason._tag : error
  )

const policy = (rest: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), ...rest })

/** A call on its way, that ends when its test says. */
const inFlight = Effect.gen(function*() {
  const answer = yield* Deferred.make<string, string>()
  const fiber = yield* Effect.forkChild(Deferred.await(answer).pipe(guarded), { startImmediately: true })
  const end = (exit: Effect.Effect<string, string>) =>
    Effect.andThen(Deferred.completeWith(answer, exit), Fiber.await(fiber))
  return { fiber, succeeds: end(Effect.succeed("late")), fails: end(Effect.fail("late")) }
})

/** Opens the circuit and moves to the first moment at which it admits a probe. */
const toProbe = Effect.andThen(down, CircuitTest.adjustToProbe(key))

/** A half-open circuit with every slot free, in its first outage. */
const slotIsFree = Effect.gen(function*() {
  const halfOpen = yield* state
  assert.deepStrictEqual(
    halfOpen._tag === "HalfOpen" && [halfOpen.probing, halfOpen.successes, halfOpen.openings],
    [0, 0, 1]
  )
  assert.strictEqual(yield* up, "hello")
  assert.strictEqual((yield* state)._tag, "Closed")
})

const reopened = Effect.gen(function*() {
  const open = yield* state
  assert.deepStrictEqual(open._tag === "Open" && [open.openings, open.retryAfter], [2, Duration.seconds(60)])
  yield* CircuitTest.adjustToProbe(key)
  assert.strictEqual(yield* up, "hello")
})

const closed = Effect.map(state, ({ _tag }) => assert.strictEqual(_tag, "Closed"))

describe("a probe", () => {
  const interrupted = Effect.flatMap(
    Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true }),
    (fiber) => Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
  )
  const timedOut = Effect.flatMap(
    Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true }),
    (fiber) => Effect.andThen(TestClock.adjust("30 seconds"), Fiber.await(fiber))
  )
  const ignored = Effect.fail("400").pipe(
    CircuitBreaker.execute({ key, classify: () => Outcome.ignored("invalid_request") })
  )
  const thrown = Effect.succeed("kept").pipe(
    CircuitBreaker.execute({
      key,
      classify: () => {
        throw new Error("broken classifier")
      }
    })
  )
  const throttled = Effect.fail("429").pipe(
    CircuitBreaker.execute({ key, classify: () => Outcome.throttled("1 second") })
  )
  const timeLimit = policy({ attemptTimeout: "30 seconds" })

  const cases: ReadonlyArray<
    readonly [
      ends: string,
      probe: Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>,
      layer: ReturnType<typeof policy>,
      result: "success" | "failure" | "ignored" | "interrupted",
      afterwards: Effect.Effect<void, unknown, CircuitBreaker.CircuitBreaker>
    ]
  > = [
    ["succeeds", up, policy(), "success", closed],
    ["fails", Effect.fail("503").pipe(guarded), policy(), "failure", reopened],
    ["dies", Effect.die("bug").pipe(guarded), policy(), "failure", reopened],
    ["is ignored", ignored, policy(), "ignored", slotIsFree],
    ["is interrupted", interrupted, policy(), "interrupted", slotIsFree],
    ["interrupts itself", Effect.interrupt.pipe(guarded), policy(), "interrupted", slotIsFree],
    ["is cut off by attemptTimeout", timedOut, timeLimit, "failure", reopened],
    ["has a classifier that throws", thrown, policy(), "ignored", slotIsFree],
    ["is throttled", throttled, policy(), "ignored", Effect.andThen(TestClock.adjust("1 second"), slotIsFree)]
  ]

  it.effect.each(cases)(
    "I24: frees its slot when it %s",
    ([, probe, layer, result, afterwards]) =>
      Effect.gen(function*() {
        yield* toProbe
        yield* Effect.exit(probe)
        const recorded = yield* RecordedEvents.RecordedEvents
        assert.deepStrictEqual((yield* recorded.of("circuit.probe")).map((event) => event.result), [result])
        yield* afterwards
      }).pipe(Effect.provide(layer))
  )

  it.effect("I31: says nothing about the dependency when its caller interrupts it", () =>
    Effect.gen(function*() {
      yield* toProbe
      const probe = yield* inFlight
      const before = yield* state
      yield* Fiber.interrupt(probe.fiber)
      assert.deepStrictEqual(yield* state, before._tag === "HalfOpen" ? { ...before, probing: 0 } : before)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(probe.fiber)))
      yield* slotIsFree
    }).pipe(Effect.provide(policy())))

  it.effect("I31: is interrupted at once, also under attemptTimeout", () =>
    Effect.gen(function*() {
      yield* toProbe
      const probe = yield* inFlight
      yield* Effect.forkChild(Fiber.interrupt(probe.fiber), { startImmediately: true })
      yield* TestClock.adjust("1 millis")
      const exit = probe.fiber.pollUnsafe()
      // Lets a probe that is still there go, or the test could not end.
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(exit !== undefined && Exit.hasInterrupts(exit))
      yield* slotIsFree
    }).pipe(Effect.provide(policy({ attemptTimeout: "30 seconds" }))))

  it.effect("I25: gives its slot back without touching a hold that an operator put on meanwhile", () =>
    Effect.gen(function*() {
      yield* toProbe
      const probe = yield* inFlight
      yield* CircuitBreaker.forceOpen(key, { for: "1 hour" })
      yield* Fiber.interrupt(probe.fiber)
      const forced = yield* state
      assert.deepStrictEqual(forced._tag === "ForcedOpen" && forced.retryAfter, Duration.hours(1))
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* failure(up), "CircuitForcedOpen")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect.each(["succeeds", "fails"] as const)(
    "I25: that %s under an operator's hold changes nothing",
    (end) =>
      Effect.gen(function*() {
        yield* toProbe
        const probe = yield* inFlight
        yield* CircuitBreaker.forceOpen(key, { for: "1 hour" })
        const forced = yield* state
        yield* probe[end]
        assert.deepStrictEqual(yield* state, forced)
      }).pipe(Effect.provide(policy()))
  )

  it.effect("I29: loses its slot when its lease ends, and its late verdict no longer counts", () =>
    Effect.gen(function*() {
      yield* toProbe
      const vanished = yield* inFlight
      yield* TestClock.adjust("299999 millis")
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* TestClock.adjust("1 millis")
      const lapsed = yield* state
      assert.strictEqual(lapsed._tag === "HalfOpen" && lapsed.probing, 0)
      const successor = yield* inFlight
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* vanished.fails
      assert.strictEqual((yield* state)._tag, "HalfOpen")
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* successor.succeeds
      assert.strictEqual((yield* state)._tag, "Closed")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("circuit.late_outcome")).map(({ outcome }) => outcome), ["failure"])
      assert.deepStrictEqual((yield* recorded.of("circuit.probe")).map(({ result }) => result), ["success"])
    }).pipe(Effect.provide(policy({ probeLease: "5 minutes" }))))

  it.effect.each(
    [
      ["closed", "succeeds"],
      ["closed", "fails"],
      ["half-open with another probe", "succeeds"],
      ["half-open with another probe", "fails"]
    ] as const
  )(
    "I26: a call from before the outage, with the circuit now %s, changes nothing when it %s",
    ([now, end]) =>
      Effect.gen(function*() {
        const slow = yield* inFlight
        yield* toProbe
        const probe = yield* inFlight
        if (now === "closed") yield* probe.succeeds
        const before = yield* state
        yield* slow[end]
        assert.deepStrictEqual(yield* state, before)
        if (now !== "closed") {
          assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
          yield* probe.succeeds
        }
        assert.strictEqual((yield* state)._tag, "Closed")
      }).pipe(Effect.provide(policy()))
  )
})

describe("a probe under retry", () => {
  const everyMinute = Effect.retry({ schedule: Schedule.spaced("60 seconds"), times: 5 })

  it.effect("I22: belongs to the attempt that is it: interrupted in the second attempt, its slot is free", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("503"), ScriptedCall.hangs])
      const fiber = yield* Effect.forkChild(call.call.pipe(guarded, everyMinute), { startImmediately: true })
      assert.strictEqual((yield* state)._tag, "Open")
      yield* CircuitTest.adjustToProbe(key)
      assert.strictEqual(yield* call.started, 2)
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* Fiber.interrupt(fiber)
      yield* slotIsFree
    }).pipe(Effect.provide(policy())))

  it.effect("I23: and in the third, that follows a rejected one", () =>
    Effect.gen(function*() {
      const call = ScriptedCall.make([ScriptedCall.fails("503"), ScriptedCall.hangs])
      const retried = call.call.pipe(guarded, Effect.retry({ schedule: Schedule.spaced("30 seconds"), times: 5 }))
      const fiber = yield* Effect.forkChild(retried, { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* call.started, 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* call.started, 2)
      yield* Fiber.interrupt(fiber)
      yield* slotIsFree
    }).pipe(Effect.provide(policy())))

  it.effect("I27: does not belong to the one before it, whose caller is still waiting to try again", () =>
    Effect.gen(function*() {
      yield* toProbe
      const call = ScriptedCall.make([ScriptedCall.fails("503")])
      const retried = call.call.pipe(guarded, Effect.retry({ schedule: Schedule.spaced("1 hour") }))
      const first = yield* Effect.forkChild(retried, { startImmediately: true })
      yield* CircuitTest.adjustToProbe(key)
      const second = yield* inFlight
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      assert.strictEqual((yield* state)._tag, "HalfOpen")
      yield* second.succeeds
      assert.strictEqual((yield* state)._tag, "Closed")
    }).pipe(Effect.provide(policy())))

  it.effect("I28: is not in its own way when the dependency asks it to wait and it tries again", () =>
    Effect.gen(function*() {
      yield* toProbe
      const call = ScriptedCall.make([ScriptedCall.fails("429"), ScriptedCall.succeeds("hello")])
      const retried = call.call.pipe(
        CircuitBreaker.execute({
          key,
          classify: (exit) => Exit.isSuccess(exit) ? Outcome.success : Outcome.throttled("5 seconds")
        }),
        Effect.retry({ schedule: Schedule.spaced("5 seconds"), times: 1 })
      )
      const fiber = yield* Effect.forkChild(retried, { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(yield* failure(up), "CircuitThrottled")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed("hello"))
      assert.strictEqual((yield* state)._tag, "Closed")
    }).pipe(Effect.provide(policy())))
})

describe("acquire", () => {
  it.effect("takes the slot of a probe, and settles it with the first outcome that is recorded", () =>
    Effect.gen(function*() {
      yield* toProbe
      const permit = yield* Effect.flatMap(Effect.forkChild(CircuitBreaker.acquire(key)), Fiber.join)
      assert.deepStrictEqual([permit.key, permit.probe], [key, true])
      assert.strictEqual(yield* failure(up), "CircuitHalfOpen")
      yield* permit.settle(Outcome.success)
      yield* permit.settle(Outcome.failure("unknown"))
      assert.strictEqual((yield* state)._tag, "Closed")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.calls).at(-1)?.result, "success")
    }).pipe(Effect.scoped, Effect.provide(policy())))

  it.effect("counts what is recorded in a closed circuit, and is rejected by an open one", () =>
    Effect.gen(function*() {
      const permit = yield* CircuitBreaker.acquire(key)
      assert.isFalse(permit.probe)
      yield* permit.settle(Outcome.failure("connection"))
      const open = yield* state
      assert.strictEqual(open._tag === "Open" && open.lastFailureKind, "connection")
      assert.strictEqual(yield* failure(CircuitBreaker.acquire(key)), "CircuitOpen")
    }).pipe(Effect.scoped, Effect.provide(policy())))

  it.effect("I30: gives the slot back when its scope is closed without an outcome", () =>
    Effect.gen(function*() {
      yield* toProbe
      const permit = yield* Effect.scoped(CircuitBreaker.acquire(key))
      yield* permit.settle(Outcome.failure("unknown"))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("circuit.probe")).map(({ result }) => result), ["ignored"])
      yield* slotIsFree
    }).pipe(Effect.provide(policy())))

  it.effect.each(
    [
      ["fails", Effect.fail("gave up")],
      ["dies", Effect.die("bug")],
      ["is interrupted", Effect.interrupt]
    ] as const
  )("I30: gives the slot back when its holder %s", ([, end]) =>
    Effect.gen(function*() {
      yield* toProbe
      yield* Effect.exit(Effect.scoped(Effect.andThen(CircuitBreaker.acquire(key), end)))
      yield* slotIsFree
    }).pipe(Effect.provide(policy())))

  it.effect("I30: gives the slot back at once when its scope is closed already", () =>
    Effect.gen(function*() {
      yield* toProbe
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      yield* Scope.provide(CircuitBreaker.acquire(key), scope)
      yield* slotIsFree
    }).pipe(Effect.provide(policy())))

  it.effect("I30: gives the slot back also when what is recorded is no outcome", () =>
    Effect.gen(function*() {
      yield* toProbe
      const junk = { _tag: "Failure", kind: "unknown", retryAfter: "soon" } as never
      yield* Effect.exit(Effect.scoped(Effect.flatMap(CircuitBreaker.acquire(key), ({ settle }) => settle(junk))))
      const after = yield* state
      if (after._tag === "HalfOpen") assert.strictEqual(after.probing, 0)
      yield* CircuitTest.adjustToProbe(key)
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy())))

  it.effect("closing the scope after an outcome was recorded changes nothing", () =>
    Effect.gen(function*() {
      yield* toProbe
      yield* Effect.scoped(Effect.flatMap(CircuitBreaker.acquire(key), ({ settle }) => settle(Outcome.success)))
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual((yield* recorded.of("circuit.probe")).map(({ result }) => result), ["success"])
      assert.deepStrictEqual((yield* recorded.calls).map(({ result }) => result), ["failure", "success"])
    }).pipe(Effect.provide(policy())))

  it.effect("I7: of fifty holders at the deadline one gets the slot", () =>
    Effect.gen(function*() {
      yield* toProbe
      const done = yield* Latch.make()
      const hold = Effect.scoped(
        Effect.flatMap(CircuitBreaker.acquire(key), ({ settle }) => Effect.andThen(done.await, settle(Outcome.success)))
      )
      const holders = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(failure(hold)))
      yield* Effect.yieldNow
      assert.lengthOf(holders.filter((fiber) => fiber.pollUnsafe() === undefined), 1)
      yield* done.open
      const exits = yield* Fiber.awaitAll(holders)
      assert.lengthOf(exits.filter((exit) => exit._tag === "Success" && exit.value === "CircuitHalfOpen"), 49)
      assert.strictEqual((yield* state)._tag, "Closed")
    }).pipe(Effect.provide(policy())))
})
