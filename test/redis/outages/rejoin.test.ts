import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import * as TcpProxy from "../../support/redis/TcpProxy.ts"
import {
  all,
  assertNoOutage,
  assertOneOutage,
  cooldown,
  down,
  inTurn,
  type Member,
  memberAt,
  memberListeningAt,
  repeated,
  stateOf,
  tells,
  trip,
  up
} from "./faults.ts"

/** A fleet of three, of which the first two lose Redis, each on its own. */
const apart = Effect.gen(function*() {
  const server = yield* RedisServer.make()
  const proxies = [yield* TcpProxy.make(server.port), yield* TcpProxy.make(server.port)] as const
  const away = [yield* memberAt(proxies[0].port), yield* memberAt(proxies[1].port)] as const
  return {
    server,
    away,
    home: yield* memberAt(server.port),
    leave: Effect.gen(function*() {
      yield* Effect.forEach(proxies, ({ refuse }) => refuse)
      yield* Effect.forEach(away, (member) => Effect.andThen(up(member, "leaving"), tells(member, "store.degraded")))
    }),
    comeBack: Effect.gen(function*() {
      yield* Effect.forEach(proxies, ({ restore }) => restore)
      yield* Effect.forEach(away, (member) => tells(member, "store.recovered"))
    })
  }
})

const opensUntil = ({ breaker }: Member, key: string) =>
  Effect.map(
    breaker.state(key),
    (state) =>
      "retryAfter" in state && state.retryAfter !== undefined ? Date.now() + Duration.toMillis(state.retryAfter) : 0
  )

describe.concurrent("after an outage", () => {
  it.live("of two deadlines the later one wins, in whatever order processes come back", () =>
    Effect.gen(function*() {
      const { away: [early, late], comeBack, home, leave } = yield* apart
      const members = [early, late, home]
      for (const key of ["long/opened", "held"]) yield* Effect.forEach(members, (member) => up(member, key))
      yield* leave
      yield* trip(early, "long/opened")
      yield* early.breaker.forceOpen("held", { for: "1 minute", reason: "early" })
      yield* Effect.sleep("1 second")
      yield* trip(late, "long/opened")
      yield* late.breaker.forceOpen("held", { for: "1 minute", reason: "late" })
      const latest = { "long/opened": yield* opensUntil(late, "long/opened"), held: yield* opensUntil(late, "held") }
      yield* comeBack
      for (const member of members) {
        for (const [key, until] of Object.entries(latest)) {
          assert.approximately(yield* opensUntil(member, key), until, 500, key)
        }
        assert.strictEqual(yield* up(member, "long/opened"), "CircuitOpen")
        assert.strictEqual(yield* up(member, "held"), "CircuitForcedOpen")
      }
    }))

  it.live("what was closed away is not imposed on what is open at home", () =>
    Effect.gen(function*() {
      const { away: [one, two], comeBack, home, leave } = yield* apart
      yield* all(
        [one, two, home].flatMap((member) => ["long/reset", "probed", "long/disabled"].map((key) => up(member, key)))
      )
      for (const key of ["long/reset", "probed", "long/disabled"]) yield* trip(home, key)
      yield* eventually(Effect.map(up(one, "long/reset"), (result) => result === "CircuitOpen"))
      yield* eventually(Effect.map(up(two, "probed"), (result) => result === "CircuitOpen"))
      yield* leave
      yield* one.breaker.reset("long/reset")
      yield* one.breaker.disable("long/disabled")
      yield* cooldown
      assert.deepStrictEqual([yield* up(one, "long/reset"), yield* up(one, "long/disabled")], ["hello", "hello"])
      // The probe that succeeds here fails at home, and then the operator there has enough of it.
      assert.strictEqual(yield* up(two, "probed"), "hello")
      assert.strictEqual(yield* stateOf(two, "probed"), "Closed")
      assert.strictEqual(yield* down(home, "probed"), "503")
      yield* home.breaker.forceOpen("probed")
      yield* comeBack
      for (const member of [one, two, home]) {
        assert.strictEqual(yield* stateOf(member, "long/reset"), "Open")
        assert.strictEqual(yield* stateOf(member, "long/disabled"), "Open")
        assert.strictEqual(yield* stateOf(member, "probed"), "ForcedOpen")
        assert.strictEqual(yield* up(member, "probed"), "CircuitForcedOpen")
      }
    }))

  it.live("no view from before it counts, though messages came in all the time", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server.port)
      const one = yield* memberListeningAt(proxy.port, () => server.port, { maxStaleness: "1 minute" })
      const other = yield* memberAt(server.port)
      yield* all([up(one, "long/key"), up(other, "long/key")])
      yield* proxy.refuse
      yield* up(one, "long/key")
      yield* tells(one, "store.degraded")
      yield* trip(other, "long/key")
      yield* proxy.restore
      yield* tells(one, "store.recovered")
      assert.strictEqual(yield* up(one, "long/key"), "CircuitOpen")
    }))

  it.live("hundreds of circuits that opened are known to all, and it was one outage", () =>
    Effect.gen(function*() {
      const { away: [one, two], comeBack, home, leave } = yield* apart
      const keys = Array.from({ length: 300 }, (_, index) => `long/${index}`)
      yield* leave
      yield* all(keys.map((key) => trip(one, key)))
      yield* comeBack
      yield* assertOneOutage(one, ["CONNECTION"])
      yield* assertOneOutage(two, ["CONNECTION"])
      yield* assertNoOutage(home)
      for (const member of [two, home]) {
        assert.deepStrictEqual(yield* all(keys.map((key) => up(member, key))), Array(300).fill("CircuitOpen"))
      }
    }))

  it.live("nothing that was said while everybody was coming back is lost", () =>
    Effect.gen(function*() {
      const { away: [one, two], comeBack, home, leave } = yield* apart
      yield* leave
      // A failure that was counted away and no opening may be forgotten, so each key fails until it is open.
      const opened = (member: Member, key: string) =>
        Effect.repeat(down(member, key), { until: (result) => result === "CircuitOpen" })
      const busy = (member: Member, keys: string) =>
        Effect.forEach(
          Array.from({ length: 100 }, (_, index) => `long/${keys}/${index}`),
          (key) => Effect.delay(opened(member, key), "5 millis")
        )
      yield* all([busy(one, "one"), busy(two, "two"), Effect.delay(comeBack, "100 millis")])
      for (const member of [one, two, home]) {
        for (const keys of ["one", "two"]) {
          const answers = yield* all(Array.from({ length: 100 }, (_, index) => up(member, `long/${keys}/${index}`)))
          assert.deepStrictEqual(answers, Array(100).fill("CircuitOpen"))
        }
      }
    }))
})

describe("a server that dies again and again", () => {
  it.live("is as many outages as deaths", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const member = yield* memberAt(server.port)
      const told = Effect.map(member.recorded.names, (names) => names.filter((name) => name.startsWith("store.")))
      for (let death = 1; death <= 4; death++) {
        assert.strictEqual(yield* up(member, "key"), "hello")
        yield* server.kill
        assert.deepStrictEqual(yield* repeated(3, down(member, `long/${death}`)), ["503", "503", "CircuitOpen"])
        yield* server.restart
        yield* eventually(Effect.map(told, ({ length }) => length === 2 * death))
        assert.strictEqual(yield* stateOf(member, `long/${death}`), "Open")
      }
      assert.deepStrictEqual(yield* told, inTurn(4))
    }))
})
