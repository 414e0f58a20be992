// Redis dies in the middle of an incident, and comes back without a memory.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Circuit, TripPolicy } from "effect-resilience"
import { eventually } from "../support/eventually.ts"
import { stateIn } from "../support/redis/records.ts"
import { deploy, type Deployment } from "./deploy.ts"
import { monotonicMillis } from "./monotonicMillis.ts"
import type { Recording } from "./protocol.ts"
import * as Provider from "./Provider.ts"
import { sharedFleet } from "./sharedFleet.ts"
import { transitionsOf } from "./transitionsOf.ts"

const ground = await sharedFleet()

const settings = {
  policy: { tripPolicy: TripPolicy.consecutive(3), openDuration: "50 millis" },
  store: { maxStaleness: "500 millis" }
} as const

const dieAndComeBack = (meanwhile: Effect.Effect<unknown> = Effect.void) =>
  Effect.gen(function*() {
    yield* ground.redis.kill
    yield* Effect.sleep("500 millis")
    yield* meanwhile
    yield* Effect.sleep("500 millis")
    yield* ground.redis.restart
  })

/** The time in which a process has had no store: it was announced once. */
const trouble = ({ events }: Recording) => {
  const troubles = events.filter(({ event }) => event.event.startsWith("store."))
  assert.deepStrictEqual(troubles.map(({ event }) => event.event), ["store.degraded", "store.recovered"])
  return { from: troubles[0]!.at, until: troubles[1]!.at }
}

/** When every process says that its store works again. */
const recovered = (recordings: ReadonlyArray<Recording>) =>
  Math.max(...recordings.map((recording) => trouble(recording).until))

const agrees = ({ look }: Deployment, state: "Closed" | "ForcedOpen") =>
  eventually(
    Effect.map(look, (views) =>
      views.every(({ _tag, generation }) => _tag === state && generation === views[0]!.generation))
  )

/** One transition after another, and later generations where they are the fleet's. */
const inOrder = (recordings: ReadonlyArray<Recording>) => {
  for (const recording of recordings) {
    const { from, until } = trouble(recording)
    transitionsOf(recording).forEach((event, index, all) => {
      const before = all[index - 1] ?? { at: -Infinity, generation: -1, to: "closed" }
      assert.strictEqual(event.from, before.to)
      if (event.at < from || before.at > until) assert.isAbove(event.generation, before.generation)
    })
  }
}

describe("a fleet whose Redis dies and comes back empty", () => {
  it.live("goes on without errors of its own, and agrees again", () =>
    Effect.gen(function*() {
      const deployment = yield* deploy(ground, settings)
      const { leave, load, provider } = deployment
      yield* load(50, 100)
      yield* Effect.sleep("300 millis")
      provider.answer = () => Provider.down
      yield* Effect.sleep("500 millis")
      yield* dieAndComeBack()
      const backAt = monotonicMillis()
      yield* Effect.sleep("1500 millis")
      provider.answer = () => Provider.healthy
      const healthyAt = monotonicMillis()
      yield* agrees(deployment, "Closed")
      console.log(`agreed again ${(monotonicMillis() - healthyAt).toFixed(0)} ms after the provider was well`)
      yield* Effect.sleep("500 millis")
      const recordings = yield* leave

      const results = new Set(recordings.flatMap(({ results }) => Object.keys(results)))
      assert.sameMembers([...results], ["ok", "ProviderDown", "CircuitOpen", "CircuitHalfOpen"])
      inOrder(recordings)
      const recoveredAt = recovered(recordings)
      console.log(`all at work together ${(recoveredAt - backAt).toFixed(0)} ms after Redis was back`)
      assert.isBelow(recoveredAt - backAt, 2000)
      const probes = provider.calls.filter(({ beganAt, state }) => state === "HalfOpen" && beganAt > recoveredAt)
      assert.isAbove(probes.length, 1)
      probes.sort((a, b) => a.beganAt - b.beganAt).forEach(({ beganAt }, index) => {
        if (index > 0) assert.isAtMost(probes[index - 1]!.endedAt, beganAt)
      })
    }), 30_000)

  it.live("disturbs nobody in good weather", () =>
    Effect.gen(function*() {
      const deployment = yield* deploy(ground, settings)
      const { leave, load, provider } = deployment
      yield* load(50, 100)
      yield* Effect.sleep("300 millis")
      yield* dieAndComeBack()
      const backAt = monotonicMillis()
      yield* Effect.sleep("1500 millis")
      yield* agrees(deployment, "Closed")
      const recordings = yield* leave
      assert.isBelow(recovered(recordings) - backAt, 2000)
      assert.deepStrictEqual(
        recordings.map(({ results }) => Object.keys(results)),
        recordings.map(() => ["ok"])
      )
      assert.deepStrictEqual(recordings.flatMap(transitionsOf), [])
      assert.deepStrictEqual(provider.calls.filter(({ state }) => state !== "Closed"), [])
    }), 30_000)

  it.live("does not go back to a generation before one that a process has announced", () =>
    Effect.gen(function*() {
      const deployment = yield* deploy(ground, settings)
      const { leave, load, look, members } = deployment
      // Held, half-open, closed: once in all processes, and once in one that is degraded.
      const hold = members[0]!.order({ do: "forceOpen", millis: 50 })
      yield* load(50, 100)
      yield* hold
      yield* Effect.sleep("300 millis")
      yield* dieAndComeBack(hold)
      yield* Effect.sleep("1 second")
      yield* agrees(deployment, "Closed")
      const { generation } = (yield* look)[0]!
      const recordings = yield* leave
      recovered(recordings)
      const last = transitionsOf(recordings[0]!)
      assert.lengthOf(last, 6)
      assert.isAtLeast(generation, last.at(-1)!.generation)
    }), 30_000)

  it.live("keeps what was held open before and meanwhile, until a reset", () =>
    Effect.gen(function*() {
      const deployment = yield* deploy(ground, settings)
      const { leave, load, members, provider, recordKey } = deployment
      yield* load(50, 100)
      yield* Effect.sleep("300 millis")
      yield* members[0]!.order({ do: "forceOpen", millis: 60_000 })
      yield* Effect.sleep("250 millis")
      const before = provider.calls.length
      yield* dieAndComeBack(members[1]!.order({ do: "forceOpen" }))
      yield* Effect.sleep("1500 millis")
      yield* agrees(deployment, "ForcedOpen")
      assert.strictEqual((yield* stateIn(ground.redis, recordKey)).openUntil, Circuit.never)
      assert.strictEqual(provider.calls.length, before)

      yield* members[3]!.order({ do: "reset" })
      yield* agrees(deployment, "Closed")
      yield* Effect.sleep("500 millis")
      const since = new Set(provider.calls.slice(before).map(({ process }) => process))
      assert.strictEqual(since.size, members.length)
      const recordings = yield* leave
      recovered(recordings)
      inOrder(recordings)
      for (const recording of recordings) {
        assert.deepStrictEqual(transitionsOf(recording).map(({ reason }) => reason), ["forced", "reset"])
      }
    }), 30_000)
})
