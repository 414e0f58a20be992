/** What a process counts of its calls for the windows of the fleet, and when it tells the store. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { CircuitBreaker, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { RecordedEvents, SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"

const fleet = (size: number, tripPolicy: TripPolicy.TripPolicy) =>
  Effect.gen(function*() {
    const server = SimulatedRecordStore.make()
    const store = SharedCircuitStore.layer().pipe(Layer.provide(server.layer))
    const process = RecordedEvents.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer({ tripPolicy })),
      Layer.provide(Layer.fresh(store))
    )
    const members = yield* Effect.forEach(Array.from({ length: size }), () => Layer.build(process))
    return {
      server,
      members: members.map((services) => ({
        breaker: Context.get(services, CircuitBreaker.CircuitBreaker),
        recorded: Context.get(services, RecordedEvents.RecordedEvents)
      }))
    }
  })

type Member = Effect.Success<ReturnType<typeof fleet>>["members"][number]

const up = ({ breaker }: Member) => Effect.succeed("hello").pipe(breaker.execute({ key }))
const down = ({ breaker }: Member) => Effect.exit(Effect.fail("503").pipe(breaker.execute({ key })))
const stateOf = ({ breaker }: Member) => Effect.map(breaker.state(key), ({ _tag }) => _tag)
const times = (n: number, self: Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: n }), () => self)

const rate = (window: number | "10 seconds", minimumCalls: number, threshold = 1) =>
  TripPolicy.failureRate({ threshold, minimumCalls, window })

describe("a process on a shared store", () => {
  it.effect("keeps no more of its successes than a window can reach, however long none fails", () =>
    Effect.gen(function*() {
      const { members: [one], server } = yield* fleet(1, rate(100, 50))
      yield* times(3000, Effect.andThen(up(one!), TestClock.adjust("200 millis")))
      yield* down(one!)
      const { counters } = server.records.get(key)!
      assert.isBelow(counters.size, 300)
      assert.isAbove(counters.size, 100)
    }))

  it.effect("sends successes only while a window has a failure", () =>
    Effect.gen(function*() {
      const { members: [one], server } = yield* fleet(1, rate("10 seconds", 50))
      const minute = times(60, Effect.andThen(up(one!), TestClock.adjust("1 second")))
      yield* minute
      assert.strictEqual(server.operations.update, 0)
      yield* down(one!)
      yield* minute
      const sent = server.operations.update
      assert.isAtLeast(sent, 5)
      yield* minute
      assert.strictEqual(server.operations.update, sent)
    }))

  it.effect("counts a failure once, by which it finds out that the store is away", () =>
    Effect.gen(function*() {
      const { members: [one], server } = yield* fleet(1, rate(10, 3))
      const { breaker } = one!
      // Served before, so that the call waits for its report only.
      yield* Effect.succeed("hello").pipe(
        breaker.execute({ key, classify: () => ({ _tag: "Ignored", kind: "caller_error" }) })
      )
      server.faults.isDown = true
      const first = yield* Effect.forkChild(down(one!))
      yield* TestClock.adjust("200 millis")
      assert.isDefined(first.pollUnsafe())
      yield* down(one!)
      assert.strictEqual(yield* stateOf(one!), "Closed")
      yield* down(one!)
      assert.strictEqual(yield* stateOf(one!), "Open")
    }))

  it.effect("says what failed where its failure opens the circuit with those that others have counted meanwhile", () =>
    Effect.gen(function*() {
      const { members: [one, other], server } = yield* fleet(2, rate(10, 6))
      server.faults.losesChange = () => true
      yield* times(2, down(one!))
      yield* times(3, down(other!))
      yield* down(one!)
      const [opened] = yield* one!.recorded.of("circuit.opened")
      assert.strictEqual(opened?.failure_kind, "unknown")
    }))
})
