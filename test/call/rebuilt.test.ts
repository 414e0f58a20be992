// A breaker that is built anew for each call never opens, and says so once.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, ManagedRuntime } from "effect"
import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
import { TestClock } from "effect/testing"

const enough = 10

/** Runs a program with a logger that keeps its lines. */
const logged = Effect.fnUntraced(function*<A, E>(program: Effect.Effect<A, E>) {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel}: ${String(message)}`))
  yield* Effect.provide(program, Logger.layer([logger]))
  return lines
})

const layerOf = (policy?: Parameters<typeof CircuitBreaker.layer>[0]) =>
  CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory))

const call = <A, E>(self: Effect.Effect<A, E>, key = "model") => Effect.exit(self.pipe(CircuitBreaker.execute({ key })))
const down = call(Effect.fail("503"))
const up = call(Effect.succeed("hello"))

const times = <A, E, R>(n: number, self: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: n }), () => self, { discard: true })

describe("a breaker that is built anew for each call", () => {
  it.live("is reported once, with what is wrong and how to mend it", () =>
    Effect.gen(function*() {
      const mistake = Effect.provide(down, layerOf())
      assert.deepStrictEqual(yield* logged(times(enough - 1, mistake)), [])
      const [line, ...others] = yield* logged(times(3 * enough, mistake))
      assert.deepStrictEqual(others, [])
      assert.match(line!, /^Warn: Circuit "model" was forgotten 10 times in a row after one failed call/)
      assert.include(line, "never opens")
      assert.include(line, "Build its layer once")
    }))

  it.live("is reported for each layer, and where the layer itself is made for each call, by its policy", () =>
    Effect.gen(function*() {
      const policy = { tripPolicy: TripPolicy.consecutive(5) }
      const policyOf = () => policy
      const [one, other] = [layerOf(), layerOf({})]
      const makes = [
        () => one,
        () => other,
        () => layerOf(policy),
        () => layerOf(policyOf)
      ]
      for (const make of makes) {
        assert.lengthOf(yield* logged(times(enough, Effect.suspend(() => Effect.provide(down, make())))), 1)
      }
    }))

  it.live("is reported for a breaker from the environment too", () =>
    Effect.gen(function*() {
      const layer = CircuitBreaker.layerConfig().pipe(Layer.provide(CircuitStore.layerMemory), Layer.orDie)
      assert.lengthOf(yield* logged(times(2 * enough, Effect.provide(down, layer))), 1)
    }))

  it.live("is reported where calls run side by side, and where each has a runtime of its own", () =>
    Effect.gen(function*() {
      const layer = layerOf()
      const calls = Array.from({ length: enough }, () => Effect.provide(down, layer, { local: true }))
      assert.lengthOf(yield* logged(Effect.all(calls, { concurrency: "unbounded" })), 1)

      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(message))])
      const other = layerOf()
      for (let calls = 0; calls < enough; calls++) {
        const runtime = ManagedRuntime.make(other)
        yield* Effect.promise(() => runtime.runPromise(down))
        yield* Effect.provide(runtime.disposeEffect, logger)
      }
      assert.lengthOf(lines, 1)
    }))

  it.live("changes no result where the logger throws", () =>
    Effect.gen(function*() {
      const broken = Logger.layer([Logger.make(() => {
        throw new Error("the disk is full")
      })])
      const mistake = Effect.provide(down, layerOf())
      for (let calls = 0; calls < 2 * enough; calls++) {
        assert.deepStrictEqual(yield* Effect.provide(mistake, broken), Exit.fail("503"))
      }
    }))
})

describe("no mistake is seen", () => {
  const silent: ReadonlyArray<readonly [what: string, program: () => Effect.Effect<unknown>]> = [
    ["in a breaker that is built once", () => Effect.provide(times(3 * enough, down), layerOf())],
    ["in calls that succeed", () => {
      const layer = layerOf()
      return times(3 * enough, Effect.provide(up, layer))
    }],
    ["where a call succeeds in between", () => {
      const layer = layerOf()
      const some = Effect.andThen(times(enough - 1, Effect.provide(down, layer)), Effect.provide(up, layer))
      return times(3, some)
    }],
    ["where other keys fail", () => {
      const layer = layerOf()
      return Effect.forEach(
        Array.from({ length: 3 * enough }, (_, index) => `model ${index}`),
        (key) => Effect.provide(call(Effect.fail("503"), key), layer)
      )
    }],
    ["in builds of several failures", () => {
      const layer = layerOf()
      return times(2 * enough, Effect.provide(Effect.andThen(down, call(Effect.fail("again"))), layer))
    }],
    ["where the circuit opens", () => {
      const layer = layerOf({ tripPolicy: TripPolicy.consecutive(1) })
      return times(2 * enough, Effect.provide(down, layer))
    }],
    [
      "in builds of layers of their own",
      () => times(2 * enough, Effect.suspend(() => Effect.provide(down, layerOf())))
    ],
    ["where the store outlives the breakers", () => {
      const layer = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(100) })
      const eachThenUp = Effect.andThen(Effect.provide(down, layer), Effect.provide(up, CircuitBreaker.layer()))
      return Effect.provide(times(2 * enough, eachThenUp), CircuitStore.layerMemory)
    }],
    ["under virtual time, as tests have", () => {
      const layer = layerOf()
      return Effect.provide(times(2 * enough, Effect.provide(down, layer)), TestClock.layer())
    }]
  ]

  it.live.each(silent)("%s", ([, program]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* logged(program()), [])
    }))
})
