// Guards and routes inside of the call of a target.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CircuitBreaker, type CircuitError, FailoverError, FailoverRoute, FailoverRouter } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { down, makeTargets, route, router, tag } from "./targets.ts"

describe("a guard of its own inside", () => {
  it.effect("of the same key as part of a probe is the target's one probe", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets({ us: down })
      yield* ask()
      yield* CircuitTest.adjustToProbe("chat/us")
      const answer = yield* FailoverRouter.execute("chat", ({ key, name }) =>
        Effect.succeed(name).pipe(CircuitBreaker.execute({ key })))
      assert.strictEqual(answer, "us")
      assert.strictEqual(yield* tag("us"), "Closed")
    }).pipe(Effect.provide(route({ targets: ["us", "eu"] }))))

  it.effect("of another key that turns the call away: the target was asked, and the next one is", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("tool")
      const asked: Array<string> = []
      const error = yield* FailoverRouter.execute(
        "chat",
        ({ name }) =>
          Effect.suspend((): Effect.Effect<void, CircuitError.CircuitBreakerError, CircuitBreaker.CircuitBreaker> => {
            asked.push(name)
            return Effect.void.pipe(CircuitBreaker.execute({ key: "tool" }))
          })
      ).pipe(Effect.flip)
      assert.deepStrictEqual(asked, ["us", "eu", "asia"])
      assert(FailoverError.isFailoverError(error))
      assert.deepStrictEqual(error.attempts.map(({ cause, ran }) => [cause, ran]), [
        ["forced_open", true],
        ["forced_open", true],
        ["forced_open", true]
      ])
    }).pipe(Effect.provide(router())))
})

describe("a route inside of another", () => {
  for (
    const [what, options] of [
      ["whose fence leaves nobody", { allow: { regions: ["mars"] } }],
      ["to a route that is not there", undefined]
    ] as const
  ) {
    it.effect(`${what}, says nothing about the target around it`, () =>
      Effect.gen(function*() {
        const healthy = () => Effect.succeed("hello")
        const inner = FailoverRouter.execute(options === undefined ? "nowhere" : "inner", healthy, options)
        yield* Effect.exit(FailoverRouter.execute("outer", () => inner))
        assert.strictEqual((yield* CircuitBreaker.state("outer/inner"))._tag, "Closed")
      }).pipe(Effect.provide(router({
        classify: undefined,
        routes: [
          FailoverRoute.make("outer", { targets: ["inner"] }),
          FailoverRoute.make("inner", { targets: [{ name: "a", region: "eu" }] })
        ]
      }))))
  }
})
