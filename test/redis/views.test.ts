import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { eventually } from "../support/eventually.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"
import {
  all,
  assertNoOutage,
  assertOneOutage,
  down,
  forms,
  type Member,
  memberAt,
  memberListeningAt,
  repeated,
  scripts,
  tells,
  trip,
  up
} from "./outages/faults.ts"

/** For how many of its beats a member that calls all the time goes on after another has opened the circuit. */
const lag = (member: Member, opener: Member, key: string) =>
  Effect.gen(function*() {
    yield* up(member, key)
    yield* trip(opener, key)
    const before = yield* member.beats
    yield* Effect.repeat(up(member, key), {
      schedule: Schedule.spaced("5 millis"),
      while: (result) => result === "hello"
    })
    return (yield* member.beats) - before
  })

/** The lags of some that begin one after the other, so that they meet the heartbeat in all its phases. */
const lags = (member: Member, opener: Member) =>
  all(Array.from({ length: 6 }, (_, index) => Effect.delay(lag(member, opener, `long/${index}`), index * 50)))

describe.concurrent("a view", () => {
  it.live("of a closed circuit costs no round trip, however it is called through", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const member = yield* memberAt(server.port, { maxStaleness: "1 minute", lease: "1 minute" })
      yield* up(member, "key")
      yield* server.resetStats
      for (const through of Object.values(forms)) {
        yield* repeated(300, through(member, "key", Effect.succeed("hello")))
      }
      assert.strictEqual(yield* scripts(server), 0)
      yield* down(member, "key")
      assert.strictEqual(yield* scripts(server), 1)
    }))

  it.live("of an open circuit turns calls away without a round trip", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const member = yield* memberAt(server.port, { maxStaleness: "1 minute", lease: "1 minute" })
      yield* trip(member, "long/key")
      yield* server.resetStats
      assert.deepStrictEqual(yield* repeated(300, up(member, "long/key")), Array(300).fill("CircuitOpen"))
      assert.strictEqual(yield* scripts(server), 0)
    }))

  it.live("changes when another process trips, long before it would be read again", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const one = yield* memberAt(server.port, { maxStaleness: "1 hour", lease: "1 hour" })
      const other = yield* memberAt(server.port)
      for (let crossing = 0; crossing < 10; crossing++) {
        const key = `long/${crossing}`
        yield* up(one, key)
        yield* trip(other, key)
        yield* eventually(Effect.map(up(one, key), (result) => result === "CircuitOpen"))
      }
    }))

  const stale = { maxStaleness: 600, lease: "1 minute", operationTimeout: 500 } as const
  // A member beats twice within the time. The third may end while the answer to the second is on its way.
  const beatsToUpToDate = 3

  /** One member, and another whose messages the server drops. */
  const beside = Effect.gen(function*() {
    const server = yield* RedisServer.make()
    const rights = ["~*", "+@all", "resetchannels"]
    yield* server.command("ACL", "SETUSER", "mute", "on", ">secret", ...rights)
    const mute = yield* memberAt(server.url.replace("//", "//mute:secret@"), stale)
    return { one: yield* memberAt(server.port, stale), mute }
  })

  it.live("is as new as was promised when what another process says reaches nobody", () =>
    Effect.gen(function*() {
      const { mute, one } = yield* beside
      assert.isAtMost(Math.max(...yield* lags(one, mute)), beatsToUpToDate)
      yield* assertNoOutage(one)
    }))

  it.live("is as new as was promised when its own connection for messages falls silent", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const one = yield* memberListeningAt(server.port, () => proxy.port, stale)
      const other = yield* memberAt(server.port, stale)
      yield* up(one, "key")
      yield* proxy.silence
      assert.isAtMost(Math.max(...yield* lags(one, other)), beatsToUpToDate)
    }))

  it.live("survives that the server drops all who listen", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const members = [yield* memberAt(server.port), yield* memberAt(server.port)] as const
      const [one, other] = members
      for (const key of ["long/before", "long/after"]) yield* all([up(one, key), up(other, key)])
      yield* server.command("CLIENT", "KILL", "TYPE", "pubsub")
      yield* trip(other, "long/before")
      yield* eventually(Effect.map(up(one, "long/before"), (result) => result === "CircuitOpen"))
      for (const member of members) {
        yield* tells(member, "store.recovered")
        yield* assertOneOutage(member, ["CONNECTION"])
      }
      yield* trip(other, "long/after")
      yield* eventually(Effect.map(up(one, "long/after"), (result) => result === "CircuitOpen"))
    }))
})
