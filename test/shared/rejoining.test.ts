/** What a process brings into a record when its store answers again. Each of these was found by a simulation. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  type CircuitPolicy,
  Outcome,
  SharedCircuitStore,
  TripPolicy
} from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { read } from "../../src/internal/shared/entry.ts"

const key = "model"

const fleet = (policy: CircuitPolicy.CircuitPolicy) =>
  Effect.gen(function*() {
    const server = SimulatedRecordStore.make()
    const process = Effect.gen(function*() {
      const faults = SimulatedRecordStore.noFaults()
      const layer = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: 300, ...policy }).pipe(
        Layer.provide(SharedCircuitStore.layer()),
        Layer.provide(server.connection(faults))
      )
      const breaker = Context.get(yield* Layer.build(layer), CircuitBreaker.CircuitBreaker)
      const events: Array<CircuitEvent.Transition> = []
      yield* breaker.observe({ name: "test", onEvent: (event) => "to" in event && events.push(event) })
      return { ...breaker, events, faults }
    })
    return { server, one: yield* process, other: yield* process }
  })

const up = Effect.succeed("hello")
const down = Effect.fail("503")

describe("a process that has decided by itself", () => {
  it.effect("never goes back to a generation before those that it has shown", () =>
    Effect.gen(function*() {
      const { one } = yield* fleet({ successesToClose: 2 })
      yield* Effect.exit(down.pipe(one.execute({ key })))
      one.faults.isDown = true
      yield* TestClock.adjust(600)
      yield* up.pipe(one.execute({ key }))
      one.faults.isDown = false
      yield* TestClock.adjust(600)
      assert.strictEqual((yield* one.state(key))._tag, "HalfOpen")
      yield* up.pipe(one.execute({ key }))
      const generations = one.events.map(({ generation }) => generation)
      assert.deepStrictEqual(generations, [...new Set(generations)].sort((a, b) => a - b))
      assert.deepStrictEqual(one.events.map(({ to }) => to), ["open", "half_open", "closed"])
    }))

  it.effect("goes on after its own generations where its order does not count", () =>
    Effect.gen(function*() {
      const { one, other } = yield* fleet({})
      yield* one.disable(key)
      yield* other.execute(up, { key })
      other.faults.isDown = true
      yield* other.reset(key).pipe(
        Effect.forkChild,
        Effect.flatMap((fiber) => Effect.andThen(TestClock.adjust(100), Fiber.join(fiber)))
      )
      other.faults.isDown = false
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* other.state(key))._tag, "Disabled")
      const [reset, disabled] = other.events
      assert.deepStrictEqual([reset?.to, disabled?.to], ["closed", "disabled"])
      assert.isAbove(disabled!.generation, reset!.generation)
    }))

  it.effect("leaves no slot in the record for a probe that began without it", () =>
    Effect.gen(function*() {
      const { one, server } = yield* fleet({})
      yield* Effect.exit(down.pipe(one.execute({ key })))
      one.faults.isDown = true
      yield* TestClock.adjust(600)
      const probe = yield* Effect.forkChild(Effect.delay(up, 2_000).pipe(one.execute({ key })))
      one.faults.isDown = false
      server.records.clear()
      yield* TestClock.adjust(2_000)
      yield* Fiber.join(probe)
      const { generation, state } = server.records.get(key)!
      assert.deepStrictEqual(read(state, generation, 0, 0, { gateMillis: 0 })!.entry.circuit.probes, [])
    }))
})

describe("a process whose store", () => {
  it.effect("has lost a record goes on with what it knows, however many empty answers come before it is taught", () =>
    Effect.gen(function*() {
      const { one, server } = yield* fleet({ openDuration: 60_000 })
      yield* Effect.exit(down.pipe(one.execute({ key })))
      server.records.clear()
      server.faults.latencyMillis = () => 5
      const reads = yield* Effect.forkChild(
        Effect.all([one.state(key), one.state(key), one.state(key)], { concurrency: 3 })
      )
      yield* TestClock.adjust(100)
      const states = yield* Fiber.join(reads)
      assert.deepStrictEqual(states.map(({ _tag }) => _tag), ["Open", "Open", "Open"])
      assert.deepStrictEqual(one.events.map(({ to }) => to), ["open"])
    }))

  it.effect("sets its clock back by a minute keeps its circuit open for no longer than that was to last", () =>
    Effect.gen(function*() {
      const { one, other, server } = yield* fleet({})
      yield* TestClock.adjust(2_000)
      server.faults.clockMillis = -60_000
      yield* one.forceOpen(key, { for: 2_000 })
      for (let call = 0; call < 25; call++) {
        yield* TestClock.adjust(400)
        yield* Effect.exit(up.pipe(one.execute({ key })))
        yield* Effect.exit(up.pipe(other.execute({ key })))
      }
      assert.strictEqual((yield* one.state(key))._tag, "Closed")
    }))

  it.effect("is slow keeps a failure that opens by a rate no longer than one operation may take", () =>
    Effect.gen(function*() {
      const policy = { tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 3, window: 3 }) }
      const { one, other, server } = yield* fleet(policy)
      // The second failure of the other is not announced: only the answer to its own shows this process all three.
      yield* Effect.exit(down.pipe(other.execute({ key })))
      yield* Effect.exit(down.pipe(one.execute({ key, classify: () => Outcome.ignored("cancelled") })))
      yield* Effect.exit(down.pipe(other.execute({ key })))
      server.faults.latencyMillis = () => 40
      const late = yield* Effect.forkChild(Effect.exit(down.pipe(one.execute({ key }))))
      yield* TestClock.adjust(100)
      assert.isTrue(late.pollUnsafe() !== undefined)
      yield* TestClock.adjust(200)
      yield* Fiber.join(late)
      assert.strictEqual((yield* one.view(key)).state._tag, "Open")
    }))
})
