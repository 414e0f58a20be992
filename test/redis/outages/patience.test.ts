import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option } from "effect"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import {
  all,
  cooldown,
  down,
  forms,
  type Member,
  memberAt,
  scripts,
  settings,
  stateOf,
  tells,
  trip,
  up
} from "./faults.ts"

// The store itself waits for longer than any test, and finds out about nothing.
const patient = { operationTimeout: "1 hour", maxStaleness: "1 hour", lease: "1 hour" } as const

interface Moment {
  /** Whether the call has run when it waits for the store. */
  readonly runs: boolean
  readonly before: (member: Member, key: string) => Effect.Effect<unknown>
}

const moments: Readonly<Record<string, Moment>> = {
  "its first read": { runs: false, before: () => Effect.void },
  "its claim": { runs: false, before: (member, key) => Effect.andThen(trip(member, key), cooldown) },
  "the report of its failure": { runs: true, before: up }
}

const cases = Object.entries(moments).flatMap(([name, moment]) =>
  Object.entries(forms).map(([form, through]) => ({ name: `${form}, which waits for ${name},`, moment, through }))
)

describe("while the server hangs, a call by", () => {
  it.live.each(cases)(
    "$name leaves at once when it times out or is interrupted (I118, I119)",
    ({ moment: { before, runs }, through }) =>
      Effect.gen(function*() {
        const server = yield* RedisServer.make()
        const member = yield* memberAt(server.port, patient)
        yield* all([before(member, "timed out"), before(member, "interrupted")])
        yield* server.freeze

        let ran = 0
        const failing = Effect.suspend(() => Effect.fail(`503 number ${++ran}`))
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(through(member, "timed out", failing), 50)))

        const fiber = yield* Effect.forkChild(through(member, "interrupted", failing))
        yield* Effect.sleep("50 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
        assert.strictEqual(ran, runs ? 2 : 0)
        assert.deepStrictEqual((yield* member.recorded.names).filter((name) => name.startsWith("store.")), [])
      })
  )
})

describe("a caller who left while the server hung", () => {
  it.live("holds no slot of a probe, whose claim is carried out later", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [one, other] = [yield* memberAt(server.port, patient), yield* memberAt(server.port, patient)]
      yield* trip(one, "key")
      yield* cooldown
      yield* server.freeze
      yield* Effect.timeoutOption(up(one, "key"), 50)
      yield* server.thaw
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* stateOf(other, "key"), "HalfOpen")
      assert.strictEqual(yield* up(other, "key"), "hello")
      assert.strictEqual(yield* stateOf(other, "key"), "Closed")
    }))

  it.live("has had a failure, which counts", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const [one, other] = [yield* memberAt(server.port, patient), yield* memberAt(server.port, patient)]
      yield* up(one, "key")
      yield* server.freeze
      yield* Effect.timeoutOption(down(one, "key"), 50)
      yield* server.thaw
      assert.strictEqual(yield* down(other, "key"), "503")
      assert.strictEqual(yield* stateOf(other, "key"), "Open")
    }))
})

describe("a process that is busy while the server hangs", () => {
  it.live("sends no more than the calls that found out, and its pulse", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const member = yield* memberAt(server.port)
      const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`)
      yield* Effect.forEach(keys, (key) => up(member, key))
      yield* server.resetStats
      yield* server.freeze

      let calls = 0
      const count = Effect.sync(() => void calls++)
      const call = (key: string) => all([down(member, key), up(member, key), count])
      const caller = (key: string) => Effect.forever(Effect.delay(call(key), "1 millis"))
      const callers = keys.flatMap((key) => [key, key, key, key, key]).map(caller)
      yield* Effect.timeoutOption(all(callers), "1500 millis")
      yield* server.thaw
      yield* tells(member, "store.recovered")

      assert.isAbove(calls, 20 * callers.length)
      const beats = 1500 / settings.operationTimeout
      assert.isBelow(yield* scripts(server), 2 * callers.length + 2 * beats)
    }))
})
