/** What every store promises, seen through the breakers that share it. Run it once per store. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Fiber, identity, Latch, Layer, type Scope, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  type CircuitPolicy,
  type CircuitStore,
  LlmRetry,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { TestClock } from "effect/testing"

/**
 * How the suite waits for the store; the defaults are those of a store that reads the test clock and has one view.
 *
 * - `advance` lets time pass: real time for a store with a clock of its own. Every wait is a fraction of a second.
 * - `converge` lets what one breaker did reach the view of another.
 * - `storeOfEach`: a store for each breaker, as in processes of their own. By default they share one.
 */
export interface Options {
  readonly storeOfEach?: Layer.Layer<CircuitStore.CircuitStore> | undefined
  readonly advance?: (duration: Duration.Input) => Effect.Effect<void>
  readonly converge?: Effect.Effect<void>
}

export const suite = (
  name: string,
  layer: Layer.Layer<CircuitStore.CircuitStore, unknown>,
  { advance = TestClock.adjust, converge = Effect.void, storeOfEach }: Options = {}
) => {
  // Stores outlive tests, so every test has keys of its own.
  let tests = 0
  const uniqueKey = Effect.sync(() => `Key ${name} ${++tests} ${Math.random().toString(36).slice(2)}`)

  const breaker = (policy: CircuitPolicy.CircuitPolicy = {}) =>
    Effect.map(
      Layer.build(
        CircuitBreaker.layer({
          tripPolicy: TripPolicy.consecutive(1),
          gateJitter: 0,
          openDuration: "200 millis",
          ...policy
        }).pipe(storeOfEach === undefined ? identity : Layer.provide(Layer.fresh(storeOfEach)))
      ),
      (context) => Context.get(context, CircuitBreaker.CircuitBreaker)
    )
  type Breaker = CircuitBreaker.CircuitBreaker["Service"]

  const up = (breaker: Breaker, key: string) =>
    Effect.andThen(converge, Effect.succeed("hello").pipe(breaker.execute({ key })))
  const down = (breaker: Breaker, key: string) =>
    Effect.andThen(converge, Effect.flip(Effect.fail("503").pipe(breaker.execute({ key }))))
  const says = (breaker: Breaker, key: string, outcome: Outcome.Outcome) =>
    Effect.succeed("answer").pipe(breaker.execute({ key, classify: () => outcome }))
  const state = (breaker: Breaker, key: string) => Effect.andThen(converge, breaker.state(key))
  const tag = (breaker: Breaker, key: string) => Effect.map(state(breaker, key), ({ _tag }) => _tag)

  /** What a call fails with: the reason's name if it was the breaker, the error itself if it was the call. */
  const failure = <A, E, R>(self: Effect.Effect<A, E | CircuitError.CircuitBreakerError, R>) =>
    Effect.map(
      Effect.flip(self),
      (error) => CircuitError.isCircuitBreakerError(error) ? error.reason._tag : error
    )

  /** Starts `count` calls that wait for the latch, and returns when every one of them waits or has ended. */
  const race = <A, E>(count: number, call: (wait: Effect.Effect<void>) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const latch = yield* Latch.make()
      let waiting = 0
      let ended = 0
      const settled = yield* Latch.make()
      const count1 = (f: () => void) =>
        Effect.suspend(() => {
          f()
          return waiting + ended >= count ? settled.open : Effect.void
        })
      const wait = Effect.andThen(count1(() => waiting++), latch.await)
      const fibers = yield* Effect.forEach(
        Array.from({ length: count }),
        () => Effect.forkChild(Effect.ensuring(call(wait), count1(() => ended++)))
      )
      yield* settled.await
      return { started: waiting, finish: Effect.andThen(latch.open, Fiber.awaitAll(fibers)) }
    })

  describe(`CircuitStore (${name})`, () => {
    type Step = Effect.Effect<unknown, unknown, CircuitStore.CircuitStore | Scope.Scope>

    const test = (title: string, body: () => Generator<Step, void, never>) =>
      it.effect(title, () => Effect.gen(body).pipe(Effect.scoped, Effect.provide(layer)))

    describe("one circuit, two breakers", () => {
      test("I112: what opens in one is open in the other, for this key and no other", function*() {
        const [a, b, key, other] = [yield* breaker(), yield* breaker(), yield* uniqueKey, yield* uniqueKey]
        yield* up(a, other)
        yield* up(b, key)
        assert.strictEqual(yield* down(a, key), "503")
        assert.strictEqual(yield* failure(up(b, key)), "CircuitOpen")
        assert.strictEqual(yield* up(b, other), "hello")
        const [inA, inB] = [yield* state(a, key), yield* state(b, key)]
        assert.deepStrictEqual(
          inA._tag === "Open" && [inA.generation, inA.outageId, inA.reason],
          inB._tag === "Open" && [inB.generation, inB.outageId, inB.reason]
        )
      })

      test("I112: their failures add up, and a success of one ends the streak of both", function*() {
        const policy = { tripPolicy: TripPolicy.consecutive(4) }
        const [a, b, key] = [yield* breaker(policy), yield* breaker(policy), yield* uniqueKey]
        yield* down(a, key)
        yield* down(b, key)
        yield* down(a, key)
        yield* up(b, key)
        yield* down(b, key)
        yield* down(a, key)
        yield* down(b, key)
        assert.deepStrictEqual([yield* tag(a, key), yield* tag(b, key)], ["Closed", "Closed"])
        yield* down(a, key)
        assert.deepStrictEqual([yield* tag(a, key), yield* tag(b, key)], ["Open", "Open"])
      })

      test("one probe for both; its success closes the circuit for both", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        const permit = yield* Effect.flatMap(Effect.forkChild(a.acquire(key)), Fiber.join)
        assert.isTrue(permit.probe)
        assert.strictEqual(yield* failure(up(b, key)), "CircuitHalfOpen")
        assert.strictEqual(yield* failure(up(a, key)), "CircuitHalfOpen")
        yield* permit.settle(Outcome.success)
        assert.strictEqual(yield* up(b, key), "hello")
        assert.deepStrictEqual([yield* tag(a, key), yield* tag(b, key)], ["Closed", "Closed"])
      })

      test("a slot that one gives back is free for the other", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        yield* Effect.scoped(a.acquire(key))
        assert.strictEqual(yield* up(b, key), "hello")
      })

      test("the gate is shut for both", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* says(a, key, Outcome.throttled("200 millis"))
        assert.strictEqual(yield* failure(up(b, key)), "CircuitThrottled")
        yield* advance("200 millis")
        assert.strictEqual(yield* up(b, key), "hello")
      })

      test("what an operator does through one holds for both", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* up(b, key)
        yield* a.forceOpen(key, { reason: "incident", actor: "ops" })
        assert.strictEqual(yield* failure(up(b, key)), "CircuitForcedOpen")
        const forced = yield* state(b, key)
        assert.deepStrictEqual(forced._tag === "ForcedOpen" && [forced.note, forced.actor], ["incident", "ops"])
        yield* b.reset(key)
        assert.strictEqual(yield* up(a, key), "hello")
        yield* a.disable(key)
        yield* down(b, key)
        assert.strictEqual(yield* tag(b, key), "Disabled")
        yield* b.enable(key)
        assert.strictEqual(yield* tag(a, key), "Closed")
      })

      test("`states` of each has the circuits of both", function*() {
        const [a, b, first, second] = [yield* breaker(), yield* breaker(), yield* uniqueKey, yield* uniqueKey]
        yield* up(b, first)
        yield* down(a, first)
        yield* up(a, second)
        yield* up(b, second)
        const of = (breaker: Breaker) =>
          Effect.map(
            breaker.states,
            (states) =>
              states.filter(({ key }) => key === first || key === second).map(({ _tag, key }) => `${key} ${_tag}`)
                .sort()
          )
        const expected = [`${first} Open`, `${second} Closed`].sort()
        assert.deepStrictEqual(yield* of(a), expected)
        assert.deepStrictEqual(yield* of(b), expected)
      })
    })

    describe("keys", () => {
      test("I80: one that was never used reads as closed, and reading or resetting it harms nothing", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        const read = yield* state(a, key)
        assert.deepStrictEqual(read._tag === "Closed" && [read.consecutiveFailures, read.reason], [0, "initial"])
        yield* a.reset(key)
        yield* a.enable(key)
        assert.isFalse((yield* a.states).some((state) => state.key === key))
        assert.strictEqual(yield* up(a, key), "hello")
      })

      test("I83, I84: odd ones are kept apart, whatever is in them and however long they are", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        const keys = [
          key,
          `${key} `,
          ` ${key}`,
          `${key}:b`,
          `${key}:`,
          `{${key}}`,
          `${key}{tag}`,
          `${key}*`,
          `${key}\u0000`,
          `${key}\n`,
          `${key}\r\n`,
          `${key}ä`,
          // The same letter, decomposed.
          `${key}a\u0308`,
          `${key}\u{1F600}`,
          // Half of a surrogate pair, either half.
          `${key}\uD83D`,
          `${key}\uDE00`,
          `${key}\u202E`,
          key.toUpperCase(),
          key.toLowerCase(),
          `__proto__ ${key}`,
          key + "x".repeat(10_000),
          key + "x".repeat(9999),
          key + "x".repeat(9999) + "y",
          "x".repeat(10_000) + key
        ]
        assert.strictEqual(new Set(keys).size, keys.length)
        for (const [index, key] of keys.entries()) {
          if (index % 2 === 0) yield* down(a, key)
        }
        for (const [index, key] of keys.entries()) {
          assert.strictEqual(
            yield* tag(b, key),
            index % 2 === 0 ? "Open" : "Closed",
            JSON.stringify(key.slice(0, 60))
          )
        }
        for (const key of keys) yield* b.reset(key)
        for (const key of keys) assert.strictEqual(yield* up(a, key), "hello")
      })

      test("names of Object.prototype are keys like any other", function*() {
        const a = yield* breaker()
        for (const key of ["__proto__", "constructor", "toString"]) {
          assert.strictEqual(yield* up(a, key), "hello")
          yield* down(a, key)
          assert.strictEqual(yield* failure(up(a, key)), "CircuitOpen")
          yield* a.reset(key)
        }
      })
    })

    describe("reading", () => {
      test("I81: gives a snapshot: what is done to it, and what happens later, changes nothing in the other", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        const open = yield* state(a, key)
        const copy = { ...open }
        Object.assign(open, { _tag: "Closed", generation: -1 })
        assert.strictEqual(yield* failure(up(a, key)), "CircuitOpen")
        const again = yield* state(a, key)
        assert.deepStrictEqual([again._tag, again.generation], ["Open", copy.generation])
        yield* a.reset(key)
        assert.strictEqual(again._tag, "Open")
      })

      test("takes no slot and moves no state", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* tag(a, key), "Open")
        yield* a.states
        assert.strictEqual(yield* up(a, key), "hello")
      })
    })

    describe("many at once", () => {
      test("I7, I89: of a hundred callers of two breakers at the deadline one is the probe", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        let turn = 0
        const { finish, started } = yield* race(
          100,
          (wait) => wait.pipe((turn++ % 2 === 0 ? a : b).execute({ key }), failure)
        )
        assert.strictEqual(started, 1)
        const exits = yield* finish
        assert.lengthOf(exits.filter((exit) => Exit.isSuccess(exit) && exit.value === "CircuitHalfOpen"), 99)
        assert.strictEqual(yield* tag(a, key), "Closed")
      })

      test("I89: before the deadline nobody is, whatever the number", function*() {
        const [a, key] = [yield* breaker({ openDuration: "1 hour" }), yield* uniqueKey]
        yield* down(a, key)
        const { finish, started } = yield* race(100, (wait) => wait.pipe(a.execute({ key }), failure))
        yield* finish
        assert.strictEqual(started, 0)
        assert.strictEqual(yield* tag(a, key), "Open")
      })

      test("as many probes as the policy says, and no more", function*() {
        const policy = { probes: 3, successesToClose: 3 }
        const [a, b, key] = [yield* breaker(policy), yield* breaker(policy), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        let turn = 0
        const { finish, started } = yield* race(50, (wait) => wait.pipe((turn++ % 2 === 0 ? a : b).execute({ key })))
        assert.strictEqual(started, 3)
        yield* finish
        assert.strictEqual(yield* tag(b, key), "Closed")
      })

      test("I86: no failure is lost: a hundred are a hundred, and the next one of a hundred and one opens", function*() {
        const policy = { tripPolicy: TripPolicy.consecutive(101) }
        const [a, b, key] = [yield* breaker(policy), yield* breaker(policy), yield* uniqueKey]
        let turn = 0
        const { finish, started } = yield* race(
          100,
          (wait) => Effect.andThen(wait, Effect.fail("503")).pipe((turn++ % 2 === 0 ? a : b).execute({ key }))
        )
        assert.strictEqual(started, 100)
        yield* finish
        const read = yield* state(b, key)
        assert.deepStrictEqual(read._tag === "Closed" && read.consecutiveFailures, 100)
        yield* down(a, key)
        assert.strictEqual(yield* tag(b, key), "Open")
      })

      test("I115: fifty successes and fifty failures leave a closed circuit with a streak of at most fifty", function*() {
        const [a, key] = [yield* breaker({ tripPolicy: TripPolicy.consecutive(200) }), yield* uniqueKey]
        let turn = 0
        const { finish } = yield* race(
          100,
          (wait) => Effect.andThen(wait, turn++ % 2 === 0 ? Effect.void : Effect.fail("503")).pipe(a.execute({ key }))
        )
        yield* finish
        const read = yield* state(a, key)
        assert.strictEqual(read._tag, "Closed")
        assert.isAtMost(read._tag === "Closed" ? read.consecutiveFailures : Infinity, 50)
      })

      test("I90: an operator's hold beats a hundred successes that come in after it", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        const { finish, started } = yield* race(100, (wait) => wait.pipe(a.execute({ key })))
        assert.strictEqual(started, 100)
        yield* b.forceOpen(key)
        yield* finish
        assert.strictEqual(yield* tag(a, key), "ForcedOpen")
      })
    })

    describe("calls that last", () => {
      test("I41: the failure that opens the circuit ends a retry with its own error, and no more attempts", function*() {
        const [a, key] = [yield* breaker({ tripPolicy: TripPolicy.consecutive(2) }), yield* uniqueKey]
        let attempts = 0
        const refused = { status: 503 }
        const call = Effect.suspend(() => (attempts++, Effect.fail(refused)))
        yield* Effect.exit(a.execute(call, { key }))
        const error = yield* call.pipe(a.execute({ key }), Effect.retry(LlmRetry.policy()), Effect.flip)
        assert.deepStrictEqual([error, attempts], [refused, 2])
      })

      test("a stream's probe that settles at its first content goes on as a call of the closed circuit", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        const said: Array<string> = []
        const answer = Stream.make("text").pipe(
          Stream.concat(Stream.fromEffect(Effect.map(tag(a, key), (tag) => said.push(tag)))),
          Stream.concat(Stream.fail("cut"))
        )
        yield* Effect.exit(
          Stream.runDrain(a.stream(answer, { key, settleProbeAt: "first_content", classifyPart: StreamSignal.opaque }))
        )
        assert.deepStrictEqual([...said, yield* tag(a, key)], ["Closed", "Open"])
      })

      test("an interrupted call says nothing, and frees its slot", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        const started = yield* Latch.make()
        const call = yield* Effect.forkChild(a.execute(Effect.andThen(started.open, Effect.never), { key }))
        yield* started.await
        assert.strictEqual(yield* failure(up(b, key)), "CircuitHalfOpen")
        yield* Fiber.interrupt(call)
        assert.strictEqual(yield* up(b, key), "hello")
      })

      test("a probe whose own call across a promise was turned away by it lets that pass the next time", function*() {
        const [a, key, clock] = [yield* breaker(), yield* uniqueKey, yield* Clock.Clock]
        yield* down(a, key)
        yield* advance("200 millis")
        const inner = Effect.provideService(a.execute(Effect.succeed("hello"), { key }), Clock.Clock, clock)
        const call = a.execute(Effect.tryPromise(() => Effect.runPromise(inner)), { key })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(call)))
        assert.deepStrictEqual(yield* Effect.exit(call), Exit.succeed("hello"))
        assert.strictEqual(yield* tag(a, key), "Closed")
      })

      test("a call by the holder of a permit is part of its probe", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        yield* down(a, key)
        yield* advance("200 millis")
        const call = Effect.scoped(Effect.andThen(a.acquire(key), a.execute(Effect.succeed("hello"), { key })))
        assert.deepStrictEqual(yield* Effect.exit(call), Exit.succeed("hello"))
        assert.strictEqual(yield* tag(a, key), "Closed")
      })
    })

    describe("control", () => {
      test("I12, I91: forced openings merge with what is set: the later deadline survives, whichever breaker set it", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* says(a, key, Outcome.openNow("quota_exhausted", "30 minutes"))
        yield* b.forceOpen(key, { for: "1 second" })
        yield* a.forceOpen(key, { for: "2 seconds" })
        const forced = yield* state(b, key)
        assert.strictEqual(forced._tag, "ForcedOpen")
        assert.isAbove(
          forced._tag === "ForcedOpen" && forced.retryAfter ? Duration.toMillis(forced.retryAfter) : 0,
          Duration.toMillis("29 minutes")
        )
      })

      test("a hold for a time ends with it, and a probe decides", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        yield* a.forceOpen(key, { for: "200 millis" })
        assert.strictEqual(yield* failure(up(a, key)), "CircuitForcedOpen")
        yield* advance("200 millis")
        assert.strictEqual(yield* up(a, key), "hello")
        assert.strictEqual(yield* tag(a, key), "Closed")
      })

      test("what changes nothing leaves the words of the last change", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* a.forceOpen(key, { reason: "incident", actor: "ops" })
        yield* b.enable(key, { reason: "nothing to enable" })
        const forced = yield* state(a, key)
        assert.deepStrictEqual(forced._tag === "ForcedOpen" && [forced.note, forced.actor], ["incident", "ops"])
      })

      test("I18: a close leaves no deadline behind", function*() {
        const [a, key] = [yield* breaker(), yield* uniqueKey]
        yield* a.forceOpen(key, { for: "1 hour" })
        yield* a.reset(key)
        yield* a.forceOpen(key, { for: "200 millis" })
        yield* advance("200 millis")
        assert.strictEqual(yield* up(a, key), "hello")
      })

      test("generations rise with every transition, and fence off what began before it", function*() {
        const [a, b, key] = [yield* breaker(), yield* breaker(), yield* uniqueKey]
        yield* up(a, key)
        const permit = yield* b.acquire(key)
        const generations: Array<number> = []
        const look = Effect.map(state(b, key), ({ generation }) => void generations.push(generation))
        for (
          const step of [
            Effect.void,
            down(a, key),
            a.forceOpen(key),
            a.reset(key),
            a.disable(key),
            a.enable(key),
            down(a, key),
            Effect.andThen(advance("200 millis"), up(a, key))
          ]
        ) {
          yield* step
          yield* look
        }
        for (let i = 1; i < generations.length; i++) assert.isAbove(generations[i]!, generations[i - 1]!)
        yield* permit.settle(Outcome.openNow("overloaded"))
        assert.strictEqual(yield* tag(a, key), "Closed")
      })
    })
  })
}
