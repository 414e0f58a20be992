// What becomes of a probe whose process is no more, or was away.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TripPolicy } from "effect-resilience"
import { eventually } from "../support/eventually.ts"
import { deploy, type Deployment } from "./deploy.ts"
import { shiftFromWall } from "./monotonicMillis.ts"
import * as Provider from "./Provider.ts"
import { sharedFleet } from "./sharedFleet.ts"

const ground = await sharedFleet()

const leaseMillis = 600
// Milliseconds are rounded, and wall clocks are corrected.
const slack = 5
const settings = {
  policy: { tripPolicy: TripPolicy.consecutive(3), openDuration: "50 millis" },
  store: { operationTimeout: "1 second", lease: leaseMillis }
} as const

const probes = ({ provider }: Deployment) => provider.calls.filter(({ state }) => state === "HalfOpen")

/** The fleet at the moment when it has one probe, which hangs, as all that follow do. */
const probing = Effect.gen(function*() {
  const deployment = yield* deploy(ground, settings)
  deployment.provider.answer = ({ state }) => state === "HalfOpen" ? "hangs" : Provider.down
  yield* deployment.load(50, 50)
  yield* eventually(Effect.sync(() => probes(deployment).length === 1))
  const [probe] = probes(deployment) as [Provider.Call]
  const owner = deployment.members.find(({ number }) => number === probe.process)!
  yield* Effect.addFinalizer(() => owner.thaw)
  return { ...deployment, probe, owner }
})

type Probing = Effect.Success<typeof probing>

/** Waits until another process probes, and for another lease, in which no process may. */
const takenOver = Effect.fnUntraced(function*(deployment: Probing) {
  const { probe, published } = deployment
  yield* eventually(Effect.sync(() => probes(deployment).length > 1))
  yield* Effect.sleep(leaseMillis * 1.25)
  const [, successor, ...others] = probes(deployment)
  assert.deepStrictEqual(others, [])
  assert.notStrictEqual(successor!.process, probe.process)
  assert.strictEqual(successor!.generation, probe.generation)
  const leases = published.flatMap(({ probes }) => probes.filter(({ id }) => id === 1)).map(({ leaseUntil }) =>
    leaseUntil
  )
  assert.isAtLeast(successor!.beganAt, Math.max(...leases) + shiftFromWall() - slack)
  return successor!
})

const agrees = ({ look, published }: Deployment) =>
  eventually(
    Effect.map(look, (views) =>
      views.every(({ _tag, generation }) => _tag === "Closed" && generation === published.at(-1)!.generation))
  )

describe("the owner of a probe", () => {
  it.live("keeps it by renewing its lease, however long it takes", () =>
    Effect.gen(function*() {
      const deployment = yield* probing
      const { leave, probe, provider } = deployment
      yield* Effect.sleep(3 * leaseMillis)
      assert.deepStrictEqual(probes(deployment), [probe])
      provider.answer = () => Provider.healthy
      provider.settle(probe, true)
      yield* agrees(deployment)
      yield* leave
    }), 30_000)

  for (const said of [true, false]) {
    for (const when of ["while it is away", "when it is back"]) {
      it.live(
        `changes nothing by a late ${said ? "success" : "failure"} that comes ${when}`,
        () =>
          Effect.gen(function*() {
            const deployment = yield* probing
            const { leave, members, owner, probe, provider, published } = deployment
            yield* owner.freeze
            const successor = yield* takenOver(deployment)
            if (when === "while it is away") provider.settle(probe, said)
            yield* owner.thaw
            if (when === "when it is back") {
              yield* Effect.sleep("300 millis")
              provider.settle(probe, said)
            }
            yield* Effect.sleep("500 millis")
            const last = published.at(-1)!
            assert.deepStrictEqual([last.state, last.generation], ["half_open", probe.generation])
            assert.strictEqual(successor.end, "running")
            assert.lengthOf(probes(deployment), 2)

            provider.answer = () => Provider.healthy
            provider.settle(successor, !said)
            yield* eventually(Effect.sync(() =>
              published.some(({ state, reason }) =>
                said
                  ? state === "open" && reason === "probe_failed"
                  : state === "closed" && reason === "probe_succeeded"
              )
            ))
            yield* agrees(deployment)
            const recordings = yield* leave
            const { events } = recordings[members.indexOf(owner)]!
            assert.lengthOf(
              events.filter(({ event }) =>
                event.event === "circuit.late_outcome" && event.outcome === (said ? "success" : "failure")
                && event.generation === probe.generation
              ),
              1
            )
          }),
        30_000
      )
    }
  }

  it.live("is followed by exactly one other when it is killed", () =>
    Effect.gen(function*() {
      for (let kills = 0; kills < 2; kills++) {
        const deployment = yield* probing
        const { leave, owner, provider } = deployment
        yield* owner.kill
        const successor = yield* takenOver(deployment)
        provider.answer = () => Provider.healthy
        provider.settle(successor, true)
        yield* agrees(deployment)
        yield* leave
      }
    }), 30_000)
})
