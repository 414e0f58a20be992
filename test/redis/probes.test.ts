import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Latch, type Scope } from "effect"
import { eventually } from "../support/eventually.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"
import {
  call,
  cooldown,
  type Member,
  memberAt,
  repeated,
  settings,
  stateOf,
  tells,
  trip,
  up
} from "./outages/faults.ts"

/** A circuit that is half-open: its probe, of a process that may lose Redis, and another process that wants one. */
const probing = (lease: number, settings = {}): Effect.Effect<Probing, never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* RedisServer.make()
    const proxy = yield* TcpProxy.make(server.port)
    const owner = yield* memberAt(proxy.port, { ...settings, lease })
    const other = yield* memberAt(server.port, { ...settings, lease })
    yield* up(other, "key")
    yield* trip(owner, "key")
    yield* cooldown
    const answered = Latch.makeUnsafe()
    const probe = yield* Effect.forkScoped(call(owner, "key", Effect.as(answered.await, "probe")))
    yield* eventually(Effect.map(stateOf(other, "key"), (state) => state === "HalfOpen"))
    return { server, proxy, owner, other, probe, answered }
  })

interface Probing {
  readonly server: RedisServer.RedisServer
  readonly proxy: TcpProxy.TcpProxy
  readonly owner: Member
  readonly other: Member
  readonly probe: Fiber.Fiber<string>
  readonly answered: Latch.Latch
}

const closes = (member: Member) => eventually(Effect.map(stateOf(member, "key"), (state) => state === "Closed"))

describe.concurrent("the slot of a probe", () => {
  it.live("is free at once when the probe is interrupted (I118)", () =>
    Effect.gen(function*() {
      const { other, probe } = yield* probing(3_600_000, { maxStaleness: "1 hour" })
      yield* Fiber.interrupt(probe)
      yield* eventually(Effect.map(up(other, "key"), (result) => result === "hello"))
    }))

  it.live("is kept beyond the lease while the probe runs", () =>
    Effect.gen(function*() {
      const { answered, other, probe } = yield* probing(settings.lease)
      const patience = Math.ceil(3 * settings.lease / 20)
      const answers = yield* repeated(patience, Effect.delay(up(other, "key"), "20 millis"))
      assert.deepStrictEqual(answers, Array(patience).fill("CircuitHalfOpen"))
      yield* answered.open
      assert.strictEqual(yield* Fiber.join(probe), "probe")
      yield* closes(other)
    }))

  it.live("is another's after the lease of an owner who is gone, and no earlier (W34)", () =>
    Effect.gen(function*() {
      const { other, proxy } = yield* probing(600)
      yield* proxy.silence
      const [duration, result] = yield* Effect.timed(Effect.repeat(Effect.delay(up(other, "key"), "5 millis"), {
        until: (result) => result !== "CircuitHalfOpen"
      }))
      assert.strictEqual(result, "hello")
      // It was last renewed a third of the lease ago at the latest.
      assert.isAtLeast(Duration.toMillis(duration), 600 * 2 / 3 - 50)
      yield* closes(other)
    }))

  it.live("is not its late owner's any more, whatever becomes of its call (W34)", () =>
    Effect.gen(function*() {
      for (const returns of ["before the end of its call", "afterwards"]) {
        const { answered, other, owner, probe, proxy } = yield* probing(settings.lease)
        yield* proxy.silence
        yield* tells(owner, "store.degraded")
        const second = Latch.makeUnsafe()
        const taken = Latch.makeUnsafe()
        const successor = yield* Effect.forkChild(
          Effect.repeat(call(other, "key", Effect.andThen(taken.open, Effect.as(second.await, "second"))), {
            until: (result) => result === "second"
          })
        )
        yield* taken.await
        if (returns === "afterwards") {
          yield* answered.open
          assert.strictEqual(yield* Fiber.join(probe), "probe")
        }
        yield* proxy.restore
        yield* tells(owner, "store.recovered")
        yield* answered.open
        assert.strictEqual(yield* Fiber.join(probe), "probe")
        assert.strictEqual(yield* stateOf(owner, "key"), "HalfOpen", returns)
        assert.strictEqual(yield* up(owner, "key"), "CircuitHalfOpen", returns)
        yield* second.open
        assert.strictEqual(yield* Fiber.join(successor), "second")
        yield* closes(owner)
      }
    }))

  it.live("is given back when the claim is carried out after the store was given up", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [one, other] = [yield* memberAt(server.port, { lease: 60_000 }), yield* memberAt(server.port)]
      yield* trip(one, "key")
      yield* cooldown
      yield* server.freeze
      assert.strictEqual(yield* up(one, "key"), "hello")
      yield* server.thaw
      yield* tells(one, "store.recovered")
      // On a busy machine the claim may not have left before the server froze.
      assert.include(["HalfOpen", "Closed"], yield* stateOf(other, "key"))
      yield* closes(one).pipe(
        Effect.raceFirst(eventually(Effect.map(up(other, "key"), (result) => result === "hello")))
      )
    }), 5000)
})
