// A breaker that is built anew for each call never opens, and says so once.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, ManagedRuntime, Stream } from "effect"
import { CircuitBreaker, CircuitStore, Outcome, StreamSignal, TripPolicy } from "effect-resilience"
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

const call = <A, E>(self: Effect.Effect<A, E>, key: string) => Effect.exit(self.pipe(CircuitBreaker.execute({ key })))
const down = (key: string) => call(Effect.fail("503"), key)
const up = (key: string) => call(Effect.succeed("hello"), key)

const times = <A, E, R>(n: number, self: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: n }), () => self, { discard: true })

describe("a breaker that is built anew for each call", () => {
  it.live("is reported once, with what is wrong and how to mend it", () =>
    Effect.gen(function*() {
      const mistake = Effect.provide(down("model"), layerOf())
      assert.deepStrictEqual(yield* logged(times(enough - 1, mistake)), [])
      const [line, ...others] = yield* logged(times(3 * enough, mistake))
      assert.deepStrictEqual(others, [])
      assert.match(line!, /^Warn: Circuit "model" was forgotten 10 times in a row after one failed call/)
      assert.include(line, "never opens")
      assert.include(line, "Build its layer once")
    }))

  const policy = { tripPolicy: TripPolicy.consecutive(5) }
  const written: ReadonlyArray<readonly [where: string, make: () => ReturnType<typeof layerOf>]> = [
    ["by a layer that is made once", () => once],
    ["by a layer without options, where the call is", () => layerOf()],
    [
      "by a layer with a policy of its own, where the call is",
      () => layerOf({ tripPolicy: TripPolicy.consecutive(5) })
    ],
    ["by a layer of a policy that is made once", () => layerOf(policy)],
    ["by a layer of a function of the key", () => layerOf(() => policy)],
    [
      "by a layer from the environment",
      () => CircuitBreaker.layerConfig().pipe(Layer.provide(CircuitStore.layerMemory), Layer.orDie)
    ]
  ]
  const once = layerOf()

  it.live.each(written)("is reported %s", ([where, make]) =>
    Effect.gen(function*() {
      const mistake = Effect.suspend(() => Effect.provide(down(where), make()))
      assert.lengthOf(yield* logged(times(2 * enough, mistake)), 1)
    }))

  it.live("is reported for a stream and for a permit too", () =>
    Effect.gen(function*() {
      const stream = Stream.fail("503").pipe(
        CircuitBreaker.stream({ key: "of a stream", classifyPart: StreamSignal.opaque }),
        Stream.runDrain,
        Effect.exit
      )
      const permit = Effect.scoped(
        Effect.flatMap(CircuitBreaker.acquire("of a permit"), ({ settle }) => settle(Outcome.failure("timeout")))
      )
      for (const mistake of [stream, permit]) {
        assert.lengthOf(yield* logged(times(2 * enough, Effect.suspend(() => Effect.provide(mistake, layerOf())))), 1)
      }
    }))

  it.live("is reported for each of several keys that take turns", () =>
    Effect.gen(function*() {
      const each = ["one", "other"].map((key) => Effect.suspend(() => Effect.provide(down(key), layerOf())))
      assert.lengthOf(yield* logged(times(enough, Effect.all(each))), 2)
    }))

  it.live("is reported where calls run side by side, and where each has a runtime of its own", () =>
    Effect.gen(function*() {
      const layer = layerOf()
      const calls = Array.from({ length: enough }, () => Effect.provide(down("side by side"), layer, { local: true }))
      assert.lengthOf(yield* logged(Effect.all(calls, { concurrency: "unbounded" })), 1)

      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(message))])
      for (let calls = 0; calls < enough; calls++) {
        const runtime = ManagedRuntime.make(layerOf())
        yield* Effect.promise(() => runtime.runPromise(down("of a runtime")))
        yield* Effect.provide(runtime.disposeEffect, logger)
      }
      assert.lengthOf(lines, 1)
    }))

  it.live("changes no result where the logger throws", () =>
    Effect.gen(function*() {
      const broken = Logger.layer([Logger.make(() => {
        throw new Error("the disk is full")
      })])
      const mistake = Effect.provide(down("without a log"), layerOf())
      for (let calls = 0; calls < 2 * enough; calls++) {
        assert.deepStrictEqual(yield* Effect.provide(mistake, broken), Exit.fail("503"))
      }
    }))
})

describe("no mistake is seen", () => {
  const layer = layerOf()
  const silent: ReadonlyArray<readonly [what: string, program: (key: string) => Effect.Effect<unknown>]> = [
    ["in a breaker that is built once", (key) => Effect.provide(times(3 * enough, down(key)), layer)],
    ["in calls that succeed", (key) => times(3 * enough, Effect.provide(up(key), layer))],
    ["where a call succeeds in between", (key) => {
      const some = Effect.andThen(times(enough - 1, Effect.provide(down(key), layer)), Effect.provide(up(key), layer))
      return times(3, some)
    }],
    ["where other keys fail", () =>
      Effect.forEach(
        Array.from({ length: 3 * enough }, (_, index) => `model ${index}`),
        (key) => Effect.provide(down(key), layer)
      )],
    [
      "in builds of several failures",
      (key) => times(2 * enough, Effect.provide(Effect.andThen(down(key), call(Effect.fail("again"), key)), layer))
    ],
    ["where the circuit opens", (key) => {
      const opens = layerOf({ tripPolicy: TripPolicy.consecutive(1) })
      return times(2 * enough, Effect.provide(down(key), opens))
    }],
    ["where the store outlives the breakers", (key) => {
      const lasting = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(100) })
      const eachThenUp = Effect.andThen(
        Effect.provide(down(key), lasting),
        Effect.provide(up(key), CircuitBreaker.layer())
      )
      return Effect.provide(times(2 * enough, eachThenUp), CircuitStore.layerMemory)
    }],
    [
      "under virtual time, as tests have",
      (key) => Effect.provide(times(2 * enough, Effect.provide(down(key), layer)), TestClock.layer())
    ]
  ]

  it.live.each(silent)("%s", ([what, program]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* logged(program(what)), [])
    }))
})
