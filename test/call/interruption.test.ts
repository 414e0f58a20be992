import { assert, describe, it } from "@effect/vitest"
import { Effect, type Exit, Fiber, Stream } from "effect"
import { CircuitBreaker, CircuitError, Outcome, StreamSignal, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"
import { stepper } from "../support/stepper.ts"

/** Runs an effect for so many steps, interrupts it, and lets it come to its end. */
const interruptAfter = <A, E>(self: Effect.Effect<A, E, CircuitBreaker.CircuitBreaker>, steps: number) =>
  Effect.contextWith((context: Parameters<typeof Effect.runForkWith<CircuitBreaker.CircuitBreaker>>[0]) => {
    const { scheduler, step } = stepper()
    const fiber = Effect.runForkWith(context)(self, { scheduler })
    for (let i = 0; i < steps; i++) step()
    const inTime: Exit.Exit<A, E> | undefined = fiber.pollUnsafe()
    fiber.interruptUnsafe()
    while (step()) {
      // Until nothing is left to do.
    }
    return Effect.succeed({ inTime, exit: fiber.pollUnsafe() })
  })

const holding = (key: string, body: Effect.Effect<string>, outcome?: Outcome.Outcome) =>
  Effect.scoped(
    Effect.gen(function*() {
      const permit = yield* CircuitBreaker.acquire(key)
      const value = yield* body
      if (outcome !== undefined) yield* permit.settle(outcome)
      return value
    })
  )

const guards: ReadonlyArray<
  readonly [
    name: string,
    policy: { readonly attemptTimeout?: "1 minute" },
    guard: (key: string, body: Effect.Effect<string>) => Effect.Effect<string, unknown, CircuitBreaker.CircuitBreaker>,
    ends: "Closed" | "Open" | "HalfOpen"
  ]
> = [
  ["execute", {}, (key, body) => body.pipe(CircuitBreaker.execute({ key })), "Closed"],
  [
    "execute with attemptTimeout",
    { attemptTimeout: "1 minute" },
    (key, body) => body.pipe(CircuitBreaker.execute({ key })),
    "Closed"
  ],
  [
    "execute of a failure",
    {},
    (key, body) => Effect.andThen(body, Effect.fail("503")).pipe(CircuitBreaker.execute({ key })),
    "Open"
  ],
  ...([{}, { idleTimeout: "1 minute" }, { settleProbeAt: "first_content" }] as const).map((options) =>
    [
      `stream ${JSON.stringify(options)}`,
      {},
      (key: string, body: Effect.Effect<string>) =>
        Stream.runDrain(
          Stream.fromEffect(body).pipe(CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque, ...options }))
        )
          .pipe(
            Effect.as("streamed")
          ),
      "Closed"
    ] as const
  ),
  ["acquire", {}, (key, body) => holding(key, body), "HalfOpen"],
  ["acquire and settle", {}, (key, body) => holding(key, body, Outcome.success), "Closed"],
  ["acquire and settle with a failure", {}, (key, body) => holding(key, body, Outcome.failure("unknown")), "Open"]
]

describe("a probe interrupted at any step", () => {
  it.effect.each(guards)("I24, I30, I31: frees its slot, and is settled once if it was admitted, with %s", (
    [, policy, guard, ends]
  ) =>
    Effect.gen(function*() {
      const stages = new Set<string>()
      let steps = 0
      for (let finished = false; !finished; steps++) {
        const key = `after ${steps} steps`
        const guarded = CircuitBreaker.execute({ key })
        yield* Effect.flip(Effect.fail("503").pipe(guarded))
        yield* CircuitTest.adjustToProbe(key)
        const recorded = yield* RecordedEvents.RecordedEvents
        yield* recorded.clear

        let started = 0
        let ended = 0
        const body = Effect.sync(() => started++).pipe(
          Effect.andThen(Effect.yieldNow),
          Effect.andThen(Effect.yieldNow),
          Effect.andThen(Effect.sync(() => {
            ended++
            return "hello"
          }))
        )
        const { exit, inTime } = yield* interruptAfter(guard(key, body), steps)
        finished = inTime !== undefined
        assert.isDefined(exit, "the call came to an end")

        const admitted = (yield* recorded.of("circuit.half_open")).length
        const settled = yield* recorded.of("circuit.probe")
        assert.isAtMost(admitted, 1)
        assert.isAtMost(started, admitted, "nothing ran that was not admitted")
        assert.lengthOf(settled, admitted)
        assert.lengthOf(yield* recorded.calls, admitted)
        const state = yield* CircuitBreaker.state(key)
        if (state._tag === "HalfOpen") assert.strictEqual(state.probing, 0)
        if (admitted === 0) assert.strictEqual(state._tag, "Open")
        if (finished) assert.strictEqual(state._tag, ends)
        stages.add(
          admitted === 0 ? "not admitted" : started === 0 ? "not started" : ended === 0 ? "running" : "ended"
        )

        yield* CircuitTest.adjustToProbe(key)
        assert.strictEqual(yield* Effect.succeed("free").pipe(guarded), "free")
      }
      // The steps were fine enough to meet every stage of a call.
      assert.deepStrictEqual([...stages], ["not admitted", "not started", "running", "ended"])
    }).pipe(Effect.provide(
      CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), probeLease: "300 days", ...policy })
    )))

  it.effect("I24: and of several probes at once it gives back its own slot and no other", () =>
    Effect.gen(function*() {
      let finished = false
      for (let steps = 0; !finished; steps++) {
        const key = `after ${steps} steps`
        const guarded = CircuitBreaker.execute({ key })
        yield* Effect.flip(Effect.fail("503").pipe(guarded))
        yield* CircuitTest.adjustToProbe(key)
        const other = yield* CircuitBreaker.acquire(key)
        const call = Effect.andThen(Effect.yieldNow, Effect.fail("ignored")).pipe(
          CircuitBreaker.execute({ key, classify: () => Outcome.ignored("caller_error") })
        )
        const { inTime } = yield* interruptAfter(call, steps)
        finished = inTime !== undefined
        const state = yield* CircuitBreaker.state(key)
        assert.deepStrictEqual(state._tag === "HalfOpen" && state.probing, 1)
        yield* other.settle(Outcome.success)
        assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Closed")
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), probes: 2, probeLease: "300 days" }))
    ))
})

describe("two callers at the deadline, whatever the order of their steps", () => {
  it.effect.each(
    [
      ["execute", (key: string) => (body: Effect.Effect<string>) => body.pipe(CircuitBreaker.execute({ key }))],
      ["acquire", (key: string) => (body: Effect.Effect<string>) => holding(key, body)]
    ] as const
  )("I7, I89: one is admitted and the other rejected as half-open, with %s", ([, guardOf]) =>
    Effect.gen(function*() {
      const context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
      let overtaken = 0
      let waiting = false
      for (let steps = 0; !waiting; steps++) {
        const key = `after ${steps} steps`
        const call = guardOf(key)(Effect.never)
        yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
        yield* CircuitTest.adjustToProbe(key)
        const { scheduler, step } = stepper()
        const first = Effect.runForkWith(context)(call, { scheduler })
        for (let i = 0; i < steps; i++) waiting = !step()
        const second = yield* Effect.forkChild(call, { startImmediately: true })
        while (step()) {
          // Until the first one waits for its answer, or has been rejected.
        }
        const [loser, winner] = second.pollUnsafe() === undefined ? [first, second] : [second, first]
        assert.isUndefined(winner.pollUnsafe())
        const error = yield* Effect.flip(Fiber.join(loser))
        assert.deepStrictEqual(
          CircuitError.isCircuitBreakerError(error) && error.reason,
          { _tag: "CircuitHalfOpen", key, retryAfter: undefined }
        )
        if (loser === first && steps > 0) overtaken++
        winner.interruptUnsafe()
        while (step()) {
          // Until it has ended.
        }
      }
      // Some of the first callers had seen a free slot already when the second one took it.
      assert.isAbove(overtaken, 2)
    }).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("a call of a closed circuit interrupted at any step", () => {
  it.effect("is announced once if it ran, at most once if it did not, and counts for nothing", () =>
    Effect.gen(function*() {
      const key = "model"
      const recorded = yield* RecordedEvents.RecordedEvents
      let finished = false
      for (let steps = 0; !finished; steps++) {
        yield* recorded.clear
        let started = 0
        const body = Effect.andThen(Effect.sync(() => started++), Effect.andThen(Effect.yieldNow, Effect.fail("503")))
        const { inTime } = yield* interruptAfter(body.pipe(CircuitBreaker.execute({ key })), steps)
        finished = inTime !== undefined
        const calls = yield* recorded.calls
        assert.isAtMost(calls.length, 1)
        if (started === 1) assert.lengthOf(calls, 1)
        const state = yield* CircuitBreaker.state(key)
        const failed = calls[0]?.result === "failure" ? 1 : 0
        assert.deepStrictEqual(state._tag === "Closed" && state.consecutiveFailures, failed)
        yield* CircuitBreaker.reset(key)
      }
    }).pipe(Effect.provide(CircuitTest.layer())))
})
