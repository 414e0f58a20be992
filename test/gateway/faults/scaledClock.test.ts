import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect } from "effect"
import * as ScaledClock from "./scaledClock.ts"

const factor = 100

describe("a scaled clock", () => {
  it.live("sleeps and tells the time as if it were faster, by all its readings", () =>
    Effect.gen(function*() {
      const startedAt = performance.now()
      const readings = Effect.all([Clock.currentTimeMillis, Clock.currentTimeNanos, Clock.monotonicTimeNanos])
      const [before, after] = yield* Effect.all([readings, Effect.andThen(Effect.sleep("10 seconds"), readings)]).pipe(
        Effect.provide(ScaledClock.layer(factor))
      )
      const realMillis = performance.now() - startedAt
      assert.isBelow(realMillis, 5_000)
      const [millis, nanos, monotonic] = [
        after[0] - before[0],
        Number(after[1] - before[1]) / 1e6,
        Number(after[2] - before[2]) / 1e6
      ]
      for (const passed of [millis, nanos, monotonic]) {
        // A timer may be early, and the wall clock is read in milliseconds.
        assert.isAtLeast(passed, 10_000 - 2 * factor)
        assert.isAtMost(passed, (realMillis + 2) * factor)
      }
    }))

  it.live("takes no time for no time, and never ends an infinite one", () =>
    Effect.gen(function*() {
      yield* Effect.sleep(0)
      const ended = yield* Effect.race(
        Effect.as(Effect.sleep(Duration.infinity), "infinite"),
        Effect.as(Effect.sleep("1 second"), "finite")
      )
      assert.strictEqual(ended, "finite")
    }).pipe(Effect.provide(ScaledClock.layer(factor))))
})
