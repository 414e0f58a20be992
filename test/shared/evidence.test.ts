/** One request that fails is one piece of evidence for a whole fleet. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { CircuitBreaker, Evidence, SharedCircuitStore, TripPolicy } from "effect-resilience"
import { RecordedEvents, SimulatedRecordStore } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"

const fleet = (size: number, faults?: Partial<SimulatedRecordStore.Faults>) =>
  Effect.gen(function*() {
    const server = SimulatedRecordStore.make()
    Object.assign(server.faults, faults)
    const store = SharedCircuitStore.layer().pipe(Layer.provide(server.layer))
    const process = RecordedEvents.layer.pipe(
      Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(3) })),
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

const serve = ({ breaker }: Member, request: string) =>
  Effect.succeed("hello").pipe(breaker.execute({ key, evidence: Evidence.make({ request }) }))
const poison = ({ breaker }: Member, request = "poison") =>
  Effect.exit(Effect.fail({ status: 500 }).pipe(breaker.execute({ key, evidence: Evidence.make({ request }) })))
const stateOf = ({ breaker }: Member) => Effect.map(breaker.state(key), ({ _tag }) => _tag)

describe("a request that fails in one process after the other", () => {
  it.effect("counts once, while the fleet serves others", () =>
    Effect.gen(function*() {
      const { members } = yield* fleet(8)
      for (const [index, member] of members.entries()) yield* serve(member, `other ${index}`)
      yield* TestClock.adjust("1 second")
      for (let round = 0; round < 3; round++) {
        for (const member of members) {
          yield* poison(member)
          yield* TestClock.adjust("5 millis")
        }
      }
      assert.deepStrictEqual(yield* Effect.forEach(members, stateOf), members.map(() => "Closed"))
      const failures = yield* Effect.forEach(members, ({ recorded }) => recorded.of("circuit.failure"))
      const counted = failures.flat().filter(({ not_counted }) => not_counted === undefined)
      assert.strictEqual(counted.length, 1)
    }))

  it.effect("counts once also where no process has heard of another", () =>
    Effect.gen(function*() {
      const { members, server } = yield* fleet(4, { losesChange: () => true })
      for (const [index, member] of members.entries()) yield* serve(member, `other ${index}`)
      for (const member of members) {
        yield* TestClock.adjust("50 millis")
        yield* poison(member)
      }
      assert.strictEqual(yield* stateOf(members[0]!), "Closed")
      const { streak } = JSON.parse(server.records.get(key)!.state) as { readonly streak: ReadonlyArray<unknown> }
      assert.strictEqual(streak.length, 1)
    }))

  it.effect("counts each time where nothing else is served, so that a dead dependency opens the circuit", () =>
    Effect.gen(function*() {
      const { members } = yield* fleet(3)
      for (const member of members) {
        yield* poison(member)
        yield* TestClock.adjust("5 millis")
      }
      assert.deepStrictEqual(yield* Effect.forEach(members, stateOf), ["Open", "Open", "Open"])
    }))

  it.effect("is no evidence against other requests: three of them open the circuit", () =>
    Effect.gen(function*() {
      const { members } = yield* fleet(3)
      for (const [index, member] of members.entries()) yield* serve(member, `other ${index}`)
      yield* TestClock.adjust("1 second")
      for (const [index, member] of members.entries()) {
        yield* poison(member, `request ${index}`)
        yield* TestClock.adjust("5 millis")
      }
      assert.deepStrictEqual(yield* Effect.forEach(members, stateOf), ["Open", "Open", "Open"])
    }))

  it.effect("leaves no text and no digest that two records share in the store", () =>
    Effect.gen(function*() {
      const { members: [one], server } = yield* fleet(1)
      const fail = (key: string) =>
        Effect.exit(
          Effect.fail("500").pipe(one!.breaker.execute({ key, evidence: Evidence.make({ request: "secret" }) }))
        )
      yield* fail("first")
      yield* fail("second")
      const requests = ["first", "second"].map((key) => {
        const { state } = server.records.get(key)!
        assert.notInclude(state, "secret")
        return (JSON.parse(state) as { readonly failed: ReadonlyArray<ReadonlyArray<number>> }).failed[0]![0]
      })
      assert.notStrictEqual(requests[0], requests[1])
    }))
})
