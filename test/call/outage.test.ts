// What an outage costs: how many calls reach a provider that is dead for 60 seconds while 15 requests want it.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Random } from "effect"
import { CircuitBreaker, type CircuitPolicy, CircuitStore, LlmOutcome, LlmRetry, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"

const outageMillis = 60_000
const seeds = ["a", "b", "c", "d", "e"]

interface Scenario {
  /** How long the provider takes to fail while it is dead; one that hangs does not. */
  readonly failsAfter: number | "never"
  readonly everyMillis: number
  readonly policy?: CircuitPolicy.CircuitPolicy
  readonly retry?: LlmRetry.Options | "none"
}

/** The calls that reach the dead provider, and the answers that the 15 requests and one after the outage get. */
const outage = ({ everyMillis, failsAfter, policy, retry = {} }: Scenario, seed: string) =>
  Effect.gen(function*() {
    let calls = 0
    const startedAt = yield* Clock.currentTimeMillis
    const dead = failsAfter === "never" ? Effect.never : Effect.delay(Effect.fail({ status: 503 }), failsAfter)
    const model = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now - startedAt >= outageMillis) return Effect.succeed("hello")
      calls++
      return dead
    })
    const once = model.pipe(CircuitBreaker.execute({ key: "model" }))
    const ask = retry === "none" ? once : Effect.retry(once, LlmRetry.policy(retry))

    const requests: Array<Fiber.Fiber<Exit.Exit<string, unknown>>> = []
    for (let request = 0; request < 15; request++) {
      requests.push(yield* Effect.forkChild(Effect.exit(ask)))
      yield* TestClock.adjust(everyMillis)
    }
    // Whatever still waits, and then the end of the outage and of the last opening.
    yield* TestClock.adjust("5 minutes")
    const answers = yield* Effect.forEach(requests, (request) => Fiber.join(request))
    return { calls, answers, afterwards: yield* Effect.exit(ask) }
  }).pipe(
    Random.withSeed(seed),
    Effect.provide(
      Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify, ...policy }), CircuitStore.layerMemory)
    )
  )

describe("a 60-second outage, 15 requests with retries, one every 4 seconds", () => {
  const steady = { everyMillis: 4000, failsAfter: 200 } as const

  it.effect("costs 3 calls by default", () =>
    Effect.gen(function*() {
      for (const seed of seeds) assert.strictEqual((yield* outage(steady, seed)).calls, 3)
    }))

  it.effect("costs as many as the threshold", () =>
    Effect.gen(function*() {
      for (const failures of [5, 4, 3]) {
        const policy = { tripPolicy: TripPolicy.consecutive(failures) }
        for (const seed of seeds) assert.strictEqual((yield* outage({ ...steady, policy }, seed)).calls, failures)
      }
    }))

  it.effect("costs at most 4 by default, however the requests come and are retried", () =>
    Effect.gen(function*() {
      // A call that begins while the third failure is on its way still runs: hence 4, and not closer than a second.
      for (const everyMillis of [1000, 2000, 3000, 4000]) {
        for (const retry of ["none", {}, { deadline: "30 seconds" }, { attempts: 5 }] as const) {
          for (const seed of seeds) {
            const { calls } = yield* outage({ ...steady, everyMillis, retry }, seed)
            assert.isAtMost(calls, 4, JSON.stringify({ everyMillis, retry, seed }))
          }
        }
      }
    }))

  it.effect("costs at most 4 with half of the default open time: one of them is a probe", () =>
    Effect.gen(function*() {
      const policy: CircuitPolicy.CircuitPolicy = { openDuration: "30 seconds" }
      for (const seed of seeds) assert.isAtMost((yield* outage({ ...steady, policy }, seed)).calls, 4)
    }))

  it.effect("turns all others away, and serves again when it is over", () =>
    Effect.gen(function*() {
      const { afterwards, answers } = yield* outage(steady, "a")
      assert.deepStrictEqual(afterwards, Exit.succeed("hello"))
      const rejected = answers.filter((exit) => Exit.isFailure(exit) && String(exit.cause).includes("is open"))
      assert.isAtLeast(rejected.length, 13)
    }))
})

describe("what a breaker cannot save", () => {
  it.effect("calls that were on their way before the first one had failed: 15 at once are 15", () =>
    Effect.gen(function*() {
      const burst = { everyMillis: 0, failsAfter: 200 } as const
      for (const seed of seeds) assert.strictEqual((yield* outage(burst, seed)).calls, 15)
    }))

  it.effect("calls to a provider that hangs, until their timeout: the shorter it is, the fewer", () =>
    Effect.gen(function*() {
      const cost = (attemptTimeout: `${number} seconds`) =>
        Effect.map(
          outage({
            everyMillis: 4000,
            failsAfter: "never",
            retry: "none",
            policy: { attemptTimeout }
          }, "a"),
          ({ calls }) => calls
        )
      assert.deepStrictEqual(
        [yield* cost("3 seconds"), yield* cost("5 seconds"), yield* cost("10 seconds"), yield* cost("30 seconds")],
        [3, 4, 5, 10]
      )
    }))
})
