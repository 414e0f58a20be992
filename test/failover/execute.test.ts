// What an attempt of `execute` leads to: the next target, the caller, or the same one again.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Schedule } from "effect"
import { CircuitBreaker, CircuitError, FailoverError, FailoverRouter, Outcome } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { answers, down, fails, failure, makeTargets, route, router, Said, tag, through, trail } from "./targets.ts"

const two = { targets: ["us", "eu"] }
const results = Effect.flatMap(
  RecordedEvents.RecordedEvents,
  ({ calls }) => Effect.map(calls, (all) => all.map(({ key, result }) => `${key} ${result}`))
)

describe("an attempt goes on to the next target", () => {
  it.effect.each(
    [
      ["fails", fails(Outcome.failure("server_error")), "us server_error", "Open"],
      ["is throttled", fails(Outcome.throttled("9 seconds")), "us rate_limited", "Closed"],
      ["says that more calls are useless", fails(Outcome.openNow("quota_exhausted")), "us quota_exhausted", "Open"],
      ["has a key that is refused", fails(Outcome.ignored("auth")), "us auth", "Open"],
      ["answers with a failure", answers(Outcome.failure("overloaded")), "us overloaded", "Open"],
      ["answers that it is throttled", answers(Outcome.throttled("9 seconds")), "us rate_limited", "Closed"],
      ["answers that more calls are useless", answers(Outcome.openNow("quota_exhausted")), "us quota_exhausted", "Open"]
    ] as const
  )("when it %s", ([, end, attempt, circuit]) =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: end })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
      assert.strictEqual(yield* tag("us"), circuit)
      yield* FailoverRouter.reset("chat")
      ends.eu = down
      const error = yield* failure(ask())
      assert.deepStrictEqual(trail(error), [attempt, "eu overloaded"])
      assert.instanceOf(error.attempts[0]?.error, Said)
      assert.strictEqual(error.cause, error.attempts[0]?.error)
    }).pipe(Effect.provide(route(two))))

  const open = Effect.andThen(Effect.exit(down.pipe(CircuitBreaker.execute({ key: "chat/us" }))), Effect.void)
  const halfOpen = Effect.gen(function*() {
    yield* open
    yield* CircuitTest.adjustToProbe("chat/us")
    yield* Effect.forkChild(Effect.never.pipe(CircuitBreaker.execute({ key: "chat/us" })), { startImmediately: true })
  })
  const throttled = Effect.exit(
    fails(Outcome.throttled("9 seconds")).pipe(
      CircuitBreaker.execute({ key: "chat/us", classify: () => Outcome.throttled("9 seconds") })
    )
  )

  it.effect.each(
    [
      ["open", open, "us open (not asked)", "CircuitOpen"],
      ["half-open with its probe on the way", halfOpen, "us half_open (not asked)", "CircuitHalfOpen"],
      ["throttled", throttled, "us throttled (not asked)", "CircuitThrottled"],
      ["held open", CircuitBreaker.forceOpen("chat/us"), "us forced_open (not asked)", "CircuitForcedOpen"]
    ] as const
  )("when its circuit turns it away: %s", ([, before, attempt, reason]) =>
    Effect.gen(function*() {
      yield* before
      const { ask, ends, take } = makeTargets()
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["eu"])
      ends.eu = down
      const error = yield* failure(ask({ deadline: "5 seconds" }))
      assert.deepStrictEqual(trail(error).toSorted(), ["eu overloaded", attempt])
      const rejection = error.attempts.find(({ ran }) => !ran)?.error
      assert.strictEqual(CircuitError.isCircuitBreakerError(rejection) && rejection.reason._tag, reason)
      // A rejection is not the cause while a target really failed.
      assert.strictEqual(error.cause, error.attempts.find(({ ran }) => ran)?.error)
    }).pipe(Effect.provide(route(two))))

  it.effect("by the judgement of LLM calls unless the route says otherwise, whatever the breaker's policy says", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: Effect.fail({ status: 529 }) })
      assert.strictEqual(yield* ask(), "eu")
      assert.strictEqual(yield* tag("us"), "Open")
      yield* FailoverRouter.reset("chat")
      ends.us = Effect.fail({ status: 400 })
      assert.deepStrictEqual(yield* Effect.flip(ask()), { status: 400 })
      assert.strictEqual(yield* tag("us"), "Closed")
      take()
      ends.us = Effect.fail({ status: 401 })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
    }).pipe(Effect.provide(route(two, { classify: undefined }))))
})

describe("an attempt is the caller's", () => {
  const kinds = ["content_policy", "invalid_request", "model_output", "cancelled", "caller_error", "unknown"] as const
  it.effect.each(kinds)("when it is refused for what was asked: %s", (kind) =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: fails(Outcome.ignored(kind)) })
      const error = yield* Effect.flip(ask())
      assert.instanceOf(error, Said)
      assert.deepStrictEqual(take(), ["us"])
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(Effect.provide(route(two))))

  it.effect("unless the route says that it goes on", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: fails(Outcome.ignored("content_policy")) })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
      // The list takes the place of the default.
      ends.us = fails(Outcome.ignored("auth"))
      assert.instanceOf(yield* Effect.flip(ask()), Said)
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route({ ...two, failOverOn: ["content_policy"] }))))

  it.effect("of the next target where only this one cannot do it, and of the only one otherwise", () =>
    Effect.gen(function*() {
      const elsewhere = Outcome.ignored("invalid_request", { elsewhere: true })
      const { ask, ends, take } = makeTargets({ us: fails(elsewhere) })
      assert.strictEqual(yield* ask(), "eu")
      assert.deepStrictEqual(take(), ["us", "eu"])
      assert.strictEqual(yield* tag("us"), "Closed")
      ends.eu = fails(elsewhere)
      const error = yield* failure(ask())
      assert.deepStrictEqual(trail(error), ["us invalid_request", "eu invalid_request"])
      assert.instanceOf(error.cause, Said)
      const own = yield* Effect.flip(ask({ allow: { targets: ["us"] } }))
      assert.instanceOf(own, Said)
    }).pipe(Effect.provide(route(two))))

  it.effect("of the next target where an answer is a refusal of the account, and the answer if there is none", () =>
    Effect.gen(function*() {
      for (const kind of ["auth", "quota_exhausted"] as const) {
        yield* FailoverRouter.reset("chat")
        const { ask, take } = makeTargets({ us: answers(Outcome.ignored(kind)) })
        assert.strictEqual(yield* ask(), "eu")
        assert.deepStrictEqual(take(), ["us", "eu"])
      }
      yield* FailoverRouter.reset("chat")
      const { ask } = makeTargets({ us: answers(Outcome.ignored("context_length")) })
      assert.instanceOf(yield* ask(), Said)
    }).pipe(Effect.provide(route(two))))

  it.effect("when its error says that all is well", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: fails(Outcome.success) })
      assert.instanceOf(yield* Effect.flip(ask()), Said)
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route(two))))

  it.effect("when it answers something that says nothing about health", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: answers(Outcome.ignored("content_policy")) })
      assert.instanceOf(yield* ask(), Said)
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route(two))))

  it.effect.each(
    [
      ["of an effect", Effect.die("bug")],
      [
        "of the function",
        Effect.suspend((): Effect.Effect<never> => {
          throw new Error("bug")
        })
      ],
      ["beside an error", Effect.failCause(Cause.combine(Cause.fail("503"), Cause.die("bug")))]
    ] as const
  )("when it dies: %s", ([, end]) =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: end })
      const exit = yield* Effect.exit(ask())
      assert.isTrue(Exit.hasDies(exit))
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route(two))))

  it.effect("when what makes it throws", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(FailoverRouter.execute("chat", (): Effect.Effect<string> => {
        throw new Error("bug")
      }))
      assert.isTrue(Exit.hasDies(exit))
    }).pipe(Effect.provide(route(two))))

  it.effect("when it interrupts itself", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: Effect.interrupt })
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(ask())))
      assert.deepStrictEqual(take(), ["us"])
      assert.deepStrictEqual(yield* results, ["chat/us interrupted"])
    }).pipe(Effect.provide(route(two))))

  it.effect.each([0, 1] as const)(
    "I156: when the caller interrupts it, with %s targets behind it",
    (behind) =>
      Effect.gen(function*() {
        const names = ["us", "eu"]
        const hanging = names[behind]!
        const { ask, ends, take } = makeTargets({ us: down, [hanging]: Effect.never })
        const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
        assert.deepStrictEqual(take(), names.slice(0, behind + 1))
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
        assert.deepStrictEqual(take(), [])
        assert.strictEqual((yield* results).at(-1), `chat/${hanging} interrupted`)
        // Nothing is stuck.
        delete ends.us
        delete ends.eu
        yield* FailoverRouter.reset("chat")
        assert.strictEqual(yield* ask(), "us")
      }).pipe(Effect.provide(route(two)))
  )

  it.effect("I24, I156: when the caller interrupts it as a probe, whose slot is free then", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down })
      yield* ask()
      yield* CircuitTest.adjustToProbe("chat/us")
      ends.us = Effect.never
      const fiber = yield* Effect.forkChild(ask(), { startImmediately: true })
      take()
      yield* Fiber.interrupt(fiber)
      delete ends.us
      assert.strictEqual(yield* ask(), "us")
      assert.deepStrictEqual(take(), ["us"])
    }).pipe(Effect.provide(route(two))))
})

describe("a call that is too long", () => {
  const sized = (...tokens: ReadonlyArray<number | undefined>) =>
    tokens.map((contextTokens, n) => contextTokens === undefined ? `t${n}` : { name: `t${n}`, contextTokens })
  const tooLong = fails(Outcome.ignored("context_length"))

  it.effect.each(
    [
      ["a larger one", [8, 4, 8, 9], ["t0", "t3"]],
      ["the next larger one each time", [8, 16, 12, 32], ["t0", "t1", "t3"]],
      ["nobody who does not say how much it takes", [8, undefined, 9], ["t0", "t2"]],
      ["any that says so, from one that does not", [undefined, undefined, 1], ["t0", "t2"]]
    ] as const
  )("goes to %s", ([, tokens, asked]) =>
    Effect.gen(function*() {
      const targets = sized(...tokens)
      const { ask, ends, take } = makeTargets(
        Object.fromEntries(asked.slice(0, -1).map((name) => [name, tooLong]))
      )
      const answer = ask().pipe(Effect.provide(route({ targets })))
      assert.strictEqual(yield* answer, asked.at(-1))
      assert.deepStrictEqual(take(), asked)
      assert.isUndefined(ends[asked.at(-1)!])
    }))

  it.effect("for all of them is the caller's, as that of the one that was asked", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ t0: tooLong })
      assert.instanceOf(yield* Effect.flip(ask()), Said)
      assert.deepStrictEqual(take(), ["t0"])
      assert.strictEqual(yield* Effect.map(CircuitBreaker.state("chat/t0"), ({ _tag }) => _tag), "Closed")
    }).pipe(Effect.provide(route({ targets: sized(8, 8, undefined) }))))

  it.effect("stays with the larger ones when one of them fails", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ t0: tooLong, t2: down })
      assert.strictEqual(yield* ask(), "t3")
      assert.deepStrictEqual(take(), ["t0", "t2", "t3"])
    }).pipe(Effect.provide(route({ targets: sized(8, 4, 9, 9) }))))

  it.effect("and fails at all has the first error as its cause", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ t0: tooLong, t1: tooLong })
      const error = yield* failure(ask())
      assert.deepStrictEqual(trail(error), ["t0 context_length", "t1 context_length"])
      assert.strictEqual(error.cause, error.attempts[0]?.error)
    }).pipe(Effect.provide(route({ targets: sized(8, 9) }))))
})

describe("what a stand-in says", () => {
  it.effect.each(["content_policy", "context_length", "model_output"] as const)(
    "never hides what went wrong first: %s",
    (kind) =>
      Effect.gen(function*() {
        const { ask, take } = makeTargets({ us: down, eu: fails(Outcome.ignored(kind)) })
        const error = yield* failure(ask())
        assert.deepStrictEqual(trail(error), ["us overloaded", `eu ${kind}`])
        assert.strictEqual(error.cause, error.attempts[0]?.error)
        assert.deepStrictEqual(take(), ["us", "eu"])
      }).pipe(Effect.provide(router()))
  )

  it.effect("is no mistake of the caller: it may not know what the first does, and the next is asked", () =>
    Effect.gen(function*() {
      const { ask, take } = makeTargets({ us: down, eu: fails(Outcome.ignored("invalid_request")) })
      assert.strictEqual(yield* ask(), "asia")
      assert.deepStrictEqual(take(), ["us", "eu", "asia"])
    }).pipe(Effect.provide(router())))

  it.effect("is the caller's where no other was asked", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      for (const kind of ["invalid_request", "content_policy"] as const) {
        const { ask, take } = makeTargets({ eu: fails(Outcome.ignored(kind)) })
        assert.instanceOf(yield* Effect.flip(ask()), Said)
        assert.deepStrictEqual(take(), ["eu"])
      }
    }).pipe(Effect.provide(router())))

  it.effect("is the caller's where the first was not asked, because its circuit turned the call away", () =>
    Effect.gen(function*() {
      yield* through("us", fails(Outcome.throttled("3 seconds")))
      const { ask, take } = makeTargets({ eu: fails(Outcome.ignored("invalid_request")) })
      assert.instanceOf(yield* Effect.flip(ask()), Said)
      assert.deepStrictEqual(take(), ["eu"])
    }).pipe(Effect.provide(router())))
})

describe("commit", () => {
  it.effect("is the point after which nobody else is asked", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const error = yield* FailoverRouter.execute("chat", ({ name }, { commit }) =>
        Effect.andThen(
          Effect.sync(() => asked.push(name)),
          Effect.andThen(commit, down)
        )).pipe(Effect.flip)
      assert.instanceOf(error, Said)
      assert.deepStrictEqual(asked, ["us"])
      assert.strictEqual(yield* tag("us"), "Open")
    }).pipe(Effect.provide(router({ retry: () => Schedule.recurs(3) }))))

  it.effect("before it, the others are; after it, the error tells of all of them", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const error = yield* failure(FailoverRouter.execute("chat", ({ name }, { commit }) =>
        Effect.andThen(
          Effect.sync(() => asked.push(name)),
          name === "us" ? down : Effect.andThen(commit, fails(Outcome.failure("server_error")))
        )))
      assert.deepStrictEqual(asked, ["us", "eu"])
      assert.deepStrictEqual(trail(error), ["us overloaded", "eu server_error"])
      assert.strictEqual(error.cause, error.attempts[0]?.error)
    }).pipe(Effect.provide(router())))

  it.effect("is of one call: the next begins anew", () =>
    Effect.gen(function*() {
      yield* FailoverRouter.execute("chat", (_, { commit }) => Effect.as(commit, "done"))
      const { ask } = makeTargets({ us: down })
      assert.strictEqual(yield* ask(), "eu")
    }).pipe(Effect.provide(router())))
})

describe("concurrent calls", () => {
  it.effect("I146: one of them is the probe, the others go to who serves", () =>
    Effect.gen(function*() {
      const { ask, ends, take } = makeTargets({ us: down })
      yield* ask()
      yield* CircuitTest.adjustToProbe("chat/us")
      take()
      const answer = yield* Deferred.make<string>()
      ends.us = Deferred.await(answer)
      const fibers = yield* Effect.forEach(
        Array.from({ length: 8 }),
        () => Effect.forkChild(ask(), { startImmediately: true })
      )
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(take().toSorted(), [...Array.from({ length: 7 }, () => "eu"), "us"])
      yield* Deferred.succeed(answer, "us")
      const all = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(all.toSorted(), [...Array.from({ length: 7 }, () => "eu"), "us"])
      assert.strictEqual(yield* ask(), "us")
    }).pipe(Effect.provide(route(two))))
})

describe("a route that there is not", () => {
  it.effect("I140, I158: is an error, whatever is asked of it, and makes nothing", () =>
    Effect.gen(function*() {
      const { asked, call } = makeTargets()
      const before = yield* CircuitBreaker.states
      const all = [
        FailoverRouter.execute("chess", call),
        FailoverRouter.activeTarget("chess"),
        FailoverRouter.isFailedOver("chess"),
        FailoverRouter.reset("chess")
      ]
      for (const self of all) {
        const error = yield* failure(self)
        assert.deepStrictEqual(error.reason, { _tag: "UnknownRoute", route: "chess" })
        assert.strictEqual(
          error.message,
          "this router has no route \"chess\", or one of that name that is another value"
        )
        assert.deepStrictEqual([error.attempts, error.retryAfter], [[], undefined])
        assert.strictEqual(FailoverError.find({ cause: { cause: error } }), error)
      }
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual((yield* CircuitBreaker.states).length, before.length)
      assert.lengthOf(yield* FailoverRouter.snapshot, 1)
    }).pipe(Effect.provide(router())))
})

describe("an attempt", () => {
  it.effect("tells when it began and how long it took", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: Effect.delay(down, "2 seconds"), eu: Effect.delay(down, "3 seconds") })
      const fiber = yield* Effect.forkChild(failure(ask()))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        error.attempts.map(({ afterMillis, durationMillis }) => [afterMillis, durationMillis]),
        [[0, 2_000], [2_000, 3_000]]
      )
      assert.strictEqual(
        error.message,
        "no target of route \"chat\" served the call (us: overloaded, eu: overloaded), retry after 57s"
      )
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(57))
    }).pipe(Effect.provide(route(two))))
})
