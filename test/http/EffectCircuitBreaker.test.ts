import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Option, Stream } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, LlmOutcome, Outcome, TripPolicy } from "effect-resilience"
import { EffectCircuitBreaker } from "effect-resilience/http"
import { CircuitTest, RecordedEvents, ScriptedProvider } from "effect-resilience/testing"
import { HttpClient } from "effect/http"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import { serve } from "./serve.ts"

const key = "model"

const policy = (failures: number, rest: CircuitPolicy.CircuitPolicy = {}) =>
  EffectCircuitBreaker.layer.pipe(
    Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(failures), ...rest }))
  )

const breaker = EffectBreaker.CircuitBreaker

const down = Effect.flatMap(breaker, (breaker) => Effect.fail("503").pipe(breaker.execute({ key })))
const up = Effect.flatMap(breaker, (breaker) => Effect.succeed("hello").pipe(breaker.execute({ key })))

const state = Effect.flatMap(breaker, (breaker) => breaker.state(key))

const calls = Effect.map(
  Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls),
  (calls) => calls.map(({ kind, result }) => kind === undefined ? result : `${result} ${kind}`)
)

/** Why the breaker turned a call away, in their words. */
const rejection = <A, E, R>(self: Effect.Effect<A, E | EffectBreaker.CircuitBreakerError, R>) =>
  Effect.map(Effect.flip(self), (error) => {
    assert(error instanceof EffectBreaker.CircuitBreakerError, String(error))
    return error.reason
  })

const short = (reason: EffectBreaker.CircuitBreakerErrorReason | EffectBreaker.State) =>
  "retryAfter" in reason ? [reason._tag, Duration.toMillis(reason.retryAfter)] : [reason._tag]

describe("EffectCircuitBreaker", () => {
  it.effect("opens, probes and closes, and says so in their words", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* state, { _tag: "Closed", key })
      assert.strictEqual(yield* Effect.flip(down), "503")
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitOpen", 60_000])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* state, {
        _tag: "Open",
        key,
        retryAfter: Duration.seconds(40),
        consecutiveOpenings: 1
      })
      yield* TestClock.adjust("40 seconds")
      const { execute } = yield* breaker
      const probe = yield* Effect.forkChild(Effect.sleep(1000).pipe(execute({ key })), { startImmediately: true })
      assert.deepStrictEqual(yield* state, { _tag: "HalfOpen", key, probing: true, consecutiveOpenings: 1 })
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitHalfOpen"])
      yield* TestClock.adjust(1000)
      yield* Fiber.join(probe)
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy(1))))

  it.effect("a probe that is interrupted gives its slot back", () =>
    Effect.gen(function*() {
      yield* Effect.flip(down)
      yield* CircuitTest.adjustToProbe(key)
      const { execute } = yield* breaker
      const options = { key, classify: () => EffectBreaker.failure() }
      const probe = yield* Effect.forkChild(Effect.never.pipe(execute(options)), { startImmediately: true })
      yield* Fiber.interrupt(probe)
      assert.deepStrictEqual(yield* state, { _tag: "HalfOpen", key, probing: false, consecutiveOpenings: 1 })
      assert.strictEqual(yield* up, "hello")
    }).pipe(Effect.provide(policy(1))))

  it.effect("throttled and forced-open circuits are open, for the time that is left", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      const busy = { status: 429, headers: { "retry-after": "9" } }
      yield* Effect.flip(Effect.fail(busy).pipe(execute({ key, classify: EffectCircuitBreaker.classify })))
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitOpen", 5000])
      assert.deepStrictEqual(short(yield* state), ["Open", 5000])
      yield* CircuitBreaker.forceOpen(key, { for: "10 minutes" })
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitOpen", 600_000])
      assert.deepStrictEqual(short(yield* state), ["Open", 600_000])
      yield* CircuitBreaker.reset(key)
      yield* CircuitBreaker.forceOpen(key)
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitOpen", 60_000])
      assert.deepStrictEqual(short(yield* state), ["Open", 60_000])
      yield* CircuitBreaker.disable(key)
      assert.deepStrictEqual(short(yield* state), ["Closed"])
    }).pipe(Effect.provide(policy(3))))

  it.effect("W17: a call that is cut off fails with the one reason that is no rejection", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      for (const classify of [undefined, () => EffectBreaker.success]) {
        const call = yield* Effect.forkChild(rejection(Effect.never.pipe(execute({ key, classify }))), {
          startImmediately: true
        })
        yield* TestClock.adjust("30 seconds")
        const reason = yield* Fiber.join(call)
        assert(reason._tag === "CircuitBreakerStoreError")
        assert.include(reason.message, "cut off after 30s")
        assert.instanceOf(reason.cause, CircuitError.CircuitBreakerError)
        assert.deepStrictEqual(LlmOutcome.fromError(reason), Outcome.failure("timeout"))
      }
      assert.deepStrictEqual(yield* calls, ["failure timeout", "failure timeout"])
    }).pipe(Effect.provide(policy(3, { attemptTimeout: "30 seconds" }))))

  it.effect("lets the error of a breaker further in through as it is", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      const theirs = new EffectBreaker.CircuitBreakerError({ reason: new EffectBreaker.CircuitHalfOpen({ key: "x" }) })
      const ours = CircuitError.make({ _tag: "StreamCut", key: "x" })
      for (const error of [theirs, ours]) {
        assert.strictEqual(yield* Effect.flip(Effect.fail(error).pipe(execute({ key }))), error as typeof theirs)
        const classify = () => EffectBreaker.ignored
        assert.strictEqual(
          yield* Effect.flip(Effect.fail(error).pipe(execute({ key, classify }))),
          error as typeof theirs
        )
      }
    }).pipe(Effect.provide(policy(9))))

  it.effect("a call without a classifier is judged by the policy's", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      yield* Effect.flip(Effect.fail({ status: 529 }).pipe(execute({ key })))
      yield* Effect.flip(execute(Effect.fail({ status: 400 }), { key }))
      yield* up
      assert.deepStrictEqual(yield* calls, ["failure overloaded", "ignored invalid_request", "success"])
    }).pipe(Effect.provide(policy(9, { classify: LlmOutcome.classify }))))

  it.effect("their outcomes are ours, with the kind and the wait", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      const verdicts: ReadonlyArray<readonly [error: unknown, verdict: EffectBreaker.Outcome]> = [
        [{ status: 529 }, EffectBreaker.success],
        [{ status: 529 }, EffectBreaker.failure()],
        [{ status: 400 }, EffectBreaker.ignored],
        ["?", EffectBreaker.failure({ retryAfter: "5 minutes" })]
      ]
      for (const [error, verdict] of verdicts) {
        yield* Effect.flip(Effect.fail(error).pipe(execute({ key, classify: () => verdict })))
      }
      assert.deepStrictEqual(yield* calls, [
        "success",
        "failure overloaded",
        "ignored invalid_request",
        "failure unknown"
      ])
      assert.deepStrictEqual(short(yield* state), ["Open", 300_000])
    }).pipe(Effect.provide(policy(2))))

  it.effect("a classifier may be an effect, with services and waits of its own", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      const classify = (exit: Exit.Exit<string>) =>
        Effect.as(
          Effect.sleep(1000),
          Exit.isSuccess(exit) && exit.value === "bad" ? EffectBreaker.failure() : EffectBreaker.success
        )
      const call = yield* Effect.forkChild(Effect.succeed("bad").pipe(execute({ key, classify })), {
        startImmediately: true
      })
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(yield* calls, [])
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(call), "bad")
      assert.deepStrictEqual(yield* calls, ["failure unknown"])
    }).pipe(Effect.provide(policy(3))))

  it.effect("a classifier that throws or dies takes the call with it, and counts as nothing", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      const oops = new Error("oops")
      const classifiers: ReadonlyArray<() => Effect.Effect<EffectBreaker.Outcome>> = [
        () => Effect.die(oops),
        () => {
          throw oops
        }
      ]
      for (const classify of classifiers) {
        const success = yield* Effect.exit(Effect.succeed(1).pipe(execute({ key, classify })))
        const failure = yield* Effect.exit(Effect.fail("e").pipe(execute({ key, classify })))
        assert.deepStrictEqual(success, Exit.die(oops))
        assert.deepStrictEqual(failure, Exit.failCause(Cause.combine(Cause.fail("e"), Cause.die(oops))))
      }
      assert.deepStrictEqual(yield* calls, Array.from({ length: 4 }, () => "ignored caller_error"))
    }).pipe(Effect.provide(policy(1))))

  it.effect("interruption is ignored, and nobody is asked about it", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      let asked = 0
      const classify = () => {
        asked++
        return EffectBreaker.failure()
      }
      const exit = yield* Effect.exit(Effect.interrupt.pipe(execute({ key, classify })))
      assert.isTrue(Exit.hasInterrupts(exit))
      const judging = yield* Effect.forkChild(
        Effect.succeed(1).pipe(execute({ key, classify: () => Effect.andThen(Effect.sync(classify), Effect.never) })),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(judging)
      assert.strictEqual(asked, 1)
      assert.deepStrictEqual(yield* calls, ["interrupted cancelled", "interrupted cancelled"])
    }).pipe(Effect.provide(policy(1))))

  it.effect("our classifiers lose nothing on the way: a gate, an opening at once", () =>
    Effect.gen(function*() {
      const { execute } = yield* breaker
      const fail = (error: unknown) =>
        Effect.flip(Effect.fail(error).pipe(execute({ key, classify: EffectCircuitBreaker.classify })))
      yield* fail({ status: 429, headers: { "retry-after": "1" } })
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitOpen", 1000])
      yield* TestClock.adjust(1000)
      yield* fail({ status: 429, error: { code: "insufficient_quota" } })
      assert.deepStrictEqual(short(yield* rejection(up)), ["CircuitOpen", 60_000])
      assert.deepStrictEqual((yield* calls).slice(0, 1), ["ignored rate_limited"])
    }).pipe(Effect.provide(policy(9))))

  it("our classifiers mean the nearest to a breaker of theirs", () => {
    const judge = EffectCircuitBreaker.classifyWith((exit) =>
      Exit.isSuccess(exit) ? Outcome.success : LlmOutcome.classify(exit)
    )
    assert.deepStrictEqual(judge(Exit.succeed(1)), EffectBreaker.success)
    assert.deepStrictEqual(judge(Exit.fail({ status: 400 })), EffectBreaker.ignored)
    assert.deepStrictEqual(judge(Exit.fail({ status: 503 })), EffectBreaker.failure())
    assert.deepStrictEqual(judge(Exit.fail({ status: 402 })), EffectBreaker.failure())
    assert.deepStrictEqual(
      judge(Exit.fail({ status: 503, headers: { "retry-after": "7" } })),
      EffectBreaker.failure({ retryAfter: "7 seconds" })
    )
    assert.deepStrictEqual(
      judge(Exit.fail({ status: 429, headers: { "retry-after": "7" } })),
      EffectBreaker.ignored
    )
  })

  it.effect("has their transitions from the subscription on, also those before the first pull", () =>
    Effect.gen(function*() {
      const { transitions } = yield* breaker
      const pull = yield* Stream.toPull(Stream.map(transitions, ({ from, to }) => [from, to]))
      yield* Effect.flip(down)
      yield* CircuitTest.adjustToProbe(key)
      yield* up
      assert.deepStrictEqual(yield* pull, [["Closed", "Open"], ["Open", "HalfOpen"], ["HalfOpen", "Closed"]])
    }).pipe(Effect.scoped, Effect.provide(policy(1))))

  it.effect("tells of their transitions, and ends with its layer", () =>
    Effect.gen(function*() {
      const collecting = yield* Effect.scoped(Effect.gen(function*() {
        const context = yield* Layer.build(policy(1))
        return yield* Effect.gen(function*() {
          const { transitions } = yield* breaker
          const collecting = yield* Effect.forkDetach(Stream.runCollect(transitions), { startImmediately: true })
          yield* Effect.flip(down)
          yield* CircuitTest.adjustToProbe(key)
          yield* Effect.flip(down)
          yield* CircuitTest.adjustToProbe(key)
          yield* up
          yield* CircuitBreaker.forceOpen(key, { for: "1 second" })
          yield* CircuitBreaker.reset(key)
          yield* CircuitBreaker.disable(key)
          yield* CircuitBreaker.forceOpen(key)
          yield* Effect.yieldNow
          return collecting
        }).pipe(Effect.provide(context))
      }))
      const minute = { key, to: "Open", retryAfter: Duration.minutes(1) } as const
      const probe = { key, from: "Open", to: "HalfOpen" } as const
      assert.deepStrictEqual(yield* Fiber.join(collecting), [
        { ...minute, from: "Closed", consecutiveOpenings: 1 },
        probe,
        { ...minute, from: "HalfOpen", consecutiveOpenings: 2 },
        probe,
        { key, from: "HalfOpen", to: "Closed" },
        { ...minute, from: "Closed", retryAfter: Duration.seconds(1), consecutiveOpenings: 0 },
        { ...minute, from: "Closed", consecutiveOpenings: 0 }
      ])
    }))
})

describe("EffectCircuitBreaker inside HttpClient.withCircuitBreaker", () => {
  const live = (failures: number, rest: CircuitPolicy.CircuitPolicy = {}) =>
    Effect.provide([policy(failures, rest), NodeHttpClient.layerNodeHttp])

  const client = (classify?: typeof EffectCircuitBreaker.classify) =>
    Effect.gen(function*() {
      const breaker = yield* EffectBreaker.CircuitBreaker
      const client = yield* HttpClient.HttpClient
      return HttpClient.withCircuitBreaker(client, { breaker, key, classify })
    })

  const overloaded = ScriptedProvider.json({ type: "error" }, { status: 529 })
  const fine = ScriptedProvider.json("hello")

  it.live("W6: with its own classifier a 529 is a success; with ours it opens the circuit", () =>
    Effect.gen(function*() {
      const { url } = yield* serve(overloaded)
      const naive = yield* client()
      yield* naive.get(url)
      assert.strictEqual((yield* naive.get(url)).status, 529)
      const ours = yield* client(EffectCircuitBreaker.classify)
      assert.strictEqual((yield* ours.get(url)).status, 529)
      assert.strictEqual((yield* rejection(ours.get(url)))._tag, "CircuitOpen")
      assert.deepStrictEqual((yield* calls).slice(0, 3), ["success", "success", "failure overloaded"])
    }).pipe(live(1)))

  it.live("its own classifier works, waits included", () =>
    Effect.gen(function*() {
      const { url } = yield* serve(ScriptedProvider.json({}, { status: 503, headers: { "retry-after": "300" } }))
      const naive = yield* client()
      yield* naive.get(url)
      const reason = yield* rejection(naive.get(url))
      assert(reason._tag === "CircuitOpen")
      assert.isAbove(Duration.toMillis(reason.retryAfter), 299_000)
    }).pipe(live(1)))

  it.live("a probe closes the circuit, and nobody else gets through while it runs", () =>
    Effect.gen(function*() {
      const { provider, url } = yield* serve(overloaded, ScriptedProvider.late(fine, 500))
      const ours = yield* client(EffectCircuitBreaker.classify)
      yield* ours.get(url)
      yield* Effect.sleep(60)
      const probe = yield* Effect.forkChild(ours.get(url), { startImmediately: true })
      yield* Effect.sleep(30)
      assert.strictEqual((yield* rejection(ours.get(url)))._tag, "CircuitHalfOpen")
      assert.strictEqual(yield* Effect.flatMap(Fiber.join(probe), ({ json }) => json), "hello")
      assert.deepStrictEqual(short(yield* state), ["Closed"])
      assert.lengthOf(yield* provider.requests, 2)
    }).pipe(live(1, { openDuration: 50 })))

  it.live("W17: a probe that is interrupted ends its request and gives its slot back", () =>
    Effect.gen(function*() {
      const { provider, url } = yield* serve(overloaded, ScriptedProvider.silence, fine)
      const ours = yield* client(EffectCircuitBreaker.classify)
      yield* ours.get(url)
      yield* Effect.sleep(60)
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(ours.get(url), 50)))
      assert.strictEqual(yield* Effect.flatMap(ours.get(url), ({ json }) => json), "hello")
      yield* provider.abandoned.pipe(Effect.tap(Effect.sleep(5)), Effect.repeat({ until: (n) => n === 1, times: 200 }))
      assert.strictEqual(yield* provider.abandoned, 1)
    }).pipe(live(1, { openDuration: 50 })))

  it.live("W17: the limit of the policy ends a request that hangs", () =>
    Effect.gen(function*() {
      const { url } = yield* serve(ScriptedProvider.silence)
      const ours = yield* client(EffectCircuitBreaker.classify)
      assert.strictEqual((yield* rejection(ours.get(url)))._tag, "CircuitBreakerStoreError")
      assert.deepStrictEqual(yield* calls, ["failure timeout"])
    }).pipe(live(2, { attemptTimeout: 50 })))

  it.live("sees no further than the headers, as theirs", () =>
    Effect.gen(function*() {
      const { url } = yield* serve(ScriptedProvider.cut(fine, { afterBytes: 2 }))
      const ours = yield* client(EffectCircuitBreaker.classify)
      const error = yield* Effect.flip(Effect.flatMap(ours.get(url), ({ text }) => text))
      assert.strictEqual(error.reason._tag, "DecodeError")
      assert.deepStrictEqual(yield* calls, ["success"])
    }).pipe(live(1)))
})
