// One incident after another, and what everybody has seen of it.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TripPolicy } from "effect-resilience"
import { beforeAll } from "vitest"
import { isLegal } from "../model/isLegal.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import { deploy } from "./deploy.ts"
import * as Fleet from "./Fleet.ts"
import { latencies, shown } from "./latencies.ts"
import * as Provider from "./Provider.ts"
import { transitions } from "./published.ts"
import { transitionsOf } from "./transitionsOf.ts"

const overloaded = { ok: true, afterMillis: 400 } as const

// What the provider does, and for how long, at a hundred times the speed of life: open for five seconds is fifty
// milliseconds, and twenty minutes of incidents pass in thirteen seconds.
const weather: ReadonlyArray<readonly [millis: number, answer: () => Provider.Answer]> = [
  [300, () => Provider.healthy],
  [1300, () => Provider.down],
  [200, () => Provider.healthy],
  [700, () => overloaded],
  [600, () => Math.random() < 0.5 ? Provider.healthy : Provider.down],
  [200, () => Provider.healthy]
]
const incidents = 4

// No operator has a hand in it.
const reasons = ["threshold", "cooldown_elapsed", "probe_failed", "probe_succeeded"]

const policy = {
  tripPolicy: TripPolicy.consecutive(3),
  openDuration: "50 millis",
  attemptTimeout: "100 millis"
} as const

const play = Effect.gen(function*() {
  const [fleet, redis] = yield* Effect.all([Fleet.make(), RedisServer.make()], { concurrency: "unbounded" })
  // A busy machine must not turn this into a test of breakers without their store.
  const { leave, load, provider, published } = yield* deploy({ fleet, redis }, {
    policy,
    store: { operationTimeout: "5 seconds" }
  })
  yield* load(50, 100)
  for (let incident = 0; incident < incidents; incident++) {
    for (const [millis, answer] of weather) {
      provider.answer = answer
      yield* Effect.sleep(millis)
    }
  }
  const recordings = yield* leave
  return { calls: provider.calls, published, recordings }
}).pipe(Effect.scoped)

describe("four processes with fifty callers each, and one key", () => {
  let seen: Effect.Success<typeof play>
  beforeAll(async () => {
    seen = await Effect.runPromise(play)
  }, 90_000)

  const probes = () => seen.calls.filter(({ state }) => state === "HalfOpen")
  const openings = () => transitions(seen.published).filter(({ state }) => state === "open")

  it("goes through a hundred openings and more, without a moment of trouble with its store", () => {
    assert.isAtLeast(openings().length, 100)
    const names = new Set(seen.recordings.flatMap(({ events }) => events.map(({ event }) => event.event)))
    assert.isTrue([...names].every((name) => name.startsWith("circuit.")), [...names].join())
    console.log(
      `${seen.calls.length} calls, ${openings().length} openings, ${probes().length} probes, `
        + `${seen.published.length} messages published`
    )
  })

  it("never has two live probes for one generation, as the store has it", () => {
    seen.published.forEach(({ generation, now, probes }, index) => {
      assert.isAtMost(probes.length, 1)
      const before = seen.published[index - 1]
      if (before?.generation !== generation || before.probes[0] === undefined || probes[0] === undefined) return
      assert.isTrue(before.probes[0].id === probes[0].id || before.probes[0].leaseUntil <= now)
    })
  })

  it("never has two probes on their way at once, as the provider has it", () => {
    const began = [...probes()].sort((a, b) => a.beganAt - b.beganAt)
    began.forEach(({ beganAt }, index) => {
      if (index > 0) assert.isAtMost(began[index - 1]!.endedAt, beganAt)
    })
    // Every slot that the store gave was used for one call, and no call without a slot went out while half-open.
    const issued = new Map(seen.published.map(({ generation, issued }) => [generation, issued]))
    assert.strictEqual(began.length, [...issued.values()].reduce((sum, issued) => sum + issued, 0))
  })

  it("lets nobody call who knows that the circuit is open", () => {
    assert.deepStrictEqual(seen.calls.filter(({ state }) => state !== "Closed" && state !== "HalfOpen"), [])
  })

  it("goes from one generation to a later one, along legal edges", () => {
    const steps = transitions(seen.published)
    steps.forEach(({ generation, reason, state }, index) => {
      const before = steps[index - 1] ?? { state: "closed", generation: 0 } as const
      assert.isAbove(generation, before.generation)
      assert.include(reasons, reason)
      assert.isTrue(isLegal(before.state, reason, state), `${before.state} ${reason} ${state}`)
    })
  })

  // A process that reads a record after two transitions does not see what was in between.
  it("announces every transition in some process, and in each at most once and in order", () => {
    const announced = seen.recordings.map((recording) =>
      transitionsOf(recording).map(({ generation, reason, to }) => `${generation} ${to} ${reason}`)
    )
    for (const { generation, reason, state } of transitions(seen.published)) {
      assert.include(announced.flat(), `${generation} ${state} ${reason}`)
    }
    for (const one of announced) assert.deepStrictEqual(one, [...new Set(one)].sort())
  })

  it("shows every opening to all processes in time", () => {
    const millis = openings().flatMap(({ generation }) => {
      const learnt = seen.recordings.map((recording) =>
        transitionsOf(recording).find((event) => event.generation >= generation)?.at ?? Infinity
      )
      const [first, ...others] = learnt.sort((a, b) => a - b)
      return others.map((at) => at - first!)
    })
    console.log(`from an opening in one process to its arrival in each other: ${shown(latencies(millis))}`)
    assert.isBelow(latencies(millis).p99, 250)
  })

  it("gives no caller another error than the provider's and the breaker's own", () => {
    const results = new Set(seen.recordings.flatMap(({ results }) => Object.keys(results)))
    assert.sameMembers([...results], ["ok", "ProviderDown", "AttemptTimedOut", "CircuitOpen", "CircuitHalfOpen"])
  })
})
