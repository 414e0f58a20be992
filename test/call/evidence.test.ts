import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitStore,
  Evidence,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { TestClock } from "effect/testing"

const key = "model"

class Failed extends Error {
  readonly kind: Outcome.Kind
  constructor(kind: Outcome.Kind) {
    super(kind)
    this.kind = kind
  }
}

const classify = (exit: Exit.Exit<unknown, unknown>): Outcome.Outcome => {
  if (Exit.isSuccess(exit)) return Outcome.success
  const reason = exit.cause.reasons[0]
  return Outcome.failure(reason?._tag === "Fail" && reason.error instanceof Failed ? reason.error.kind : "unknown")
}

const Breaker = CircuitBreaker.layer({ classify, tripPolicy: TripPolicy.consecutive(2), openDuration: "10 seconds" })
  .pipe(
    Layer.provide(CircuitStore.layerMemory)
  )

const fails = (evidence?: Evidence.Evidence, kind: Outcome.Kind = "server_error", of = key) =>
  Effect.exit(CircuitBreaker.execute(Effect.fail(new Failed(kind)), { key: of, evidence }))

const works = (evidence?: Evidence.Evidence) => CircuitBreaker.execute(Effect.succeed("hello"), { key, evidence })

const stateOf = (of: string) => Effect.map(CircuitBreaker.state(of), ({ _tag }) => _tag)
const isOpen = Effect.map(stateOf(key), (state) => state === "Open")

/** Why failures did not count, as observers hear it. */
const notCounted = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker.CircuitBreaker
  const heard: Array<string | undefined> = []
  yield* breaker.observe({
    name: "test",
    onEvent: (event: CircuitEvent.CircuitEvent) => {
      if (event.event === "circuit.failure") heard.push(event.not_counted)
    }
  })
  return heard
})

describe("one request", () => {
  it.effect("that fails again and again does not take a serving dependency from others, and is reported", () =>
    Effect.gen(function*() {
      const heard = yield* notCounted
      yield* works(Evidence.make({ request: "fine" }))
      for (let sent = 0; sent < 10; sent++) yield* fails(Evidence.make({ request: "poison" }))
      assert.strictEqual(yield* works(Evidence.make({ request: "fine" })), "hello")
      assert.deepStrictEqual(heard, [undefined, ...Array.from({ length: 9 }, () => "repeat")])
    }).pipe(Effect.scoped, Effect.provide(Breaker)))

  it.effect("opens the circuit of a dependency that serves nothing else, as different ones do", () =>
    Effect.gen(function*() {
      yield* fails(Evidence.make({ request: "only" }))
      yield* fails(Evidence.make({ request: "only" }))
      assert.isTrue(yield* isOpen)
      yield* CircuitBreaker.reset(key)
      yield* works(Evidence.make({ request: "fine" }))
      yield* fails(Evidence.make({ request: "one" }))
      yield* fails(Evidence.make({ request: "another" }))
      assert.isTrue(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))

  it.effect("is compared by content for text and bytes, and by identity for other objects", () =>
    Effect.gen(function*() {
      const bytes = () => new TextEncoder().encode("poison")
      const body = { model: "a" }
      const same: ReadonlyArray<readonly [unknown, unknown]> = [["poison", `${"poison"}`], [bytes(), bytes()], [
        body,
        body
      ]]
      for (const [one, other] of same) {
        yield* works(Evidence.make({ request: "fine" }))
        yield* fails(Evidence.make({ request: one }))
        yield* fails(Evidence.make({ request: other }))
        assert.isFalse(yield* isOpen)
        yield* CircuitBreaker.reset(key)
      }
      yield* works(Evidence.make({ request: "fine" }))
      yield* fails(Evidence.make({ request: { model: "a" } }))
      yield* fails(Evidence.make({ request: { model: "a" } }))
      assert.isTrue(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))

  it.effect("of a kind that only a dependency can cause counts each time", () =>
    Effect.gen(function*() {
      yield* works(Evidence.make({ request: "fine" }))
      yield* fails(Evidence.make({ request: "poison" }), "overloaded")
      yield* fails(Evidence.make({ request: "poison" }), "connection")
      assert.isTrue(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))

  it.effect("that Effect.retry runs again is recognised by its error, for effects and streams", () =>
    Effect.gen(function*() {
      yield* works()
      const call = Effect.fail(new Failed("server_error")).pipe(CircuitBreaker.execute({ key }))
      yield* Effect.exit(Effect.retry(call, Schedule.recurs(5)))
      const stream = Stream.fail(new Failed("stream_cut")).pipe(
        CircuitBreaker.stream({ key, classifyPart: StreamSignal.opaque }),
        Stream.runDrain
      )
      yield* works()
      yield* Effect.exit(Effect.retry(stream, Schedule.recurs(5)))
      assert.isFalse(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))

  it.effect("is not every call of a loop that is itself retried", () =>
    Effect.gen(function*() {
      yield* works()
      const loop = Effect.suspend(() => CircuitBreaker.execute(Effect.fail(new Failed("server_error")), { key }))
      yield* Effect.exit(Effect.retry(loop, Schedule.recurs(1)))
      assert.isTrue(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))
})

describe("one call", () => {
  it.effect("whose attempts share their evidence counts once at a circuit, and at the first circuit only", () =>
    Effect.gen(function*() {
      const heard = yield* notCounted
      const evidence = Evidence.make({ request: "poison" })
      for (let attempt = 0; attempt < 3; attempt++) yield* fails(evidence)
      for (let attempt = 0; attempt < 3; attempt++) yield* fails(evidence, "server_error", "standby")
      assert.deepStrictEqual(yield* Effect.all([stateOf(key), stateOf("standby")]), ["Closed", "Closed"])
      assert.deepStrictEqual(heard, [undefined, "same_call", "same_call", "same_walk", "same_walk", "same_walk"])
    }).pipe(Effect.scoped, Effect.provide(Breaker)))

  it.effect("that the first dependency failed for a reason of its own counts at the second", () =>
    Effect.gen(function*() {
      const heard = yield* notCounted
      const evidence = Evidence.make()
      yield* fails(evidence, "overloaded")
      yield* fails(evidence, "server_error", "standby")
      assert.deepStrictEqual(heard, [undefined, undefined])
    }).pipe(Effect.scoped, Effect.provide(Breaker)))

  it.effect("described by a function that throws is a request of its own, and keeps its result", () =>
    Effect.gen(function*() {
      const throwing = () => {
        throw new Error("not ours")
      }
      yield* works(Evidence.make(throwing))
      const exit = yield* fails(Evidence.make(throwing))
      assert.isTrue(
        Exit.isFailure(exit) &&
          exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof Failed)
      )
      yield* fails(Evidence.make(throwing))
      assert.isTrue(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))

  it.effect("is asked for its description when it fails, is served while failures are remembered, or else once a second", () =>
    Effect.gen(function*() {
      let asked = 0
      const described = (request: string) => () => {
        asked++
        return { request }
      }
      for (let call = 0; call < 10; call++) yield* works(Evidence.make(described("fine")))
      assert.strictEqual(asked, 1)
      yield* TestClock.adjust("1 second")
      for (let call = 0; call < 10; call++) yield* works(Evidence.make(described("fine")))
      assert.strictEqual(asked, 2)
      yield* fails(Evidence.make(described("poison")))
      assert.strictEqual(asked, 3)
      yield* works(Evidence.make(described("fine")))
      assert.strictEqual(asked, 4)
      yield* fails(Evidence.make(described("poison")))
      assert.isFalse(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))
})

describe("one source", () => {
  it.effect("does not open a circuit that another one uses too, and opens its own", () =>
    Effect.gen(function*() {
      const heard = yield* notCounted
      yield* works(Evidence.make({ source: "tenant b" }))
      for (let sent = 0; sent < 5; sent++) yield* fails(Evidence.make({ request: sent, source: "tenant a" }))
      assert.isFalse(yield* isOpen)
      assert.deepStrictEqual(heard, [undefined, "one_source", "one_source", "one_source", "one_source"])
      yield* CircuitBreaker.execute(Effect.succeed(1), { key: "own", evidence: Evidence.make({ source: "tenant a" }) })
      for (let sent = 0; sent < 2; sent++) {
        yield* fails(Evidence.make({ request: sent, source: "tenant a" }), "server_error", "own")
      }
      assert.strictEqual(yield* stateOf("own"), "Open")
    }).pipe(Effect.scoped, Effect.provide(Breaker)))

  it.effect("opens together with another one that fails too", () =>
    Effect.gen(function*() {
      yield* works(Evidence.make({ source: "tenant b" }))
      yield* fails(Evidence.make({ request: 1, source: "tenant a" }))
      yield* fails(Evidence.make({ request: 2, source: "tenant b" }))
      assert.isTrue(yield* isOpen)
    }).pipe(Effect.provide(Breaker)))

  it.effect("does not open by a rate what others are served by", () =>
    Effect.gen(function*() {
      for (let sent = 0; sent < 2; sent++) yield* works(Evidence.make({ source: "tenant b" }))
      for (let sent = 0; sent < 20; sent++) yield* fails(Evidence.make({ request: sent, source: "tenant a" }))
      assert.isFalse(yield* isOpen)
    }).pipe(
      Effect.provide(
        CircuitBreaker.layer({
          classify,
          tripPolicy: TripPolicy.failureRate({ threshold: 0.5, window: 20, minimumCalls: 4 })
        }).pipe(Layer.provide(CircuitStore.layerMemory))
      )
    ))
})

describe("a probe", () => {
  const open = Effect.gen(function*() {
    yield* fails(Evidence.make({ request: "poison" }))
    yield* fails(Evidence.make({ request: "poison" }))
    assert.isTrue(yield* isOpen)
  })
  const comesAt = (millis: number) => TestClock.adjust(millis)
  const ran = (evidence: Evidence.Evidence) => Effect.map(Effect.exit(works(evidence)), Exit.isSuccess)

  it.effect("is not the request that opened the circuit while others come", () =>
    Effect.gen(function*() {
      yield* open
      yield* comesAt(9_000)
      assert.isFalse(yield* ran(Evidence.make({ request: "fine" })))
      yield* comesAt(1_000)
      assert.isFalse(yield* ran(Evidence.make({ request: "poison" })))
      assert.strictEqual(yield* stateOf(key), "Open")
      assert.isTrue(yield* ran(Evidence.make({ request: "fine" })))
      assert.strictEqual(yield* stateOf(key), "Closed")
    }).pipe(Effect.provide(Breaker)))

  it.effect("is the request that opened the circuit if nobody else came", () =>
    Effect.gen(function*() {
      yield* open
      yield* comesAt(10_000)
      assert.isTrue(yield* ran(Evidence.make({ request: "poison" })))
    }).pipe(Effect.provide(Breaker)))

  it.effect("hears when the request that opened the circuit may come again", () =>
    Effect.gen(function*() {
      yield* open
      yield* comesAt(8_000)
      yield* ran(Evidence.make({ request: "fine" }))
      yield* comesAt(1_000)
      yield* ran(Evidence.make({ request: "as fine" }))
      yield* comesAt(1_000)
      const exit = yield* Effect.flip(works(Evidence.make({ request: "poison" })))
      assert.isTrue(exit.reason._tag === "CircuitOpen" && exit.message.includes("9s"), exit.message)
      yield* comesAt(9_000)
      assert.isTrue(yield* ran(Evidence.make({ request: "poison" })))
    }).pipe(Effect.provide(Breaker)))

  it.effect("is not a call that has failed elsewhere while others come, for streams and permits too", () =>
    Effect.gen(function*() {
      const evidence = Evidence.make()
      yield* fails(evidence, "server_error", "other")
      yield* open
      yield* comesAt(9_000)
      yield* ran(Evidence.make({ request: "fine" }))
      yield* comesAt(1_000)
      assert.isFalse(yield* ran(evidence))
      const stream = CircuitBreaker.stream(Stream.make(1), { key, evidence, classifyPart: StreamSignal.opaque })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Stream.runDrain(stream))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.scoped(CircuitBreaker.acquire(key, { evidence })))))
      assert.isTrue(yield* ran(Evidence.make()))
    }).pipe(Effect.provide(Breaker)))

  it.effect("that fails counts, whatever failed before", () =>
    Effect.gen(function*() {
      yield* open
      yield* comesAt(10_000)
      yield* fails(Evidence.make({ request: "poison" }))
      assert.strictEqual(yield* stateOf(key), "Open")
    }).pipe(Effect.provide(Breaker)))
})

it.effect("a permit speaks for the call that it was taken for", () =>
  Effect.gen(function*() {
    yield* works(Evidence.make({ request: "fine" }))
    for (let sent = 0; sent < 5; sent++) {
      yield* Effect.scoped(
        Effect.flatMap(
          CircuitBreaker.acquire(key, { evidence: Evidence.make({ request: "poison" }) }),
          (permit) => permit.settle(Outcome.failure("server_error"))
        )
      )
    }
    assert.isFalse(yield* isOpen)
  }).pipe(Effect.provide(Breaker)))
