import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { RedisCircuitStore } from "effect-resilience/redis"
import { eventually } from "../../support/eventually.ts"
import * as RedisCluster from "../../support/redis/RedisCluster.ts"
import type * as RedisServer from "../../support/redis/RedisServer.ts"
import {
  all,
  assertNoOutage,
  assertOneOutage,
  cooldown,
  crowd,
  down,
  member,
  settings,
  stateOf,
  tells,
  trip,
  up
} from "./faults.ts"
import { assertHarmless } from "./outage.ts"

const clusterWith = (options: RedisCircuitStore.Options) =>
  Effect.gen(function*() {
    const { moveSlot, nodes, servers, slotOwner } = yield* RedisCluster.make(3)
    const recordOf = (key: string) => `effect-resilience:records:{${key}}`
    const ownerOf = (key: string) => Effect.map(slotOwner(recordOf(key)), (index) => servers[index]!)
    // Of two slots that move at once, a master may take back one: it has not heard yet that another is ahead of it.
    const move = (key: string) =>
      Effect.flatMap(slotOwner(recordOf(key)), (owner) => moveSlot(recordOf(key), (owner + 1) % 3)).pipe(
        Effect.delay("250 millis")
      )
    // The client of a node that nobody has asked yet has to connect first.
    const store = RedisCircuitStore.layer({ cluster: { nodes }, ...settings, connectTimeout: "5 seconds", ...options })
    return { move, ownerOf, servers, store }
  })

const fleetWith = (options: RedisCircuitStore.Options) =>
  Effect.gen(function*() {
    const { store, ...cluster } = yield* clusterWith(options)
    return { ...cluster, members: [yield* member(store), yield* member(store)] as const }
  })
const fleet = fleetWith({})
// A move is no fault: however long it takes on a busy machine, no process has to go on by itself.
const patientFleet = fleetWith({ operationTimeout: "5 seconds" })

const keys = Array.from({ length: 12 }, (_, index) => `long/${index}`)

describe("a Cluster of three masters", () => {
  it.live(
    "whose slot moves under a circuit, keeps it open, closes it after one probe, and degrades nobody",
    () =>
      Effect.gen(function*() {
        const { members, move } = yield* patientFleet
        const [one, other] = members
        for (let round = 0; round < 4; round++) {
          yield* Effect.forEach(
            members,
            (member) => eventually(Effect.map(up(member, "key"), (result) => result === "hello"))
          )
          yield* trip(one, "key")
          yield* move("key")
          yield* eventually(Effect.map(up(other, "key"), (result) => result === "CircuitOpen"))
          yield* cooldown
          yield* move("key")
          assert.strictEqual(yield* crowd(members, "key"), 1)
        }
        yield* Effect.forEach(members, assertNoOutage)
      }),
    60_000
  )

  it.live("whose slots move while everybody calls, loses no failure", () =>
    Effect.gen(function*() {
      const { members, move } = yield* patientFleet
      const [one, other] = members
      const busy = members.flatMap((member) => keys.map((key) => Effect.repeat(up(member, key), Schedule.spaced(2))))
      const calls = yield* Effect.forkChild(all(busy))
      for (const [index, key] of keys.entries()) {
        const failing = `failing/${key}`
        yield* all([up(one, failing), up(other, failing)])
        // Within a moment the order of a success and a failure of two processes is not known.
        yield* Effect.sleep("50 millis")
        // Two failures in a row, with the slot elsewhere for each.
        assert.strictEqual(yield* down(one, failing), "503")
        yield* Effect.forEach([failing, key], move)
        assert.strictEqual(yield* down(index % 2 === 0 ? one : other, failing), "503")
        assert.strictEqual(yield* stateOf(one, failing), "Open")
      }
      assert.isUndefined(calls.pollUnsafe())
      yield* Fiber.interrupt(calls)
      yield* Effect.forEach(members, assertNoOutage)
    }), 60_000)

  it.live("of which one is killed, is no outage of the breaker", () =>
    Effect.gen(function*() {
      const cluster = yield* fleet
      const owner = yield* cluster.ownerOf("long/counted")
      yield* assertHarmless(cluster.members, {
        strikes: Effect.andThen(owner.kill, notices(cluster, owner)),
        ends: owner.restart,
        codes: ["CONNECTION", "CLUSTERDOWN"]
      })
    }), 60_000)

  it.live("of which one freezes, is no outage of the breaker", () =>
    Effect.gen(function*() {
      const cluster = yield* fleet
      const owner = yield* cluster.ownerOf("long/counted")
      yield* assertHarmless(cluster.members, {
        strikes: Effect.andThen(owner.freeze, notices(cluster, owner)),
        ends: owner.thaw,
        codes: ["TIMEOUT", "SILENT"]
      })
    }), 60_000)

  it.live(
    "of which the one that a process listens at is killed, is listened to elsewhere",
    () =>
      Effect.gen(function*() {
        const { ownerOf, servers, store } = yield* clusterWith({})
        yield* Effect.forEach(servers, ({ command }) => command("CONFIG", "SET", "cluster-require-full-coverage", "no"))
        const one = yield* member(store)
        const heardAt = ({ command }: RedisServer.RedisServer) =>
          Effect.map(command("CLIENT", "LIST", "TYPE", "pubsub"), (list) => list !== "")
        const [listenedAt] = yield* Effect.filter(servers, heardAt)
        const [key] = yield* Effect.filter(keys, (key) => Effect.map(ownerOf(key), (owner) => owner !== listenedAt))
        yield* up(one, key!)

        yield* listenedAt!.kill
        yield* tells(one, "store.degraded")
        assert.strictEqual(yield* up(one, key!), "hello")
        // The pulse may beat there as well.
        yield* listenedAt!.restart
        yield* tells(one, "store.recovered")
        yield* assertOneOutage(one, ["CONNECTION", "CLUSTERDOWN"])
        yield* trip(yield* member(store), key!)
        yield* eventually(Effect.map(up(one, key!), (result) => result === "CircuitOpen"))
      }),
    60_000
  )
})

/** Its pulse beats at one node, so the second member only notices by a call for a key of the broken one. */
const notices = ({ members: [, other], ownerOf }: Effect.Success<typeof fleet>, broken: RedisServer.RedisServer) =>
  Effect.gen(function*() {
    let number = 0
    while ((yield* ownerOf(`noticed/${number}`)) !== broken) number++
    yield* up(other, `noticed/${number}`)
  })
