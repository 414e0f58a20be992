/** Failures in a row, of several processes. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { failed, length, none, served, type Streak } from "../../src/internal/machine/streak.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const runs = { timeout: 30_000, arbitrary: { runs: 300, size: 80 } }

const fail = (self: Streak, ...failures: ReadonlyArray<readonly [by: string, at: number, servedAt?: number]>) =>
  failures.reduce((streak, [by, at, servedAt]) => failed(streak, by, at, servedAt), self)

describe("failures in a row", () => {
  it("add up, of all processes", () => {
    assert.strictEqual(length(none), 0)
    assert.strictEqual(length(fail(none, ["a", 1], ["b", 2], ["a", 3])), 3)
  })

  it.prop(
    "of one process are exactly those since its last success",
    { calls: Schema.Array(Schema.Struct({ wait: int(0, 200), fails: Schema.Boolean })) },
    ({ calls }) => {
      let streak: Streak = none
      let inRow = 0
      let servedAt: number | undefined
      let now = 1000
      for (const call of calls) {
        now += call.wait
        if (call.fails) {
          inRow++
          streak = failed(streak, "a", now, servedAt)
          servedAt = undefined
          assert.strictEqual(length(streak), inRow)
        } else {
          inRow = 0
          servedAt = now
        }
      }
    },
    runs
  )

  it("end with a success of another process that came clearly after them, and not with one of about the same time", () => {
    const streak = fail(none, ["a", 1000], ["a", 1010])
    assert.strictEqual(length(failed(streak, "b", 2000, 1500)), 1)
    assert.strictEqual(length(failed(streak, "b", 2000, 990)), 1)
    assert.strictEqual(length(failed(streak, "b", 2000, 979)), 3)
    assert.strictEqual(length(failed(streak, "a", 2000, 0)), 1, "a process knows the order of its own calls")
    assert.strictEqual(length(failed(streak, "b", 2000, 980)), 2)
  })

  it("end with a success that is reported: all of its process, and those of others before it", () => {
    const streak = fail(none, ["a", 1000], ["b", 1010], ["b", 1050], ["c", 1060])
    assert.deepStrictEqual(served(streak, "b", 1020), [{ at: 1060, by: "c", failures: 1 }])
    assert.strictEqual(length(served(streak, "c", 0)), 3)
    assert.strictEqual(length(served(streak, "d", 2000)), 0)
    assert.strictEqual(served(streak, "d", 1000), streak, "is the same where nothing ends")
  })

  it.prop(
    "stay few runs, and none of them is lost",
    { calls: Schema.Array(Schema.Struct({ wait: int(0, 2), by: Schema.Literals(["a", "b", "c"]) })) },
    ({ calls }) => {
      let streak: Streak = none
      let at = 0
      const many = [...calls, ...calls, ...calls]
      for (const { by, wait } of many) {
        at += wait
        streak = failed(streak, by, at, undefined)
        assert.isAtMost(streak.length, 64)
      }
      assert.strictEqual(length(streak), many.length)
    },
    runs
  )

  it("of one moment and process are one run; beyond 64 runs the oldest are one", () => {
    assert.deepStrictEqual(fail(none, ["a", 1], ["a", 1], ["a", 1]), [{ at: 1, by: "a", failures: 3 }])
    const many = Array.from({ length: 70 }, (_, at) => ["a", at] as const)
    const streak = fail(none, ...many)
    assert.strictEqual(streak.length, 64)
    assert.deepStrictEqual(streak[0], { at: 6, by: "a", failures: 7 })
  })
})
