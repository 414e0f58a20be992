import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { circuitLua } from "../../../src/redis/internal/circuitScript.ts"
import { slots } from "../../../src/redis/internal/luaHealth.ts"
import { counting, type Report, send, timing, windows } from "./scenarios/windows.ts"
import { ownRedis, Script } from "./script.ts"

const script = await Script.load(await ownRedis(), circuitLua)

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const wait = Schema.Union([int(0, 3), int(0, 300)])
const reports = (minimum: number) =>
  Schema.Array(Schema.Union([
    Schema.Struct({ clean: int(minimum, 60), failed: Schema.Literal(true), wait }),
    Schema.Struct({ clean: int(1, 60), failed: Schema.Literal(false), wait })
  ])).check(Schema.isMaxLength(60))

/** Neither ever holds nothing but failures, which would open its circuit. */
const small = { size: int(2, 60), reports: reports(1) }
const large = { size: int(61, 300), reports: reports(0) }

/** Every call there was after each report, the latest last. */
const histories = (reports: ReadonlyArray<Report>) => {
  let now = 0
  const history: Array<{ readonly at: number; readonly failed: boolean }> = []
  return reports.map(({ clean, failed, wait }) => {
    now += wait
    const at = now
    history.push(...Array.from({ length: clean }, () => ({ at, failed: false })), ...failed ? [{ at, failed }] : [])
    return { now, history: [...history] }
  })
}

const failures = (calls: ReadonlyArray<{ readonly failed: boolean }>) => calls.filter(({ failed }) => failed).length

const options = { arbitrary: { runs: 120, size: 60 } }

describe("a shared window", () => {
  for (const [which, given] of Object.entries({ small, large })) {
    it.live.prop(
      `of n calls holds the last n, and less than a 64th of n more, if it is ${which}`,
      given,
      ({ reports, size }) =>
        Effect.gen(function*() {
          const held = yield* Effect.promise(() => send(counting(script, size), reports, true))
          for (const [index, { history }] of histories(reports).entries()) {
            const { calls, marked } = held[index]!
            assert.isAtLeast(calls, Math.min(history.length, size))
            assert.isAtMost(calls, history.length)
            assert.isBelow(calls, size + Math.ceil(size / slots))
            assert.strictEqual(marked, failures(history.slice(history.length - calls)))
          }
        }),
      options
    )
  }

  it.live.prop(
    "of n ms holds no call for longer, and all for n but a 64th",
    { size: int(1, 6000), reports: reports(0) },
    (given) =>
      Effect.gen(function*() {
        const held = yield* Effect.promise(() => send(timing(script, given.size), given.reports, true))
        for (const [index, { history, now }] of histories(given.reports).entries()) {
          const { calls, marked } = held[index]!
          const younger = (millis: number) => history.filter(({ at }) => now - at < millis).length
          assert.isAtMost(calls, younger(given.size))
          assert.isAtLeast(calls, younger(given.size - Math.ceil(given.size / slots) + 1))
          assert.strictEqual(marked, failures(history.slice(history.length - calls)))
        }
      }),
    options
  )

  it.live.prop(
    "takes a batch for as many calls",
    { calls: int(61, 300), millis: int(1, 6000), reports: reports(0) },
    (given) =>
      Effect.gen(function*() {
        for (const make of [() => counting(script, given.calls), () => timing(script, given.millis)]) {
          const atOnce = yield* Effect.promise(() => send(make(), given.reports, true))
          const singly = yield* Effect.promise(() => send(make(), given.reports, false))
          assert.deepStrictEqual(atOnce, singly)
        }
      }),
    { ...options, arbitrary: { runs: 20, size: 40 } }
  )

  for (const [name, scenario] of Object.entries(windows)) it(name, () => scenario(script))
})
