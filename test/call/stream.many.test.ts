import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Fiber, Layer, Random, Stream } from "effect"
import { CircuitBreaker, CircuitObserver, CircuitStore, TripPolicy } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { collectGarbage } from "../support/collectGarbage.ts"
import { classifyPart, provider, ProviderFailed, type Step } from "../support/streams.ts"

const streams = 1_000
const keys = ["a", "b", "c", "d", "e", "f", "g", "h"] as const

class Stop extends Data.TaggedError("Stop") {}

/** What happened, in numbers: calls by result, and settles. */
interface Tally {
  readonly calls: Map<string, number>
  settles: number
}

const count = (calls: Map<string, number>, ...prefixes: ReadonlyArray<string>) => {
  let sum = 0
  for (const [result, n] of calls) if (prefixes.some((prefix) => result.startsWith(prefix))) sum += n
  return sum
}

const breaker = (tally: Tally) => {
  const Counted = Layer.effect(
    CircuitStore.CircuitStore,
    Effect.map(CircuitStore.CircuitStore, (store) => ({
      ...store,
      circuit: (...args: Parameters<typeof store.circuit>) =>
        new Proxy(store.circuit(...args), {
          get: (handle, name) => {
            const settle: typeof handle.settle = (...args) => {
              tally.settles++
              return handle.settle(...args)
            }
            if (name === "settle") return settle
            const value: unknown = Reflect.get(handle, name, handle)
            return typeof value === "function" ? value.bind(handle) : value
          }
        })
    }))
  ).pipe(Layer.provide(CircuitStore.layerMemory))
  const Tallied = CircuitObserver.layer({
    name: "tally",
    onCircuit: () => ({
      onCall: (result) => {
        tally.calls.set(result, (tally.calls.get(result) ?? 0) + 1)
      }
    })
  })
  return Tallied.pipe(
    Layer.provideMerge(CircuitBreaker.layer({
      tripPolicy: TripPolicy.consecutive(5),
      openDuration: "2 seconds",
      probes: 2,
      successesToClose: 2,
      maxOpenDuration: "5 seconds"
    })),
    Layer.provide(Counted)
  )
}

const oneOf = <A>(...values: readonly [A, ...Array<A>]) => Random.choice(values)

const randomScript = Effect.gen(function*() {
  const script: Array<Step> = []
  for (let parts = yield* Random.nextIntBetween(0, 6); parts > 0; parts--) {
    script.push(yield* Random.nextIntBetween(0, 400))
    script.push(yield* oneOf<Step>(["open"], ["ping"], ["text"], ["text", "text"], ["tool"], ["text", "ping"]))
  }
  script.push(
    yield* oneOf<Step>(
      ["finish"],
      ["finish"],
      ["finish"],
      ["text", "finish", "usage"],
      ["refusal"],
      ["failed overloaded"],
      ["failed timeout", "finish"],
      [],
      Effect.fail(new ProviderFailed()),
      Effect.die("defect"),
      Effect.never,
      Effect.interrupt
    )
  )
  return script
})

/** One stream to one consumer, each with an ending of its own. */
const oneStream = (settleProbeAt: "finish" | "first_content") =>
  Effect.gen(function*() {
    const key = yield* Random.choice(keys)
    const script = yield* randomScript
    const stream = provider(...script).pipe(
      CircuitBreaker.stream({ key, classifyPart, settleProbeAt, firstContentTimeout: 1_000, idleTimeout: 500 })
    )
    const consumed = yield* oneOf<Effect.Effect<unknown, unknown, CircuitBreaker.CircuitBreaker>>(
      Stream.runDrain(stream),
      Stream.runDrain(stream),
      Stream.runForEach(stream, () => Effect.sleep(100)),
      Stream.runDrain(Stream.take(stream, 2)),
      Stream.runForEach(stream, () => new Stop()),
      Effect.timeoutOption(Stream.runDrain(stream), yield* Random.nextIntBetween(1, 1_500)),
      Effect.scoped(Effect.flatMap(Stream.toPull(stream), (pull) => Effect.andThen(pull, pull)))
    )
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 10_000))
    // A tool may run for ever; its caller gives up.
    yield* Effect.exit(Effect.timeoutOption(consumed, "20 seconds"))
  })

const round = (settleProbeAt: "finish" | "first_content") =>
  Effect.gen(function*() {
    const all = Effect.forEach(Array.from({ length: streams }), () => oneStream(settleProbeAt), {
      concurrency: "unbounded",
      discard: true
    })
    const fiber = yield* Effect.forkChild(all)
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(fiber)
  })

/** Whatever happened, every circuit is in a state that it can leave. */
const assertSane = Effect.gen(function*() {
  for (const state of yield* CircuitBreaker.states) {
    if (state._tag === "HalfOpen") assert.strictEqual(state.probing, 0)
    else if (state._tag === "Closed") assert.isBelow(state.consecutiveFailures, 5)
    else assert.strictEqual(state._tag, "Open")
    yield* CircuitTest.adjustToProbe(state.key)
    for (const _ of [1, 2]) {
      yield* Stream.runDrain(provider(["finish"]).pipe(CircuitBreaker.stream({ key: state.key, classifyPart })))
    }
    assert.strictEqual((yield* CircuitBreaker.state(state.key))._tag, "Closed")
  }
})

describe("one thousand streams at once, each with an ending of its own", () => {
  it.effect.each(["seed 1", "seed 2", "seed 3"])("settle every permit exactly once and leave no probe behind: %s", (
    seed
  ) => {
    const tally: Tally = { calls: new Map(), settles: 0 }
    return Effect.gen(function*() {
      yield* round("finish")
      const rejected = count(tally.calls, "rejected")
      assert.strictEqual(count(tally.calls, ""), streams)
      assert.strictEqual(tally.settles, streams - rejected)
      for (const result of ["success", "failure", "ignored", "interrupted", "rejected_open", "rejected_half_open"]) {
        assert.isAbove(count(tally.calls, result), 10, result)
      }
      yield* assertSane
    }).pipe(Random.withSeed(seed), Effect.provide(breaker(tally)))
  })

  it.effect.each(["seed 1", "seed 2", "seed 3"])("tell of every call once where probes end at first content: %s", (
    seed
  ) => {
    const tally: Tally = { calls: new Map(), settles: 0 }
    return Effect.gen(function*() {
      yield* round("first_content")
      assert.strictEqual(count(tally.calls, ""), streams)
      yield* assertSane
    }).pipe(Random.withSeed(seed), Effect.provide(breaker(tally)))
  })

  it.effect("leave nothing behind in memory, round after round", () => {
    const tally: Tally = { calls: new Map(), settles: 0 }
    return Effect.gen(function*() {
      const heap = Effect.sync(() => {
        collectGarbage()
        return process.memoryUsage().heapUsed
      })
      const rounds = (n: number) => Effect.repeat(round("first_content"), { times: n - 1 })
      yield* rounds(3)
      const before = yield* heap
      yield* rounds(5)
      const grown = (yield* heap) - before
      assert.strictEqual(count(tally.calls, ""), 8 * streams)
      assert.lengthOf(yield* CircuitBreaker.states, keys.length)
      // 200 bytes for each stream: far above the noise, and less than anything that a stream could leave behind.
      assert.isBelow(grown, 5 * streams * 200)
      yield* assertSane
    }).pipe(Random.withSeed("memory"), Effect.provide(breaker(tally)))
  })
})
